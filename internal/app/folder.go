package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"star97/internal/sqlkit"
)

// lockFolder makes sure that one process serves from a data folder. The lock ends
// with the process, however it ends.
func lockFolder(dir string) (unlock func(), err error) {
	for {
		f, err := lockFile(dir)
		if err != nil {
			return nil, err
		}
		// Who held the lock may have removed the file meanwhile: others would lock a new one.
		is, err := os.Stat(lockName(dir))
		mine, lost := f.Stat()
		if err == nil && lost == nil && os.SameFile(is, mine) {
			return func() { f.Close() }, nil
		}
		f.Close()
		if err != nil && !errors.Is(err, fs.ErrNotExist) || lost != nil {
			return nil, unusable(dir, errors.Join(err, lost))
		}
	}
}

func lockName(dir string) string { return filepath.Join(dir, "serving.lock") }

func unusable(dir string, err error) error {
	return fmt.Errorf("the data folder %s cannot be used: %w; it must be writable for the user that runs star97", dir, err)
}

// canLock tells why the lock of a data folder could not be opened. It makes nothing.
func canLock(dir string) error {
	f, err := os.OpenFile(lockName(dir), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		err = sqlkit.CanMake(lockName(dir), "open")
	} else if err == nil {
		f.Close()
	}
	if err != nil {
		return unusable(dir, err)
	}
	return nil
}

func lockFile(dir string) (*os.File, error) {
	f, err := os.OpenFile(lockName(dir), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, unusable(dir, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("another star97 serves from %s already; stop it, or choose another folder with --data", dir)
		}
		return nil, fmt.Errorf("the data folder %s cannot be locked: %w; choose a local file system", dir, err)
	}
	return f, nil
}

// borrowFolder is lockFolder that leaves no file behind where there was none: one of
// another user could not be opened by the service.
func borrowFolder(dir string) (unlock func(), err error) {
	_, err = os.Lstat(lockName(dir))
	fresh := errors.Is(err, fs.ErrNotExist)
	leave, err := lockFolder(dir)
	if err != nil || !fresh {
		return leave, err
	}
	return func() {
		_ = os.Remove(lockName(dir)) // one that stays is no harm
		leave()
	}, nil
}

// missing lists the folders that makeFolder would make, the innermost first.
func missing(dir string) (all []string) {
	for dir = filepath.Clean(dir); ; dir = filepath.Dir(dir) {
		if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
			return all
		}
		all = append(all, dir)
	}
}

// makeFolder makes the data folder, readable by its owner only, if it is missing.
func makeFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return unmade(dir, err)
	}
	return guarded(dir)
}

// canHave tells why makeFolder would refuse the data folder. It makes nothing.
func canHave(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err == nil && info.IsDir():
		return guarded(dir)
	case err == nil:
		return unmade(dir, &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR})
	}
	if err := sqlkit.CanMake(filepath.Clean(dir), "mkdir"); err != nil {
		return unmade(dir, err)
	}
	return nil
}

func unmade(dir string, err error) error {
	return fmt.Errorf("the data folder %s cannot be made: %w; choose another one with --data, or mend its parent's mode", dir, err)
}

// guarded refuses a folder in which other users could exchange the databases and the
// pepper. A group that has its owner's number is that user's own.
func guarded(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("the folder %s cannot be looked at: %w; mend its parent's mode", dir, err)
	}
	mode := info.Mode().Perm()
	at, known := info.Sys().(*syscall.Stat_t)
	if mode&0o002 == 0 && (mode&0o020 == 0 || known && at.Gid == at.Uid) {
		return nil
	}
	return fmt.Errorf("other users can write to the folder %s (mode %04o), so they could exchange the databases and the pepper in it: run `chmod 700 %s`", dir, mode, dir)
}

// enterFolder makes sure that no backup is put back into a data folder before leave.
// Any number of processes enter. A file system without such locks has no restore either.
func enterFolder(dir string) (leave func(), err error) {
	f, err := flock(dir, syscall.LOCK_SH)
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return nil, fmt.Errorf("a backup is being put back into %s: wait until that has ended", dir)
	case err != nil:
		return func() {}, nil
	}
	return func() { f.Close() }, nil
}

// clearFolder makes sure that nobody has entered, and nobody does before done.
func clearFolder(dir string) (done func(), err error) {
	f, err := flock(dir, syscall.LOCK_EX)
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return nil, fmt.Errorf("a command of star97 works on %s: wait until it has ended, then restore again", dir)
	case err != nil:
		return nil, fmt.Errorf("the data folder %s cannot be locked: %w; choose a local file system", dir, err)
	}
	return func() { f.Close() }, nil
}

// flock locks the folder itself: a file for it could be of a user whose files the
// service may not open.
func flock(dir string, how int) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
