package prompt

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func sine(hz, amplitude float64, d time.Duration, rate int) []int16 {
	pcm := make([]int16, int(d.Seconds()*float64(rate)))
	for i := range pcm {
		pcm[i] = int16(math.Round(amplitude * math.Sin(2*math.Pi*hz*float64(i)/float64(rate))))
	}
	return pcm
}

func TestActiveLevelOfASteadySineIsItsPower(t *testing.T) {
	for _, rate := range WAVRates {
		for _, dBov := range []float64{-10, -20, -26, -40} {
			amplitude := math.Sqrt2 * (1 << 15) * math.Pow(10, dBov/20)
			require.InDelta(t, dBov, ActiveLevel(sine(500, amplitude, 4*time.Second, rate), rate), 0.2)
		}
	}
}

// ITU-T P.56: pauses longer than the hangover of 200 ms do not lower the level, while
// the long-term level falls.
func TestActiveLevelLeavesPausesOut(t *testing.T) {
	var bursts []int16
	for range 10 {
		bursts = append(bursts, sine(500, 6000, time.Second, 16000)...)
		bursts = append(bursts, make([]int16, 2*16000)...)
	}
	steady := ActiveLevel(sine(500, 6000, 10*time.Second, 16000), 16000)
	require.InDelta(t, steady-0.8, ActiveLevel(bursts, 16000), 0.4, "the hangover counts as speech")
	longTerm := 10*math.Log10(energyOf(bursts)/float64(len(bursts))) - 20*math.Log10(1<<15)
	require.InDelta(t, steady-4.8, longTerm, 0.1)
}

func TestActiveLevelFollowsGain(t *testing.T) {
	cat, _ := voices()
	a, _ := cat.Audio("en-US", MainMenu, Words{})
	pcm := a.PCM8k()
	before := ActiveLevel(pcm, Rate)
	for i := range pcm {
		pcm[i] /= 4
	}
	require.InDelta(t, before-12.04, ActiveLevel(pcm, Rate), 0.1)
}

func TestMeasureFindsTheEdgesOfSound(t *testing.T) {
	ms := func(d time.Duration) []int16 { return make([]int16, d*16/time.Millisecond) }
	tone := func(d time.Duration) []int16 {
		out := ms(d)
		for i := range out {
			out[i] = int16(4000 - 8000*(i/8%2))
		}
		return out
	}
	const unit = time.Millisecond
	m := Measure(slices.Concat(ms(7*unit), tone(300*unit), ms(90*unit), tone(300*unit), ms(250*unit), tone(100*unit), ms(120*unit)), 16000)
	require.Equal(t, 1167*unit, m.Length)
	require.Equal(t, 7*unit, m.Lead)
	require.Equal(t, 120*unit, m.Tail)
	require.Equal(t, 250*unit, m.Pause)
	require.Zero(t, m.Clipped)
	require.InDelta(t, 20*math.Log10(4000.0/32768), m.Peak, 0.001)
}

func TestMeasureOfQuietAndOfClipping(t *testing.T) {
	quiet := []int16{QuietPeak, -QuietPeak, 0, 0}
	m := Measure(quiet, 16000)
	require.Equal(t, m.Length, m.Lead)
	require.Zero(t, m.Pause)

	silent := Measure(make([]int16, 1600), 16000)
	require.True(t, math.IsInf(silent.Level, -1))
	require.True(t, math.IsInf(silent.Peak, -1))

	require.Equal(t, 3, Measure([]int16{32767, -32767, -32768, 32766}, 16000).Clipped)
	require.Zero(t, Measure(nil, 16000).Length)
}
