package backup

import (
	"archive/tar"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// packed is a backup of two files.
func packed(t *testing.T) (name string, m Manifest, contents [][]byte) {
	t.Helper()
	dir := t.TempDir()
	m = Manifest{Made: time.Unix(1700000000, 0).UTC(), Version: "1", Node: "n", Missing: []string{"a server"}}
	for i, kind := range []Kind{Database, Pepper} {
		path := filepath.Join(dir, string(kind))
		content := make([]byte, 3000+i)
		rand.Read(content)
		require.NoError(t, os.WriteFile(path, content, 0o600))
		contents = append(contents, content)
		m.Files = append(m.Files, File{Name: string(kind) + "-0", Kind: kind, Path: path})
	}
	name = filepath.Join(t.TempDir(), "b.tar")
	m, err := Write(name, m)
	require.NoError(t, err)
	return name, m, contents
}

func TestABackupComesBackAsItWas(t *testing.T) {
	name, m, contents := packed(t)
	info, err := os.Stat(name)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
	left, err := os.ReadDir(filepath.Dir(name))
	require.NoError(t, err)
	require.Len(t, left, 1, "nothing half made stays")
	dir := t.TempDir()
	got, err := Extract(name, dir)
	require.NoError(t, err)
	for i, f := range got.Files {
		content, err := os.ReadFile(f.Path)
		require.NoError(t, err)
		require.Equal(t, contents[i], content)
		info, err := os.Stat(f.Path)
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
		require.Equal(t, dir, filepath.Dir(f.Path))
		m.Files[i].Path = f.Path
	}
	require.Equal(t, m, got)
}

func TestABackupOverwritesNothing(t *testing.T) {
	name, m, _ := packed(t)
	before, err := os.ReadFile(name)
	require.NoError(t, err)
	_, err = Write(name, m)
	require.ErrorContains(t, err, name+" is there already; a backup overwrites nothing")
	after, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, before, after)
	_, err = Write(filepath.Join(t.TempDir(), "none", "b.tar"), m)
	require.ErrorContains(t, err, "choose a folder that is there and writable")
	m.Files[0].Path = "/no/such/file"
	gone := filepath.Join(t.TempDir(), "b.tar")
	_, err = Write(gone, m)
	require.ErrorContains(t, err, "nothing is there now")
	require.NoFileExists(t, gone)
}

// Whatever byte is another one, and wherever it was cut off, it is refused; what lies
// between the entries, and says nothing, may be anything.
func TestADamagedBackupIsRefused(t *testing.T) {
	name, m, contents := packed(t)
	whole, err := os.ReadFile(name)
	require.NoError(t, err)
	bad := filepath.Join(t.TempDir(), "bad.tar")
	extract := func(content []byte) (Manifest, error) {
		require.NoError(t, os.WriteFile(bad, content, 0o600))
		return Extract(bad, t.TempDir())
	}
	for at := 0; at < len(whole); at += 89 {
		altered := bytes.Clone(whole)
		altered[at] ^= 0x10
		got, err := extract(altered)
		if err != nil {
			require.ErrorContains(t, err, bad+" is no whole backup: ")
			continue
		}
		for i, f := range got.Files {
			content, err := os.ReadFile(f.Path)
			require.NoError(t, err)
			require.Equal(t, contents[i], content, "byte %d", at)
			require.Equal(t, m.Files[i].SHA256, f.SHA256)
		}
		require.Equal(t, m.Made, got.Made)
	}
	end := bytes.Index(whole, []byte(sealName)) + 512
	for cut := 0; cut < end; cut += 509 {
		_, err := extract(whole[:cut])
		require.Error(t, err, "cut off at %d", cut)
	}
	_, err = extract(append(append([]byte{}, whole[:512]...), whole...))
	require.Error(t, err)
}

// What nothing in the archive vouches for is refused, and zeros that a tar adds are not.
func TestABackupHoldsNothingElse(t *testing.T) {
	name, m, _ := packed(t)
	whole, err := os.ReadFile(name)
	require.NoError(t, err)
	body := whole[:len(whole)-1024] // without the archive's own end
	member := func(name string) []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: 4, Format: tar.FormatPAX}))
		_, err := w.Write([]byte("evil"))
		require.NoError(t, errors.Join(err, w.Close()))
		return b.Bytes()
	}
	for name, row := range map[string]struct {
		content []byte
		want    string // empty: it is taken
	}{
		"a member outside":           {slices.Concat(body, member("../../evil")), `it holds "../../evil" behind its manifest, which does not name it`},
		"a member like a backup's":   {slices.Concat(body, member("database-1")), `it holds "database-1" behind its manifest, which does not name it`},
		"a member before":            {slices.Concat(member("database-1")[:1024], whole), "it holds 3 files, and its manifest names 2"},
		"junk behind the end":        {slices.Concat(whole, bytes.Repeat([]byte("junk!"), 1000)), "something stands behind its end"},
		"a member behind the end":    {slices.Concat(whole, member("../../evil")), "something stands behind its end"},
		"one byte behind many zeros": {slices.Concat(whole, make([]byte, 9000), []byte{1}), "something stands behind its end"},
		"zeros without end":          {slices.Concat(whole, make([]byte, maxPadding+1)), "something stands behind its end"},
		"junk in place of the end":   {slices.Concat(body, bytes.Repeat([]byte("junk!"), 1000)), "what stands behind its manifest cannot be read"},
		"zeros up to a whole record": {slices.Concat(whole, make([]byte, 10240)), ""},
	} {
		t.Run(name, func(t *testing.T) {
			bad, dir := filepath.Join(t.TempDir(), "bad.tar"), t.TempDir()
			require.NoError(t, os.WriteFile(bad, row.content, 0o600))
			_, err := Extract(bad, dir)
			if row.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, bad+" is no whole backup: "+row.want)
			require.NoFileExists(t, filepath.Join(dir, "../../evil"))
		})
	}
	found := map[string]File{m.Files[0].Name: m.Files[0], m.Files[1].Name: m.Files[1]}
	m.Files[1] = m.Files[0]
	require.Error(t, m.match(found), "one file named twice, and another not at all")
}

// An archive may call a file larger than it is itself, with holes where nothing is.
func TestNothingGrowsBeyondTheBackupItself(t *testing.T) {
	const holes = 1 << 30
	entry := func(kind byte, name, content string) []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(content)), Format: tar.FormatUSTAR}))
		_, err := w.Write([]byte(content))
		require.NoError(t, errors.Join(err, w.Flush()))
		block := b.Bytes()
		block[156] = kind
		copy(block[148:156], "        ")
		sum := 0
		for _, c := range block[:512] {
			sum += int(c)
		}
		copy(block[148:156], fmt.Sprintf("%06o\x00 ", sum))
		return block
	}
	var said string
	for _, is := range []string{"GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=0-database", fmt.Sprint("GNU.sparse.realsize=", holes)} {
		said += fmt.Sprintf("%d %s\n", len(is)+4, is) // its own length, two digits
	}
	sparse := append(entry('x', "said", said), entry('0', "0-database", fmt.Sprintf("1\n%d\n0\n%512s", holes, ""))[:1024]...)
	name, dir := filepath.Join(t.TempDir(), "b.tar"), t.TempDir()
	require.NoError(t, os.WriteFile(name, append(sparse, make([]byte, 1024)...), 0o600))
	_, err := Extract(name, dir)
	require.ErrorContains(t, err, `its files are larger than itself, from "0-database" on`)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestWhatABackupThatWasCutOffLeftIsRemoved(t *testing.T) {
	dir := t.TempDir()
	old := time.Now().Add(-deadAfter - time.Minute)
	stale, err := Stage(dir)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(stale, "0-pepper"), []byte("x"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, unfinished+"77"), []byte("x"), 0o600))
	kept := []string{unfinished + "mine", "star97-backup-1", "b.tar"}
	for _, name := range kept {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	names := func() (all []string) {
		found, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, one := range found {
			all = append(all, one.Name())
			require.NoError(t, os.Chtimes(filepath.Join(dir, one.Name()), old, old))
		}
		return all
	}
	names()
	young, err := Stage(dir)
	require.NoError(t, err)
	require.ElementsMatch(t, append(kept, filepath.Base(young)), names())
	info, err := os.Stat(young)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o700), info.Mode().Perm())
	_, err = Stage(filepath.Join(dir, "none"))
	require.ErrorContains(t, err, "choose a folder that is there and writable")
}
