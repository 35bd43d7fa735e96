package sqldb

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	// pepperSize is the length of a pepper key in bytes.
	pepperSize = 32
	// maxPepper bounds what is read for a pepper, in bytes: hundreds of keys.
	maxPepper = 64 << 10
)

// pepperHead opens the file: whoever finds it shall know what it is.
const pepperHead = `# star97 pepper: without this file no access code of the database beside it can be
# checked. Keep it secret, and in the same backup as the database. One key a line:
# id and key; new codes use the last one.
`

// pepper holds the keys that codes are mixed with before they are hashed, so
// that a stolen database alone is of no use. It is never altered.
type pepper struct {
	title string // for people: the pepper file and its path, or what stands for it
	ids   []string
	keys  map[string][]byte // by id
	last  string            // id of the key for new codes
	info  os.FileInfo       // of the file that was read; nil: none
}

// readPepper reads the keys of the file path. Errors are sentences with a remedy, and
// fs.ErrNotExist if there is no file.
func readPepper(path string) (*pepper, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("the pepper file %s cannot be opened: %w: give it to the user that star97 runs as, with chown", path, err)
	}
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
		return nil, fmt.Errorf("the pepper file %s can be read or written by other users (mode %04o): run `chmod 600 %s`, and make a new key with `star97 pepper rotate` if somebody may have read it",
			path, info.Mode().Perm(), path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxPepper+1))
	if err != nil {
		return nil, fmt.Errorf("pepper file %s: %w", path, err)
	}
	p, err := parsePepper("the pepper file "+path, path, text)
	if err != nil {
		return nil, err
	}
	p.info = info
	return p, nil
}

// parsePepper reads keys, one a line. title and place name the source for people, in a
// sentence and before the number of a line.
func parsePepper(title, place string, text []byte) (*pepper, error) {
	if len(text) > maxPepper {
		return nil, fmt.Errorf("%s holds more than %d bytes, so it is no pepper: check its name", title, maxPepper)
	}
	p := &pepper{title: title, keys: map[string][]byte{}}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		kid, text, _ := strings.Cut(line, " ")
		key, err := hex.DecodeString(strings.TrimSpace(text))
		if err != nil || len(key) != pepperSize || p.keys[kid] != nil {
			return nil, fmt.Errorf("%s:%d: this is no pepper key, or its id is there twice: restore it from a backup", place, n)
		}
		p.keys[kid], p.last = key, kid
		p.ids = append(p.ids, kid)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s cannot be read line by line: %w: restore it from a backup", title, err)
	}
	if p.last == "" {
		return nil, fmt.Errorf("%s holds no key: restore it from a backup", title)
	}
	return p, nil
}

// text is the file of p.
func (p *pepper) text() []byte {
	b := []byte(pepperHead)
	for _, kid := range p.ids {
		b = fmt.Appendf(b, "%s %x\n", kid, p.keys[kid])
	}
	return b
}

// alters says which key, if any, p and q have under one id and is not the same.
func (p *pepper) alters(q *pepper) error {
	for kid, key := range p.keys {
		if was := q.keys[kid]; was != nil && !bytes.Equal(was, key) {
			return fmt.Errorf("%s has another key %s than before", p.title, kid)
		}
	}
	return nil
}

// with is p and one more new key; current says that new codes use it from then on.
func (p *pepper) with(current bool) (more *pepper, kid string) {
	more = &pepper{title: p.title, ids: slices.Clone(p.ids), keys: map[string][]byte{}, last: p.last}
	maps.Copy(more.keys, p.keys)
	key := make([]byte, pepperSize)
	rand.Read(key)
	kid = rand.Text()[:8]
	more.keys[kid] = key
	if current || len(more.ids) == 0 {
		more.ids, more.last = append(more.ids, kid), kid
	} else {
		more.ids = slices.Insert(more.ids, len(more.ids)-1, kid)
	}
	return more, kid
}

// using is p with one of its keys for new codes.
func (p *pepper) using(kid string) *pepper {
	ids := slices.DeleteFunc(slices.Clone(p.ids), func(id string) bool { return id == kid })
	return &pepper{title: p.title, ids: append(ids, kid), keys: p.keys, last: kid}
}

// makePepper writes a new file with one key, complete or not at all. If another
// process was faster, its file stands.
func makePepper(path string) (*pepper, error) {
	first, _ := new(pepper).with(true)
	if err := writePepper(path, first, os.Link); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, cannotMake(path, err)
	}
	return readPepper(path)
}

// writePepper writes the file beside path, for the owner of the one that p was read from,
// and once it is on the disk has put bring it to path: os.Link, which replaces nothing, or
// os.Rename.
func writePepper(path string, p *pepper, put func(from, to string) error) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, halfMade(path)) // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(p.text())
	if err = errors.Join(err, own(f, p.info), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := put(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// halfMade is how files are named that become path once they are complete.
func halfMade(path string) string { return "." + filepath.Base(path) + "-*" }

// syncDir makes a new directory entry survive a power failure.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
