package sqldb

import (
	"context"
	"database/sql"

	"star97/internal/mailbox"
	"star97/internal/sqlkit"
)

var (
	_ mailbox.Backend  = (*Store)(nil)
	_ mailbox.Declarer = (*Store)(nil)
	_ mailbox.Prober   = (*Store)(nil)
)

// SetDefaults sets every default.
func (o *Options) SetDefaults() { *o = DefaultOptions() }

// Resolve has nothing to do: all of the store's files are in the data folder.
func (o *Options) Resolve(string) {}

// Place takes relative paths from the data folder.
func (o *Options) Place(dir string) { *o = o.In(dir) }

// Rename gives the database file another name.
func (o *Options) Rename(file string) { o.Database.Path = file }

// File is the database file.
func (o Options) File() string { return o.Database.Path }

// Open opens the store.
func (o Options) Open(ctx context.Context) (mailbox.Backend, error) {
	s, err := Open(ctx, o)
	if err != nil {
		return nil, err // not s: a nil *Store would be a Backend that is there
	}
	return s, nil
}

// Declared is what holds for every mailbox of the store.
func (o Options) Declared() mailbox.Traits {
	return mailbox.Traits{
		System: "the embedded store", Check: mailbox.Native, Proof: mailbox.ByTransaction,
		Can: []mailbox.Ability{
			mailbox.CanList, mailbox.CanReset, mailbox.CanFlag, mailbox.CanAdd, mailbox.CanEdit, mailbox.CanRenumber,
			mailbox.CanReassign,
		},
		Flags: true, FirstUse: true, AtRest: "argon2id over a peppered HMAC",
	}
}

// Probe asks the database for its version.
func (s *Store) Probe(ctx context.Context) (version string, err error) {
	err = s.db.Read(ctx, func(db *sql.DB) error {
		return db.QueryRowContext(ctx, versions[s.db.Dialect()]).Scan(&version)
	})
	return version, fail("probe", err)
}

var versions = map[sqlkit.Dialect]string{
	sqlkit.SQLite:     "SELECT 'SQLite ' || sqlite_version()",
	sqlkit.PostgreSQL: "SELECT 'PostgreSQL ' || current_setting('server_version')",
}

// Traits are the same for every mailbox.
func (s *Store) Traits(mailbox.Account) mailbox.Traits { return s.traits }
