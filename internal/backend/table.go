package backend

import (
	"context"
	"io"

	"star97/internal/backend/sqldb"
	"star97/internal/mailbox"
)

// Backend is an open Store. Optional abilities (mailbox.Lister and the like) are
// asked for with a type assertion.
type Backend interface {
	mailbox.Store
	io.Closer
}

// Checker is a Backend that can tell beforehand what Add would refuse of an account,
// whatever else is stored.
type Checker interface {
	Check(a mailbox.Account) error
}

// Options choose a driver and hold the options of each.
type Options struct {
	Driver string        `yaml:"driver"` // a name of the table, default sqlite
	SQLite sqldb.Options `yaml:"sqlite"` // the embedded store
}

// UnmarshalYAML reads over what is there already, and where nothing is, as in a map,
// over the defaults of a further store, which Called completes.
func (o *Options) UnmarshalYAML(read func(any) error) error {
	if *o == (Options{}) {
		*o = further()
	}
	type plain Options // without this method
	return read((*plain)(o))
}

func further() Options {
	o := DefaultOptions()
	o.SQLite.Database.Path = ""
	return o
}

// Called completes the options of a further store: without a file of its own it gets
// one with its name.
func (o Options) Called(name string) Options {
	if o == (Options{}) {
		o = further()
	}
	if o.SQLite.Database.Path == "" {
		o.SQLite.Database.Path = name + ".db"
	}
	return o
}

// File is the file that the chosen driver keeps everything in; empty if it is not in
// a file of this machine.
func (o Options) File() string {
	d, err := find(o.Driver)
	if err != nil || d.file == nil {
		return ""
	}
	return d.file(o)
}

// driver is one row of the table.
type driver struct {
	name     string
	validate func(Options) error
	file     func(Options) string // nil: none
	open     func(context.Context, Options) (Backend, error)
}

// table has one row for each voicemail system.
var table = [...]driver{
	{
		name:     "sqlite",
		validate: func(o Options) error { return o.SQLite.Validate() },
		file:     func(o Options) string { return o.SQLite.Database.Path },
		open: func(ctx context.Context, o Options) (Backend, error) {
			s, err := sqldb.Open(ctx, o.SQLite)
			if err != nil {
				return nil, err // not s: a nil *Store would be a Backend that is there
			}
			return s, nil
		},
	},
}
