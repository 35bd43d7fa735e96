//go:build !race

package app

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// disk is what a folder's file system has on its medium after a part of a trace. It
// promises no more than POSIX: what was written, truncated, named or removed is there for
// certain once a later fsync of that file, or of the folder for names, has returned;
// before that each of it may be there, or not, or a part of its sectors.
type disk struct {
	dir    string
	names  map[string]*inode // on the medium
	naming []naming          // not synced, oldest first
	seen   map[string]*inode // as a running program sees them
	blind  bool              // syncs are taken for nothing: to see that this is noticed
}

type inode struct {
	content []byte
	pending []act
	end     int64 // of what was written without an offset
}

// naming puts a name to a file, or takes it away.
type naming struct {
	name, gone string
	file       *inode // nil: gone alone
	exit       int
}

// diskOf is that of the folder dir, which begins with what is in from, all of it synced.
func diskOf(t *testing.T, dir, from string) *disk {
	t.Helper()
	d := &disk{dir: dir, names: map[string]*inode{}, seen: map[string]*inode{}}
	found, err := os.ReadDir(from)
	require.NoError(t, err)
	for _, e := range found {
		content, err := os.ReadFile(filepath.Join(from, e.Name()))
		require.NoError(t, err)
		i := &inode{content: content}
		d.names[filepath.Join(dir, e.Name())], d.seen[filepath.Join(dir, e.Name())] = i, i
	}
	return d
}

// play does what the trace tells up to, and not including, line end: of a call that has
// not returned by then nothing is certain.
func (d *disk) play(t *testing.T, acts []act, end int) {
	t.Helper()
	for _, a := range acts {
		if a.entry >= end {
			break
		}
		switch a.call {
		case "sync":
			if a.exit < end && !d.blind {
				d.sync(t, a)
			}
		case "open", "openat", "creat":
			if d.seen[a.path] == nil {
				d.name(naming{name: a.path, file: &inode{}, exit: a.exit})
			}
			d.seen[a.path].end = 0
		case "write", "pwrite64", "ftruncate":
			i := d.seen[a.path]
			require.NotNil(t, i, "a write to %s, which nobody has made", a.path)
			if a.call == "write" {
				a.offset = i.end
				i.end += int64(len(a.data))
			}
			i.pending = append(i.pending, a)
		case "unlink":
			d.name(naming{gone: a.path, exit: a.exit})
		case "rename":
			d.name(naming{name: a.other, gone: a.path, file: d.seen[a.path], exit: a.exit})
		case "link":
			d.name(naming{name: a.other, file: d.seen[a.path], exit: a.exit})
		}
	}
}

func (d *disk) name(n naming) {
	n.apply(d.seen)
	d.naming = append(d.naming, n)
}

func (n naming) apply(names map[string]*inode) {
	if n.gone != "" {
		delete(names, n.gone)
	}
	if n.name != "" {
		names[n.name] = n.file
	}
}

// sync makes certain what had returned before it began.
func (d *disk) sync(t *testing.T, a act) {
	if a.path == d.dir {
		d.naming = slices.DeleteFunc(d.naming, func(n naming) bool {
			if n.exit < a.entry {
				n.apply(d.names)
				return true
			}
			return false
		})
		return
	}
	i := d.seen[a.path]
	require.NotNil(t, i, "a sync of %s, which nobody has made", a.path)
	i.pending = slices.DeleteFunc(i.pending, func(w act) bool {
		if w.exit < a.entry {
			i.content = applied(i.content, w, 0, len(w.data))
			return true
		}
		return false
	})
}

// applied is content after a write of data[from:to], or after a truncation.
func applied(content []byte, w act, from, to int) []byte {
	if w.call == "ftruncate" {
		if int64(len(content)) > w.offset {
			return content[:w.offset]
		}
		return append(content, make([]byte, w.offset-int64(len(content)))...)
	}
	end := int(w.offset) + to
	if len(content) < end {
		content = append(content, make([]byte, end-len(content))...)
	}
	copy(content[int(w.offset)+from:], w.data[from:to])
	return content
}

// sector is what a medium writes whole or not at all, in bytes.
const sector = 512

// fail writes into the folder to what a medium may hold after the power has failed: of
// what was not synced, each thing with the given chance, and writes in part.
func (d *disk) fail(t *testing.T, to string, chance float64) {
	t.Helper()
	names := map[string]*inode{}
	for path, i := range d.names {
		names[path] = i
	}
	for _, n := range d.naming {
		if rand.Float64() < chance {
			n.apply(names)
		}
	}
	for path, i := range names {
		if strings.HasSuffix(path, "-shm") {
			continue // is made anew
		}
		content := bytes.Clone(i.content)
		for _, w := range i.pending {
			if w.call == "ftruncate" && rand.Float64() < chance {
				content = applied(content, w, 0, 0)
			}
			for from := 0; from < len(w.data); from += sector {
				if rand.Float64() < chance {
					content = applied(content, w, from, min(from+sector, len(w.data)))
				}
			}
		}
		require.NoError(t, os.WriteFile(filepath.Join(to, filepath.Base(path)), content, 0o600))
	}
}
