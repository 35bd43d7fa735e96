package app

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"

	"star97/internal/backend"
	"star97/internal/backend/sqldb"
	"star97/internal/config"
	"star97/internal/ledger"
	"star97/internal/sqlkit"
)

// Usable tells why a service could not start on a data folder, as its first error: who
// may write there, the databases, the peppers. It makes and alters nothing, asks no other
// machine, and takes no notice of who uses the folder now.
func Usable(ctx context.Context, c config.Config, dir string) error {
	if err := canHave(dir); err != nil {
		return err
	}
	more := map[string]backend.Options{}
	for name, o := range c.Stores {
		more[name] = o.In(dir)
	}
	first := c.Store.In(dir)
	if err := backend.Usable(ctx, first, more); err != nil {
		return err
	}
	for _, o := range append(slices.Collect(maps.Values(more)), first) {
		at := filepath.Dir(keysOf(o))
		if keysOf(o) == "" || !there(at) {
			continue
		}
		if err := guarded(at); err != nil {
			return err
		}
	}
	if err := ledgerUsable(ctx, c, dir); err != nil {
		return err
	}
	return canLock(dir)
}

// keysOf is the pepper file of a store; empty if it has none.
func keysOf(o backend.Options) string {
	switch o.Driver {
	case sqldb.Name:
		return o.SQLite.Keys()
	case sqldb.PostgresName:
		return o.Postgres.Keys()
	}
	return ""
}

// ledgerUsable is Usable for what keeps the audit trail, if that is a file.
func ledgerUsable(ctx context.Context, c config.Config, dir string) error {
	o, local := ledgerOptions(c, dir)
	if !local {
		return nil
	}
	db, err := sqlkit.Existing(ctx, o)
	if err != nil || db == nil {
		return err
	}
	l, err := ledger.Existing(ctx, db, c.Ledger)
	if err == nil {
		err = l.Close()
	}
	if errors.Is(err, sqlkit.ErrOlder) { // a service brings it up to date
		err = nil
	}
	return errors.Join(err, db.Close())
}
