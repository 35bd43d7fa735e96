package main

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// response is what a filter does to a steady sine, in dB.
func response(f biquad, hz float64) float64 {
	x := make([]float64, masterRate)
	for i := range x {
		x[i] = math.Sin(2 * math.Pi * hz * float64(i) / masterRate)
	}
	f.apply(x)
	var sum float64
	for _, v := range x[masterRate/2:] {
		sum += v * v
	}
	return 10 * math.Log10(sum/(masterRate/2)*2)
}

func TestPeakingMovesItsBandOnly(t *testing.T) {
	for _, dB := range []float64{-9.7, 6} {
		f := peaking(440, 0.7, dB)
		require.InDelta(t, dB, response(f, 440), 0.05)
		require.InDelta(t, 0, response(f, 20), 0.3)
		require.InDelta(t, 0, response(f, 7000), 0.3)
	}
}

func TestHighShelfRaisesWhatIsAboveIt(t *testing.T) {
	f := highShelf(3000, 6)
	require.InDelta(t, 0, response(f, 100), 0.05)
	require.InDelta(t, 3, response(f, 3000), 0.05, "half way at the corner")
	require.InDelta(t, 6, response(f, 7500), 0.2)
}

func TestBrightenDoesNotClip(t *testing.T) {
	pcm := make([]int16, masterRate)
	for i := range pcm {
		pcm[i] = int16(18000 * math.Sin(2*math.Pi*3000*float64(i)/masterRate))
	}
	for _, v := range brighten(pcm) {
		require.Less(t, math.Abs(float64(v)), 32767.0)
	}
}
