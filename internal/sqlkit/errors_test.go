package sqlkit

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sqlite3 "modernc.org/sqlite/lib"
)

func openError(t *testing.T, path string) error {
	t.Helper()
	o := DefaultOptions()
	o.Path, o.BusyTimeout = path, 50*time.Millisecond
	d, err := Open(t.Context(), o)
	if err == nil {
		err = d.Migrate(t.Context(), "test", noteTable)
		d.Close()
	}
	return err
}

func TestDamagedFiles(t *testing.T) {
	good := func(t *testing.T) string {
		d := openNotes(t)
		for range 200 {
			require.NoError(t, write(d, t.Context(), strings.Repeat(rand.Text(), 20)))
		}
		require.NoError(t, d.Close())
		return d.Path()
	}
	for name, spoil := range map[string]func(t *testing.T) string{
		"no SQLite file": func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "test.db")
			require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("mailboxes: []\n", 100)), 0o600))
			return path
		},
		"cut in half": func(t *testing.T) string {
			path := good(t)
			info, err := os.Stat(path)
			require.NoError(t, err)
			require.NoError(t, os.Truncate(path, info.Size()/2))
			return path
		},
		"a page overwritten": func(t *testing.T) string {
			path := good(t)
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			require.NoError(t, err)
			defer f.Close()
			_, err = f.WriteAt([]byte(strings.Repeat("\xff", 3*4096)), 4*4096)
			require.NoError(t, err)
			return path
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := spoil(t)
			err := openError(t, path)
			require.ErrorIs(t, err, ErrDamaged)
			require.ErrorContains(t, err, "the database "+path+" is damaged or is no SQLite file: stop star97 and restore it from a backup")
		})
	}
}

// What another program took away is told as that, not in the words of SQL.
func TestAnAlteredDatabase(t *testing.T) {
	for name, harm := range map[string]string{"a table": "DROP TABLE note", "a column": "ALTER TABLE note RENAME COLUMN text TO words"} {
		t.Run(name, func(t *testing.T) {
			d := openNotes(t)
			_, err := d.write.Exec(harm)
			require.NoError(t, err)
			err = write(d, t.Context(), "x")
			require.ErrorIs(t, err, ErrAltered)
			require.ErrorContains(t, err, "the database "+d.Path()+" lacks a table or column that star97 has made, so another program altered it: stop star97")
		})
	}
}

func TestALockedDatabase(t *testing.T) {
	d := openNotes(t)
	other := openAt(t, d.Path())
	tx, err := other.write.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer tx.Rollback()

	d.opt.BusyTimeout = 50 * time.Millisecond
	_, err = d.write.Exec("PRAGMA busy_timeout = 50")
	require.NoError(t, err)
	err = write(d, t.Context(), "x")
	require.ErrorIs(t, err, ErrLocked)
	require.NotErrorIs(t, err, ErrCommit)
	require.ErrorContains(t, err, "the database "+d.Path()+" is locked by another program")
	require.Empty(t, notes(t, d), "reading goes on")

	_, err = d.write.Exec("PRAGMA busy_timeout = 60000")
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	require.ErrorIs(t, write(d, ctx, "x"), context.DeadlineExceeded)
	require.Less(t, time.Since(start), 30*time.Second, "the caller's deadline ends the wait")

	require.NoError(t, tx.Rollback())
	require.NoError(t, write(d, t.Context(), "x"))
}

// What is written to a file that has no name any more is lost with the process.
func TestAFileThatIsNotThereAnyMoreKeepsNothing(t *testing.T) {
	for name, harm := range map[string]func(path string) error{
		"removed": os.Remove,
		"moved":   func(path string) error { return os.Rename(path, path+".old") },
		"replaced": func(path string) error {
			content, err := os.ReadFile(path)
			return errors.Join(err, os.Remove(path), os.WriteFile(path, content, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := DefaultOptions()
			o.Path = filepath.Join(t.TempDir(), "a.db")
			d, err := Open(t.Context(), o)
			require.NoError(t, err)
			defer d.Close()
			make := func(table string) error {
				return d.Write(t.Context(), func(tx *sql.Tx) error {
					_, err := tx.Exec("CREATE TABLE " + table + " (a)")
					return err
				})
			}
			require.NoError(t, make("one"))
			require.NoError(t, harm(o.Path))
			err = make("two")
			require.ErrorIs(t, err, ErrGone)
			require.NotErrorIs(t, err, ErrCommit, "it is certain that nothing was changed")
			require.ErrorContains(t, err, "the database "+o.Path+" was removed or replaced while star97 had it open")
			require.ErrorIs(t, d.Read(t.Context(), func(*sql.DB) error { return nil }), ErrGone)
		})
	}
}

func TestAFullDisk(t *testing.T) {
	d := openNotes(t)
	_, err := d.write.Exec("PRAGMA max_page_count = 20")
	require.NoError(t, err)
	large := strings.Repeat("x", 1<<20)
	err = write(d, t.Context(), large)
	require.ErrorIs(t, err, ErrFull)
	require.ErrorContains(t, err, "the disk is full: free some space")
	require.Empty(t, notes(t, d))
	require.NoError(t, write(d, t.Context(), "small"), "there is room again")
}

// A disk may be full only when the commit writes: then it is certain that nothing was
// changed, also after a crash, where the log is read anew.
func TestADiskThatIsFullAtTheCommit(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m,mode=0700"); err != nil {
		t.Skipf("no small file system can be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	d := openAt(t, filepath.Join(dir, "test.db"))
	require.NoError(t, d.Migrate(t.Context(), "test", noteTable))
	require.NoError(t, write(d, t.Context(), "before"))
	rest, err := os.Create(filepath.Join(dir, "rest"))
	require.NoError(t, err)
	for err == nil {
		_, err = rest.Write(make([]byte, 4096))
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.NoError(t, rest.Close())
	used := false
	err = d.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec("INSERT INTO note (text) VALUES ($1)", "small")
		used = err == nil
		return err
	})
	require.True(t, used, "the commit was asked for")
	require.ErrorIs(t, err, ErrFull)
	require.NotErrorIs(t, err, ErrCommit)
	require.Equal(t, []string{"before"}, notes(t, d))

	require.NoError(t, os.Remove(rest.Name()))
	crashed := filepath.Join(dir, "crashed.db")
	for _, end := range []string{"", "-wal"} {
		content, err := os.ReadFile(d.Path() + end)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(crashed+end, content, 0o600))
	}
	require.Equal(t, []string{"before"}, notes(t, openAt(t, crashed)))
	require.NoError(t, write(d, t.Context(), "after"), "there is room again")
}

// Only what SQLite has rolled back before the transaction could count is certain.
func TestWhatIsKnownOfAFailedCommit(t *testing.T) {
	for code, known := range map[int]bool{
		sqlite3.SQLITE_FULL: true, sqlite3.SQLITE_IOERR: false, sqlite3.SQLITE_IOERR_SHMSIZE: false,
		sqlite3.SQLITE_IOERR_FSYNC: false, sqlite3.SQLITE_IOERR_WRITE: false, sqlite3.SQLITE_CORRUPT: false, sqlite3.SQLITE_OK: false,
	} {
		require.Equal(t, known, isRolledBack(code), code)
	}
	require.False(t, isUndone(syscall.ENOSPC), "nobody says of what")
}

// asNobody runs f as a user without rights; only root needs to change for that.
// The thread is given up with its goroutine, since fsuid belongs to the thread.
func asNobody(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if os.Geteuid() == 0 {
			runtime.LockOSThread()
			syscall.Setfsuid(65534)
		}
		f()
	}()
	<-done
}

func TestWithoutTheRightToWrite(t *testing.T) {
	dir := t.TempDir()
	d := openAt(t, filepath.Join(dir, "test.db"))
	require.NoError(t, d.Migrate(t.Context(), "test", noteTable))
	require.NoError(t, d.Close())
	require.NoError(t, os.Chmod(d.Path(), 0o444))
	require.NoError(t, os.Chmod(dir, 0o555))
	t.Cleanup(func() { os.Chmod(dir, 0o755) })
	for name, path := range map[string]string{
		"an existing file":          d.Path(),
		"a new file":                filepath.Join(dir, "new.db"),
		"a new folder":              filepath.Join(dir, "new", "test.db"),
		"a folder in a file's way":  filepath.Join(d.Path(), "test.db"),
		"a path that is a folder":   dir,
		"a file system without any": "/proc/star97/test.db",
	} {
		t.Run(name, func(t *testing.T) {
			var err error
			asNobody(func() { err = openError(t, path) })
			require.ErrorIs(t, err, ErrReadOnly)
			require.ErrorContains(t, err, "the database "+path+" cannot be opened for writing: let star97's user write")
		})
	}
}

func TestErrorsOfTheCallerPassUnchanged(t *testing.T) {
	d := openNotes(t)
	require.Same(t, context.Canceled, d.Read(t.Context(), func(*sql.DB) error { return context.Canceled }))
	require.NoError(t, d.explain(nil))
	err := d.Read(t.Context(), func(db *sql.DB) error { _, err := db.Exec("nonsense"); return err })
	require.ErrorContains(t, err, "database "+d.Path()+": ")
}
