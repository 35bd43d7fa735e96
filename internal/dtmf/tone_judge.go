package dtmf

import "math"

const (
	// toneCount is how many measurements in a row have to tell of the same key: what is
	// shorter than 25 ms has fewer. Q.24: 40 ms are a digit, 23 ms are none.
	toneCount = 11
	// toneRipe is how much of a key lies under its first good measurement, about.
	toneRipe = toneTaps * 5 / 8
	// toneNotable is how many measurements make a run worth counting if nothing comes of it.
	toneNotable = 6
	// mostBad is how many measurements of a press noise may spoil.
	mostBad = 2
)

// What a press needs over all of its measurements. Q.24: within 1.5 % is in tune, 3.5 %
// off is not; the high tone up to 4 dB over the low one, or 8 dB under it.
const (
	tune     = 0.020 // most that a tone is off
	tuneBoth = 0.027 // of both tones together, as the sides of a right angle
	astray   = 0.022 // a clear tone that is further off makes the run none for good
	clean    = 0.995 // coherence of a clear tone
	steady   = 0.95  // least coherence: how well the phase keeps its pace
	purity   = 0.87  // least share of both tones in everything
	calm     = 0.10  // most variance of both powers, in squares of their means
	still    = 0.4   // least power of the last 4 ms, in that of before

	// Where a loss has bent levels they rise or fall all the time.
	bentCalm = 3

	// Of tones that are cut off on the way less can be asked.
	clippedPurity = 0.75
	clippedCalm   = 0.25

	// Beside a dial tone more can be.
	dialPurity = 0.92
	dialCalm   = 0.05
)

var (
	highOver = ratio(4.5)
	lowOver  = ratio(8.5)
)

// fault is why a run of measurements is no press yet.
type fault uint8

const (
	tooShort fault = iota
	untuned
	twisted
	impure
)

// toneRun is the latest measurements in a row that tell of the same key, but for a few
// that noise has spoilt.
type toneRun struct {
	ring   [toneCount]measure
	next   int
	length int
	bad    int   // measurements that were not good since the latest good one
	begun  int64 // sample at which the key went down, about
	key    toneKey
	fault  fault
	dead   bool // it is no press, whatever comes
}

// add takes a measurement and says whether the run is to be judged.
func (r *toneRun) add(m *measure, st *ToneStats) bool {
	good := m.good && (r.length == 0 || m.key == r.key)
	if !good {
		if m.spoiled || r.length == 0 {
			return false
		}
		r.bad++
		if r.bad > mostBad || !m.follows || m.good && r.length <= 2*mostBad {
			r.drop(st)
			good = m.good
		}
		if r.length == 0 && !good {
			return false
		}
	}
	if r.length == 0 {
		r.begun, r.key, r.fault = m.end-toneRipe, m.key, tooShort
	}
	r.ring[r.next] = *m
	r.next = (r.next + 1) % toneCount
	r.length++
	if !good {
		return false
	}
	r.bad = 0
	return r.length >= toneCount && r.firm()
}

// firm says whether enough measurements are good, and the first one.
func (r *toneRun) firm() bool {
	bad := 0
	for i := range r.ring {
		if m := &r.ring[i]; !m.good || m.key != r.key {
			bad++
		}
	}
	return bad <= mostBad && r.ring[r.next].good
}

// drop ends a run of which nothing came.
func (r *toneRun) drop(st *ToneStats) {
	if r.length >= toneNotable {
		switch r.fault {
		case tooShort:
			st.Short++
		case untuned:
			st.Untuned++
		case twisted:
			st.Twisted++
		case impure:
			st.Impure++
		}
	}
	r.clear()
}

func (r *toneRun) clear() { r.length, r.bad, r.dead = 0, 0, false }

// judge says whether the run is a press.
func (r *toneRun) judge(e *ear) bool {
	sum := r.sum()
	group := [2]uint8{r.key.row, 4 + r.key.col}
	var off [2]float64
	coherent := float32(1)
	for g, i := range group {
		off[g] = detune(sum.turns[g], i)
		coherent = min(coherent, sqrt(sum.turns[g].power())/sum.length[g])
		sum.power[g] *= tones[i].gain
		sum.front[g] = sum.power[g] * tones[i].front
	}
	if most := max(off[0], off[1]); most > tune || math.Hypot(off[0], off[1]) > tuneBoth || coherent < steady {
		r.fault = untuned
		r.dead = r.dead || most > astray && coherent > clean
		return false
	}
	low, high := sum.front[0], sum.front[1]
	mostHigh, mostLow, rest := highOver, lowOver, float32(calm)
	if sum.bent {
		mostHigh, mostLow, rest = bentHigh, bentLow, bentCalm
	}
	switch {
	case r.dead:
		return false
	case min(low, high) < leastTone*toneCount:
		r.fault = tooShort
	case high > mostHigh*low || low > mostLow*high:
		r.fault = twisted
	case !r.pure(&sum, e, purity, rest) && !(e.clipped() && r.pure(&sum, e, clippedPurity, clippedCalm)):
		r.fault = impure
	case e.energies[0]+e.energies[1] < still*sum.total/toneCount*2*toneHop:
		r.fault = tooShort
	case !e.sounds(r.key.col, high/toneCount):
		r.fault = untuned
	default:
		return true
	}
	return false
}

// pure says whether the tones are at least a share of what there is, behind the notches
// and before them, and whether their powers vary no more than a limit. Beside a dial tone
// more is asked behind the notches: a voice can have its fundamental there.
func (r *toneRun) pure(s *toneSum, e *ear, share, limit float32) bool {
	noise, dial := e.background(s.total / toneCount)
	if front := s.front[0] + s.front[1]; front < share*s.raw {
		if front < share*(s.raw-2.5*dial*toneCount) {
			return false
		}
		share, limit, noise = max(share, dialPurity), dialCalm, 0
	}
	return s.power[0]+s.power[1] >= share*(s.total-noise*toneCount) && r.unrest() <= limit+0.8*noise*toneCount/s.total
}

// background is what is not held against a press of a power, because it was there
// before: noise behind the notches, and before them a dial tone. Where talk or
// music goes on there is neither.
func (e *ear) background(power float32) (noise, dial float32) {
	noise, all := e.floors[0].power(), e.floors[1].power()
	if all > 4*noise {
		dial = all
	}
	if noise > power/5 {
		noise = 0
	}
	return min(noise, power/10), dial
}

// clipped says whether the peaks of the last 20 ms were cut off: of two tones within the
// limits of twist they reach 3.3 times the power at least.
func (e *ear) clipped() bool {
	var peak, sum float32
	for _, v := range e.x[e.n-2*toneTaps : e.n] {
		peak = max(peak, v*v)
		sum += v * v
	}
	return peak*2*toneTaps < 2.5*sum
}

// toneSum adds up what a run has measured, by groups.
type toneSum struct {
	turns         [2]phasor
	power, length [2]float32
	front         [2]float32 // power before the notches
	total, raw    float32
	bent          bool // any of it
}

func (r *toneRun) sum() (s toneSum) {
	for i := range r.ring {
		m := &r.ring[i]
		s.bent = s.bent || m.bent
		s.total += m.total
		s.raw += m.raw
		for g, p := range m.powers() {
			s.turns[g] = s.turns[g].plus(m.turns[g])
			s.length[g] += sqrt(m.turns[g].power())
			s.power[g] += p
		}
	}
	return s
}

// unrest is how much the powers of both tones vary after the first measurement, at the
// edge of the press: the variance over the square of the mean.
func (r *toneRun) unrest() float32 {
	var sum, squares [2]float32
	for i := 1; i < toneCount; i++ {
		for g, p := range r.ring[(r.next+i)%toneCount].powers() {
			sum[g] += p
			squares[g] += p * p
		}
	}
	const n = toneCount - 1
	return n*squares[0]/(sum[0]*sum[0]) + n*squares[1]/(sum[1]*sum[1]) - 2
}

func sqrt(x float32) float32 { return float32(math.Sqrt(float64(x))) }

// detune is how far the phase's advance is off that of tone i, as a share of its frequency.
func detune(turn phasor, i uint8) float64 {
	q := turn.since(tones[i].back)
	off := math.Atan2(float64(q.im), float64(q.re)) / (2 * math.Pi) * hopWidth
	return math.Abs(off) / toneHz[i]
}

// sounds says whether a column's tone itself has about that power, and not one 500 Hz
// beside it, whose phase advances alike.
func (e *ear) sounds(col uint8, power float32) bool {
	const n = 2 * toneTaps
	y := e.y[e.n-n : e.n]
	c := tones[4+col].goertzel
	var s1, s2 float32
	for _, v := range y { // G. Goertzel, 1958
		s1, s2 = v-s2+c*s1, s1
	}
	got := (s1*s1 + s2*s2 - c*s1*s2) * 2 / (n * n) * tones[4+col].front
	return got > power/8
}
