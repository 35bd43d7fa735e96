package media

import (
	"sync"
	"time"
)

// The grid of sending times: every frame but the first of a talkspurt leaves on
// a multiple of slot since the engine's epoch. The ring covers more than the
// longest frame.
const (
	slot      = 5 * time.Millisecond
	ringSlots = 16
	farthest  = int64(60*time.Millisecond/slot) + 1 // slots ahead that add may ask for
)

// slotNear is the slot nearest to t.
func slotNear(t time.Duration) int64 { return int64((t + slot/2) / slot) }

// pacer sends the frames of its sessions on an absolute schedule: a turn that
// comes late is late by itself and shifts no later one. It sleeps through empty
// slots, and has no timer running while no session sends.
//
// It sleeps on a Go timer. A locked thread in nanosleep was measured beside it with
// BenchmarkPacing on two cores: at 200 calls |gap - 20 ms| 0.05 against 0.3 ms at
// the median and 0.6 against 2.1 ms at p99, for 698 against 563 us of CPU per call
// and second; at 500 calls 0.07 against 0.36, 1.0 against 1.3, and 436 against 411.
// A jitter buffer hides either; the timer costs less, ends at once on Close, and a
// fake clock (testing/synctest) can drive it. Locked to a thread and on the timer, the
// goroutine keeps time no better: 1.0 against 1.0 ms at p99, on an idle machine and,
// by turns, on a busy one.
type pacer struct {
	now  func() time.Duration
	wake chan struct{}
	quit chan struct{}

	mu     sync.Mutex
	ring   [ringSlots][]turn
	turns  int   // in the ring, stale ones included
	next   int64 // the earliest slot not handed out yet
	asleep int64 // the slot slept for; 0 while awake, -1 with nothing to do
}

// turn is a session's place in a slot. A session that was moved meanwhile leaves
// its old turn behind; tick tells it by the number.
type turn struct {
	s  *session
	at int64
}

func newPacer(now func() time.Duration) *pacer {
	return &pacer{now: now, wake: make(chan struct{}, 1), quit: make(chan struct{})}
}

// add books a turn for s and returns its slot, at or after the one asked for.
func (p *pacer) add(s *session, at int64) int64 {
	p.mu.Lock()
	if p.turns == 0 {
		p.next = max(p.next, at-farthest) // nothing was due in the idle time
	}
	at = max(at, p.next)
	cell := &p.ring[at%ringSlots]
	*cell = append(*cell, turn{s, at})
	p.turns++
	rouse := p.asleep < 0 || at < p.asleep
	if rouse {
		p.asleep = 0
	}
	p.mu.Unlock()
	if rouse {
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
	return at
}

// run is the pacer's goroutine: started by NewPortable, stops at the engine's
// Close; owns nothing but its list of turns.
func (p *pacer) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var due []turn
	for {
		var at int64
		if due, at = p.collect(due[:0]); at != 0 {
			if !p.sleep(timer, at) {
				return
			}
			continue
		}
		for _, t := range due {
			t.s.tick(t.at, p.now())
		}
		clear(due)
	}
}

// collect takes the turns of the next slot if its time has come. Otherwise it
// returns the slot to sleep for, or -1.
func (p *pacer) collect(due []turn) ([]turn, int64) {
	now := int64(p.now() / slot)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asleep = 0
	for p.turns > 0 {
		if p.next > now {
			p.asleep = p.soonest()
			return due, p.asleep
		}
		due = p.empty(due)
		p.next++
		if len(due) > 0 {
			return due, 0
		}
	}
	p.asleep = -1
	return due, p.asleep
}

// empty moves the turns of slot next out of the ring. A cell can also hold turns
// of a later round while the pacer is behind.
func (p *pacer) empty(due []turn) []turn {
	cell := &p.ring[p.next%ringSlots]
	keep := (*cell)[:0]
	for _, t := range *cell {
		if t.at == p.next {
			due = append(due, t)
		} else {
			keep = append(keep, t)
		}
	}
	clear((*cell)[len(keep):])
	p.turns -= len(*cell) - len(keep)
	*cell = keep
	return due
}

// soonest is the first slot from next on whose cell is not empty.
func (p *pacer) soonest() int64 {
	at := p.next
	for len(p.ring[at%ringSlots]) == 0 {
		at++
	}
	return at
}

// sleep waits for the slot's time, an earlier turn or the end; false is the end.
func (p *pacer) sleep(timer *time.Timer, at int64) bool {
	if at > 0 {
		timer.Reset(time.Duration(at)*slot - p.now())
	} else {
		timer.Stop()
	}
	select {
	case <-timer.C:
	case <-p.wake:
	case <-p.quit:
		return false
	}
	return true
}
