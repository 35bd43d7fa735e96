package sqlkit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
)

func openAt(t testing.TB, path string) *DB {
	t.Helper()
	o := DefaultOptions()
	o.Path = path
	d, err := Open(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { d.Close() })
	return d
}

func migration(statements ...string) fs.FS {
	files := fstest.MapFS{}
	for i, s := range statements {
		files[fmt.Sprintf("%05d_step.sql", i+1)] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + s + ";\n")}
	}
	return files
}

var noteTable = migration("CREATE TABLE note (text TEXT PRIMARY KEY) STRICT")

func openNotes(t testing.TB) *DB {
	d := openAt(t, filepath.Join(t.TempDir(), "test.db"))
	require.NoError(t, d.Migrate(t.Context(), "test", noteTable))
	return d
}

func write(d *DB, ctx context.Context, text string) error {
	return d.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO note (text) VALUES (?)", text)
		return err
	})
}

func notes(t testing.TB, d *DB) (texts []string) {
	t.Helper()
	require.NoError(t, d.Read(t.Context(), func(db *sql.DB) error {
		rows, err := db.Query("SELECT text FROM note ORDER BY text")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				return err
			}
			texts = append(texts, s)
		}
		return rows.Err()
	}))
	return texts
}

func TestEveryConnectionIsDurable(t *testing.T) {
	d := openNotes(t)
	for name, pool := range map[string]*sql.DB{"reader": d.read, "writer": d.write} {
		for pragma, want := range map[string]string{
			"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000", "secure_delete": "1",
		} {
			var got string
			require.NoError(t, pool.QueryRow("PRAGMA "+pragma).Scan(&got))
			require.Equal(t, want, got, "%s: %s", name, pragma)
		}
	}
	_, err := d.read.Exec("INSERT INTO note (text) VALUES ('x')")
	require.ErrorIs(t, d.explain(err), ErrReadOnly, "readers cannot write")
}

func TestOnlyTheOwnerReadsTheFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new folder", "test.db")
	d := openAt(t, path)
	require.NoError(t, d.Migrate(t.Context(), "test", noteTable))
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + suffix)
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o600), info.Mode().Perm(), suffix)
	}
}

func TestPathsAreTakenLiterally(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a b.db", "a?mode=memory.db", "a#b.db", "a%20b.db", "ä.db", "file:a.db", "a&b=c.db"} {
		path := filepath.Join(dir, name)
		d := openAt(t, path)
		require.NoError(t, d.Migrate(t.Context(), "test", noteTable), name)
		require.NoError(t, write(d, t.Context(), name))
		require.NoError(t, d.Close())
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.NotZero(t, info.Size(), name)
		require.Equal(t, []string{name}, notes(t, openAt(t, path)))
	}
}

func TestWriteIsAllOrNothing(t *testing.T) {
	d := openNotes(t)
	mine := errors.New("changed my mind")
	err := d.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec("INSERT INTO note (text) VALUES ('half')")
		return errors.Join(err, mine)
	})
	require.ErrorIs(t, err, mine)
	require.NotErrorIs(t, err, ErrCommit)
	require.Empty(t, notes(t, d))

	ctx, cancel := context.WithCancel(t.Context())
	err = d.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec("INSERT INTO note (text) VALUES ('late')")
		cancel()
		return err
	})
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, ErrCommit, "the commit was never asked for")
	require.Empty(t, notes(t, d))

	require.NoError(t, write(d, t.Context(), "whole"))
	require.Equal(t, []string{"whole"}, notes(t, d))
	err = write(d, t.Context(), "whole")
	require.True(t, IsUnique(err))
	require.False(t, IsUnique(mine))
}

// A deferred foreign key is checked by COMMIT itself.
func TestAFailingCommitIsMarked(t *testing.T) {
	d := openAt(t, filepath.Join(t.TempDir(), "test.db"))
	require.NoError(t, d.Migrate(t.Context(), "test", migration(
		"CREATE TABLE a (id INTEGER PRIMARY KEY, other INTEGER REFERENCES a (id) DEFERRABLE INITIALLY DEFERRED)")))
	err := d.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec("INSERT INTO a VALUES (1, 2)")
		return err
	})
	require.ErrorIs(t, err, ErrCommit)
	require.NoError(t, d.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec("INSERT INTO a VALUES (1, 1)")
		return err
	}), "the writer is usable afterwards")
}

// Two handles stand for two processes: the service and the command line.
func TestWritersWaitForEachOther(t *testing.T) {
	d := openNotes(t)
	other := openAt(t, d.Path())
	const each = 25
	errs := make(chan error, 4*each)
	var all sync.WaitGroup
	for i, db := range []*DB{d, d, other, other} {
		all.Go(func() {
			for n := range each {
				errs <- write(db, context.Background(), fmt.Sprint(i, "-", n))
			}
		})
	}
	all.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
	require.Len(t, notes(t, d), 4*each)
}

func TestMigrate(t *testing.T) {
	d := openNotes(t)
	require.NoError(t, d.Migrate(t.Context(), "test", noteTable), "a second time does nothing")
	require.NoError(t, d.Migrate(t.Context(), "other", migration("CREATE TABLE log (n INTEGER)")), "two rooms share a file")

	two := migration("CREATE TABLE note (text TEXT PRIMARY KEY) STRICT", "ALTER TABLE note ADD COLUMN more TEXT")
	require.NoError(t, d.Migrate(t.Context(), "test", two))
	err := d.Migrate(t.Context(), "test", noteTable)
	require.ErrorContains(t, err, "was made by a newer star97")
	require.ErrorContains(t, err, d.Path())
	require.ErrorContains(t, d.Migrated(t.Context(), "test", noteTable), "was made by a newer star97")
	require.NoError(t, d.Migrated(t.Context(), "test", two))
	require.ErrorIs(t, d.Migrated(t.Context(), "other", two), ErrOlder)
	for range 2 {
		err = d.Migrated(t.Context(), "none", two)
		require.ErrorContains(t, err, "none tables are at version 0, this program reads 2")
	}

	broken := migration("CREATE TABLE log (n INTEGER)", "CREATE TABLE more (n INTEGER); CREATE TABLE more (n INTEGER)")
	require.Error(t, d.Migrate(t.Context(), "other", broken))
	err = d.Read(t.Context(), func(db *sql.DB) error { _, err := db.Exec("SELECT * FROM more"); return err })
	require.ErrorContains(t, err, "no such table", "a failed step leaves nothing behind")
}

func TestOptions(t *testing.T) {
	require.ErrorContains(t, DefaultOptions().Validate(), "path is empty")
	for _, d := range []time.Duration{-1, 2 * time.Minute} {
		require.ErrorContains(t, Options{Path: "x", BusyTimeout: d}.Validate(), "busy_timeout is")
	}
	require.NoError(t, Options{Path: "x"}.Validate())
}

// The service and the command line may make the same new database at once.
func TestFirstStartsAtOnceMigrateOnce(t *testing.T) {
	for range 3 {
		path := filepath.Join(t.TempDir(), "test.db")
		errs := make([]error, 4)
		var all sync.WaitGroup
		for i := range errs {
			all.Go(func() {
				o := DefaultOptions()
				o.Path = path
				d, err := Open(context.Background(), o)
				if err == nil {
					err = errors.Join(d.Migrate(context.Background(), "test", noteTable), d.Close())
				}
				errs[i] = err
			})
		}
		all.Wait()
		for _, err := range errs {
			require.NoError(t, err)
		}
		d := openAt(t, path)
		require.NoError(t, write(d, t.Context(), "x"))
	}
}

// A snapshot is the database at one moment, whoever writes meanwhile.
func TestSnapshot(t *testing.T) {
	d := openNotes(t)
	stop := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			err := d.Write(context.Background(), func(tx *sql.Tx) error { // two notes or none
				_, err := tx.Exec("INSERT INTO note (text) VALUES (?), (?)", fmt.Sprint("a", n), fmt.Sprint("b", n))
				return err
			})
			if err != nil {
				t.Error(err)
			}
		}
	})
	for n := range 5 {
		before := len(notes(t, d))
		path := filepath.Join(t.TempDir(), fmt.Sprint(n, ".db"))
		require.NoError(t, d.Snapshot(t.Context(), path))
		after := len(notes(t, d))
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
		got := len(notes(t, openAt(t, path)))
		require.Zero(t, got%2, "half a transaction")
		require.GreaterOrEqual(t, got, before)
		require.LessOrEqual(t, got, after)
		require.ErrorIs(t, d.Snapshot(t.Context(), path), fs.ErrExist, "it overwrites nothing")
	}
	close(stop)
	writer.Wait()
	require.NoError(t, os.Remove(d.Path()))
	require.ErrorIs(t, d.Snapshot(t.Context(), filepath.Join(t.TempDir(), "x.db")), ErrGone)
}
