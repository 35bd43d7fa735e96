package prompt

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/codec"
	"star97/internal/strictyaml"
)

// beep is a short master; each n sounds different.
func beep(n int) []byte {
	return WriteWAV(16000, sine(300+float64(n)*7, 5000, 50*time.Millisecond, 16000))
}

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// tree is a complete prompts folder of one language, for tests to break.
type tree struct {
	fsys fstest.MapFS
	tag  string
}

func newTree(tag string, ids ...ID) tree {
	t := tree{fstest.MapFS{}, tag}
	var m strings.Builder
	fmt.Fprintf(&m, "language: %s\nvoices:\n  v:\n    engine: test\n    licence: none\nsentences:\n", tag)
	for i, id := range ids {
		wav := beep(i)
		t.fsys[tag+"/"+string(id)+".wav"] = &fstest.MapFile{Data: wav}
		fmt.Fprintf(&m, "  %s:\n    text: Words of %s in %s.\n    voice: v\n    sha256: %s\n", id, id, tag, hashOf(wav))
	}
	t.fsys[t.manifest()] = &fstest.MapFile{Data: []byte(m.String())}
	return t
}

func (t tree) manifest() string { return t.tag + "/" + ManifestName }

// edit replaces text in the manifest, once.
func (t tree) edit(old, next string) {
	f := t.fsys[t.manifest()]
	f.Data = []byte(strings.Replace(string(f.Data), old, next, 1))
}

// put replaces a master and corrects its hash.
func (t tree) put(id ID, wav []byte) {
	f := t.fsys[t.tag+"/"+string(id)+".wav"]
	t.edit(hashOf(f.Data), hashOf(wav))
	f.Data = wav
}

func (t tree) lineOf(text string) int {
	before, _, found := strings.Cut(string(t.fsys[t.manifest()].Data), text)
	if !found {
		return 0
	}
	return 1 + strings.Count(before, "\n")
}

func TestBrokenManifestsAreToldWithPlaceAndRemedy(t *testing.T) {
	long := WriteWAV(16000, sine(300, 5000, MaxLength+time.Millisecond, 16000))
	cases := map[string]struct {
		harm func(tree)
		line string // what stands in the line that must be named
		says string
	}{
		"missing file":     {func(t tree) { delete(t.fsys, "en-US/busy.wav") }, "Words of busy ", `master busy.wav of "busy" cannot be read`},
		"wrong hash":       {func(t tree) { t.fsys["en-US/busy.wav"].Data = beep(99) }, hashOf(beep(index(Busy))), "its hash differs"},
		"no hash":          {func(t tree) { t.edit("    sha256: "+hashOf(beep(index(Busy)))+"\n", "") }, "Words of busy ", "its hash differs"},
		"hash of no shape": {func(t tree) { t.edit(hashOf(beep(index(Busy))), "abc") }, "sha256: abc", "not 64 hexadecimal digits"},
		"unknown key":      {func(t tree) { t.edit("    text: Words of busy", "    txt: Words of busy") }, "txt: Words", "not known here"},
		"duplicate id":     {func(t tree) { t.edit("  busy:", "  failed:\n    text: x\n  busy:") }, "  failed:\n    text: x", "second time"},
		"empty text":       {func(t tree) { t.edit("Words of busy in en-US.", `" "`) }, `text: " "`, "has no text"},
		"bad id":           {func(t tree) { t.edit("  busy:", "  Busy_1:") }, "Words of busy ", "is no sentence id"},
		"unknown voice":    {func(t tree) { t.edit("voice: v", "voice: w") }, "voice: w", "not described"},
		"voice without licence": {func(t tree) { t.edit("    licence: none\n", "") }, "engine: test",
			"has no engine or no licence"},
		"unknown preference": {func(t tree) { t.edit("voices:", "prefer: [x]\nvoices:") }, "prefer:", `voice "x" is not described`},
		"wrong language":     {func(t tree) { t.edit("language: en-US", "language: en-GB") }, "language:", "the folder is"},
		"file elsewhere":     {func(t tree) { t.edit("    voice: v", "    file: ../x.wav\n    voice: v") }, "file: ../x.wav", "not the name of a .wav file"},
		"file of two":        {func(t tree) { t.edit("    text: Words of busy", "    file: failed.wav\n    text: Words of busy") }, "Words of failed ", "name the same file"},
		"not a WAV file":     {func(t tree) { t.put(Busy, []byte("hello")) }, "Words of busy ", "not a WAV file"},
		"stereo":             {func(t tree) { t.put(Busy, with(22, 2)) }, "Words of busy ", "2 channels"},
		"44100 Hz":           {func(t tree) { t.put(Busy, with(24, 44100)) }, "Words of busy ", "44100 Hz"},
		"0 length":           {func(t tree) { t.put(Busy, WriteWAV(16000, nil)) }, "Words of busy ", "is empty"},
		"too long":           {func(t tree) { t.put(Busy, long) }, "Words of busy ", "lasts 8.0 s; at most 8 s"},
		"no sentences":       {func(t tree) { t.fsys[t.manifest()].Data = []byte("language: en-US\nvoices: {}\nsentences: {}\n") }, "", "There are no sentences"},
		"empty manifest":     {func(t tree) { t.fsys[t.manifest()].Data = nil }, "", "There are no sentences"},
		"no YAML":            {func(t tree) { t.fsys[t.manifest()].Data = []byte("sentences: [") }, "sentences", ""},
		"required sentence missing": {func(t tree) {
			t.edit("  busy:", "  busier:")
			t.fsys["en-US/busier.wav"] = t.fsys["en-US/busy.wav"]
			delete(t.fsys, "en-US/busy.wav")
		}, "", `sentence "busy" is missing`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			tr := newTree("en-US", Required()...)
			c.harm(tr)
			_, problems := Load(tr.fsys)
			p := find(problems, c.says)
			require.NotNil(t, p, "%v", problems)
			require.Equal(t, tr.manifest(), p.File)
			require.NotEmpty(t, p.Remedy)
			if c.line != "" {
				require.Equal(t, tr.lineOf(c.line), p.Line, "%v", p)
			}
		})
	}
}

func index(id ID) int {
	for i, r := range Required() {
		if r == id {
			return i
		}
	}
	return -1
}

func find(problems []strictyaml.Problem, says string) *strictyaml.Problem {
	for i := range problems {
		if strings.Contains(problems[i].Text, says) {
			return &problems[i]
		}
	}
	return nil
}

func TestOrphanFileIsTold(t *testing.T) {
	tr := newTree("en-US", Required()...)
	tr.fsys["en-US/left-over.wav"] = &fstest.MapFile{Data: beep(1)}
	tr.fsys["en-US/README.txt"] = &fstest.MapFile{Data: []byte("notes are no orphans")}
	_, problems := Load(tr.fsys)
	require.Len(t, problems, 1)
	require.Equal(t, "en-US/left-over.wav", problems[0].File)
	require.NotEmpty(t, problems[0].Remedy)
}

// A sentence can go on with one that several share.
func TestSentenceGoesOnInTheSameBreath(t *testing.T) {
	tr := newTree("en-US", append(Required(), "keys", "our-own")...)
	tr.edit("    text: Words of busy", "    then: keys\n    text: Words of busy")
	tr.edit("    text: Words of failed", "    then: keys\n    text: Words of failed")
	tr.put("keys", WriteWAV(16000, sine(2000, 5000, time.Second, 16000)))
	cat, problems := Load(tr.fsys)
	require.Empty(t, problems)
	a, _ := cat.Audio("en-US", Busy, Words{})
	keys, ok := cat.Audio("en-US", "keys", Words{})
	require.True(t, ok)
	require.Equal(t, "Words of busy in en-US. Words of keys in en-US.", a.Text())
	require.Equal(t, 60*time.Millisecond+200*time.Millisecond+time.Second, a.Duration())
	for id := codec.None + 1; id < codec.Count; id++ {
		f, _ := codec.ByID(id)
		own, pause, rest := a.Payload(id)[:60*f.BytesPerMs], a.Payload(id)[60*f.BytesPerMs:260*f.BytesPerMs], a.Payload(id)[260*f.BytesPerMs:]
		if slices.Contains(narrow[:], id) {
			require.Equal(t, f.Silence, own[len(own)-1])
		} else { // what G.722 has for silence depends on what went before
			pcm := make([]int16, len(own)*f.SampleRate/1000/f.BytesPerMs)
			f.Decode(pcm, own)
			require.LessOrEqual(t, magnitude(pcm[len(pcm)-1]), QuietPeak)
		}
		require.Equal(t, slices.Repeat([]byte{f.Silence}, len(pause)), pause)
		require.Equal(t, keys.Payload(id), rest)
	}
	require.NotContains(t, cat.IDs("en-US"), ID("keys"), "it is never said alone")
	require.Contains(t, cat.IDs("en-US"), ID("our-own"))
}

func TestBrokenContinuations(t *testing.T) {
	long := WriteWAV(16000, sine(300, 5000, MaxLength-100*time.Millisecond, 16000))
	for name, c := range map[string]struct {
		harm func(tree)
		line string
		says string
	}{
		"of nothing": {func(t tree) { t.edit("    text: Words of busy", "    then: nothing\n    text: Words of busy") }, "then: nothing", `goes on with "nothing", which cannot be said`},
		"of itself":  {func(t tree) { t.edit("    text: Words of busy", "    then: busy\n    text: Words of busy") }, "then: busy", "which goes on itself"},
		"of a broken": {func(t tree) {
			t.put("keys", nil)
			t.edit("    text: Words of busy", "    then: keys\n    text: Words of busy")
		}, "then: keys", "which cannot be said"},
		"too long": {func(t tree) {
			t.put("keys", long)
			t.edit("    text: Words of busy", "    then: keys\n    text: Words of busy")
		}, "then: keys", "at most 8 s"},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTree("en-US", append(Required(), "keys")...)
			c.harm(tr)
			_, problems := Load(tr.fsys)
			p := find(problems, c.says)
			require.NotNil(t, p, "%v", problems)
			require.Equal(t, tr.lineOf(c.line), p.Line)
			require.NotEmpty(t, p.Remedy)
		})
	}
}
