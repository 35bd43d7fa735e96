package sqlkit

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// The kinds of trouble with a database; a server has more.
var (
	ErrLocked   = errors.New("locked")
	ErrDamaged  = errors.New("damaged")
	ErrReadOnly = errors.New("not writable")
	ErrFull     = errors.New("disk full")
	ErrIO       = errors.New("disk error")
	ErrGone     = errors.New("removed or replaced")
	ErrAltered  = errors.New("altered by another program")
)

// ErrCommit marks an error that came when the commit had been asked for.
var ErrCommit = errors.New("the outcome of the commit is not known")

// Error is trouble with a database, told with its place and a remedy.
type Error struct {
	Kind  error
	Path  string // of the file, or as in DB.Path
	Cause error  // the database's or the system's own words

	sentences map[error]string // nil: those of a file
}

// Error is one sentence: place, problem, remedy.
func (e *Error) Error() string {
	words := e.sentences
	if words == nil {
		words = sentences
	}
	return fmt.Sprintf(words[e.Kind], e.Path) + " (" + e.Cause.Error() + ")"
}

// Unwrap leads to the kind and to the cause.
func (e *Error) Unwrap() []error { return []error{e.Kind, e.Cause} }

var sentences = map[error]string{
	ErrLocked:   "the database %s is locked by another program: end that program, or raise busy_timeout",
	ErrDamaged:  "the database %s is damaged or is no SQLite file: stop star97 and restore it from a backup",
	ErrReadOnly: "the database %s cannot be opened for writing: let star97's user write to the file and to its folder, and mount the file system writable",
	ErrFull:     "the database %s cannot grow, the disk is full: free some space on its file system",
	ErrGone:     "the database %s was removed or replaced while star97 had it open: put the right file there and restart star97",
	ErrAltered:  "the database %s lacks a table or column that star97 has made, so another program altered it: stop star97 and restore it from a backup",
	ErrIO:       "the database %s could not be read or written: look for disk errors in the system log, then restore it from a backup if it is damaged",
}

// kinds maps SQLite's primary result codes (https://www.sqlite.org/rescode.html).
var kinds = map[int]error{
	sqlite3.SQLITE_BUSY:     ErrLocked,
	sqlite3.SQLITE_LOCKED:   ErrLocked,
	sqlite3.SQLITE_CORRUPT:  ErrDamaged,
	sqlite3.SQLITE_NOTADB:   ErrDamaged,
	sqlite3.SQLITE_READONLY: ErrReadOnly,
	sqlite3.SQLITE_PERM:     ErrReadOnly,
	sqlite3.SQLITE_CANTOPEN: ErrReadOnly,
	sqlite3.SQLITE_FULL:     ErrFull,
	sqlite3.SQLITE_IOERR:    ErrIO,
}

// primaryCode masks the primary result code out of an extended one.
const primaryCode = 0xff

// lacking is how SQLite, which has no code for it, says that a table or column is not there.
var lacking = regexp.MustCompile(`no such (table|column): | has no column named `)

// explain wraps a database's error that has a sentence; others pass as they are.
func (d *DB) explain(err error) error {
	if d.server != nil {
		return d.server.explain(err)
	}
	var told *Error
	var se *sqlite.Error
	if errors.As(err, &told) || !errors.As(err, &se) {
		return err
	}
	if se.Code() == sqlite3.SQLITE_IOERR_SHMSIZE { // the file beside the log could not grow
		return &Error{Kind: ErrFull, Path: d.opt.Path, Cause: err}
	}
	if kind, ok := kinds[se.Code()&primaryCode]; ok {
		return &Error{Kind: kind, Path: d.opt.Path, Cause: err}
	}
	if lacking.MatchString(se.Error()) {
		return &Error{Kind: ErrAltered, Path: d.opt.Path, Cause: err}
	}
	return fmt.Errorf("database %s: %w", d.opt.Path, err)
}

// isUndone tells of a failed commit that it is known to have changed nothing.
func isUndone(err error) bool {
	var se *sqlite.Error
	return isServersUndone(err) || errors.As(err, &se) && isRolledBack(se.Code())
}

// isRolledBack tells whether a COMMIT that ends with an SQLite result code has changed
// nothing, and never will. With SQLITE_FULL a frame of the log could not be written
// whole, the last one, which makes a transaction count, at the latest; SQLite then rolls
// back (https://www.sqlite.org/lang_transaction.html#response_to_errors_within_a_transaction),
// and the driver what is still open. After other errors, SQLITE_IOERR_SHMSIZE among them,
// that frame may be in the file, where a process finds it after a crash.
func isRolledBack(code int) bool { return code == sqlite3.SQLITE_FULL }

// fileError explains what the system said when the file itself was made or opened.
func fileError(path string, err error) error {
	kind := ErrIO
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS), errors.Is(err, syscall.EISDIR),
		errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrNotExist):
		kind = ErrReadOnly
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		kind = ErrFull
	}
	return &Error{Kind: kind, Path: path, Cause: err}
}

// IsUnique tells whether err is a row that breaks a UNIQUE or PRIMARY KEY rule.
func IsUnique(err error) bool {
	var se *sqlite.Error
	return isServersUnique(err) || errors.As(err, &se) &&
		(se.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || se.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
}
