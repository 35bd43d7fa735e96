package probe

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// first is what is learned of the first system.
var first struct {
	once sync.Once
	Fingerprints
}

func learnedHere(t testing.TB) Fingerprints {
	first.once.Do(func() { first.Fingerprints = systems[0].learn(t, rand.New(rand.NewPCG(1, 3))) })
	return first.Fingerprints
}

func TestAFileHoldsTheSameFingerprintsAndNoDigit(t *testing.T) {
	t.Parallel()
	f := learnedHere(t)
	name := filepath.Join(t.TempDir(), "pilot.json")
	require.NoError(t, f.Write(name))
	require.NoError(t, f.Write(name), "in place of the one before")
	info, err := os.Stat(name)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	require.False(t, strings.ContainsAny(string(text), "0123456789"))

	again, err := Read(name)
	require.NoError(t, err)
	require.Equal(t, []string{Locked, Right, Wrong}, again.Names())
	for i, p := range again.all {
		require.Equal(t, f.all[i].name, p.name)
		require.Greater(t, alike(p.frames, f.all[i].frames), 0.99, p.name)
	}
}

func TestAFileThatCannotBeUsedSaysWhoMakesOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	require.NoError(t, learnedHere(t).Write(good))
	text, err := os.ReadFile(good)
	require.NoError(t, err)
	for broken, data := range map[string]string{
		"empty":          "",
		"other format":   strings.Replace(string(text), fileFormat, "stars", 1),
		"cut":            string(text[:len(text)/2]),
		"other letters":  strings.Replace(string(text), `"picture": "`, `"picture": "zz`, 1),
		"an odd picture": strings.Replace(string(text), `"picture": "`, `"picture": "aa`, 1),
		"no name":        strings.Replace(string(text), `"wrong"`, `"Wrong 1"`, 1),
		"nothing in it":  strings.Replace(string(text), strings.Split(string(text), `"picture": "`)[1], strings.Repeat("a", leastFrames*letters)+`"}]}`, 1),
	} {
		name := filepath.Join(dir, "broken")
		require.NoError(t, os.WriteFile(name, []byte(data), 0o600))
		_, err := Read(name)
		require.ErrorContains(t, err, "star97 probe learn", broken)
	}
	_, err = Read(filepath.Join(dir, "none"))
	require.ErrorContains(t, err, "star97 probe learn writes them")
}

// Whatever is read can be compared: a print's likeness is a number from -1 to 1.
func FuzzFileIsRefusedOrServes(f *testing.F) {
	name := filepath.Join(f.TempDir(), "pilot.json")
	require.NoError(f, learnedHere(f).Write(name))
	text, err := os.ReadFile(name)
	require.NoError(f, err)
	f.Add(text)
	f.Add([]byte(`{"format":"` + fileFormat + `","prints":[]}`))
	heard := pictureOf(said(f, "en-US", "locked"))
	f.Fuzz(func(t *testing.T, data []byte) {
		known, err := parse(data)
		if err != nil {
			return
		}
		for _, p := range known.all {
			likeness := heard.likeness(p)
			require.True(t, likeness >= 0 && likeness <= 1.0001, "%v", likeness)
		}
	})
}
