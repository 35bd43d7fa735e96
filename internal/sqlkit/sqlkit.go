// Package sqlkit opens SQLite files so that what was committed survives a crash,
// runs migrations, and turns SQLite's result codes into sentences with a remedy.
// It knows no table. Rooms that share a file each bring their own migrations.
package sqlkit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"modernc.org/sqlite"
)

const (
	// readers bounds the connections that only read.
	readers = 4
	// checkedSize is the largest file in bytes whose structure Open checks: larger
	// ones would hold up the start, and SQLite reports damage where it meets it.
	checkedSize = 64 << 20
)

// Options of one database file.
type Options struct {
	Path        string        `yaml:"path"`         // the file; it and its folder are made when missing
	BusyTimeout time.Duration `yaml:"busy_timeout"` // wait for another program's lock, 0-1m, default 5s
}

// DefaultOptions has every default but Path, which each owner sets.
func DefaultOptions() Options { return Options{BusyTimeout: 5 * time.Second} }

// Validate tells the first field that is out of its range.
func (o Options) Validate() error {
	switch {
	case o.Path == "":
		return errors.New("path is empty: name the database file")
	case o.BusyTimeout < 0 || o.BusyTimeout > time.Minute:
		return fmt.Errorf("busy_timeout is %v: use 0s to 1m", o.BusyTimeout)
	}
	return nil
}

// DB is one open SQLite file in WAL mode: any number of readers beside one
// writer, each commit on the disk before it returns (synchronous=FULL).
type DB struct {
	opt   Options
	path  string      // absolute
	file  os.FileInfo // of what is open
	read  *sql.DB
	write *sql.DB // one connection: writers of this process queue here, in Go
}

// Open opens or makes the file, readable by its owner only. Errors are sentences
// with the path and a remedy; errors.Is tells ErrLocked, ErrDamaged, ErrReadOnly,
// ErrFull, ErrIO and ErrGone apart.
func Open(ctx context.Context, o Options) (*DB, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(o.Path)
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", o.Path, err)
	}
	if err := touch(abs); err != nil {
		return nil, fileError(o.Path, err)
	}
	d := &DB{opt: o, path: abs}
	if d.write, err = connect(abs, o, "_txlock=immediate", 1); err != nil {
		return nil, d.explain(err)
	}
	if d.read, err = connect(abs, o, "_pragma=query_only(1)", readers); err != nil {
		d.write.Close()
		return nil, d.explain(err)
	}
	if err := d.check(ctx); err != nil {
		d.Close()
		return nil, d.explain(err)
	}
	return d, nil
}

// touch makes the folder and the file, so that SQLite's umask-wide mode is not used.
func touch(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// connect opens a pool. The pragmas are applied to each of its connections:
// busy_timeout first, since setting journal_mode can meet a lock.
func connect(path string, o Options, extra string, conns int) (*sql.DB, error) {
	file := url.URL{Scheme: "file", Path: path}
	dsn := fmt.Sprintf("%s?_pragma=busy_timeout(%d)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"+
		"&_pragma=foreign_keys(1)&_pragma=secure_delete(1)&_pragma=trusted_schema(0)&%s",
		file.String(), o.BusyTimeout.Milliseconds(), extra)
	c, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

func (d *DB) check(ctx context.Context) (err error) {
	var mode string
	if err := d.write.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("the database %s cannot use a write-ahead log: put it on a local file system", d.opt.Path)
	}
	if d.file, err = os.Stat(d.path); err != nil || d.file.Size() > checkedSize {
		return err
	}
	var verdict string
	if err := d.read.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return &Error{Kind: ErrDamaged, Path: d.opt.Path, Cause: errors.New(strings.ReplaceAll(verdict, "\n", " "))}
	}
	return nil
}

// Close waits for running statements and writes the log back into the file.
func (d *DB) Close() error {
	return errors.Join(d.read.Close(), d.write.Close())
}

// Path is the file as it was configured.
func (d *DB) Path() string { return d.opt.Path }

// Read lends the pool of reading connections to use; its error comes back explained.
func (d *DB) Read(use func(db *sql.DB) error) error {
	if err := d.there(); err != nil {
		return err
	}
	return d.explain(use(d.read))
}

// there tells whether the file is still the one that is open: SQLite would go on in
// one that was removed or replaced, and everything would be lost with the process.
func (d *DB) there() error {
	now, err := os.Stat(d.path)
	switch {
	case err != nil:
		return &Error{Kind: ErrGone, Path: d.opt.Path, Cause: err}
	case !os.SameFile(now, d.file):
		return &Error{Kind: ErrGone, Path: d.opt.Path, Cause: errors.New("another file is there")}
	}
	return nil
}

// Write runs use in one transaction, alone among all writers, and commits it. An
// error that is ErrCommit says that the commit was asked for and its fate is not
// known; after any other error nothing was changed.
func (d *DB) Write(ctx context.Context, use func(tx *sql.Tx) error) error {
	tx, err := d.write.BeginTx(ctx, nil)
	if err != nil {
		return d.explain(err)
	}
	// After a commit this does nothing; its error would hide the one that matters.
	defer tx.Rollback()
	if err := use(tx); err != nil {
		return d.explain(err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := d.there(); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return errors.Join(ErrCommit, d.explain(err))
	}
	return nil
}
