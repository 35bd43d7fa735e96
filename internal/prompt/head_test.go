package prompt

import (
	"io/fs"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/codec"
)

// bursts are milliseconds of a level each: samples of alternating sign.
func bursts(rate int, parts ...[2]int) (pcm []int16) {
	for _, p := range parts {
		for i := range p[0] * rate / 1000 {
			pcm = append(pcm, int16(p[1]-2*p[1]*(i%2)))
		}
	}
	return pcm
}

// audible is -42 dBFS: a sample beyond it is heard, 22 dB under speech at the level of a
// master.
const audible = 256

func TestHeadIsQuietAndALittleOfWhatIsFaint(t *testing.T) {
	for name, c := range map[string]struct {
		parts [][2]int
		cut   float64 // ms
	}{
		"quiet, then sound":                    {[][2]int{{8, 0}, {90, 4000}}, 6.5},
		"a sound pack's":                       {[][2]int{{200, 90}, {90, 4000}}, 198.5},
		"quiet as loud as quiet can be":        {[][2]int{{30, 164}, {90, 257}}, 28.5},
		"quiet, faint, sound":                  {[][2]int{{8, 0}, {12, 165}, {90, 4000}}, 18.5},
		"faint for long":                       {[][2]int{{8, 0}, {60, 256}, {90, 4000}}, 46.5},
		"faint noise all the time":             {[][2]int{{300, 200}}, 38.5},
		"sound at once":                        {[][2]int{{90, 4000}, {20, 0}, {90, 4000}}, 0},
		"sound almost at once":                 {[][2]int{{1, 0}, {90, 4000}}, 0},
		"a click, then quiet":                  {[][2]int{{8, 0}, {1, 4000}, {90, 0}, {90, 4000}}, 6.5},
		"nothing but quiet":                    {[][2]int{{300, 164}}, 0},
		"nothing at all":                       {nil, 0},
		"it ends before what is faint is over": {[][2]int{{8, 0}, {10, 200}}, 16.5},
	} {
		for _, rate := range []int{8000, 16000} {
			pcm := bursts(rate, c.parts...)
			cut, fade := int(c.cut*float64(rate)/1000), 0
			if cut > 0 {
				fade = rate * 3 / 2000
			}
			want := slices.Clone(pcm)[cut:]
			require.Equal(t, cut, head(pcm, rate), "%s, %d Hz", name, rate)
			got := fadedIn(pcm, rate)
			require.Equal(t, len(want), len(got), name)
			require.Equal(t, want[fade:], got[fade:], "%s: only 1.5 ms are changed", name)
			for i, v := range got[:fade] {
				require.LessOrEqual(t, magnitude(v), magnitude(want[i]), name)
			}
		}
	}
}

// What others always come before stays as it was recorded, a site's own too.
func TestWhatIsNeverHeardFirstKeepsItsHead(t *testing.T) {
	ids := []ID{Busy, "keys", Digit('6'), Digit('6') + "@pin", Digit('6') + "0"}
	tree := newTree("en-US", ids...)
	tree.edit("    text: Words of busy", "    then: keys\n    text: Words of busy")
	for i, id := range ids { // quiet, a hiss, a vowel
		tone := func(level float64, ms int) []int16 {
			return sine(1000, level, time.Duration(ms)*time.Millisecond, 16000)
		}
		tree.put(id, WriteWAV(16000, slices.Concat(tone(150, 80), tone(230, 30), tone(6000, 400+20*i), tone(0, 60))))
	}
	for name, sources := range map[string][]fs.FS{"the program's": {tree.fsys}, "a site's own": {shipped, tree.fsys}} {
		cat, _ := Load(sources[0], sources[1:]...)
		for i, id := range ids {
			a, ok := cat.Audio("en-US", id, Words{})
			require.True(t, ok, id)
			first := 2.0 // ms
			if i > 0 && i < 4 {
				first = 110
			}
			for law, rate := range map[codec.ID]int{codec.PCMU: 8000, codec.PCMA: 8000, codec.G722: 16000} {
				heard := decoded(a, law)
				sounds := slices.IndexFunc(heard, isAudible)
				require.InDelta(t, first, float64(sounds*1000)/float64(rate), 2, "%s: %s in %d", name, id, law)
				if first > 100 {
					require.Greater(t, rms(heard[90*rate/1000:105*rate/1000]), 120.0, "%s: the hiss of %s", name, id)
				}
			}
		}
	}
}

// Two recordings in one breath keep the pace of both, in each band, however much was left
// out before the first: what makes up for it is at the end.
func TestWhatGoesOnKeepsThePace(t *testing.T) {
	tone := func(hz, level float64, ms int) []int16 {
		return sine(hz, level, time.Duration(ms)*time.Millisecond, 16000)
	}
	hiss := tone(6000, 6000, 30) // swells: it begins with no click
	for i := range hiss {
		hiss[i] = int16(float64(hiss[i]) * math.Sin(math.Pi*float64(i)/float64(len(hiss))))
	}
	tree := newTree("en-US", Busy, "keys")
	tree.edit("    text: Words of busy", "    then: keys\n    text: Words of busy")
	tree.put(Busy, WriteWAV(16000, slices.Concat(tone(1000, 0, 33), hiss, tone(1000, 6000, 137))))
	tree.put("keys", WriteWAV(16000, slices.Concat(tone(1000, 0, 50), tone(1000, 6000, 150))))
	cat, _ := Load(tree.fsys)
	a, ok := cat.Audio("en-US", Busy, Words{})
	require.True(t, ok)
	require.Equal(t, 600*time.Millisecond, a.Duration())
	for law, first := range map[codec.ID]int{codec.PCMU: 63, codec.PCMA: 63, codec.G722: 33} { // 6 kHz is not in both
		rate := 8000
		if law == codec.G722 {
			rate = 16000
		}
		heard := decoded(a, law)
		require.Len(t, heard, 600*rate/1000)
		at := func(ms int) int { return (ms - first + 2) * rate / 1000 } // of the master
		require.InDelta(t, at(first), slices.IndexFunc(heard, isAudible), float64(rate/500))
		require.InDelta(t, at(450), at(300)+slices.IndexFunc(heard[at(300):], isAudible), float64(rate/500))
	}
}

func isAudible(v int16) bool { return magnitude(v) > audible }

func rms(pcm []int16) float64 { return math.Sqrt(energyOf(pcm) / float64(max(len(pcm), 1))) }

// decoded is the payload of a sentence as a telephone plays it.
func decoded(a *Audio, id codec.ID) []int16 {
	f, _ := codec.ByID(id)
	payload := a.Payload(id)
	pcm := make([]int16, len(payload)/f.BytesPerMs*f.SampleRate/1000)
	f.Decode(pcm, payload)
	return pcm
}

// answersAKey tells whether a sentence can be what is heard first after a key.
func answersAKey(a *Audio) bool {
	return !strings.HasPrefix(string(a.ID()), "digit-") && a.ID() != "entry-keys"
}

// beginsAt is the sample of whole at which said begins.
//
//go:norace
func beginsAt(whole, said []int16) (at int) {
	least := math.MaxInt
	for lag := range len(whole) - len(said) {
		sum := 0
		for i := 0; i < len(said) && sum < least; i++ {
			d := int(said[i]) - int(whole[lag+i])
			sum += d * d
		}
		if sum < least {
			at, least = lag, sum
		}
	}
	return at
}

// Payload and master side by side: what is left out of a sentence that answers a key is
// not heard, what follows is as it was recorded, and the cut is no click.
func TestShippedPayloadsLeaveOutNothingThatIsHeard(t *testing.T) {
	eachShipped(t, func(t *testing.T, a *Audio) {
		rate, pcm := master(t, a)
		whole := Narrow(pcm[:min(len(pcm), rate/2)], rate)
		for _, law := range narrow {
			heard := decoded(a, law)
			cut := beginsAt(whole, heard[16:Rate/5]) - 16
			require.GreaterOrEqual(t, cut, 0)
			require.LessOrEqual(t, cut, 75*Rate/1000)
			require.False(t, slices.ContainsFunc(whole[:cut], isAudible))
			if !answersAKey(a) {
				require.Zero(t, cut)
			}
			noise := make([]int16, Rate/5-16)
			for i := range noise {
				noise[i] = heard[16+i] - whole[cut+16+i]
			}
			require.Less(t, 30*rms(noise), rms(heard[16:Rate/5]), "30 dB")
			require.Less(t, rms(heard[:8]), 104.0, "-50 dBov, the first millisecond")
		}
	})
}

// What is before its vowel tells one digit from another: all of it is played, as loud as
// it was recorded.
func TestShippedDigitsKeepWhatIsBeforeTheirVowel(t *testing.T) {
	var all sync.Mutex
	hisses := map[string]int{} // blocks of 10 ms
	eachShipped(t, func(t *testing.T, a *Audio) {
		if answersAKey(a) {
			return
		}
		rate, pcm := master(t, a)
		for law, late := range map[codec.ID]int{codec.PCMU: 0, codec.PCMA: 0, codec.G722: 22} {
			f, _ := codec.ByID(law)
			whole, heard := pcm, decoded(a, law)[late:]
			if f.SampleRate == Rate {
				whole = Narrow(pcm, rate)
			}
			for _, block := range beforeTheVowel(whole, f.SampleRate/100) {
				was := rms(whole[block : block+f.SampleRate/100])
				require.InEpsilon(t, was, rms(heard[block:block+f.SampleRate/100]), 0.33, "3 dB, %s, at %d", f.Name, block)
				all.Lock()
				hisses[a.Language()]++
				all.Unlock()
			}
		}
	})
	require.Len(t, hisses, 6)
	for lang, n := range hisses {
		require.Greater(t, n, 150, lang)
	}
}

// beforeTheVowel are where the blocks begin that can be told from silence, -60 dBov,
// before the first one within 12 dB of the loudest.
func beforeTheVowel(pcm []int16, block int) (at []int) {
	loudest := 0.0
	for i := 0; i+block <= len(pcm); i += block {
		loudest = max(loudest, rms(pcm[i:i+block]))
	}
	for i := 0; rms(pcm[i:i+block]) < loudest/4; i += block {
		if rms(pcm[i:i+block]) > 33 {
			at = append(at, i)
		}
	}
	return at
}
