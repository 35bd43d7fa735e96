package sim

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// phone is one telephone with one call. Its run goroutine owns everything below the
// line; the network tells it things through the agenda.
type phone struct {
	round *round
	n     int
	plan  caller
	dice  *rand.Rand
	sip   netip.AddrPort
	rtp   netip.AddrPort

	mu     sync.Mutex
	agenda agenda
	wake   chan struct{}
	quit   chan struct{}
	gone   chan struct{} // closed when the call is over for the telephone
	ear    ear
	deaf   bool
	up     atomic.Bool            // answered
	place  atomic.Pointer[string] // what Replaces says of the call, once it is answered

	// ---
	number  uint64 // of agenda entries
	epoch   time.Time
	callID  string
	tag     string
	to      string // To header, with the program's tag once that is known
	cseq    int
	branch  int
	open    map[string]*exchange
	acks    map[int]string
	answers map[string]string
	state   phase
	remote  netip.AddrPort // of RTP
	held    bool

	out    rtpOut
	keys   keyboard
	brain  brain
	invite fate
	ends   string

	referral func() referral // what becomes of the next transfer
}

type phase uint8

const (
	idle phase = iota
	calling
	talking
	over
)

// fate is what became of the INVITE and of its ACK, for the promises.
type fate struct {
	reached  bool // a copy arrived at the program
	answered bool // a final answer was sent to it
	heard    bool // it came here
	status   int
	accepted int       // 2xx answers sent
	first    time.Time // of them
	acked    time.Time // when the first ACK arrived at the program; zero: none did
	byes     int       // BYEs that the program sent
}

// entry is something to do at a moment.
type entry struct {
	at time.Time
	n  uint64
	do func()
}

type agenda []entry

func (q agenda) Len() int { return len(q) }
func (q agenda) Less(i, j int) bool {
	if !q[i].at.Equal(q[j].at) {
		return q[i].at.Before(q[j].at)
	}
	return q[i].n < q[j].n
}
func (q agenda) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *agenda) Push(x any)   { *q = append(*q, x.(entry)) }
func (q *agenda) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = entry{}
	*q = (*q)[:last]
	return e
}

func newPhone(r *round, n int, c caller) *phone {
	host := netip.AddrFrom4([4]byte{192, 0, 2, byte(100 + n)})
	if c.stranger {
		host = netip.AddrFrom4([4]byte{198, 51, 100, byte(100 + n)})
	}
	p := &phone{
		round: r, n: n, plan: c, dice: dice(r.seed, ofCaller, uint64(n)),
		sip: netip.AddrPortFrom(host, 5060), rtp: netip.AddrPortFrom(host, 20000),
		wake: make(chan struct{}, 1), quit: make(chan struct{}), gone: make(chan struct{}),
		epoch: time.Now(), open: map[string]*exchange{}, acks: map[int]string{}, answers: map[string]string{},
	}
	p.callID, p.tag = fmt.Sprintf("call-%c@sim", 'a'+n), fmt.Sprintf("tag-%c", 'a'+n)
	p.to = fmt.Sprintf("<sip:%s@%s>", c.number, program)
	p.brain.phone, p.keys.phone, p.out.phone = p, p, p
	p.referral = p.planned
	p.out.begin()
	r.net.attach(p.sip, p.signalled)
	r.net.attach(p.rtp, p.spoken)
	return p
}

// at has something done by the telephone's goroutine.
func (p *phone) at(when time.Time, do func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.deaf {
		return
	}
	p.number++
	heap.Push(&p.agenda, entry{when, p.number, do})
	if p.agenda[0].n == p.number {
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
}

func (p *phone) after(d time.Duration, do func()) { p.at(time.Now().Add(d), do) }

// run is the telephone's goroutine: it does what is on the agenda until the round
// is over.
func (p *phone) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	p.after(p.plan.start, p.dial)
	for {
		p.mu.Lock()
		wait := time.Hour
		var do func()
		if len(p.agenda) > 0 {
			if wait = time.Until(p.agenda[0].at); wait <= 0 {
				do = heap.Pop(&p.agenda).(entry).do
			}
		}
		p.mu.Unlock()
		if do != nil {
			do()
			continue
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-p.wake:
		case <-p.quit:
			return
		}
	}
}

// end is the end of the call, as the telephone sees it.
func (p *phone) end(why string) {
	if p.state == over {
		return
	}
	p.state, p.ends = over, why
	p.note("over", why)
	close(p.gone)
}

func (p *phone) note(what, detail string) { p.round.log.add(p.n, what, detail) }

// vanish is a telephone without power: nothing goes out any more, nothing is heard.
func (p *phone) vanish() {
	p.note("vanishes", "")
	clear(p.open)
	p.mu.Lock()
	p.deaf, p.agenda = true, nil
	p.mu.Unlock()
	p.end("vanished")
}
