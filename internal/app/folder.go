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
