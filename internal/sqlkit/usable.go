package sqlkit

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// Existing is Open for who looks whether a service could use the file: where there is
// none it is nil, with the error of Open if none could be made. It makes no file.
func Existing(ctx context.Context, o Options) (*DB, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(o.Path)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(abs); err == nil {
		return Open(ctx, o)
	}
	if err := CanMake(abs, "open"); err != nil {
		return nil, fileError(o.Path, err)
	}
	return nil, nil
}

// CanMake tells in the system's words why a file or folder that is not there, or a folder
// above it, could not be made: op is what would be told to have failed.
func CanMake(path, op string) error {
	for {
		dir := filepath.Dir(path)
		info, err := os.Stat(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			path, op = dir, "mkdir"
			continue
		case err != nil || !info.IsDir():
			return &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
		}
		if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
			return &fs.PathError{Op: op, Path: path, Err: err}
		}
		return nil
	}
}
