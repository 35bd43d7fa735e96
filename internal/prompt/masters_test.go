package prompt

import (
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/codec"
	"star97/internal/strictyaml"
	"star97/prompts"
)

var shipped = prompts.FS

// voices is the shipped catalogue with everything encoded, and what was wrong.
var voices = sync.OnceValues(func() (*Catalogue, []strictyaml.Problem) {
	cat, problems := Load(shipped)
	var all sync.WaitGroup
	found := make([][]strictyaml.Problem, len(cat.languages))
	for i, l := range cat.languages {
		all.Go(func() { found[i] = l.prepare() })
	}
	all.Wait()
	return cat, slices.Concat(append(found, problems)...)
})

// eachShipped runs a test for every recording of every shipped language.
func eachShipped(t *testing.T, test func(t *testing.T, a *Audio)) {
	cat, problems := voices()
	require.Empty(t, problems, "no missing file, no wrong hash, no bad format")
	t.Run("languages", func(t *testing.T) { // until all of them are done
		for _, l := range cat.languages {
			t.Run(l.tag, func(t *testing.T) {
				t.Parallel()
				for _, id := range sorted(l.entries) {
					t.Run(string(id), func(t *testing.T) { test(t, l.recording(l.entries[id])) })
				}
			})
		}
	})
}

func TestShippedLanguagesHaveEverySentence(t *testing.T) {
	cat, _ := voices()
	require.Equal(t, []string{"de-DE", "en-GB", "en-US", "es-ES", "fr-FR", "it-IT"}, cat.Languages())
	for _, l := range cat.languages {
		require.Subset(t, sorted(l.entries), Required(), l.tag)
	}
}

// Level, peak, ends, pauses and length of each master, as the file holds it.
func TestShippedMastersKeepTheirShape(t *testing.T) {
	eachShipped(t, func(t *testing.T, a *Audio) {
		rate, pcm := master(t, a)
		require.Equal(t, 16000, rate)
		m := Measure(pcm, rate)
		require.InDelta(t, -20, m.Level, 1, "active level, dBov")
		require.LessOrEqual(t, m.Peak, -3.0, "dBFS")
		require.Zero(t, m.Clipped)
		require.LessOrEqual(t, m.Lead, 10*time.Millisecond)
		require.InDelta(t, 120, m.Tail.Milliseconds(), 5)
		require.Less(t, m.Pause, 650*time.Millisecond)
		require.LessOrEqual(t, m.Length, MaxLength)
		require.False(t, clicksAtTheEnd(pcm), "a click after the last word")
		require.Zero(t, pcm[0], "faded in")
		require.Zero(t, pcm[len(pcm)-1], "faded out")
	})
}

// master is what the file of a sentence holds.
func master(t *testing.T, a *Audio) (rate int, pcm []int16) {
	data, err := fs.ReadFile(shipped, path.Join(a.Language(), string(a.ID())+".wav"))
	require.NoError(t, err)
	rate, pcm, err = ReadWAV(data, nil)
	require.NoError(t, err)
	return rate, pcm
}

// clicksAtTheEnd tells whether the last sound is short and stands apart: SVOX Pico
// sometimes clicks when it is done.
func clicksAtTheEnd(pcm []int16) bool {
	const longest, after = 16000 / 20, 16000 / 4
	last := len(pcm) - 1
	for last > 0 && magnitude(pcm[last]) <= 4*QuietPeak {
		last--
	}
	start := last
	for i := last; i >= 0 && start-i <= after; i-- {
		if magnitude(pcm[i]) > 4*QuietPeak {
			start = i
		}
	}
	return last-start <= longest && start > after
}

// What the caller hears: the payload of each codec, decoded. A sentence that answers a
// key sounds at once.
func TestShippedPayloadsSoundAtOnceAndEverywhereTheSame(t *testing.T) {
	var all sync.Mutex
	leads := map[string][]time.Duration{}
	eachShipped(t, func(t *testing.T, a *Audio) {
		for _, id := range narrow {
			f, _ := codec.ByID(id)
			payload := a.Payload(id)
			require.Zero(t, len(payload)%(20*f.BytesPerMs), "whole frames")
			require.Equal(t, a.Duration(), time.Duration(len(payload)/f.BytesPerMs)*time.Millisecond)
			pcm := decoded(a, id)
			require.Equal(t, f.Silence, payload[len(payload)-1])
			m := Measure(pcm, f.SampleRate)
			require.InDelta(t, -20, m.Level, 1.5, f.Name)
			require.Zero(t, m.Clipped)
			if answersAKey(a) {
				lead := time.Duration(slices.IndexFunc(pcm, isAudible)) * time.Second / Rate
				require.LessOrEqual(t, lead, 25*time.Millisecond)
				all.Lock()
				leads[a.Language()] = append(leads[a.Language()], lead)
				all.Unlock()
			}
		}
		require.Nil(t, a.Payload(codec.None))
		require.Nil(t, a.Payload(codec.Count))
	})
	for lang, l := range leads {
		slices.Sort(l)
		require.LessOrEqual(t, l[len(l)/2], 2*time.Millisecond, lang)
		require.LessOrEqual(t, l[len(l)*98/100], 10*time.Millisecond, lang)
	}
}

// presses is how a language says a key: the verb, and 0 to 9, * and #.
var presses = map[string]struct{ verb, keys string }{
	"en-US": {"press", "zero|one|two|three|four|five|six|seven|eight|nine|star|pound"},
	"en-GB": {"press", "zero|one|two|three|four|five|six|seven|eight|nine|star|hash"},
	"es-ES": {"pulse", "cero|uno|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|asterisco|almohadilla"},
	"fr-FR": {"tapez", "zéro|un|deux|trois|quatre|cinq|six|sept|huit|neuf|étoile|dièse"},
	"de-DE": {"drücken Sie", "die Null|die Eins|die Zwei|die Drei|die Vier|die Fünf|die Sechs|die Sieben|die Acht|die Neun|Stern|Raute"},
	"it-IT": {"prema", "zero|uno|due|tre|quattro|cinque|sei|sette|otto|nove|asterisco|cancelletto"},
}

// The key that an option's id names is the one that is said, after the action.
func TestShippedOptionsSayActionThenKey(t *testing.T) {
	names := []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "star", "pound"}
	eachShipped(t, func(t *testing.T, a *Audio) {
		id := string(a.ID())
		if !strings.HasPrefix(id, "option-") {
			return
		}
		p := presses[a.Language()]
		key := strings.Split(p.keys, "|")[slices.Index(names, id[strings.LastIndexByte(id, '-')+1:])]
		require.Regexp(t, "^[^.]{8,} "+p.verb+" "+key+`\.$`, a.Text())
	})
}

// Rules for texts: numbers in words, keys by name, nothing that is no speech; the words
// of a route only where they can be chosen.
func TestShippedTextsAreSpeakable(t *testing.T) {
	eachShipped(t, func(t *testing.T, a *Audio) {
		require.NotRegexp(t, `[0-9*#<>&]`, a.Text())
		require.Regexp(t, `[.!?]$`, a.Text())
		if !strings.Contains(string(a.ID()), "@") {
			require.NotRegexp(t, `(?i)\b(pin|passcode)\b`, a.Text())
		}
		switch a.Language() {
		case "en-US":
			require.NotRegexp(t, `(?i)\bhash\b`, a.Text())
		case "en-GB":
			require.NotRegexp(t, `(?i)\bpound\b`, a.Text())
		}
	})
}

// Where a plain sentence names the code or the extension by its word, the English
// ones, which the words are from, have it for each word.
func TestEnglishSentencesFollowTheWordsOfTheRoute(t *testing.T) {
	cat, _ := voices()
	variants := map[string][]string{"access code": {"pin", "passcode"}, "your extension": {"mailbox", "account"}}
	for _, l := range cat.languages {
		for _, id := range sorted(l.entries) {
			plain, word, isVariant := strings.Cut(string(id), "@")
			if isVariant {
				require.Contains(t, l.entries, ID(plain), l.tag)
				require.Contains(t, []string{"pin", "passcode", "mailbox", "account"}, word, l.tag)
				continue
			}
			for said, words := range variants {
				if l.tag[:2] != "en" || !strings.Contains(l.recording(l.entries[id]).Text(), said) || id == NewCodeRules {
					continue
				}
				for _, w := range words {
					require.Contains(t, l.entries, id+"@"+ID(w), l.tag)
				}
			}
		}
	}
}

// Somebody who catches one word of the result must know which it was, unless it
// names what the result is about.
func TestSuccessAndFailureShareNoWord(t *testing.T) {
	about := map[string][]string{
		"en-US": {"your", "code"}, "en-GB": {"your", "code"}, "es-ES": {"su", "código"},
		"fr-FR": {"votre", "code"}, "de-DE": {"ihr", "code"}, "it-IT": {"il", "suo", "codice"},
	}
	cat, _ := voices()
	words := regexp.MustCompile(`[\pL']+`)
	for _, lang := range cat.Languages() {
		said := func(ids ...ID) []string {
			var all []string
			for _, id := range ids {
				a, ok := cat.Audio(lang, ID(lang)+"/"+id, Words{})
				require.True(t, ok)
				all = append(all, words.FindAllString(strings.ToLower(a.Text()), -1)...)
			}
			return all
		}
		failure := said(Failed, OldCodeWorks, Unavailable, Cancelled)
		for _, w := range said(Changed) {
			if !slices.Contains(about[lang], w) {
				require.NotContains(t, failure, w, lang)
			}
		}
	}
}

func TestNoTwoSentencesHaveTheSameWords(t *testing.T) {
	cat, _ := voices()
	for _, lang := range cat.Languages() {
		seen := map[string]ID{}
		for _, id := range cat.IDs(lang) {
			a, _ := cat.Audio(lang, id, Words{})
			require.Empty(t, seen[a.Text()], "%s and %s", id, seen[a.Text()])
			seen[a.Text()] = id
		}
	}
}
