// Package plainfile opens files that a configuration names. It never waits for anybody: a
// pipe, of which a reader waits for the writer and holds up a reload, is refused, and so
// is what is no file at all. It neither reads nor judges what is in a file.
package plainfile

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// ErrOther is wrapped by the error of a name that belongs to something else than a file.
var ErrOther = errors.New("it is a folder, a pipe or a device and no file")

// Open opens a file for reading. Errors are *fs.PathError.
func Open(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: ErrOther}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
