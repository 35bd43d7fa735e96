package codec

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// sine is a second of a tone at 16000 Hz.
func sine(hz, amplitude float64) []int16 {
	pcm := make([]int16, 16000)
	for i := range pcm {
		pcm[i] = int16(math.Round(amplitude * math.Sin(2*math.Pi*hz*float64(i)/16000)))
	}
	return pcm
}

// snr holds a signal against what came of it, whatever the delay of the filters.
func snr(in, out []int16) float64 {
	best := math.Inf(-1)
	for lag := range 40 {
		var signal, noise float64
		for i := 2000; i < len(in)-100; i++ {
			x, y := float64(in[i]), float64(out[i+lag])
			signal += x * x
			noise += (x - y) * (x - y)
		}
		best = max(best, 10*math.Log10(signal/noise))
	}
	return best
}

func TestG722KeepsSoundAndLevel(t *testing.T) {
	f, _ := ByID(G722)
	for hz, least := range map[float64]float64{300: 40, 1000: 40, 3000: 35, 5000: 20, 6500: 18} {
		for _, amplitude := range []float64{1000, 10000, 20000} {
			in := sine(hz, amplitude)
			payload, out := make([]byte, 8000), make([]int16, 16000)
			require.Equal(t, 8000, f.Encode(payload, in))
			require.Equal(t, 16000, f.Decode(out, payload))
			require.Greater(t, snr(in, out), least, "%.0f Hz at %.0f", hz, amplitude)
		}
	}
}

// Pieces make the same as the whole.
func TestPiecesMakeTheWhole(t *testing.T) {
	for id := None + 1; id < Count; id++ {
		f, _ := ByID(id)
		in := sine(440, 9000)
		samples, bytes := f.SampleRate/50, 20*f.BytesPerMs
		want, got := make([]byte, len(in)/samples*bytes), make([]byte, len(in)/samples*bytes)
		f.Encode(want, in)
		pcm, pieces := make([]int16, len(in)), make([]int16, len(in))
		f.Decode(pcm, want)
		encoder, decoder := f.NewEncoder(), f.NewDecoder()
		for i := range len(in) / samples {
			encoder.Encode(got[i*bytes:(i+1)*bytes], in[i*samples:(i+1)*samples])
			decoder.Decode(pieces[i*samples:(i+1)*samples], want[i*bytes:(i+1)*bytes])
		}
		require.Equal(t, want, got, f.Name)
		require.Equal(t, pcm, pieces, f.Name)
	}
}

// The narrow decoder hears the telephone's band at the same level, and silence as silence.
func TestNarrowHearsTheLowerBand(t *testing.T) {
	for id := None + 1; id < Count; id++ {
		f, _ := ByID(id)
		for hz, gain := range map[float64]float64{300: 1, 697: 1, 1633: 1, 3000: 1, 6000: 0} {
			in := sine(hz, 8000)
			if f.SampleRate == NarrowRate {
				if gain == 0 {
					continue
				}
				in = sine(2*hz, 8000)[:8000]
			}
			payload := make([]byte, 1000*f.BytesPerMs)
			n := f.Encode(payload, in)
			out := make([]int16, 8000)
			made := f.NewNarrow().Decode(out, payload[:n])
			require.Equal(t, n/f.BytesPerMs*8, made)
			var power float64
			for _, v := range out[800:made] {
				power += float64(v) * float64(v)
			}
			level := math.Sqrt(2*power/float64(made-800)) / 8000
			require.InDelta(t, gain, level, 0.1, "%s, %.0f Hz", f.Name, hz)
		}
	}
}

// The silence of each format is silence after any sound, wherever that is cut off.
func TestSilenceIsQuietAnywhere(t *testing.T) {
	for id := None + 1; id < Count; id++ {
		f, _ := ByID(id)
		for _, amplitude := range []float64{0, 300, 10000, 32000} {
			payload := make([]byte, 8000)
			f.Encode(payload, sine(700, amplitude))
			for cut := 7000; cut < 7040; cut++ {
				decoder := f.NewDecoder()
				pcm := make([]int16, 16000)
				decoder.Decode(pcm, payload[:cut])
				quiet := make([]byte, 800)
				for i := range quiet {
					quiet[i] = f.Silence
				}
				n := decoder.Decode(pcm, quiet)
				for _, v := range pcm[n/5 : n] { // from 20 ms on
					require.LessOrEqual(t, max(v, -v), int16(100), f.Name)
				}
			}
		}
	}
}

// A sentence that begins in the middle of another is soon as it should be.
func TestG722BeginsAnywhere(t *testing.T) {
	f, _ := ByID(G722)
	payload, want := make([]byte, 8000), make([]int16, 16000)
	f.Encode(payload, sine(500, 8000))
	f.Decode(want, payload)
	before := make([]byte, 8000)
	f.Encode(before, sine(1900, 20000))
	decoder := f.NewDecoder()
	got := make([]int16, 16000)
	decoder.Decode(got, before[:5555])
	decoder.Decode(got, payload)
	require.Greater(t, snr(want, got), 30.0, "125 ms later nothing is left of it")
}
