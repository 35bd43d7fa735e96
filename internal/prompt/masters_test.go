package prompt

import (
	"io/fs"
	"math"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/codec"
	"star97/prompts"
)

var shipped = prompts.FS

// eachShipped runs a test for every sentence of every shipped language.
func eachShipped(t *testing.T, test func(t *testing.T, a *Audio)) {
	cat, problems := Load(shipped)
	require.Empty(t, problems)
	require.NotEmpty(t, cat.Languages())
	for _, lang := range cat.Languages() {
		require.Empty(t, cat.Prepare(lang), "no missing file, no wrong hash, no bad format")
		for _, id := range cat.IDs(lang) {
			a, ok := cat.Audio(lang, id, Words{})
			require.True(t, ok)
			require.Equal(t, lang, a.Language())
			t.Run(lang+"/"+string(id), func(t *testing.T) { test(t, a) })
		}
	}
}

func TestShippedLanguagesHaveEverySentence(t *testing.T) {
	cat, _ := Load(shipped)
	for _, lang := range cat.Languages() {
		require.Subset(t, cat.IDs(lang), Required(), lang)
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
	cat, _ := Load(shipped)
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
	cat, _ := Load(shipped)
	for _, lang := range cat.Languages() {
		seen := map[string]ID{}
		for _, id := range cat.IDs(lang) {
			a, _ := cat.Audio(lang, id, Words{})
			require.Empty(t, seen[a.Text()], "%s and %s", id, seen[a.Text()])
			seen[a.Text()] = id
		}
	}
}

// dtmfIn tells whether pcm holds a DTMF digit: two tones of ITU-T Q.23, one of each
// group, that make up most of the energy for 40 ms (Goertzel, 20 ms at a time).
func dtmfIn(pcm []int16) bool {
	low, high := []float64{697, 770, 852, 941}, []float64{1209, 1336, 1477, 1633}
	const window = Rate / 50
	run := 0
	for at := 0; at+window <= len(pcm); at += window / 2 {
		frame := pcm[at : at+window]
		total := energyOf(frame)
		a, b := strongest(frame, low), strongest(frame, high)
		if total > window*300*300 && a+b > 0.7*total && a > 0.1*b && b > 0.1*a {
			run++
		} else {
			run = 0
		}
		if run >= 3 {
			return true
		}
	}
	return false
}

// strongest is the energy of the strongest of the tones in a frame.
func strongest(frame []int16, tones []float64) float64 {
	best := 0.0
	for _, hz := range tones {
		c := 2 * math.Cos(2*math.Pi*hz/Rate)
		var s1, s2 float64
		for _, v := range frame {
			s1, s2 = float64(v)+c*s1-s2, s1
		}
		best = max(best, (s1*s1+s2*s2-c*s1*s2)*2/float64(len(frame)))
	}
	return best
}

func TestNoShippedPayloadHoldsADTMFDigit(t *testing.T) {
	for _, pair := range [][2]float64{{697, 1209}, {770, 1336}, {941, 1477}, {941, 1633}} {
		digit := sine(pair[0], 3000, 60*time.Millisecond, Rate)
		for i, v := range sine(pair[1], 4000, 60*time.Millisecond, Rate) {
			digit[i] += v
		}
		require.True(t, dtmfIn(digit), "the check hears %v", pair)
	}
	eachShipped(t, func(t *testing.T, a *Audio) {
		require.False(t, dtmfIn(a.PCM8k()))
	})
}
