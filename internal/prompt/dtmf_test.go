package prompt

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/codec"
)

// ITU-T Q.23: the tones of the sixteen digits.
var (
	lowGroup  = [4]float64{697, 770, 852, 941}
	highGroup = [4]float64{1209, 1336, 1477, 1633}
)

// What telephone systems go by: two blocks of 12.75 ms in a row with the same two
// tones, one of each group, with the level, the twist and the purity of ITU-T Q.24.
const (
	dtmfBlock    = 102
	leastTone    = 8e7  // power of a tone: -45 dBov
	forwardTwist = 2.51 // 4 dB: the high tone over the low one
	reverseTwist = 6.31 // 8 dB: the low tone over the high one
	apart        = 6.31 // 8 dB: over every other tone of the group
	pure         = 38.0 // power of both tones over the energy of the block; of 51 nothing else is there
)

// goertzel is the power of a tone in a block (G. Goertzel, 1958).
//
//go:norace
func goertzel(block []int16, hz float64) float64 {
	c := 2 * math.Cos(2*math.Pi*hz/Rate)
	var s1, s2 float64
	for _, v := range block {
		s1, s2 = float64(v)+c*s1-s2, s1
	}
	return s1*s1 + s2*s2 - c*s1*s2
}

// strongest is the tone of a group that stands out from the others, -1 if none does.
func strongest(block []int16, group [4]float64) (tone int, power float64) {
	var powers [4]float64
	for i, hz := range group {
		if powers[i] = goertzel(block, hz); powers[i] > powers[tone] {
			tone = i
		}
	}
	for i, p := range powers {
		if i != tone && powers[tone] < apart*p {
			return -1, 0
		}
	}
	return tone, powers[tone]
}

// digitIn is the digit that a block holds, -1 for none.
func digitIn(block []int16) int {
	energy := energyOf(block)
	if energy*pure < 2*leastTone {
		return -1
	}
	low, a := strongest(block, lowGroup)
	high, b := strongest(block, highGroup)
	switch {
	case low < 0 || high < 0 || a < leastTone || b < leastTone:
	case b > a*forwardTwist || a > b*reverseTwist:
	case a+b < pure*energy:
	default:
		return 4*low + high
	}
	return -1
}

// digitsIn are the digits that a detector hears which begins at a sample.
func digitsIn(pcm []int16, from int) (digits []int) {
	last, told := -1, -1
	for at := from; at+dtmfBlock <= len(pcm); at += dtmfBlock {
		now := digitIn(pcm[at : at+dtmfBlock])
		if now == last && now != told {
			if told = now; now >= 0 {
				digits = append(digits, now)
			}
		}
		last = now
	}
	return digits
}

// press is a digit of 40 ms between pauses: the low tone with an amplitude, the high
// one so many dB over it, both off their frequency.
func press(digit int, amplitude, twist, off float64) []int16 {
	pcm := make([]int16, 2000)
	for i := range Rate * 40 / 1000 {
		at := 2 * math.Pi * float64(i) / Rate * (1 + off)
		pcm[800+i] = int16(amplitude * (math.Sin(lowGroup[digit/4]*at) + math.Pow(10, twist/20)*math.Sin(highGroup[digit%4]*at)))
	}
	return pcm
}

func through(pcm []int16, law codec.ID) []int16 {
	f, _ := codec.ByID(law)
	payload, out := make([]byte, len(pcm)), make([]int16, len(pcm))
	f.Encode(payload, pcm)
	f.Decode(out, payload)
	return out
}

func TestDetectorHearsEveryDigit(t *testing.T) {
	kinds := []struct{ twist, off float64 }{{0, 0}, {-6, 0}, {3, 0}, {0, -0.015}, {0, 0.015}}
	for digit := range 16 {
		for _, law := range []codec.ID{codec.PCMU, codec.PCMA} {
			for _, dBov := range []float64{-13, -20, -30, -38} {
				for _, k := range kinds {
					pcm := through(press(digit, math.Sqrt2*(1<<15)*math.Pow(10, dBov/20), k.twist, k.off), law)
					for _, from := range []int{0, dtmfBlock / 3, dtmfBlock / 2} {
						require.Equal(t, []int{digit}, digitsIn(pcm, from), "%v dBov, %v, from %d", dBov, k, from)
					}
				}
			}
		}
	}
}

func TestDetectorTakesNothingElseForADigit(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	noise := make([]int16, 4*Rate)
	for i := range noise {
		noise[i] = int16(3000 * rng.NormFloat64())
	}
	both := func(a, b float64) []int16 {
		pcm := sine(a, 5000, time.Second, Rate)
		for i, v := range sine(b, 5000, time.Second, Rate) {
			pcm[i] += v
		}
		return pcm
	}
	for name, pcm := range map[string][]int16{
		"noise": noise, "silence": make([]int16, Rate), "one low tone": sine(770, 8000, time.Second, Rate),
		"one high tone": sine(1336, 8000, time.Second, Rate), "two low tones": both(697, 852), "dial tone": both(350, 440),
		"too much twist": press(5, 2000, 12, 0), "too far off": press(5, 8000, 0, 0.08), "too faint": press(5, 60, 0, 0),
	} {
		require.Empty(t, digitsIn(pcm, 0), name)
	}
}

// A prompt that holds a digit would press a key at the far end, or here when it comes
// back as an echo.
func TestNoShippedPayloadHoldsADTMFDigit(t *testing.T) {
	eachShipped(t, func(t *testing.T, a *Audio) {
		for _, law := range []codec.ID{codec.PCMU, codec.PCMA} {
			f, _ := codec.ByID(law)
			pcm := make([]int16, len(a.Payload(law)))
			f.Decode(pcm, a.Payload(law))
			for _, from := range []int{0, dtmfBlock / 2} {
				require.Empty(t, digitsIn(pcm, from), "through %s", f.Name)
			}
		}
	})
}
