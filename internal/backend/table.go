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

// driver is one row of the table.
type driver struct {
	name     string
	validate func(Options) error
	open     func(context.Context, Options) (Backend, error)
}

// table has one row for each voicemail system.
var table = [...]driver{
	{
		name:     "sqlite",
		validate: func(o Options) error { return o.SQLite.Validate() },
		open: func(ctx context.Context, o Options) (Backend, error) {
			s, err := sqldb.Open(ctx, o.SQLite)
			if err != nil {
				return nil, err // not s: a nil *Store would be a Backend that is there
			}
			return s, nil
		},
	},
}
