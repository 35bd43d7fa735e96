package sqldb

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"star97/internal/mailbox"
	"star97/internal/sqlkit"
	"star97/internal/strictyaml"
)

// PostgresName is what Account.Backend says of mailboxes on a PostgreSQL server.
const PostgresName = "postgres"

// PostgresOptions of the store on a PostgreSQL server, which several nodes of star97
// share. They are those of the embedded store but for the place.
type PostgresOptions struct {
	Server     sqlkit.PostgresOptions `yaml:"server"`      // where the database is
	PepperFile string                 `yaml:"pepper_file"` // the same on every node, in the data folder if relative, default pepper; the first node makes it
	Pepper     PepperSource           `yaml:"pepper"`      // where the pepper comes from instead of a file
	Cost       Cost                   `yaml:"cost"`        // of new hashes; an old one is made anew at the next right code
	Workers    int                    `yaml:"workers"`     // hashes at a time, 0-256; 0, the default: one a core
	Queue      int                    `yaml:"queue"`       // callers that may wait for a worker, 0-10000, default 128
	QueueWait  time.Duration          `yaml:"queue_wait"`  // longest wait for a worker, 10ms-1m, default 3s
	Age        Age                    `yaml:",inline"`
	// Rehearsal lets Cost be as low as argon2id allows: for simulations, whose codes
	// are nobody's.
	Rehearsal bool `yaml:"-"`
}

// DefaultPostgresOptions has every default but the server's host.
func DefaultPostgresOptions() PostgresOptions {
	own := DefaultOptions()
	return PostgresOptions{
		Server: sqlkit.DefaultPostgresOptions(), PepperFile: "pepper",
		Cost: own.Cost, Workers: own.Workers, Queue: own.Queue, QueueWait: own.QueueWait,
	}
}

// SetDefaults sets every default.
func (o *PostgresOptions) SetDefaults() { *o = DefaultPostgresOptions() }

// Resolve takes relative paths of what an administrator provides from dir.
func (o *PostgresOptions) Resolve(dir string) { o.Server = o.Server.In(dir) }

// Place takes the pepper file from the data folder.
func (o *PostgresOptions) Place(dir string) {
	if !filepath.IsAbs(o.PepperFile) {
		o.PepperFile = filepath.Join(dir, o.PepperFile)
	}
}

// Rename has nothing to do: the database has its own name.
func (o *PostgresOptions) Rename(string) {}

// File is empty: nothing but the pepper is in a file.
func (o PostgresOptions) File() string { return "" }

// Validate tells what is out of its range.
func (o PostgresOptions) Validate() error {
	return errors.Join(strictyaml.Under("server", o.Server.Validate()), o.hashing().validateHashing(),
		o.Age.Validate(), strictyaml.Under("pepper", o.Pepper.Validate()))
}

// hashing is what the store shares with the embedded one.
func (o PostgresOptions) hashing() Options {
	return Options{Cost: o.Cost, Workers: o.Workers, Queue: o.Queue, QueueWait: o.QueueWait, Age: o.Age, Rehearsal: o.Rehearsal}
}

// Open opens the store and, at the first start of the first node, makes its pepper file.
// Errors are sentences with place and remedy.
func (o PostgresOptions) Open(ctx context.Context) (mailbox.Backend, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	s, err := o.open(ctx)
	if err != nil {
		return nil, err // not s: a nil *Store would be a Backend that is there
	}
	return s, nil
}

func (o PostgresOptions) open(ctx context.Context) (*Store, error) {
	db, err := sqlkit.OpenPostgres(ctx, o.Server)
	if err != nil {
		return nil, err
	}
	s := newStore(db, o.hashing())
	s.name, s.traits = PostgresName, o.Declared()
	return s.prepared(ctx, o.pepperFile(), o.Pepper)
}

// Keys is the pepper file; empty if the pepper comes from elsewhere.
func (o PostgresOptions) Keys() string {
	if o.Pepper.elsewhere() {
		return ""
	}
	return o.pepperFile()
}

func (o PostgresOptions) pepperFile() string {
	if o.PepperFile == "" {
		return "pepper"
	}
	return o.PepperFile
}

// Declared is what holds for every mailbox of the store.
func (o PostgresOptions) Declared() mailbox.Traits {
	t := Options{}.Declared()
	t.System = "a PostgreSQL database of star97's own"
	return t
}
