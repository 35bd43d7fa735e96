// Package sqlkit opens SQLite files and databases of PostgreSQL servers so that what
// was committed survives a crash, runs migrations, and turns the databases' error codes
// into sentences with a remedy. It knows no table. Rooms that share a database each
// bring their own migrations. Statements number their parameters ($1): both dialects
// read that.
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

// Options of one SQLite file.
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

// DB is one open database, each commit on the disk before it returns: an SQLite file
// in WAL mode (synchronous=FULL), any number of readers beside one writer, or a
// database on a PostgreSQL server, whose writers lock rows (READ COMMITTED).
type DB struct {
	opt   Options
	path  string      // absolute
	file  os.FileInfo // of what is open
	read  *sql.DB
	write *sql.DB // of a file one connection: writers of this process queue here, in Go

	server *server // nil for a file
}

// Dialect is the SQL that a DB understands.
type Dialect string

// The dialects. Migrations have a folder for each.
const (
	SQLite     Dialect = "sqlite"
	PostgreSQL Dialect = "postgres"
)

// Dialect tells which it is.
func (d *DB) Dialect() Dialect {
	if d.server != nil {
		return PostgreSQL
	}
	return SQLite
}

// Open opens or makes the file, readable by its owner only. Errors are sentences
// with the path and a remedy; errors.Is tells ErrLocked, ErrDamaged, ErrReadOnly,
// ErrFull, ErrIO, ErrGone and ErrAltered apart.
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
	if err := d.checked(ctx); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// checked is check, again while another process makes the same new file: SQLite waits
// for no lock while it turns a file to its write-ahead log.
func (d *DB) checked(ctx context.Context) error {
	for try := 1; ; try++ {
		err := d.explain(d.check(ctx))
		if !errors.Is(err, ErrLocked) || try == migrateTries {
			return err
		}
		select {
		case <-time.After(time.Duration(try) * migratePause):
		case <-ctx.Done():
			return err
		}
	}
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

// Close waits for running statements; the log of a file is written back into it.
func (d *DB) Close() error {
	return errors.Join(d.server.drop(), d.read.Close(), d.write.Close())
}

// Path is the file as it was configured, or the database and its server.
func (d *DB) Path() string {
	if d.server != nil {
		return d.server.place
	}
	return d.opt.Path
}

// Read lends the pool of reading connections to use, which takes one at a time; its
// error comes back explained.
func (d *DB) Read(ctx context.Context, use func(db *sql.DB) error) error {
	leave, err := d.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	return d.explain(use(d.read))
}

// enter makes sure that the database can be used now; leave ends the use.
func (d *DB) enter(ctx context.Context) (leave func(), err error) {
	if d.server != nil {
		return d.server.enter(ctx)
	}
	return func() {}, d.there()
}

// there tells whether the file is still the one that is open: SQLite would go on in
// one that was removed or replaced, and everything would be lost with the process.
func (d *DB) there() error {
	if d.server != nil {
		return nil
	}
	now, err := os.Stat(d.path)
	switch {
	case err != nil:
		return &Error{Kind: ErrGone, Path: d.opt.Path, Cause: err}
	case !os.SameFile(now, d.file):
		return &Error{Kind: ErrGone, Path: d.opt.Path, Cause: errors.New("another file is there")}
	}
	return nil
}

// Write runs use in one transaction and commits it; in a file it is alone among all
// writers, on a server use locks what it needs, and runs again where the server has
// undone its work for the sake of another transaction. An error that is ErrCommit says
// that the commit was asked for and its fate is not known; after any other error
// nothing was changed.
func (d *DB) Write(ctx context.Context, use func(tx *sql.Tx) error) error {
	if d.server == nil {
		return d.transact(ctx, use)
	}
	leave, err := d.server.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	return again(ctx, func() error { return d.transact(ctx, use) })
}

func (d *DB) transact(ctx context.Context, use func(tx *sql.Tx) error) error {
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
	err = tx.Commit()
	switch {
	case err == nil:
		return nil
	case isUndone(err):
		return d.explain(err)
	}
	return errors.Join(ErrCommit, d.explain(err))
}

// Snapshot writes the file's database as it is at one moment into the new file path,
// readable by its owner only; reading and writing go on meanwhile.
func (d *DB) Snapshot(ctx context.Context, path string) error {
	if d.server != nil {
		return fmt.Errorf("the database %s is on a server, whose own tools back it up", d.Path())
	}
	if err := d.there(); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fileError(path, err)
	}
	if err := f.Close(); err != nil {
		return fileError(path, err)
	}
	// A connection of its own: writers of this process shall not wait for it.
	db, err := connect(d.path, d.opt, "_txlock=deferred", 1)
	if err != nil {
		return d.explain(err)
	}
	_, err = db.ExecContext(ctx, "VACUUM INTO $1", path)
	return d.explain(errors.Join(err, db.Close()))
}

// Alone makes everybody else who asks for the same name wait until tx has ended, on
// every node. In a file each transaction is alone anyway.
func (d *DB) Alone(ctx context.Context, tx *sql.Tx, name string) error {
	if d.server == nil {
		return nil
	}
	_, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", "star97 "+name)
	return err
}
