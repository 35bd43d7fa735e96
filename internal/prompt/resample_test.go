package prompt

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// gain is what a sine of one frequency loses on its way to Rate, in dB: power out
// over power in, away from the ends.
func gain(rate int, hz float64) float64 {
	const amplitude = 20000
	pcm := make([]int16, rate/2)
	for i := range pcm {
		pcm[i] = int16(math.Round(amplitude * math.Sin(2*math.Pi*hz*float64(i)/float64(rate))))
	}
	out := newDecimator(rate, Rate).decimate(pcm, &scratch{})
	out = out[200 : len(out)-200]
	return 10 * math.Log10(max(energyOf(out)/float64(len(out)), 1e-3)/(amplitude*amplitude/2))
}

func energyOf(pcm []int16) float64 {
	var sum float64
	for _, v := range pcm {
		sum += float64(v) * float64(v)
	}
	return sum
}

// In pieces comes what comes of the whole, a whole number of samples later.
func TestNarrowerDoesAsNarrow(t *testing.T) {
	pcm := make([]int16, 16000)
	for i := range pcm {
		pcm[i] = int16(9000*math.Sin(float64(i)*0.1) + 9000*math.Sin(float64(i*i)*0.0001))
	}
	want, n := Narrow(pcm, 16000), NewNarrower()
	var got []int16
	for at, piece := 0, 2; at < len(pcm); piece = piece%300 + 22 {
		end := min(at+piece, len(pcm))
		out := make([]int16, 400)
		got = append(got, out[:n.Take(out, pcm[at:end])]...)
		at = end
	}
	require.Len(t, got, len(want))
	lag := (len(n.half)) / 2
	require.Equal(t, want[:len(want)-lag], got[lag:])
}

// A change to the wideband rate keeps what the source has, and adds nothing above it.
func TestWideIsFlat(t *testing.T) {
	for _, rate := range WAVRates {
		for _, hz := range []float64{100, 1000, 3000, 3400, 5000, 6500, 7000} {
			if hz > 3400 && rate == Rate {
				continue
			}
			pcm := make([]int16, rate/2)
			for i := range pcm {
				pcm[i] = int16(math.Round(20000 * math.Sin(2*math.Pi*hz*float64(i)/float64(rate))))
			}
			out := wide(pcm, rate)
			require.Len(t, out, WideRate/2)
			var worst float64
			for i := 400; i < len(out)-400; i++ {
				worst = max(worst, math.Abs(float64(out[i])-20000*math.Sin(2*math.Pi*hz*float64(i)/WideRate)))
			}
			require.Less(t, worst, 300.0, "%.0f Hz from %d Hz", hz, rate)
		}
	}
}

func TestLowPassIsFlatTo3400Hz(t *testing.T) {
	for _, rate := range WAVRates {
		for hz := 50.0; hz <= 3400; hz += 67 {
			require.InDelta(t, 0, gain(rate, hz), 0.5, "%d Hz from %d Hz", int(hz), rate)
		}
	}
}

func TestLowPassLetsNothingThroughAbove4200Hz(t *testing.T) {
	for _, rate := range WAVRates {
		for hz := 4200.0; hz < float64(rate)/2; hz += 133 {
			require.Less(t, gain(rate, hz), -50.0, "%d Hz from %d Hz", int(hz), rate)
		}
	}
}

// Sample i of the output is at the time of sample i*factor of the input.
func TestDownSamplingKeepsTime(t *testing.T) {
	for _, rate := range WAVRates {
		factor := rate / Rate
		pcm := make([]int16, 1000*factor)
		pcm[300*factor] = 30000
		out := newDecimator(rate, Rate).decimate(pcm, &scratch{})
		require.Len(t, out, 1000)
		loudest := 0
		for i, v := range out {
			if v > out[loudest] {
				loudest = i
			}
		}
		require.Equal(t, 300, loudest)
		for k := 1; k < 100; k++ {
			require.Equal(t, out[300-k], out[300+k], "linear phase")
		}
	}
}

func TestDownSamplingDoesNotWrapAround(t *testing.T) {
	square := make([]int16, 3200)
	for i := range square {
		square[i] = math.MaxInt16
		if i/16%2 == 1 {
			square[i] = math.MinInt16
		}
	}
	out := newDecimator(16000, Rate).decimate(square, &scratch{})
	for i := 8; i < len(out)-8; i++ { // overshoot at the edges is cut, not folded
		if i%16 >= 2 && i%16 < 6 {
			require.Positive(t, out[i], "%d", i)
		}
	}
}

func TestScratchDoesNotLeakIntoTheNextMaster(t *testing.T) {
	d, s := newDecimator(16000, Rate), &scratch{}
	loud := make([]int16, 4000)
	for i := range loud {
		loud[i] = 30000
	}
	d.decimate(loud, s)
	for _, v := range d.decimate(make([]int16, 100), s) {
		require.Zero(t, v)
	}
	require.Empty(t, d.decimate(nil, s))
}
