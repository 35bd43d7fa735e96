package dtmf

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"star97/internal/codec"
	"star97/internal/dtmf/tonetest"
)

// class says what a receiver owes to a series.
type class uint8

const (
	must    class = iota // ITU-T Q.24 wants each press
	want                 // nobody must, but people's telephones send it
	mustNot              // ITU-T Q.24 wants none
	open                 // between the two: shown, not judged
)

// series is one row of the table: the same presses three times, as they are and
// through both laws of G.711.
type series struct {
	name  string
	class class
	reps  int // times 16 keys times 3 codings
	// vary sets what is special about a press.
	vary func(r *rand.Rand, p *tonetest.Press)
	// bend changes the take before it is coded.
	bend func(r *rand.Rand, t *tonetest.Take)
	// loss is the share of 20 ms frames that are lost, and what stands in their place.
	loss    float64
	instead filler
}

type filler uint8

const (
	told filler = iota // the receiver is told, as by sequence numbers
	silence
	repeat
)

const toneFrame = 20 * time.Millisecond

// tally is what came of a series.
type tally struct {
	presses, hits, repeats, wrong int
	delays                        []time.Duration
}

func (a *tally) add(b tally) {
	a.presses += b.presses
	a.hits += b.hits
	a.repeats += b.repeats
	a.wrong += b.wrong
	a.delays = append(a.delays, b.delays...)
}

func (a *tally) rate() float64 { return 100 * float64(a.hits) / float64(max(a.presses, 1)) }

// delay is the one that a share of the presses does not exceed, in milliseconds.
func (a *tally) delay(share float64) float64 {
	if len(a.delays) == 0 {
		return 0
	}
	slices.Sort(a.delays)
	return float64(a.delays[int(share*float64(len(a.delays)-1))]) / 1e6
}

// hearer is a detector under test.
type hearer interface {
	hear(pcm []int16, now time.Duration, out []Report) []Report
	lose(samples int, now time.Duration, out []Report) []Report
}

type ours struct{ d ToneDetector }

func (o *ours) hear(pcm []int16, now time.Duration, out []Report) []Report {
	return o.d.Decode(pcm, now, out)
}
func (o *ours) lose(n int, now time.Duration, out []Report) []Report { return o.d.Lose(n, now, out) }

type anchored struct{ a anchor }

func (o *anchored) hear(pcm []int16, now time.Duration, out []Report) []Report {
	return o.a.feed(pcm, now, out)
}
func (o *anchored) lose(n int, now time.Duration, out []Report) []Report {
	return o.a.feed(make([]int16, n), now, out)
}

// coded is what comes out of a law of G.711; None leaves it as it is.
func coded(id codec.ID, pcm []int16) []int16 {
	f, ok := codec.ByID(id)
	if !ok {
		return pcm
	}
	payload, out := make([]byte, len(pcm)), make([]int16, len(pcm))
	f.Encode(payload, pcm)
	f.Decode(out, payload)
	return out
}

// listen feeds frames of 20 ms; at is the time of a frame's end.
func listen(h hearer, pcm []int16, lost []bool) []Report { return listenBy(toneFrame, h, pcm, lost) }

// listenBy feeds frames of any length.
func listenBy(length time.Duration, h hearer, pcm []int16, lost []bool) (out []Report) {
	frame := tonetest.Samples(length)
	for i := 0; i*frame < len(pcm); i++ {
		part := pcm[i*frame : min((i+1)*frame, len(pcm))]
		now := time.Duration(i+1) * length
		if lost != nil && lost[i] {
			out = h.lose(len(part), now, out)
			continue
		}
		out = h.hear(part, now, out)
	}
	return out
}

// score holds reports against what was pressed.
func score(marks []tonetest.Mark, reports []Report) (s tally) {
	s.presses = len(marks)
	heard := make([]bool, len(marks))
	for _, r := range reports {
		if r.Kind != Down {
			continue
		}
		began := int((r.At - r.Held) * tonetest.Rate / time.Second)
		i, _ := slices.BinarySearchFunc(marks, began+tonetest.Rate/100, func(m tonetest.Mark, at int) int { return m.Begin - at })
		if i--; i < 0 {
			s.wrong++
			continue
		}
		switch m := marks[i]; {
		case m.Key != r.Digit.Char():
			s.wrong++
		case heard[i]:
			s.repeats++
		default:
			heard[i] = true
			s.hits++
			s.delays = append(s.delays, r.At-time.Duration(m.Begin)*time.Second/tonetest.Rate)
		}
	}
	return s
}

// take makes the presses of a series.
func (s *series) take(r *rand.Rand, reps int) *tonetest.Take {
	t := new(tonetest.Take)
	t.Pause(time.Duration(40+r.IntN(40)) * time.Millisecond)
	for range reps {
		order := r.Perm(16)
		if n := len(t.Marks); n > 0 && tonetest.Keys[order[0]] == t.Marks[n-1].Key {
			slices.Reverse(order) // no key twice in a row, for where there is no pause
		}
		for _, k := range order {
			p := tonetest.Press{Key: tonetest.Keys[k], On: 50 * ms, Off: 50 * ms, Level: -10}
			if s.vary != nil {
				s.vary(r, &p)
			}
			p.Off += time.Duration(r.IntN(8000)) * time.Microsecond
			t.Press(r, p)
		}
	}
	t.Pause(200 * ms)
	if s.bend != nil {
		s.bend(r, t)
	}
	return t
}

// run plays a series to a detector; share of the repetitions are made.
func (s *series) run(seed uint64, share float64, fresh func() hearer) (sum tally) {
	for i, law := range []codec.ID{codec.None, codec.PCMU, codec.PCMA} {
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		t := s.take(r, max(1, int(share*float64(s.reps))))
		frame := tonetest.Samples(toneFrame)
		var lost []bool
		if s.loss > 0 {
			lost = t.Losses(r, frame, s.loss)
		}
		pcm := coded(law, t.PCM())
		if s.instead != told {
			tonetest.Conceal(pcm, lost, frame, s.instead == repeat)
			lost = nil
		}
		sum.add(score(t.Marks, listen(fresh(), pcm, lost)))
	}
	return sum
}

func either(r *rand.Rand) float64 { return float64(2*r.IntN(2) - 1) }

func detuned(share float64) func(*rand.Rand, *tonetest.Press) {
	return func(r *rand.Rand, p *tonetest.Press) {
		switch r.IntN(3) {
		case 0:
			p.Low = share * either(r)
		case 1:
			p.High = share * either(r)
		case 2:
			p.Low, p.High = share*either(r), share*either(r)
		}
	}
}

func twistedBy(dB float64) func(*rand.Rand, *tonetest.Press) {
	return func(_ *rand.Rand, p *tonetest.Press) { p.Twist = dB }
}

func level(dBm0 float64) func(*rand.Rand, *tonetest.Press) {
	return func(_ *rand.Rand, p *tonetest.Press) { p.Level = dBm0 }
}

func timed(on, off time.Duration) func(*rand.Rand, *tonetest.Press) {
	return func(_ *rand.Rand, p *tonetest.Press) { p.On, p.Off = on, off }
}

func cut(on, gap time.Duration) func(*rand.Rand, *tonetest.Press) {
	return func(r *rand.Rand, p *tonetest.Press) {
		p.On, p.Off = on, 60*ms
		at := time.Duration(5+r.IntN(int((on-gap)/ms)-10)) * ms
		p.Cuts = []tonetest.Cut{{At: at, For: gap}}
	}
}

func noisy(ratio float64) func(*rand.Rand, *tonetest.Take) {
	return func(r *rand.Rand, t *tonetest.Take) { t.Noise(r, -10, ratio) }
}

// dialled is a dial tone; each of its tones is so much quieter than each of the keys'.
func dialled(ratio float64, hz ...float64) func(*rand.Rand, *tonetest.Take) {
	return func(r *rand.Rand, t *tonetest.Take) { t.Hum(r, -20-ratio, hz...) }
}

// allSeries is the table, other what echoes: 33 series and more, in the order in which they are shown.
func allSeries(other []int16) []series {
	all := []series{
		{name: "plain 50/50 ms", class: must, reps: 40},
		{name: "plain 40/40 ms", class: must, reps: 40, vary: timed(40*ms, 40*ms)},
		{name: "93 ms a digit", class: must, reps: 20, vary: timed(45*ms, 48*ms)},
		{name: "tone 100-400 ms", class: must, reps: 6, vary: func(r *rand.Rand, p *tonetest.Press) {
			p.On, p.Ramp = time.Duration(100+r.IntN(300))*ms, time.Duration(r.IntN(5))*ms
		}},
	}
	for _, f := range []float64{0.005, 0.010, 0.015} {
		all = append(all, series{name: fmt.Sprintf("frequency %.1f %%", 100*f), class: must, reps: 20, vary: detuned(f)})
	}
	for _, f := range []float64{0.018, 0.020, 0.025, 0.030} {
		c := open
		if f < 0.019 {
			c = want
		}
		all = append(all, series{name: fmt.Sprintf("frequency %.1f %%", 100*f), class: c, reps: 10, vary: detuned(f)})
	}
	for _, f := range []float64{0.035, 0.040, 0.050} {
		all = append(all, series{name: fmt.Sprintf("frequency %.1f %%", 100*f), class: mustNot, reps: 10, vary: detuned(f)})
	}
	for _, dB := range []float64{-8, -7.5, -6, -3, 3, 4} {
		all = append(all, series{name: fmt.Sprintf("twist %+.1f dB", dB), class: must, reps: 10, vary: twistedBy(dB)})
	}
	for _, dB := range []float64{-12, 8} {
		all = append(all, series{name: fmt.Sprintf("twist %+.1f dB", dB), class: open, reps: 5, vary: twistedBy(dB)})
	}
	for _, l := range []float64{0, -5, -20, -25} {
		all = append(all, series{name: fmt.Sprintf("level %.0f dBm0", l), class: must, reps: 20, vary: level(l)})
	}
	for _, l := range []float64{-30, -36} {
		all = append(all, series{name: fmt.Sprintf("level %.0f dBm0", l), class: want, reps: 20, vary: level(l)})
	}
	all = append(all, series{name: "level -55 dBm0", class: mustNot, reps: 5, vary: level(-55)})
	for _, m := range []time.Duration{10, 15, 20, 23} {
		all = append(all, series{name: fmt.Sprintf("tone %d ms", m), class: mustNot, reps: 10, vary: timed(m*ms, 50*ms)})
	}
	for _, m := range []time.Duration{26, 30, 35} {
		all = append(all, series{name: fmt.Sprintf("tone %d ms", m), class: open, reps: 10, vary: timed(m*ms, 50*ms)})
	}
	all = append(all, series{name: "one tone alone", class: mustNot, reps: 5, vary: func(r *rand.Rand, p *tonetest.Press) { p.Mute = 1 + r.IntN(2) }})
	for _, m := range []time.Duration{30, 35} {
		all = append(all, series{name: fmt.Sprintf("pause %d ms", m), class: want, reps: 20, vary: timed(50*ms, m*ms)})
	}
	for _, m := range []time.Duration{2, 5, 10, 15, 18} {
		c := must
		if m > 10 {
			c = want
		}
		all = append(all, series{name: fmt.Sprintf("interruption %d ms", m), class: c, reps: 10, vary: cut(100*ms, m*ms)})
	}
	for _, dB := range []float64{24, 18, 15, 12, 9, 6} {
		c := want
		if dB < 9 {
			c = open
		}
		all = append(all, series{name: fmt.Sprintf("noise, S/N %.0f dB", dB), class: c, reps: 40, bend: noisy(dB)})
	}
	for _, dB := range []float64{10, 5, 0, -10} {
		all = append(all, series{name: fmt.Sprintf("dial tone 350+440, %+.0f dB", dB), class: want, reps: 10, vary: level(-20), bend: dialled(dB, 350, 440)},
			series{name: fmt.Sprintf("dial tone 425, %+.0f dB", dB), class: want, reps: 10, vary: level(-20), bend: dialled(dB, 425)})
	}
	all = append(all,
		series{name: "mains hum 50 Hz, as loud", class: want, reps: 10, vary: level(-20), bend: dialled(0, 50)},
		series{name: "DC offset 6000", class: want, reps: 20, bend: func(_ *rand.Rand, t *tonetest.Take) { t.Offset(6000) }},
	)
	for _, dB := range []float64{6, 9, 12} {
		all = append(all, series{name: fmt.Sprintf("clipped by %.0f dB", dB), class: want, reps: 10, bend: func(_ *rand.Rand, t *tonetest.Take) { t.Clip(-10, dB) }})
	}
	for _, way := range []struct {
		filler
		name string
	}{{told, "told"}, {silence, "silence"}, {repeat, "repeat"}} {
		for _, share := range []float64{0.01, 0.03, 0.05, 0.10} {
			all = append(all, series{name: fmt.Sprintf("lost frames %.0f %%, %s", 100*share, way.name), class: open, reps: 20,
				vary: timed(100*ms, 80*ms), loss: share, instead: way.filler})
		}
	}
	for _, every := range []time.Duration{1000, 250, 100} {
		all = append(all, series{name: fmt.Sprintf("sample slip each %d ms", every), class: want, reps: 20,
			bend: func(r *rand.Rand, t *tonetest.Take) { t.Slip(r, every*ms) }})
	}
	for _, loss := range []float64{30, 20, 12, 6} {
		all = append(all, series{name: fmt.Sprintf("echo of a prompt, %.0f dB", loss), class: want, reps: 20,
			bend: func(r *rand.Rand, t *tonetest.Take) { t.Echo(r, other, loss) }})
	}
	bounce := func(_ *rand.Rand, p *tonetest.Press) {
		p.On, p.Off = 80*ms, 60*ms
		p.Cuts = []tonetest.Cut{{At: 4 * ms, For: 4 * ms}, {At: 12 * ms, For: 3 * ms}, {At: 70 * ms, For: 4 * ms}}
	}
	return append(all,
		series{name: "bounce", class: want, reps: 20, vary: bounce},
		series{name: "back to back", class: want, reps: 20, vary: timed(60*ms, 0)},
	)
}
