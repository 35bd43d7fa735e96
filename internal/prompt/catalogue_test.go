package prompt

import (
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/codec"
)

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
