package stage

import (
	"os"
	"path/filepath"
	"sync"
)

// Folder returns a function that fills a folder with the files that fill makes. They
// are made once and copied: to open a store anew costs a test more than its call.
func Folder(fill func(dir string) error) func(dir string) error {
	files := sync.OnceValues(func() (map[string][]byte, error) {
		dir, err := os.MkdirTemp("", "star97-")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
		if err := fill(dir); err != nil {
			return nil, err
		}
		return read(dir)
	})
	return func(dir string) error {
		all, err := files()
		for name, data := range all {
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, name), data, 0o600)
			}
		}
		return err
	}
}

// read is the files of a folder by their names.
func read(dir string) (map[string][]byte, error) {
	all, err := os.ReadDir(dir)
	files := map[string][]byte{}
	for _, f := range all {
		if err == nil {
			files[f.Name()], err = os.ReadFile(filepath.Join(dir, f.Name()))
		}
	}
	return files, err
}
