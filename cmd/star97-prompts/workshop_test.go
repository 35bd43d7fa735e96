package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/prompt"
)

// buzzer speaks every text as a buzz whose length is that of the text, so that the
// workshop can be tried where no synthesiser is installed.
type buzzer struct {
	missing error
	spoken  []string
	length  time.Duration
}

func (b *buzzer) ready(prompt.Voice) error { return b.missing }

func (b *buzzer) speak(_ context.Context, _ prompt.Voice, text string) ([]int16, error) {
	b.spoken = append(b.spoken, text)
	if strings.Contains(text, "unspeakable") {
		return nil, errors.New("no voice for that")
	}
	if b.length > 0 {
		return talk(9000, 0, int(b.length/(700*time.Millisecond))+1), nil
	}
	return talk(9000, time.Duration(len(text))*time.Millisecond, 2), nil
}

const manifest = `# Our sentences.
language: en-US
prefer: [good, plain]
voices:
  good: {engine: good, licence: free, options: "volume 40"}
  plain: {engine: plain, licence: free}
  anna: {engine: human, licence: ours}
sentences:

  # The first
  hello:
    text: Hello there. # a remark
  bye:
    text: Good bye.

  spoken-by-anna:
    text: I am Anna.
    voice: anna
    human: true
`

type bench struct {
	*workshop
	good, plain *buzzer
	out         *bytes.Buffer
	dir         string
}

func newBench(t *testing.T) *bench {
	b := &bench{good: &buzzer{}, plain: &buzzer{}, out: &bytes.Buffer{}, dir: t.TempDir()}
	b.workshop = &workshop{folder: b.dir, engines: map[string]engine{"good": b.good, "plain": b.plain}, out: b.out}
	require.NoError(t, os.Mkdir(filepath.Join(b.dir, "en-US"), 0o755))
	b.write(t, prompt.ManifestName, manifest)
	b.write(t, "spoken-by-anna.wav", "Anna's own recording")
	return b
}

func (b *bench) write(t *testing.T, name, data string) {
	require.NoError(t, os.WriteFile(filepath.Join(b.dir, "en-US", name), []byte(data), 0o644))
}

func (b *bench) read(t *testing.T, name string) string {
	data, err := os.ReadFile(filepath.Join(b.dir, "en-US", name))
	require.NoError(t, err)
	return string(data)
}

func (b *bench) edit(t *testing.T, old, next string) {
	text := b.read(t, prompt.ManifestName)
	require.Contains(t, text, old)
	b.write(t, prompt.ManifestName, strings.Replace(text, old, next, 1))
}

// work runs the workshop and returns what was spoken by the good voice.
func (b *bench) work(t *testing.T) []string {
	b.good.spoken, b.plain.spoken = nil, nil
	require.NoError(t, b.run(t.Context(), nil))
	return b.good.spoken
}

func TestOnlyWhatChangedIsSpoken(t *testing.T) {
	b := newBench(t)
	require.Equal(t, []string{"Good bye.", "Hello there."}, b.work(t))
	require.Empty(t, b.work(t), "nothing changed")

	b.edit(t, "Hello there.", "Hello again.")
	require.Equal(t, []string{"Hello again."}, b.work(t), "a text changed")

	b.edit(t, "volume 40", "volume 41")
	require.Equal(t, []string{"Good bye.", "Hello again."}, b.work(t), "the voice's options changed")

	b.edit(t, "Good bye.", "Good bye.\n    spoken: Good buy.")
	require.Equal(t, []string{"Good buy."}, b.work(t), "the synthesiser has words of its own")

	before := b.read(t, "bye.wav")
	b.write(t, "bye.wav", "something else")
	require.Equal(t, []string{"Good buy."}, b.work(t), "the file is not the one of the manifest")
	require.Equal(t, before, b.read(t, "bye.wav"))

	require.NoError(t, os.Remove(filepath.Join(b.dir, "en-US", "hello.wav")))
	require.Equal(t, []string{"Hello again."}, b.work(t), "the file is gone")

	b.fresh = true
	require.Len(t, b.work(t), 2, "asked for")
	require.Equal(t, "Anna's own recording", b.read(t, "spoken-by-anna.wav"))
}

func TestManifestKeepsItsWordsAndGetsTrueFields(t *testing.T) {
	b := newBench(t)
	b.work(t)
	text := b.read(t, prompt.ManifestName)
	for _, line := range strings.Split(strings.TrimSpace(manifest), "\n") {
		require.Contains(t, text, line)
	}
	m, problems := prompt.ReadManifest(os.DirFS(b.dir), "en-US")
	require.Empty(t, problems)
	require.Equal(t, hash([]byte(b.read(t, "hello.wav"))), m.Sentences["hello"].SHA256)
	require.Equal(t, "good", m.Sentences["hello"].Voice)
	require.Equal(t, prompt.Sentence{Text: "I am Anna.", Voice: "anna", Human: true}, m.Sentences["spoken-by-anna"])

	files := func() (string, string) { return b.read(t, "hello.wav"), b.read(t, prompt.ManifestName) }
	wav, yaml := files()
	b.fresh = true
	b.work(t)
	sameWAV, sameYAML := files()
	require.Equal(t, wav, sameWAV, "byte for byte")
	require.Equal(t, yaml, sameYAML)
}

func TestSecondVoiceStandsInUntilTheFirstIsThere(t *testing.T) {
	b := newBench(t)
	b.good.missing = errors.New("no data")
	require.Empty(t, b.work(t))
	require.Len(t, b.plain.spoken, 2)
	require.Empty(t, b.work(t))
	require.Empty(t, b.plain.spoken, "up to date with the voice at hand")

	b.good.missing = nil
	require.Len(t, b.work(t), 2, "a better voice has come")
	b.good.missing = errors.New("gone again")
	b.work(t)
	require.Empty(t, b.plain.spoken, "a worse voice replaces nothing")
}

func TestWorkshopSaysWhatIsWrong(t *testing.T) {
	cases := map[string]struct {
		harm func(t *testing.T, b *bench)
		says []string
	}{
		"no voice at hand": {func(_ *testing.T, b *bench) {
			b.good.missing, b.plain.missing = errors.New("no data"), errors.New("not installed")
		}, []string{"manifest.yaml", `"bye"`, "no data", "not installed"}},
		"no voice preferred": {func(t *testing.T, b *bench) { b.edit(t, "prefer: [good, plain]\n", "") }, []string{"prefers no voice"}},
		"unknown engine":     {func(t *testing.T, b *bench) { b.edit(t, "prefer: [good, plain]", "prefer: [anna]") }, []string{`engine "human" of voice "anna"`}},
		"too long":           {func(_ *testing.T, b *bench) { b.good.length = 9 * time.Second }, []string{`"bye"`, "at most 8 s", "fewer words"}},
		"engine fails":       {func(t *testing.T, b *bench) { b.edit(t, "Good bye.", "An unspeakable bye.") }, []string{`"bye"`, "no voice for that"}},
		"broken manifest":    {func(t *testing.T, b *bench) { b.edit(t, "text: Good", "txt: Good") }, []string{"manifest.yaml:14", "txt"}},
		"manifest of flow":   {func(t *testing.T, b *bench) { b.edit(t, "  bye:\n    text: Good bye.\n", "  bye: {text: Good bye.}\n") }, []string{`"bye" must stand as a line of its own`}},
		"no language at all": {func(_ *testing.T, b *bench) { b.folder = filepath.Join(b.dir, "none") }, []string{"no language in", "--prompts"}},
		"folder not writable": {func(t *testing.T, b *bench) {
			require.NoError(t, os.Mkdir(filepath.Join(b.dir, "en-US", "bye.wav"), 0o755))
		}, []string{`"bye"`, "bye.wav"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			c.harm(t, b)
			err := b.run(t.Context(), nil)
			require.Error(t, err)
			for _, words := range c.says {
				require.ErrorContains(t, err, words)
			}
			left, _ := filepath.Glob(filepath.Join(b.dir, "en-US", "*.new"))
			require.Empty(t, left)
		})
	}
}

// What was spoken before an error is not lost.
func TestFailureKeepsWhatWasSpoken(t *testing.T) {
	b := newBench(t)
	b.edit(t, "Hello there.", "An unspeakable hello.")
	require.Error(t, b.run(t.Context(), []string{"en-US"}))
	m, _ := prompt.ReadManifest(os.DirFS(b.dir), "en-US")
	require.Equal(t, hash([]byte(b.read(t, "bye.wav"))), m.Sentences["bye"].SHA256)
}

func TestMarkup(t *testing.T) {
	got, err := mark("Hello.", "volume 40, speed 95")
	require.NoError(t, err)
	require.Equal(t, `<speed level="95"><volume level="40">Hello.</volume></speed>`, got)
	got, err = mark("Hello.", "")
	require.NoError(t, err)
	require.Equal(t, "Hello.", got)
	_, err = mark("a < b", "")
	require.ErrorContains(t, err, "markup")
	_, err = mark("a", "volume")
	require.ErrorContains(t, err, `"volume" is not a name and a number`)
}

func TestPicoSaysWhatItNeeds(t *testing.T) {
	dir := t.TempDir()
	voice := prompt.Voice{Voice: "en-US_lh0"}
	require.ErrorContains(t, pico{}.ready(voice), "--data or PICO_DATA")
	require.ErrorContains(t, pico{data: dir}.ready(voice), "en-US_lh0_sg.bin")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "en-US_lh0_sg.bin"), nil, 0o644))
	t.Setenv("PATH", dir)
	require.ErrorContains(t, pico{data: dir}.ready(voice), "node is not installed")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "node"), []byte("#!/bin/sh\n"), 0o755))
	require.ErrorContains(t, pico{data: dir, tools: dir}.ready(voice), "npm ci --prefix "+dir)
	require.ErrorContains(t, flite{}.ready(voice), "apt-get install flite")
}

func TestFliteSpeaksAMaster(t *testing.T) {
	if err := (flite{}).ready(prompt.Voice{}); err != nil {
		t.Skip(err)
	}
	voice := prompt.Voice{Engine: "flite", Voice: "rms"}
	raw, err := flite{}.speak(t.Context(), voice, "Please enter your access code.")
	require.NoError(t, err)
	pcm, err := polish(raw)
	require.NoError(t, err)
	require.InDelta(t, 2, prompt.Measure(pcm, masterRate).Length.Seconds(), 1)

	again, err := flite{}.speak(t.Context(), voice, "Please enter your access code.")
	require.NoError(t, err)
	require.Equal(t, raw, again)
}

func TestHelpShowsAnExample(t *testing.T) {
	var out bytes.Buffer
	c := command(&out)
	c.SetArgs([]string{"--help"})
	require.NoError(t, c.Execute())
	require.Contains(t, out.String(), "make prompts PICO_DATA=/opt/pico")
	require.Contains(t, out.String(), "--data")
}
