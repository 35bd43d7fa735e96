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
	for _, l := range cat.languages {
		t.Run(l.tag, func(t *testing.T) {
			t.Parallel()
			for _, id := range sorted(l.entries) {
				t.Run(string(id), func(t *testing.T) { test(t, l.entries[id].audio.Load()) })
			}
		})
	}
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
		data, err := fs.ReadFile(shipped, path.Join(a.Language(), string(a.ID())+".wav"))
		require.NoError(t, err)
		rate, pcm, err := ReadWAV(data, nil)
		require.NoError(t, err)
		require.Equal(t, 16000, rate)
		m := Measure(pcm, rate)
		require.InDelta(t, -20, m.Level, 1, "active level, dBov")
		require.LessOrEqual(t, m.Peak, -3.0, "dBFS")
		require.Zero(t, m.Clipped)
		require.LessOrEqual(t, m.Lead, 10*time.Millisecond)
		require.InDelta(t, 120, m.Tail.Milliseconds(), 5)
		require.Less(t, m.Pause, 650*time.Millisecond)
		require.LessOrEqual(t, m.Length, MaxLength)
		require.Zero(t, pcm[0], "faded in")
		require.Zero(t, pcm[len(pcm)-1], "faded out")
	})
}

// What the caller hears: the payload of each codec, decoded. The hiss of a first s
// or ch lies above the telephone's band and delays the first audible sound a little.
func TestShippedPayloadsSoundAtOnceAndEverywhereTheSame(t *testing.T) {
	sounding, late := 0, 0
	eachShipped(t, func(t *testing.T, a *Audio) {
		for id := codec.None + 1; id < codec.Count; id++ {
			f, _ := codec.ByID(id)
			payload := a.Payload(id)
			require.Zero(t, len(payload)%(20*f.BytesPerMs), "whole frames")
			require.Equal(t, a.Duration(), time.Duration(len(payload)/f.BytesPerMs)*time.Millisecond)
			require.Equal(t, f.Silence, payload[len(payload)-1])
			pcm := make([]int16, len(payload))
			f.Decode(pcm, payload)
			m := Measure(pcm, Rate)
			require.LessOrEqual(t, m.Lead, 36*time.Millisecond, f.Name)
			if sounding++; m.Lead > 12*time.Millisecond {
				late++
			}
			require.InDelta(t, -20, m.Level, 1.5, f.Name)
			require.Zero(t, m.Clipped)
		}
		require.Nil(t, a.Payload(codec.None))
		require.Nil(t, a.Payload(codec.Count))
	})
	require.LessOrEqual(t, 4*late, sounding, "%d of %d sound late", late, sounding)
}

// Rules for texts: numbers in words, keys by name, nothing that is no speech.
func TestShippedTextsAreSpeakable(t *testing.T) {
	eachShipped(t, func(t *testing.T, a *Audio) {
		require.NotRegexp(t, `[0-9*#<>&]`, a.Text())
		require.Regexp(t, `[.!?]$`, a.Text())
		if !strings.HasSuffix(string(a.ID()), "@pin") {
			require.NotContains(t, a.Text(), "PIN")
		}
		if a.Language() == "en-US" {
			require.NotContains(t, strings.ToLower(a.Text()), "hash")
			for _, sentence := range strings.Split(strings.TrimSuffix(a.Text(), "."), ". ") {
				if strings.Contains(sentence, "press") && strings.HasPrefix(sentence, "To ") {
					require.Regexp(t, `^To .+, press (zero|one|two|three|four|five|six|seven|eight|nine|pound|star)$`, sentence, "action first, key last")
				}
			}
		}
	})
}

// Somebody who catches one word of the result must know which it was, unless it
// names what the result is about.
func TestSuccessAndFailureShareNoWord(t *testing.T) {
	about := map[string][]string{"en-US": {"your", "access", "code"}}
	cat, _ := voices()
	words := regexp.MustCompile(`[\pL']+`)
	for _, lang := range cat.Languages() {
		said := func(ids ...ID) []string {
			var all []string
			for _, id := range ids {
				a, ok := cat.Audio(lang, id, Words{})
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
