package sqldb

import (
	"bufio"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// pepperSize is the length of a pepper key in bytes.
const pepperSize = 32

// pepperHead opens the file: whoever finds it shall know what it is.
const pepperHead = `# star97 pepper: without this file no access code of the database beside it can be
# checked. Keep it secret, and in the same backup as the database. One key a line:
# id and key; new codes use the last one.
`

// pepper holds the keys that codes are mixed with before they are hashed, so
// that a stolen database alone is of no use.
type pepper struct {
	path string
	keys map[string][]byte // by id
	last string            // id of the key for new codes
}

// readPepper reads the keys of path. Errors are sentences with a remedy, and
// fs.ErrNotExist if there is no file.
func readPepper(path string) (*pepper, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("pepper file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("pepper file: %w", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("the pepper file %s is no regular file: name a file in pepper_file", path)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("the pepper file %s can be read or written by other users (mode %04o): run `chmod 600 %s`, and make a new one if somebody may have read it",
			path, info.Mode().Perm(), path)
	}
	p := &pepper{path: path, keys: map[string][]byte{}}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		kid, text, _ := strings.Cut(line, " ")
		key, err := hex.DecodeString(strings.TrimSpace(text))
		if err != nil || len(key) != pepperSize || p.keys[kid] != nil {
			return nil, fmt.Errorf("%s:%d: this is no pepper key, or its id is there twice: restore the pepper file from a backup", path, n)
		}
		p.keys[kid], p.last = key, kid
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("pepper file %s: %w", path, err)
	}
	if p.last == "" {
		return nil, fmt.Errorf("the pepper file %s holds no key: restore it from a backup", path)
	}
	return p, nil
}

// makePepper writes a new file with one key, complete or not at all. If another
// process was faster, its file stands.
func makePepper(path string) (*pepper, error) {
	if err := writePepper(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("the pepper file %s cannot be made: let star97's user write to its folder: %w", path, err)
	}
	return readPepper(path)
}

func writePepper(path string) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".pepper-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	key := make([]byte, pepperSize)
	rand.Read(key)
	_, err = fmt.Fprintf(f, "%s%s %x\n", pepperHead, rand.Text()[:8], key)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes a new directory entry survive a power failure.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
