package dtmf

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/codec"
	"star97/internal/dtmf/tonetest"
)

// What lost packets do to presses in each codec: real encoders, real decoders, and between
// them packets of 20 ms that do not arrive. Some presses nothing can tell of:
//
//   - one of which less is left than what must not count as a press, 23 ms of it: of 40 ms
//     mostly any lost packet takes that much, of 60 ms any two;
//   - the second one of the same key, if of the pause before it less is left than the 20 ms
//     that one lost packet makes of a single press: of 60 ms two packets.
//
// One lost packet alone must cost no press of 60 ms or more, and none may come twice.

const packetSamples = 160

// wound is where packets of a press, or of the pause before it, are lost.
type wound uint8

const (
	nowhere    wound = iota
	inPause          // before the press, and none of itself
	onceWithin       // and none in the pause
	several
	wounds
)

// road is one way of keys to us.
type road struct {
	codec   codec.ID
	on, off time.Duration
	share   float64 // of packets that are lost
}

// drive sends so many presses, each third one of the same key as the one before, and
// returns what came of them.
func (d *road) drive(seed uint64, presses int) (by [wounds]tally) {
	r := rand.New(rand.NewPCG(seed, uint64(d.codec)))
	t := new(tonetest.Take)
	t.Pause(100 * ms)
	for i := range presses {
		key := tonetest.Keys[r.IntN(16)]
		if i%3 == 1 {
			key = t.Marks[i-1].Key
		}
		pause := d.off
		if seed%2 == 0 { // else presses and packets begin together, as a telephone's own do
			pause += time.Duration(r.IntN(packetSamples)) * time.Second / tonetest.Rate
		}
		t.Press(r, tonetest.Press{Key: key, On: d.on, Off: pause, Level: -10})
	}
	t.Pause(200 * ms)
	lost := t.Losses(r, packetSamples, d.share)
	reports := d.hear(t.PCM(), lost)
	for i, m := range t.Marks {
		from, to := 0, len(reports)
		if i > 0 {
			from = began(reports, m.Begin)
		}
		if i+1 < presses {
			to = began(reports, t.Marks[i+1].Begin)
		}
		by[woundOf(t.Marks, i, lost)].add(score(t.Marks[i:i+1], reports[from:to]))
	}
	return by
}

// began is the first report of a press that began at a sample or later, about.
func began(reports []Report, at int) int {
	for i, r := range reports {
		if r.At-r.Held > time.Duration(at)*time.Second/tonetest.Rate-10*ms {
			return i
		}
	}
	return len(reports)
}

// woundOf is where press i has lost packets.
func woundOf(marks []tonetest.Mark, i int, lost []bool) wound {
	count := func(from, to int) (n int) {
		for _, gone := range lost[from/packetSamples : (to-1)/packetSamples+1] {
			if gone {
				n++
			}
		}
		return n
	}
	before := 0
	if i > 0 {
		before = marks[i-1].End
	}
	within, pause := count(marks[i].Begin, marks[i].End), count(before, marks[i].Begin)
	switch {
	case within+pause == 0:
		return nowhere
	case within == 0:
		return inPause
	case within+pause == 1:
		return onceWithin
	}
	return several
}

// hear is what a call hears of pcm.
func (d *road) hear(pcm []int16, lost []bool) (out []Report) {
	f, _ := codec.ByID(d.codec)
	if f.SampleRate != toneRate {
		pcm = faster(append(make([]int16, 12), pcm...), 0.5)
	}
	encoder, decoder := f.NewEncoder(), f.NewNarrow()
	var s ToneStream
	s.Set(codec.NarrowRate, f.ClockRate, f.Settles)
	var payload [packetSamples]byte
	var room [packetSamples]int16
	step := f.SampleRate / 50
	var now time.Duration
	for i := 0; (i+1)*step <= len(pcm); i++ {
		now += toneFrame
		n := encoder.Encode(payload[:], pcm[i*step:(i+1)*step])
		out = s.Expire(now, out)
		if lost[i] {
			continue
		}
		var heard bool
		if out, heard = s.Next(Packet{Seq: uint16(i), TS: uint32(i * packetSamples)}, packetSamples, now, out); heard {
			out = s.Decode(room[:decoder.Decode(room[:], payload[:n])], now, out)
		}
	}
	return s.End(now, out)
}

func TestInBandLossByCodec(t *testing.T) {
	roads := []road{{on: 100 * ms, off: 80 * ms, share: 0.10}}
	seeds, presses := []uint64{401, 402}, 60
	if long() {
		presses, roads = 2500, nil
		for _, share := range []float64{0.01, 0.05, 0.10} {
			for _, p := range [][2]time.Duration{{200 * ms, 100 * ms}, {100 * ms, 80 * ms}, {60 * ms, 60 * ms}, {40 * ms, 60 * ms}} {
				roads = append(roads, road{on: p[0], off: p[1], share: share})
			}
		}
	}
	t.Logf("missed of presses      %-16s %-16s %-16s %-16s %-16s twice wrong", "that lost nothing", "in the pause", "one packet", "several", "all")
	for _, d := range roads {
		for d.codec = codec.None + 1; d.codec < codec.Count; d.codec++ {
			var by [wounds + 1]tally
			for _, seed := range seeds {
				for k, got := range d.drive(seed, presses) {
					by[k].add(got)
					by[wounds].add(got)
				}
			}
			missed := func(k wound) int { return by[k].presses - by[k].hits }
			line, all := "", &by[wounds]
			for k := range by {
				line += fmt.Sprintf("%6d of %-6d ", missed(wound(k)), by[k].presses)
			}
			t.Logf("%2.0f %%, %3d/%3d ms, %s %s %5d %5d", 100*d.share, d.on/ms, d.off/ms, d.codec, line, all.repeats, all.wrong)
			require.LessOrEqual(t, missed(nowhere), by[nowhere].presses/2000)
			require.LessOrEqual(t, all.repeats, all.presses/2000)
			require.LessOrEqual(t, all.wrong, all.presses/5000)
			if d.on >= 60*ms {
				require.Zero(t, missed(nowhere))
				require.LessOrEqual(t, missed(onceWithin), 3+by[onceWithin].presses/100)
			}
		}
	}
}

// Behind a loss less is asked of a press in G.722: speech must not become one for that.
func TestInBandTalkBehindLoss(t *testing.T) {
	said, err := english()
	require.NoError(t, err)
	minutes, seconds := 1, 15
	if long() {
		minutes, seconds = 40, 60
	}
	part := func(make func(*rand.Rand, float64) []int16) func(int) []int16 {
		return func(minute int) []int16 { return make(rand.New(rand.NewPCG(uint64(minute), 407)), float64(seconds)) }
	}
	for _, k := range []struct {
		name string
		make func(minute int) []int16
		most float64 // hits in a minute
	}{
		{"prompts", func(minute int) []int16 {
			n := seconds * toneRate
			at := minute * n % (len(said) - n)
			return said[at : at+n]
		}, 0},
		{"voices", part(tonetest.Grown), 0},
		{"a singing child", part(tonetest.Child), 150 / 45.0},
		{"whistles of two partials", part(tonetest.Whistle), 1100 / 45.0},
	} {
		var hits [2]int
		for minute := range minutes {
			pcm := k.make(minute)
			lost := make([]bool, len(pcm)/packetSamples+1)
			for i, share := range []float64{0, 0.05} {
				r := rand.New(rand.NewPCG(uint64(minute), 408))
				for n := range lost {
					lost[n] = r.Float64() < share
				}
				if share > 0 || long() {
					hits[i] += len(downsOf((&road{codec: codec.G722}).hear(pcm, lost)))
				}
			}
		}
		t.Logf("%d s of %s in G.722: %d hits, %d where a twentieth is lost", minutes*seconds, k.name, hits[0], hits[1])
		require.LessOrEqual(t, float64(hits[1]), k.most*float64(minutes)*max(1, 3-float64(minutes)/4))
	}
}
