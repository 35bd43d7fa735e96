package prompt

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// soundPack is a site's folder with the example's manifest and, in the place of the
// pack's, recordings of 8000 Hz.
func soundPack(t *testing.T) (folder string, manifest *Manifest) {
	example := os.DirFS(filepath.Join("testdata", "asterisk"))
	manifest, problems := ReadManifest(example, "en-US")
	require.Empty(t, problems)
	folder = t.TempDir()
	require.NoError(t, os.CopyFS(folder, example))
	hz := 300.0
	for id := range manifest.Sentences {
		hz += 50
		wav := WriteWAV(8000, sine(hz, 6000, time.Second, 8000))
		require.NoError(t, os.WriteFile(filepath.Join(folder, "en-US", manifest.FileOf(id)), wav, 0o644))
	}
	require.NoError(t, os.WriteFile(filepath.Join(folder, "en-US", "tt-monkeys.wav"), []byte("not looked at"), 0o644))
	return folder, manifest
}

func TestSoundPackOfAsteriskReplacesWhatItsManifestNames(t *testing.T) {
	t.Parallel()
	folder, manifest := soundPack(t)
	cat, problems := Open(Options{Language: "en-US", Folder: folder}, shipped)
	require.Empty(t, problems)
	for id, s := range manifest.Sentences {
		require.Contains(t, Required(), id, "a sentence that is said")
		a, ok := cat.Audio("en-US", id, Words{})
		require.True(t, ok)
		require.Equal(t, s.Text, a.Text())
		require.Equal(t, time.Second, a.Duration())
		require.InDelta(t, -17.8, ActiveLevel(a.PCM8k(), Rate), 0.5, "as it was recorded")
	}
	a, ok := cat.Audio("en-US", Unavailable, Words{})
	require.True(t, ok)
	require.Contains(t, a.Text(), "cannot be reached", "the rest is star97's own voice")
}

// What other packs have is told with the way out.
func TestSoundPackInAnotherFormatIsRefused(t *testing.T) {
	t.Parallel()
	for file, says := range map[string]string{
		"vm-goodbye.gsm": "is not the name of a .wav file",
		"vm-goodbye.wav": "not 16-bit PCM",
	} {
		folder, _ := soundPack(t)
		name := filepath.Join(folder, "en-US", ManifestName)
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		text = bytes.ReplaceAll(text, []byte("file: vm-goodbye.wav"), []byte("file: "+file))
		require.NoError(t, os.WriteFile(name, text, 0o644))
		require.NoError(t, os.WriteFile(filepath.Join(folder, "en-US", "vm-goodbye.wav"), with(20, 0x31), 0o644)) // GSM 6.10
		_, problems := Open(Options{Language: "en-US", Folder: folder}, shipped)
		p := find(problems, says)
		require.NotNil(t, p, "%v", problems)
		require.Contains(t, p.Remedy, "sox")
	}
}

// What the README tells an administrator to type is run here, with other folders.
func TestTheStepsOfTheReadmeMakeAFolderThatIsSpoken(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	_, section, found := strings.Cut(string(readme), "### Own recordings\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n### ")
	var steps []string
	for line := range strings.Lines(section) {
		if step, ok := strings.CutPrefix(line, "    "); ok {
			steps = append(steps, step)
		}
	}
	require.Len(t, steps, 4)
	require.True(t, strings.HasPrefix(steps[3], "star97 check --config "), "which the program's own tests run")

	pack, manifest := soundPack(t)
	etc := t.TempDir()
	script := strings.NewReplacer("/etc/star97", etc, "/usr/share/asterisk/sounds/en_US_f_Allison", filepath.Join(pack, "en-US")).
		Replace("set -e\n" + strings.Join(steps[:3], ""))
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	cat, problems := Open(Options{Language: "en-US", Folder: filepath.Join(etc, "prompts")}, shipped)
	require.Empty(t, problems)
	for id, s := range manifest.Sentences {
		a, ok := cat.Audio("en-US", id, Words{})
		require.True(t, ok)
		require.Equal(t, s.Text, a.Text(), "the site's own")
	}
	_, err = os.Stat(filepath.Join(root, "prompts", "en-US", "manifest.yaml"))
	require.NoError(t, err)
}
