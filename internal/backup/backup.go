// Package backup is the one file that keeps what star97 has stored: a tar archive (POSIX
// pax, so that any tar can list it) of databases and files of secrets, behind them a manifest
// with the SHA-256 of each, and last the manifest's own. A file that was cut off, or of
// which one bit is another, or that holds more, is refused as a whole. It encrypts nothing and knows nothing
// of what is in the files.
package backup

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
	"time"
)

// Kind says what a file of a backup is.
type Kind string

// The kinds.
const (
	Database Kind = "database" // an SQLite file of a store
	Ledger   Kind = "ledger"   // an SQLite file of counters and audit trail alone
	Pepper   Kind = "pepper"
	SIPUsers Kind = "sip-users" // who may call by digest authentication
)

// Format is the number of this form of a backup; one that reads otherwise has another.
const Format = 1

// Manifest is what a backup says of itself.
type Manifest struct {
	Format  int       `json:"format"`
	Made    time.Time `json:"made"`    // UTC, of the latest of the databases
	Version string    `json:"version"` // of the program
	Node    string    `json:"node"`
	Files   []File    `json:"files"`
	Missing []string  `json:"missing,omitempty"` // what of the site is not in it, a sentence each
}

// File is one file of a backup.
type File struct {
	Name   string `json:"name"`            // in the archive
	Store  string `json:"store,omitempty"` // of the configuration; empty: the default one
	Kind   Kind   `json:"kind"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`

	Path string `json:"-"` // where it is read from, or was written to
}

// The entries behind the files.
const (
	manifestName = "manifest.json"
	sealName     = "manifest.sha256"
)

// Bounds of what is read.
const (
	maxManifest = 1 << 20
	maxFiles    = 1000
	maxPiped    = 1 << 40 // bytes, of a backup whose own size is not known
)

// entryName is how files are called in the archive.
var entryName = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)

// Write makes the file name from what m's Files name as their Paths, readable by its
// owner only, complete or not at all. One that is there already is left alone. It returns
// m with sizes and sums.
func Write(name string, m Manifest) (Manifest, error) {
	dir := filepath.Dir(name)
	f, err := os.CreateTemp(dir, unfinished+"*") // mode 0600
	if err != nil {
		return m, fmt.Errorf("the backup cannot be written to %s: %w; choose a folder that is there and writable", dir, err)
	}
	defer os.Remove(f.Name())
	m, err = pack(f, m)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return m, fmt.Errorf("the backup %s cannot be written: %w; nothing is there now", name, err)
	}
	err = os.Link(f.Name(), name)
	if errors.Is(err, fs.ErrExist) {
		return m, fmt.Errorf("%s is there already; a backup overwrites nothing: choose another name", name)
	}
	if err != nil {
		return m, fmt.Errorf("the backup %s cannot be put in its place: %w; choose a folder on another file system", name, err)
	}
	return m, syncDir(dir)
}

func pack(w io.Writer, m Manifest) (Manifest, error) {
	m.Format, m.Files = Format, slices.Clone(m.Files)
	t := tar.NewWriter(w)
	for i := range m.Files {
		if err := packFile(t, &m.Files[i], m.Made); err != nil {
			return m, err
		}
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return m, err
	}
	sum := sha256.Sum256(text)
	return m, errors.Join(
		packText(t, manifestName, text, m.Made),
		packText(t, sealName, []byte(hex.EncodeToString(sum[:])+"\n"), m.Made),
		t.Close())
}

func packFile(t *tar.Writer, file *File, made time.Time) error {
	f, err := os.Open(file.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	file.Size = info.Size()
	if err := t.WriteHeader(&tar.Header{Name: file.Name, Mode: 0o600, Size: file.Size, ModTime: made, Format: tar.FormatPAX}); err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(t, sum), f); err != nil {
		return err
	}
	file.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return nil
}

func packText(t *tar.Writer, name string, text []byte, made time.Time) error {
	err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(text)), ModTime: made, Format: tar.FormatPAX})
	if err != nil {
		return err
	}
	_, err = t.Write(text)
	return err
}

// Extract writes the files of a backup into the folder dir, readable by their owner
// only, and returns its manifest with their Paths once everything in it has proved to be
// as it was written. After an error what is in dir is worth nothing.
func Extract(name, dir string) (Manifest, error) {
	f, err := os.Open(name)
	if err != nil {
		return Manifest{}, fmt.Errorf("the backup %s cannot be read: %w; check its name and mode", name, err)
	}
	defer f.Close()
	most, err := size(f)
	if err != nil {
		return Manifest{}, fmt.Errorf("the size of the backup %s cannot be told: %w", name, err)
	}
	t := tar.NewReader(f)
	m, err := unpack(t, dir, most)
	if err == nil {
		err = ends(t, f)
	}
	if errors.Is(err, syscall.ENOSPC) {
		return Manifest{}, fmt.Errorf("the backup %s cannot be unpacked: %w; free some space on the file system of %s", name, err, filepath.Dir(dir))
	}
	if err != nil {
		return Manifest{}, fmt.Errorf("%s is no whole backup: %w; take another one", name, err)
	}
	return m, nil
}

// size in bytes of an archive bounds what is in it, since nothing is compressed. It is
// not known of a pipe.
func size(f *os.File) (int64, error) {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return maxPiped, err
	}
	return info.Size(), nil
}

// unpack refuses entries that say they are more than most bytes together, as sparse ones
// may, of which an archive holds only a part.
func unpack(t *tar.Reader, dir string, most int64) (m Manifest, err error) {
	found := map[string]File{}
	var text, seal []byte
	for seal == nil {
		head, err := t.Next()
		if errors.Is(err, io.EOF) {
			return m, errors.New("it ends before its manifest")
		}
		if err != nil {
			return m, err
		}
		if most -= head.Size; most < 0 {
			return m, fmt.Errorf("its files are larger than itself, from %q on", head.Name)
		}
		switch {
		case text != nil && head.Name == sealName:
			seal, err = io.ReadAll(io.LimitReader(t, maxManifest))
		case text == nil && head.Name == manifestName:
			text, err = io.ReadAll(io.LimitReader(t, maxManifest))
		case text == nil && entryName.MatchString(head.Name) && found[head.Name].Name == "" && len(found) < maxFiles && head.Typeflag == tar.TypeReg:
			found[head.Name], err = unpackFile(t, head.Name, dir)
		default:
			return m, fmt.Errorf("it holds %q, which is none of a backup's files", head.Name)
		}
		if err != nil {
			return m, err
		}
	}
	sum := sha256.Sum256(text)
	if string(bytes.TrimSpace(seal)) != hex.EncodeToString(sum[:]) {
		return m, errors.New("its manifest is not as it was written")
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("its manifest cannot be read: %w", err)
	}
	return m, m.match(found)
}

// maxPadding bounds the zeros behind the end of an archive, which some tars write; in bytes.
const maxPadding = 1 << 20

// ends refuses what stands behind the seal, which nothing in the archive vouches for.
func ends(t *tar.Reader, f io.Reader) error {
	switch head, err := t.Next(); {
	case err == nil:
		return fmt.Errorf("it holds %q behind its manifest, which does not name it", head.Name)
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("what stands behind its manifest cannot be read: %w", err)
	}
	rest, err := io.ReadAll(io.LimitReader(f, maxPadding+1))
	if err != nil {
		return err
	}
	if len(rest) > maxPadding || len(bytes.Trim(rest, "\x00")) > 0 {
		return errors.New("something stands behind its end")
	}
	return nil
}

// match compares the manifest with what was there.
func (m *Manifest) match(found map[string]File) error {
	if m.Format != Format {
		return fmt.Errorf("it has format %d, and this program reads %d", m.Format, Format)
	}
	if len(found) != len(m.Files) {
		return fmt.Errorf("it holds %d files, and its manifest names %d", len(found), len(m.Files))
	}
	for i := range m.Files {
		want := &m.Files[i]
		is := found[want.Name]
		if is.Size != want.Size || is.SHA256 != want.SHA256 {
			return fmt.Errorf("its file %s is not as it was written", want.Name)
		}
		want.Path = is.Path
		delete(found, want.Name) // no file is two of the manifest's
	}
	return nil
}

func unpackFile(t io.Reader, name, dir string) (File, error) {
	file := File{Name: name, Path: filepath.Join(dir, name)}
	f, err := os.OpenFile(file.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return file, err
	}
	sum := sha256.New()
	file.Size, err = io.Copy(io.MultiWriter(f, sum), t)
	file.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return file, errors.Join(err, f.Sync(), f.Close())
}

// syncDir makes a new directory entry survive a power failure.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
