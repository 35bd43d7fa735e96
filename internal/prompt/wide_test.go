package prompt

import (
	"bytes"
	"io/fs"
	"math"
	"path"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/codec"
	"star97/prompts"
)

// ratio is the signal to noise ratio in dB of out, which is in some samples late.
func ratio(in, out []int16) float64 {
	best := math.Inf(-1)
	for lag := 16; lag < 28; lag++ { // G.722 has 22
		var signal, noise float64
		for i := range min(len(in), len(out)-lag) {
			x, y := float64(in[i]), float64(out[i+lag])
			signal += x * x
			noise += (x - y) * (x - y)
		}
		best = max(best, 10*math.Log10(signal/noise))
	}
	return best
}

// A wideband telephone hears the master itself, with less noise than a narrowband one
// has in half the band.
func TestWidebandPromptsKeepTheirMasters(t *testing.T) {
	cat, _ := voices()
	f, _ := codec.ByID(codec.G722)
	var sum, least float64 = 0, 99
	n := 0
	for i, id := range cat.IDs("en-US") { // a spread of them
		if i%16 != 0 {
			continue
		}
		n++
		a, ok := cat.Audio("en-US", id, Words{})
		require.True(t, ok)
		data, err := fs.ReadFile(prompts.FS, path.Join("en-US", string(id)+".wav"))
		require.NoError(t, err)
		_, master, err := ReadWAV(data, nil)
		require.NoError(t, err)
		payload := a.Payload(codec.G722)
		require.Len(t, payload, len(a.Payload(codec.PCMU)))
		require.True(t, bytes.Equal(payload, a.Payload(codec.G722)), "made once")
		master = cat.fallback.entries[id].sounding(master, WideRate)
		whole := make([]byte, len(master)/2)
		f.Encode(whole, master)
		require.Equal(t, whole, payload[:len(whole)], "in pieces as in one")
		heard := make([]int16, 2*len(payload))
		f.Decode(heard, payload)
		require.LessOrEqual(t, magnitude(heard[len(heard)-1]), QuietPeak, "it ends in silence")
		require.Zero(t, Measure(heard, WideRate).Clipped)
		if answersAKey(a) {
			require.LessOrEqual(t, slices.IndexFunc(heard, isAudible), 10*WideRate/1000, id)
		}
		snr := ratio(master, heard)
		sum, least = sum+snr, min(least, snr)
	}
	mean := sum / float64(n)
	t.Logf("%d sentences: %.1f dB on average, %.1f dB at least", n, mean, least)
	require.Greater(t, mean, 20.0)
	require.Greater(t, least, 15.0)
}
