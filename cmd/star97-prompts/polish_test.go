package main

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/prompt"
)

// talk is speech enough for a level meter: bursts of a buzz with noise, as loud as
// peak, with a pause after each.
func talk(peak float64, pause time.Duration, bursts int) []int16 {
	rng := rand.New(rand.NewPCG(1, 2))
	pcm := make([]int16, samples(400*time.Millisecond))
	for range bursts {
		for i := range samples(700 * time.Millisecond) {
			envelope := math.Sin(math.Pi * float64(i) / float64(samples(700*time.Millisecond)))
			buzz := math.Pow(math.Abs(math.Sin(math.Pi*120*float64(i)/masterRate)), 20) - 0.15
			pcm = append(pcm, int16(peak*envelope*(buzz+0.05*rng.NormFloat64())))
		}
		pcm = append(pcm, make([]int16, samples(pause))...)
	}
	return append(pcm, make([]int16, samples(600*time.Millisecond))...)
}

func TestPolishBringsEverythingIntoShape(t *testing.T) {
	cases := map[string][]int16{
		"quiet":       talk(800, 100*time.Millisecond, 4),
		"loud":        talk(30000, 100*time.Millisecond, 4),
		"long pauses": talk(9000, 900*time.Millisecond, 4),
		"one burst":   talk(9000, 0, 1),
		"no tail":     talk(9000, 0, 2)[:samples(1750*time.Millisecond)],
		"no lead":     talk(9000, 0, 2)[samples(500*time.Millisecond):],
	}
	for name, spoken := range cases {
		t.Run(name, func(t *testing.T) {
			pcm, err := polish(spoken)
			require.NoError(t, err)
			m := prompt.Measure(pcm, masterRate)
			require.InDelta(t, -20, m.Level, 0.1)
			require.LessOrEqual(t, m.Peak, -3.0)
			require.Zero(t, m.Clipped)
			require.LessOrEqual(t, m.Lead, 10*time.Millisecond)
			require.InDelta(t, 120, m.Tail.Milliseconds(), 2)
			require.Less(t, m.Pause, 450*time.Millisecond+time.Millisecond)
			require.Zero(t, pcm[0])
			require.Zero(t, pcm[len(pcm)-1])

			again, err := polish(spoken)
			require.NoError(t, err)
			require.Equal(t, pcm, again, "the same every time")
		})
	}
}

func TestClickAfterTheLastWordIsCutOff(t *testing.T) {
	spoken := talk(9000, 0, 2)
	clean, err := polish(spoken)
	require.NoError(t, err)
	for _, peak := range []int16{250, 4000} {
		spoken[len(spoken)-samples(200*time.Millisecond)] = peak
		clicked, err := polish(spoken)
		require.NoError(t, err)
		require.Len(t, clicked, len(clean))
	}
}

func TestPolishRefusesSilence(t *testing.T) {
	for _, pcm := range [][]int16{nil, make([]int16, 16000)} {
		_, err := polish(pcm)
		require.ErrorContains(t, err, "nothing is heard")
	}
}

// Clicks so rare that no gain brings them to the level without going over the peak.
func TestPolishSaysWhenTheLevelCannotBeReached(t *testing.T) {
	pcm := make([]int16, 3*16000)
	for i := range pcm {
		if i%2500 < 40 {
			pcm[i] = int16(20000 - 40000*(i%2))
		}
	}
	_, err := polish(pcm)
	require.ErrorContains(t, err, "cannot be reached")
}

func TestLimiterTurnsDownOnlyAroundPeaks(t *testing.T) {
	x := make([]float64, 16000)
	for i := range x {
		x[i] = 10000 * math.Sin(2*math.Pi*200*float64(i)/masterRate)
	}
	for i := 8000; i < 8020; i++ {
		x[i] = 60000
	}
	before := append([]float64(nil), x...)
	limit(x)
	ceiling := fullScale * math.Pow(10, peak/20)
	for i := range x {
		require.LessOrEqual(t, math.Abs(x[i]), ceiling+1e-6)
		if i < 8000-2*samples(lookAhead) || i > 8020+2*samples(lookAhead) {
			require.Equal(t, before[i], x[i], "far from the peak nothing changes")
		}
	}
}

func TestPausesAreShortenedToALength(t *testing.T) {
	sound := func(n int) []float64 {
		x := make([]float64, n)
		for i := range x {
			x[i] = 5000
		}
		return x
	}
	join := func(pause time.Duration) []float64 {
		return append(append(sound(100), make([]float64, samples(pause))...), sound(100)...)
	}
	require.Len(t, shortenPauses(join(longest)), 200+samples(longest), "this long is allowed")
	require.Len(t, shortenPauses(join(longest+time.Millisecond)), 200+samples(shortened))
	require.Len(t, shortenPauses(join(5*time.Second)), 200+samples(shortened))
	require.Len(t, shortenPauses(append(sound(100), make([]float64, 16000)...)), 16100, "the tail is no pause")
}
