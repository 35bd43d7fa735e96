package dtmf

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/dtmf/tonetest"
)

// Each key's sound is heard as that key, at both rates and from loud to quiet.
func TestToneSoundIsHeard(t *testing.T) {
	for _, rate := range []int{8000, 16000} {
		for _, attenuation := range []uint8{0, 3, 10, 25, 36} {
			var d ToneDetector
			d.Set(rate)
			var out []Report
			now, frame := time.Duration(0), rate/50
			for i := range tonetest.Keys {
				key, _ := DigitOf(tonetest.Keys[i])
				sound := NewToneSound(key, attenuation, rate)
				for n := range 6 {
					pcm := make([]int16, frame)
					if n < 3 {
						sound.Fill(pcm)
					}
					now += 20 * ms
					out = d.Decode(pcm, now, out)
				}
			}
			require.Equal(t, "1'2'3'A'4'5'6'B'7'8'9'C'*'0'#'D'", trace(out), "%d Hz, -%d dBm0", rate, attenuation)
		}
	}
}

// A sine at full scale has 3.14 dBm0 (ITU-T G.711), so two tones of 0 dBm0 have 0.49 of its power.
func TestToneSoundHasItsLevel(t *testing.T) {
	pcm := make([]int16, 8000)
	NewToneSound(5, 10, 8000).Fill(pcm)
	var sum float64
	for _, v := range pcm {
		sum += float64(v) * float64(v)
	}
	require.InDelta(t, -10+3.01, 10*math.Log10(sum/8000/(32768*32768/2))+3.14, 0.05)
}
