package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// lockFolder makes sure that one process serves from a data folder. The lock ends
// with the process, however it ends.
func lockFolder(dir string) (unlock func(), err error) {
	name := filepath.Join(dir, "serving.lock")
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the data folder %s cannot be used: %w; it must be writable for the user that runs star97", dir, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("another star97 serves from %s already; stop it, or choose another folder with --data", dir)
		}
		return nil, fmt.Errorf("the data folder %s cannot be locked: %w; choose a local file system", dir, err)
	}
	return func() { f.Close() }, nil
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
