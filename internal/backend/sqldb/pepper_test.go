package sqldb

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance"
	"star97/internal/mailbox"
)

func TestPepperIsMadeOnceForItsOwnerOnly(t *testing.T) {
	o := cheapOptions(t.TempDir())
	openStore(t, o)
	path := o.pepperFile()
	require.Equal(t, filepath.Dir(o.Database.Path), filepath.Dir(path), "beside the database")
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
	first, err := os.ReadFile(path)
	require.NoError(t, err)

	openStore(t, o)
	again, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, first, again)
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".pepper*"))
	require.NoError(t, err)
	require.Empty(t, left, "no half-made file stays behind")
}

// The service and the command line may start at the same moment.
func TestFirstStartsAtOnceAgreeOnThePepper(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pepper")
	peppers := make([]*pepper, 8)
	errs := make([]error, len(peppers))
	var all sync.WaitGroup
	for i := range peppers {
		all.Go(func() { peppers[i], errs[i] = makePepper(path) })
	}
	all.Wait()
	for i := range peppers {
		require.NoError(t, errs[i])
		require.Equal(t, peppers[0].keys, peppers[i].keys)
	}
}

func TestPepperFilesThatAreRefused(t *testing.T) {
	key := strings.Repeat("ab", pepperSize)
	for name, c := range map[string]struct {
		content string
		mode    fs.FileMode
		want    string
	}{
		"readable by the group":  {"k " + key, 0o640, "run `chmod 600 "},
		"readable by everybody":  {"k " + key, 0o604, "run `chmod 600 "},
		"writable by the group":  {"k " + key, 0o620, "mode 0620"},
		"empty":                  {"", 0o600, "holds no key: restore it from a backup"},
		"only remarks":           {"# star97\n\n", 0o600, "holds no key"},
		"a short key":            {"k " + key[2:], 0o600, ":1: this is no pepper key"},
		"not hexadecimal":        {"# x\nk " + strings.Repeat("xy", pepperSize), 0o600, ":2: this is no pepper key"},
		"a line without its key": {"k " + key + "\nm", 0o600, ":2: this is no pepper key"},
		"an id used twice":       {"k " + key + "\nk " + key, 0o600, ":2: this is no pepper key"},
	} {
		t.Run(name, func(t *testing.T) {
			o := cheapOptions(t.TempDir())
			path := o.pepperFile()
			require.NoError(t, os.WriteFile(path, []byte(c.content), 0o600))
			require.NoError(t, os.Chmod(path, c.mode))
			_, err := open(t.Context(), o)
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, path)
			require.NotContains(t, err.Error(), key[2:])
		})
	}
	t.Run("a folder", func(t *testing.T) {
		o := cheapOptions(t.TempDir())
		require.NoError(t, os.Mkdir(o.pepperFile(), 0o700))
		_, err := open(t.Context(), o)
		require.ErrorContains(t, err, "is no regular file")
	})
	t.Run("nowhere to write", func(t *testing.T) {
		o := cheapOptions(t.TempDir())
		o.PepperFile = filepath.Join(t.TempDir(), "missing", "pepper")
		_, err := open(t.Context(), o)
		require.ErrorContains(t, err, "the pepper file "+o.PepperFile+" cannot be made")
	})
}

func TestALostPepperIsNotPaperedOver(t *testing.T) {
	o := cheapOptions(t.TempDir())
	s := openStore(t, o)
	kid := s.ring.now.Load().last
	a := add(t, s, mailbox.Account{Extension: "4001"}, conformance.Code(t, "482915"))
	require.NoError(t, s.Close())
	kept, err := os.ReadFile(o.pepperFile())
	require.NoError(t, err)

	require.NoError(t, os.Remove(o.pepperFile()))
	_, err = open(t.Context(), o)
	require.ErrorContains(t, err, "their pepper file "+o.pepperFile()+" is missing: restore it from a backup")
	require.NoFileExists(t, o.pepperFile())

	_, err = makePepper(o.pepperFile())
	require.NoError(t, err)
	_, err = open(t.Context(), o)
	require.ErrorContains(t, err, "pepper key "+kid+", which the pepper file "+o.pepperFile()+" lacks")

	require.NoError(t, os.WriteFile(o.pepperFile(), kept, 0o600))
	s = openStore(t, o)
	require.NoError(t, s.Verify(t.Context(), a, conformance.Code(t, "482915"), mailbox.Attempt{}))
}

func TestASecondKeyServesNewCodes(t *testing.T) {
	o := cheapOptions(t.TempDir())
	s := openStore(t, o)
	first, second := conformance.Code(t, "482915"), conformance.Code(t, "739164")
	a := add(t, s, mailbox.Account{Extension: "4001"}, first)
	b := add(t, s, mailbox.Account{Extension: "4002"}, first)
	oldKid := s.ring.now.Load().last
	require.NoError(t, s.Close())

	f, err := os.OpenFile(o.pepperFile(), os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString("second " + strings.Repeat("cd", pepperSize) + "\n")
	require.NoError(t, err)
	require.NoError(t, f.Close())

	s = openStore(t, o)
	require.Equal(t, mailbox.Proved(), s.Change(t.Context(), a, first, second, mailbox.Attempt{}))
	require.NoError(t, s.Verify(t.Context(), a, second, mailbox.Attempt{}))
	kids, err := s.kids(t.Context())
	require.NoError(t, err)
	require.ElementsMatch(t, []string{oldKid, "second"}, kids)
	require.NoError(t, s.Verify(t.Context(), b, first, mailbox.Attempt{}))
	kids, err = s.kids(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"second"}, kids, "a right code is kept under the new key")
}
