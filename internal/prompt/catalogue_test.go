package prompt

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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

func TestDefaultLanguageMustExist(t *testing.T) {
	cat, problems := Load(newTree("de-DE", Required()...).fsys)
	require.NotNil(t, find(problems, "default language has no manifest"))
	_, ok := cat.Audio("fr-FR", Busy, Words{})
	require.False(t, ok)
	require.Empty(t, cat.Prepare("xx"))

	cat, problems = Load(fstest.MapFS{})
	require.Len(t, problems, 1)
	_, ok = cat.Audio("en-US", Busy, Words{})
	require.False(t, ok)
}

func TestLanguageIsFoundByTagThenPrimaryThenDefault(t *testing.T) {
	all := fstest.MapFS{}
	for _, tag := range []string{"en-US", "de-DE", "fr-FR"} {
		for name, f := range newTree(tag, Required()...).fsys {
			all[name] = f
		}
	}
	cat, problems := Load(all)
	require.Empty(t, problems)
	require.Equal(t, []string{"de-DE", "en-US", "fr-FR"}, cat.Languages())
	for tag, want := range map[string]string{
		"de-DE": "de-DE", "de-AT": "de-DE", "de": "de-DE", "DE-de": "de-DE", "fr-CA": "fr-FR",
		"en-GB": "en-US", "it-IT": "en-US", "": "en-US", "d": "en-US",
	} {
		a, ok := cat.Audio(tag, Busy, Words{})
		require.True(t, ok)
		require.Equal(t, want, a.Language(), tag)
		require.Equal(t, "Words of busy in "+want+".", a.Text())
		require.Equal(t, Busy, a.ID())
	}
	_, ok := cat.Audio("de-DE", "no-such-sentence", Words{})
	require.False(t, ok)
}

// Two languages of one primary tag: the default stands for what neither is.
func TestOfTwoEnglishesTheDefaultIsMeant(t *testing.T) {
	all := newTree("en-GB", Required()...).fsys
	for name, f := range newTree("en-US", Required()...).fsys {
		all[name] = f
	}
	cat, problems := Load(all)
	require.Empty(t, problems)
	for tag, want := range map[string]string{"en": "en-US", "en-AU": "en-US", "en-gb": "en-GB", "en-US": "en-US"} {
		a, _ := cat.Audio(tag, Busy, Words{})
		require.Equal(t, want, a.Language(), tag)
	}
}

func TestWordsOfARouteChooseTheVariant(t *testing.T) {
	ids := append(Required(), "welcome@pin", "enter-extension@mailbox", "busy@pin")
	all := newTree("en-US", ids...).fsys
	for name, f := range newTree("fr-FR", append(Required(), "welcome@passcode")...).fsys {
		all[name] = f
	}
	cat, problems := Load(all)
	require.Empty(t, problems)
	cases := []struct {
		lang  string
		id    ID
		words Words
		want  ID
	}{
		{"en-US", Welcome, Words{}, Welcome},
		{"en-US", Welcome, Words{Code: "access-code"}, Welcome},
		{"en-US", Welcome, Words{Code: "pin"}, "welcome@pin"},
		{"en-US", Welcome, Words{Code: "passcode"}, Welcome},
		{"en-US", Welcome, Words{Extension: "mailbox"}, Welcome},
		{"en-US", EnterExtension, Words{Code: "pin", Extension: "mailbox"}, "enter-extension@mailbox"},
		{"en-US", EnterExtension, Words{Code: "pin", Extension: "account"}, EnterExtension},
		{"en-US", "welcome@pin", Words{}, "welcome@pin"},
		{"fr-FR", Welcome, Words{Code: "passcode"}, "welcome@passcode"},
		{"fr-FR", Busy, Words{Code: "pin"}, Busy},
		{"en-US", "fr-FR/welcome", Words{Code: "passcode"}, "welcome@passcode"},
	}
	for _, c := range cases {
		a, ok := cat.Audio(c.lang, c.id, c.words)
		require.True(t, ok)
		require.Equal(t, c.want, a.ID(), "%v", c)
	}
	a, _ := cat.Audio("fr-FR", Busy, Words{Code: "pin"})
	require.Equal(t, "fr-FR", a.Language(), "the language counts more than the word")
}

func TestQualifiedIDNamesItsLanguage(t *testing.T) {
	all := newTree("en-US", append(Required(), "only-english")...).fsys
	for name, f := range newTree("es-ES", Required()...).fsys {
		all[name] = f
	}
	cat, problems := Load(all)
	require.Empty(t, problems)
	for _, id := range []ID{"es-ES/busy", "es/busy", "es-MX/busy"} {
		a, ok := cat.Audio("en-US", id, Words{})
		require.True(t, ok, "%s", id)
		require.Equal(t, "es-ES", a.Language())
		require.Equal(t, Busy, a.ID())
	}
	for _, id := range []ID{"fr-FR/busy", "es-ES/only-english", "/busy", "es-ES/"} {
		_, ok := cat.Audio("en-US", id, Words{})
		require.False(t, ok, "%s: no other language stands in", id)
	}
}

func TestOverlayReplacesSentencesAndAddsLanguages(t *testing.T) {
	base, site := newTree("en-US", Required()...), newTree("en-US", Busy, "our-own")
	site.edit("Words of busy", "Our words of busy")
	site.edit("    sha256: "+hashOf(beep(0))+"\n", "") // a site need not write hashes
	second := newTree("nl-NL", Busy)
	second.fsys[".git/config"] = &fstest.MapFile{}
	cat, problems := Load(base.fsys, site.fsys, second.fsys)
	require.Len(t, problems, len(Required())-1, "nl-NL lacks the others: %v", problems)
	require.NotNil(t, find(problems, `sentence "failed" is missing`))
	require.Equal(t, []string{"en-US", "nl-NL"}, cat.Languages())
	require.Subset(t, cat.IDs("en-US"), []ID{"our-own", Busy, Failed})
	require.Equal(t, []ID{Busy}, cat.IDs("nl-NL"))

	text := func(lang string, id ID) string {
		a, ok := cat.Audio(lang, id, Words{})
		require.True(t, ok)
		return a.Text()
	}
	require.Equal(t, "Our words of busy in en-US.", text("en-US", Busy))
	require.Equal(t, "Words of failed in en-US.", text("en-US", Failed))
	require.Equal(t, "Words of busy in nl-NL.", text("nl-NL", Busy))
	require.Equal(t, "Words of failed in en-US.", text("nl-NL", Failed), "what a language lacks comes from the default")
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
		require.Equal(t, f.Silence, own[len(own)-1])
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

func TestOverlayProblemsNameTheSitesFolder(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, newTree("en-US", Busy).fsys))
	require.NoError(t, os.Remove(filepath.Join(dir, "en-US", "busy.wav")))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "it-IT"), 0o755))
	base := newTree("en-US", Required()...).fsys
	_, problems := Open(Options{Language: "en-US", Folder: dir}, base)
	require.Len(t, problems, 2)
	require.NotNil(t, find(problems, "cannot be read"))
	for _, p := range problems {
		require.True(t, strings.HasPrefix(p.File, dir), "%s", p.File)
		require.NotEmpty(t, p.Remedy)
	}

	_, problems = Open(Options{Language: "en-US", Folder: filepath.Join(dir, "none")}, base)
	require.Len(t, problems, 1)
	require.Contains(t, problems[0].Text, "cannot be listed")

	cat, problems := Open(DefaultOptions(), base)
	require.Empty(t, problems)
	require.Equal(t, []string{"en-US"}, cat.Languages())
}

func TestOptionsAreValidated(t *testing.T) {
	require.NoError(t, DefaultOptions().Validate())
	for _, bad := range []string{"", "english", "en_US", "../x", "e"} {
		require.Error(t, Options{Language: bad}.Validate(), bad)
	}
}

// Of a language that is not the default each sentence is read when it is first used,
// once, by many at the same time.
func TestOtherLanguagesAreReadAtFirstUse(t *testing.T) {
	all := newTree("en-US", Required()...).fsys
	german := newTree("de-DE", Required()...)
	german.edit("    text: Words of busy", "    then: failed\n    text: Words of busy")
	for name, f := range german.fsys {
		all[name] = f
	}
	opened := &countingFS{FS: all}
	cat, problems := Load(opened)
	require.Empty(t, problems)
	require.Zero(t, opened.masters("de-DE"))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			a, ok := cat.Audio("de-DE", Busy, Words{})
			require.True(t, ok)
			require.NotEmpty(t, a.Payload(codec.PCMU))
		})
	}
	wg.Wait()
	require.Equal(t, 2, opened.masters("de-DE"), "and what it goes on with")
	require.Empty(t, cat.Prepare("de-DE"))
	require.Empty(t, cat.Prepare("de-DE"))
	require.Equal(t, len(Required()), opened.masters("de-DE"))
}

// slowFS opens each master of a language slowly while waits says so.
type slowFS struct {
	fs.FS
	opened func(name string) (wait bool)
}

func (s *slowFS) Open(name string) (fs.File, error) {
	if strings.HasPrefix(name, "de-DE/") && strings.HasSuffix(name, ".wav") && s.opened(name) {
		time.Sleep(20 * time.Millisecond)
	}
	return s.FS.Open(name)
}

// A call that needs a sentence while its language is made ready does not wait for all
// of it.
func TestASentenceIsThereBeforeAllOfItsLanguageIs(t *testing.T) {
	all := newTree("en-US", Required()...).fsys
	for name, f := range newTree("de-DE", Required()...).fsys {
		all[name] = f
	}
	var cat *Catalogue
	var begin sync.Once
	var masters atomic.Int32
	needed, before := make(chan struct{}), int32(0)
	cat, problems := Load(&slowFS{FS: all, opened: func(string) bool {
		masters.Add(1)
		begin.Do(func() {
			go func() {
				defer close(needed)
				ids := cat.IDs("de-DE")
				_, ok := cat.Audio("de-DE", ids[len(ids)-1], Words{})
				require.True(t, ok)
				before = masters.Load()
			}()
		})
		select {
		case <-needed:
			return false
		default:
			return true
		}
	}})
	require.Empty(t, problems)
	require.Empty(t, cat.Prepare("de-DE"))
	<-needed
	require.Less(t, before, int32(len(Required())))
	require.EqualValues(t, len(Required()), masters.Load(), "each once")
	require.Empty(t, cat.Prepare("de-DE"))
	require.EqualValues(t, len(Required()), masters.Load())
}

func TestProblemIsToldOnce(t *testing.T) {
	tr := newTree("en-US", Required()...)
	tr.put(Busy, []byte("hello"))
	cat, problems := Load(tr.fsys)
	require.Len(t, problems, 1)
	require.Empty(t, cat.Prepare("en-US"))
	_, ok := cat.Audio("en-US", Busy, Words{})
	require.False(t, ok)
}

type countingFS struct {
	fs.FS
	mu    sync.Mutex
	names []string
}

func (c *countingFS) Open(name string) (fs.File, error) {
	c.mu.Lock()
	c.names = append(c.names, name)
	c.mu.Unlock()
	return c.FS.Open(name)
}

func (c *countingFS) masters(tag string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, name := range c.names {
		if strings.HasPrefix(name, tag+"/") && strings.HasSuffix(name, ".wav") {
			n++
		}
	}
	return n
}

func TestMastersOfEveryRateSoundAlike(t *testing.T) {
	tr := newTree("en-US", Required()...)
	for i, rate := range WAVRates {
		tr.put(Required()[i], WriteWAV(rate, sine(1000, 8000, time.Second, rate)))
	}
	cat, problems := Load(tr.fsys)
	require.Empty(t, problems)
	want := sine(1000, 8000, time.Second, Rate)
	for i := range WAVRates {
		a, _ := cat.Audio("en-US", Required()[i], Words{})
		require.Equal(t, time.Second, a.Duration())
		got := a.PCM8k()
		var noise float64
		for k := 100; k < len(want)-100; k++ {
			d := float64(got[k]) - float64(want[k])
			noise += d * d
		}
		require.Less(t, 10*math.Log10(noise/energyOf(want)), -30.0, "only mu-law's noise at %d Hz", WAVRates[i])
	}
}

func TestLookupAllocatesNothing(t *testing.T) {
	cat, _ := voices()
	require.Zero(t, testing.AllocsPerRun(100, func() {
		a, _ := cat.Audio("de-AT", MainMenu, Words{})
		a.Payload(codec.PCMA)
		a.Duration()
		cat.Audio("en-US", "en-US/welcome", Words{Code: "pin", Extension: "account"})
	}))
}

func BenchmarkLookup(b *testing.B) {
	cat, _ := Load(shipped)
	b.ReportAllocs()
	for b.Loop() {
		a, _ := cat.Audio("en-US", MainMenu, Words{})
		a.Payload(codec.PCMU)
	}
}

// BenchmarkLoad reads, checks and encodes one language on one core.
func BenchmarkLoad(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Load(shipped)
	}
}
