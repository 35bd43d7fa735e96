package sqlkit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
)

const (
	// migrateTries bounds how often Open and Migrate begin again: where two processes
	// make the same file or tables, the slower one fails and finds the work done at its
	// next try.
	migrateTries = 5
	migratePause = 50 * time.Millisecond
)

var gooseDialects = map[Dialect]goose.Dialect{SQLite: goose.DialectSQLite3, PostgreSQL: goose.DialectPostgres}

// errNewer says that the tables were made by a later version of this program.
var errNewer = errors.New("install that version again, or restore a backup")

// ErrOlder says that the tables were made by an earlier version of this program.
var ErrOlder = errors.New("start the new service first, or use that version's program")

// Migrate brings the tables of one room up to date from the *.sql files of
// fsys's root (goose annotations). room names the table that keeps their version.
func (d *DB) Migrate(ctx context.Context, room string, fsys fs.FS) error {
	if d.server != nil {
		return d.explain(d.server.alone(ctx, d.write, func() error { return d.migrate(ctx, room, fsys) }))
	}
	for try := 1; ; try++ {
		err := d.migrate(ctx, room, fsys)
		if err == nil || errors.Is(err, errNewer) || try == migrateTries {
			return d.explain(err)
		}
		select {
		case <-time.After(migratePause):
		case <-ctx.Done():
			return d.explain(err)
		}
	}
}

func (d *DB) migrate(ctx context.Context, room string, fsys fs.FS) error {
	p, err := d.migrations(room, fsys)
	if err != nil {
		return err
	}
	now, known, err := p.GetVersions(ctx)
	if err != nil {
		return err
	}
	if now > known {
		return d.newer(room, now, known)
	}
	_, err = p.Up(ctx)
	return err
}

func (d *DB) migrations(room string, fsys fs.FS) (*goose.Provider, error) {
	p, err := goose.NewProvider(gooseDialects[d.Dialect()], d.write, fsys,
		goose.WithTableName(versions(room)),
		goose.WithDisableGlobalRegistry(true),
		goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return nil, fmt.Errorf("migrations of %s: %w", room, err)
	}
	return p, nil
}

// versions is the table that keeps the version of a room's tables.
func versions(room string) string { return "goose_" + room }

func (d *DB) newer(room string, now, known int64) error {
	return fmt.Errorf("the database %s was made by a newer star97 (%s tables are at version %d, this program knows %d): %w",
		d.Path(), room, now, known, errNewer)
}

// Migrated makes sure, for who only reads, that the tables of a room are as Migrate with
// the same files leaves them. It alters nothing; older tables are ErrOlder.
func (d *DB) Migrated(ctx context.Context, room string, fsys fs.FS) error {
	p, err := d.migrations(room, fsys)
	if err != nil {
		return err
	}
	var known int64
	for _, s := range p.ListSources() {
		known = max(known, s.Version)
	}
	now, err := d.version(ctx, room)
	switch {
	case err != nil:
		return err
	case now > known:
		return d.newer(room, now, known)
	case now < known:
		return fmt.Errorf("the database %s is of an older star97 (%s tables are at version %d, this program reads %d): %w",
			d.Path(), room, now, known, ErrOlder)
	}
	return nil
}

// version of a room's tables, 0 where there are none.
func (d *DB) version(ctx context.Context, room string) (now int64, err error) {
	there := "SELECT count(*) FROM sqlite_schema WHERE name = $1"
	if d.server != nil {
		there = "SELECT count(to_regclass($1))"
	}
	err = d.Read(ctx, func(db *sql.DB) error {
		var n int
		if err := db.QueryRowContext(ctx, there, versions(room)).Scan(&n); err != nil || n == 0 {
			return err
		}
		return db.QueryRowContext(ctx, "SELECT COALESCE(MAX(version_id), 0) FROM "+versions(room)).Scan(&now)
	})
	return now, err
}
