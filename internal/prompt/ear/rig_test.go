package ear

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/codec"
	"star97/internal/prompt"
	"star97/prompts"
)

// catalogue is what is shipped, with everything encoded.
var catalogue = sync.OnceValue(func() *prompt.Catalogue {
	cat, _ := prompt.Load(prompts.FS)
	var all sync.WaitGroup
	for _, lang := range cat.Languages() {
		all.Go(func() { cat.Prepare(lang) })
	}
	all.Wait()
	return cat
})

// house is the catalogue in American English, its Ear, and the order of its ids.
var house = sync.OnceValue(func() (h struct {
	*Ear
	pcm  map[prompt.ID][]int16
	text map[prompt.ID]string
	ids  []prompt.ID
}) {
	cat := catalogue()
	h.Ear, h.ids, h.pcm = Of(cat, "en-US"), cat.IDs("en-US"), map[prompt.ID][]int16{}
	h.text = map[prompt.ID]string{}
	for _, id := range h.ids {
		a, _ := cat.Audio("en-US", id, prompt.Words{})
		h.pcm[id], h.text[id] = a.PCM8k(), a.Text()
	}
	return h
})

// line is what a telephone receives: pieces in a row, then a second of silence.
func line(pieces ...[]int16) []int16 {
	return append(slices.Concat(pieces...), make([]int16, prompt.Rate)...)
}

func quiet(samples int) []int16 { return make([]int16, samples) }

// through sends audio through codecs, one after the other.
func through(pcm []int16, laws ...codec.ID) []int16 {
	for _, law := range laws {
		f, _ := codec.ByID(law)
		payload, back := make([]byte, len(pcm)), make([]int16, len(pcm))
		f.Encode(payload, pcm)
		f.Decode(back, payload)
		pcm = back
	}
	return pcm
}

// lose makes packets of 20 ms silent, of every hundred so many.
func lose(pcm []int16, percent int, rng *rand.Rand) []int16 {
	pcm = slices.Clone(pcm)
	for i := 0; i+160 <= len(pcm); i += 160 {
		if rng.IntN(100) < percent {
			clear(pcm[i : i+160])
		}
	}
	return pcm
}

// change applies f to each sample, within 16 bits.
func change(pcm []int16, f func(float64) float64) []int16 {
	out := make([]int16, len(pcm))
	for i, v := range pcm {
		out[i] = int16(math.Round(min(max(f(float64(v)), math.MinInt16), math.MaxInt16)))
	}
	return out
}

// heard is a Sound and when it was told, in samples fed.
type heard struct {
	Sound
	told int64
}

func listen(e *Ear, pcm []int16) []heard {
	return listenIn(e, pcm, func() int { return 160 })
}

func listenIn(e *Ear, pcm []int16, packet func() int) []heard {
	l := e.Listen()
	var all []heard
	for at := 0; at < len(pcm); {
		n := min(packet(), len(pcm)-at)
		for _, s := range l.Feed(pcm[at : at+n]) {
			all = append(all, heard{s, int64(at + n)})
		}
		at += n
	}
	return all
}

// requireWhole demands exactly one sentence, from start to end.
func requireWhole(t *testing.T, id prompt.ID, start int, got []heard) {
	t.Helper()
	require.Len(t, got, 2, "%s: %v", id, got)
	for _, s := range got {
		require.Equal(t, id, s.ID)
		require.Equal(t, int64(start), s.Start, "%s", id)
		require.Greater(t, s.Confidence, 0.9, "%s", id)
	}
	require.False(t, got[0].Ended)
	require.True(t, got[1].Ended)
	require.True(t, got[1].Complete, "%s: %v", id, got)
	full := duration(int64(len(house().pcm[id])))
	require.InDelta(t, full.Seconds(), got[1].Heard.Seconds(), 0.4, "%s", id)
}

func requireNamed(t *testing.T, id prompt.ID, got []heard) {
	t.Helper()
	require.Len(t, got, 2, "%s: %v", id, got)
	require.Equal(t, id, got[0].ID)
	require.Equal(t, id, got[1].ID)
	require.Equal(t, int64(333), got[1].Start, "%s", id)
	require.True(t, got[1].Complete, "%s: %v", id, got)
}

func requireCut(t *testing.T, id prompt.ID, cut int, got []heard) {
	t.Helper()
	require.NotEmpty(t, got)
	last := got[len(got)-1]
	require.True(t, last.Ended)
	require.False(t, last.Complete)
	require.InDelta(t, duration(int64(cut)).Seconds(), (last.Heard + duration(last.Start-300)).Seconds(), 0.7, "pauses before the cut are not heard: %v", got)
	if last.ID == "" {
		require.Len(t, got, 1, "%v", got)
		require.Contains(t, last.Among, id)
		require.Greater(t, len(last.Among), 1)
		require.True(t, slices.IsSorted(last.Among))
		return
	}
	require.Len(t, got, 2, "%v", got)
	for _, s := range got {
		require.Equal(t, id, s.ID)
		require.Equal(t, int64(300), s.Start)
	}
}

func shift(got []heard, by int64) []heard {
	got = slices.Clone(got)
	for i := range got {
		got[i].Start += by
	}
	return got
}
