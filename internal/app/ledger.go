package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"star97/internal/backend/sqldb"
	"star97/internal/config"
	"star97/internal/ledger"
	"star97/internal/sqlkit"
)

// ledgerName is the file beside a store that keeps no ledger.
const ledgerName = "ledger.db"

// OpenLedger opens what keeps the audit trail and nothing else: no store, no pepper, no
// account of a voicemail system. It makes no file and alters no table: an older service
// shall go on with them. end ends it. Errors are sentences with place and remedy.
func OpenLedger(ctx context.Context, c config.Config, dir string) (l *ledger.Ledger, end func() error, err error) {
	db, err := openLedgerFile(ctx, c, dir)
	if err != nil {
		return nil, nil, err
	}
	if l, err = ledger.Existing(ctx, db, c.Ledger); err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return l, func() error { return errors.Join(l.Close(), db.Close()) }, nil
}

// openLedgerFile finds the database as Stores.ledgerFile does.
func openLedgerFile(ctx context.Context, c config.Config, dir string) (*sqlkit.DB, error) {
	o, local := ledgerOptions(c, dir)
	if !local {
		return sqlkit.OpenPostgres(ctx, c.Store.In(dir).Postgres.Server)
	}
	if !there(o.Path) {
		return nil, fmt.Errorf("there is no audit trail in %s: name the service's data folder with --data and its configuration with --config", o.Path)
	}
	return sqlkit.Open(ctx, o)
}

// Recorded tells whether there is an audit trail, as wherever a service has begun, or may be
// on a server.
func Recorded(c config.Config, dir string) bool {
	o, local := ledgerOptions(c, dir)
	return !local || there(o.Path)
}

// ledgerOptions say which file it is; it is not local if it is on a server.
func ledgerOptions(c config.Config, dir string) (o sqlkit.Options, local bool) {
	if c.Store.Driver == sqldb.Name {
		return c.Store.In(dir).SQLite.Database, true
	}
	o = sqlkit.DefaultOptions()
	o.Path = filepath.Join(dir, ledgerName)
	return o, c.Store.Driver != sqldb.PostgresName
}
