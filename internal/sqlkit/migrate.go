package sqlkit

import (
	"context"
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
	p, err := goose.NewProvider(gooseDialects[d.Dialect()], d.write, fsys,
		goose.WithTableName("goose_"+room),
		goose.WithDisableGlobalRegistry(true),
		goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return fmt.Errorf("migrations of %s: %w", room, err)
	}
	now, known, err := p.GetVersions(ctx)
	if err != nil {
		return err
	}
	if now > known {
		return fmt.Errorf("the database %s was made by a newer star97 (%s tables are at version %d, this program knows %d): %w",
			d.Path(), room, now, known, errNewer)
	}
	_, err = p.Up(ctx)
	return err
}
