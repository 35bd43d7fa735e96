package dtmf

import (
	"math"
	"time"
)

const (
	toneStep = toneHop * time.Second / toneRate
	toneKeep = 256 // filtered samples that stay at hand
)

// dBm0 is the power of samples at a level; a sine at full scale has 3.14 dBm0 (ITU-T G.711).
func dBm0(level float64) float32 {
	return float32(1 << 29 * math.Pow(10, (level-3.14)/10))
}

// ratio is a power ratio in dB.
func ratio(dB float64) float32 { return float32(math.Pow(10, dB/10)) }

// What a measurement needs to be good: less than a press needs in all, because noise
// and the edges of a tone bend a single one.
const (
	loosePure   = 0.55
	looseTune   = 0.036 // of the frequency
	looseTuneHz = 8.0
)

var (
	leastTone  = dBm0(-42) // of each tone
	leastTotal = dBm0(-41) // of everything, before it is measured at all
	looseHigh  = ratio(7)  // of the high tone over the low one
	looseLow   = ratio(11) // of the low tone over the high one
	bentHigh   = ratio(12) // the same where a loss has bent levels, in a press too
	bentLow    = ratio(18)
)

// toneKey is a key as its row and column.
type toneKey struct{ row, col uint8 }

func (k toneKey) digit() Digit { return toneKeys[k.row][k.col] }

// tone is what a measurement is held against: the advance of phase in one hop,
// turned back, the half-width of what is in tune as a tangent, and what makes up for
// the filter of its band and for those in front of it.
type tone struct {
	back  phasor
	wide  float32
	gain  float32
	front float32

	goertzel float32 // the coefficient of its frequency
}

var tones = newTones()

func newTones() (t [8]tone) {
	for i, hz := range toneHz {
		turn := 2 * math.Pi * hz / hopWidth
		off := 2 * math.Pi * (looseTune*hz + looseTuneHz) / hopWidth
		band := bandGain(i)
		t[i] = tone{
			back:  phasor{float32(math.Cos(turn)), float32(math.Sin(turn))},
			wide:  float32(math.Tan(off)),
			gain:  float32(1 / band),
			front: float32(1 / frontGain(hz)),

			goertzel: float32(2 * math.Cos(2*math.Pi*hz/toneRate)),
		}
	}
	return t
}

// tuned says whether a phase advance is that of tone i.
func (p phasor) tuned(i uint8) bool {
	q := p.since(tones[i].back)
	return q.re > 0 && max(q.im, -q.im) <= tones[i].wide*q.re
}

// nearest is the tone of a group that p is nearest to; false if it is near none. Every
// 500 Hz the phase advances alike: 1170 Hz and 1670 Hz are told apart by judge.
func (p phasor) nearest(group uint8) (best uint8, ok bool) {
	var near phasor
	for i := range uint8(4) {
		if q := p.since(tones[group+i].back); q.re > near.re {
			best, near = i, q
		}
	}
	return best, max(near.im, -near.im) < tones[group+best].wide*near.re
}

// measure is one look at the last 10 ms.
type measure struct {
	end     int64 // sample at its end
	good    bool  // a key, as far as one measurement can tell
	heard   bool  // loud enough to be measured
	follows bool  // so was the one before
	spoiled bool  // lost samples are in it
	bent    bool  // a loss before it has bent levels
	key     toneKey
	low     phasor
	high    phasor
	turns   [2]phasor // phase advance since the hop before, with the power as length
	total   float32   // power of everything behind the notches
	raw     float32   // and before them
}

// powers are those of the two groups as measured.
func (m *measure) powers() [2]float32 { return [2]float32{m.low.power(), m.high.power()} }

func (m *measure) tunedTo(k toneKey) bool {
	return m.turns[0].tuned(k.row) && m.turns[1].tuned(4+k.col)
}

// window adds up the energies of the hops under a measurement.
type window [toneTaps / toneHop]float32

// add takes the newest one and returns the mean power.
func (w *window) add(energy float32) float32 {
	copy(w[1:], w[:])
	w[0] = energy
	var sum float32
	for _, v := range w {
		sum += v
	}
	return sum / toneTaps
}

// floorHops is half of the time of which a floor knows: 64 ms without keys.
const floorHops = 32

// floor is the least power of late: what never pauses, as a dial tone and noise.
type floor struct {
	now, before float32
	hops        int
	begun       bool
}

func (f *floor) add(power float32) {
	switch {
	case !f.begun:
		f.before, f.now, f.begun = power, power, true
	case f.hops == 0:
		f.before, f.now = f.now, power
	}
	f.now = min(f.now, power)
	f.hops = (f.hops + 1) % floorHops
}

func (f *floor) power() float32 { return min(f.now, f.before) }

// ear filters samples and measures.
type ear struct {
	x1, dc, dc1    float32               // of the DC filter: input, outputs
	p1, p2, q1, q2 float32               // outputs of the notches
	y              [8 * toneTaps]float32 // filtered samples
	x              [8 * toneTaps]float32 // the same before the notches
	n              int
	fresh          int     // of y, since the hop before
	energy         float32 // of the fresh ones
	raw            float32 // the same before the notches
	energies       window
	raws           window
	floors         [2]floor   // of everything behind and before the notches
	pos            int64      // samples so far
	hole           int        // samples from now on in which lost ones spoil a measurement
	bent           int        // samples from now on whose levels a loss has bent
	measured       [2]measure // the latest at the end
	passed         bool       // the hop before was passed over
	over           measure    // it
}

// room is how many samples are missing until the next measurement.
func (e *ear) room() int { return toneHop - e.fresh }

// lose takes silence for a lost sample.
func (e *ear) lose() {
	var silence [1]float32
	e.filter(silence[:])
	e.hole = toneTaps + toneHop - 1
}

// inaudible is the energy of a hop at which the filters are emptied: what goes on to fade in
// them would end in numbers that cost a processor a hundred times as much.
const inaudible = 1e-9

// filter takes the DC and the dial tones out of samples. The filters' states are
// variables of their own because the compiler keeps no array in registers.
func (e *ear) filter(x []float32) {
	if e.n+len(x) > len(e.y) {
		copy(e.y[:toneKeep], e.y[e.n-toneKeep:e.n])
		copy(e.x[:toneKeep], e.x[e.n-toneKeep:e.n])
		e.n = toneKeep
	}
	out, plain := e.y[e.n:][:len(x)], e.x[e.n:][:len(x)]
	x1, dc, raw, energy := e.x1, e.dc, e.raw, e.energy
	p1, p2, q1, q2, dc1 := e.p1, e.p2, e.q1, e.q2, e.dc1
	lowB, lowA, highB, highA := notchLow.b1, notchLow.a1, notchHigh.b1, notchHigh.a1
	const a2 = notchRadius * notchRadius
	for i, v := range x {
		now := v - x1 + dcPole*dc
		p := (now + lowB*dc + dc1 - a2*p2) - lowA*p1
		q := (p + highB*p1 + p2 - a2*q2) - highA*q1
		x1, dc1, dc = v, dc, now
		p2, p1 = p1, p
		q2, q1 = q1, q
		plain[i], out[i] = now, q
		raw += now * now
		energy += q * q
	}
	e.x1, e.dc, e.raw, e.energy = x1, dc, raw, energy
	e.p1, e.p2, e.q1, e.q2, e.dc1 = p1, p2, q1, q2, dc1
	e.n += len(x)
	e.fresh += len(x)
	e.pos += int64(len(x))
	e.hole = max(e.hole-len(x), 0)
	e.bent = max(e.bent-len(x), 0)
}

// remember takes a measurement without a key for what is always there.
func (e *ear) remember(m *measure) {
	if e.n >= toneTaps {
		e.floors[0].add(m.total)
		e.floors[1].add(m.raw)
	}
}

// measure looks at the last 10 ms; the next call overwrites what it returns. An idle ear
// measures each second time only, and goes back if there may be a key.
func (e *ear) measure(idle bool) []measure {
	m := measure{end: e.pos, spoiled: e.hole > 0, bent: e.bent > 0, total: e.energies.add(e.energy), raw: e.raws.add(e.raw)}
	if e.energy+e.raw < inaudible {
		e.dc, e.dc1, e.p1, e.p2, e.q1, e.q2 = 0, 0, 0, 0, 0, 0
	}
	e.fresh, e.energy, e.raw = 0, 0, 0
	before, passed := e.measured[1], e.passed
	e.passed = false
	switch {
	case m.total < leastTotal || e.n < toneTaps:
	case idle && !passed:
		e.passed, e.over = true, m
		e.measured[0] = m
		return e.measured[:1]
	default:
		m.listen(e.y[:e.n])
		if passed && m.plausible() {
			between := &e.over
			between.listen(e.y[:e.n-toneHop])
			between.follow(&before)
			m.follow(between)
			e.measured = [2]measure{*between, m}
			return e.measured[:]
		}
		if !passed {
			m.follow(&before)
		}
	}
	e.measured[1] = m
	return e.measured[1:]
}

// listen takes the amplitudes of both groups at the end of y.
func (m *measure) listen(y []float32) {
	m.heard = true
	m.low, m.high = bands((*[toneTaps]float32)(y[len(y)-toneTaps:]))
}

// plausible says whether the powers can be those of a key.
func (m *measure) plausible() bool {
	p, high, low := m.powers(), looseHigh, looseLow
	if m.bent {
		high, low = bentHigh, bentLow
	}
	return min(p[0], p[1]) >= leastTone/2 && p[0]+p[1] >= loosePure*m.total && p[1] <= high*p[0] && p[0] <= low*p[1]
}

// follow compares m with the measurement before and finds out whether it is good.
func (m *measure) follow(before *measure) {
	if !before.heard {
		return
	}
	m.follows = true
	m.turns = [2]phasor{m.low.since(before.low), m.high.since(before.high)}
	if !m.plausible() {
		return
	}
	row, inRow := m.turns[0].nearest(0)
	col, inColumn := m.turns[1].nearest(4)
	m.good, m.key = inRow && inColumn, toneKey{row, col}
}
