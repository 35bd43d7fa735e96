package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
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
	o := sqlkit.DefaultOptions()
	o.Path = filepath.Join(dir, ledgerName)
	switch own := c.Store.In(dir); c.Store.Driver {
	case sqldb.Name:
		o = own.SQLite.Database
	case sqldb.PostgresName:
		return sqlkit.OpenPostgres(ctx, own.Postgres.Server)
	}
	if _, err := os.Stat(o.Path); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no audit trail in %s: name the service's data folder with --data and its configuration with --config", o.Path)
	}
	return sqlkit.Open(ctx, o)
}
