package sim

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"time"
)

// lots are drawn for one moment: what happens then does not depend on how much
// happened before.
type lots struct{ seed, state uint64 }

// Uint64 implements rand.Source (SplitMix64).
func (l *lots) Uint64() uint64 {
	l.state += 0x9E3779B97F4A7C15
	z := l.state
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

// begin begins the draws for a datagram that is sent at a moment. Two that are sent at
// one instant, in either order, have each their own.
func (l *lots) begin(now time.Time, data []byte) {
	l.state = l.seed ^ uint64(now.UnixNano())*0xD1342543DE82EF95
	if len(data) > 20 { // of RTP the first millisecond, of SIP a part of the first line
		l.state ^= binary.LittleEndian.Uint64(data[12:]) * 0x9E3779B97F4A7C15
	}
}

// dice are a stream of chance of its own for each actor of a round, so that one of
// them does not alter what the others meet.
func dice(seed uint64, actor ...uint64) *rand.Rand {
	mixed := uint64(0x9E3779B97F4A7C15)
	for _, a := range actor {
		mixed = (mixed ^ a) * 0xD1342543DE82EF95
		mixed ^= mixed >> 29
	}
	return rand.New(rand.NewPCG(seed, mixed))
}

// The actors of a round, first word of their stream.
const (
	ofPlan uint64 = iota + 1
	ofCaller
	ofWire
	ofStore
	ofLookup
	ofSite
)

// chance is true with probability p.
func chance(r *rand.Rand, p float64) bool { return p > 0 && r.Float64() < p }

// between is a time from a to b.
func between(r *rand.Rand, a, b time.Duration) time.Duration {
	if b <= a {
		return a
	}
	return a + time.Duration(r.Int64N(int64(b-a)))
}

// climate is what one kind of wire does to its datagrams.
type climate struct {
	lose, twice, late float64       // probabilities
	delay, jitter     time.Duration // the least, and what is added at most
	lateness          time.Duration // added at most to a late one
}

// climates, from fair to foul. Nothing is late by the 2 s after which an RTP packet is
// taken for one of another sequence (dtmf, maxMisorder).
var climates = []climate{
	{delay: 2 * time.Millisecond, jitter: 3 * time.Millisecond},
	{delay: 20 * time.Millisecond, jitter: 15 * time.Millisecond, lose: 0.01, twice: 0.01},
	{delay: 60 * time.Millisecond, jitter: 60 * time.Millisecond, lose: 0.05, twice: 0.03, late: 0.05, lateness: 300 * time.Millisecond},
	{delay: 150 * time.Millisecond, jitter: 40 * time.Millisecond, lose: 0.20, twice: 0.10, late: 0.10, lateness: 1500 * time.Millisecond},
	{delay: time.Millisecond, lose: 0.02, twice: 0.5, late: 0.2, lateness: 700 * time.Millisecond},
}

// kind of what goes over a wire.
type kind uint8

const (
	signalling kind = 1 << iota
	audio
)

// outage is a time in which wires carry nothing.
type outage struct {
	from, to time.Duration // since the round began
	kinds    kind
	call     int // -1: of all calls
}

// wire is one direction of one call's signalling or media.
type wire struct {
	climate
	kind    kind
	call    int
	outages []outage
	began   time.Time

	mu   sync.Mutex
	lots lots
	dice *rand.Rand // over lots
}

// fate is when the copies of a datagram sent now arrive; none: it is lost. No two
// arrive at the same instant, so that what follows from them has one order.
func (w *wire) fate(data []byte, now time.Time) (at [2]time.Time, copies int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lots.begin(now, data)
	since := now.Sub(w.began)
	lost := chance(w.dice, w.lose)
	for _, o := range w.outages {
		if o.kinds&w.kind != 0 && (o.call < 0 || o.call == w.call) && since >= o.from && since < o.to {
			lost = true
		}
	}
	copies = 1
	if chance(w.dice, w.twice) {
		copies = 2
	}
	for i := range copies {
		d := w.delay + between(w.dice, 0, w.jitter) + time.Duration(1+w.dice.Int64N(999_983))
		if chance(w.dice, w.late) {
			d += between(w.dice, 0, w.lateness)
		}
		at[i] = now.Add(d)
	}
	if lost {
		copies = 0
	}
	return at, copies
}
