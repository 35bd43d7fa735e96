package uas

import (
	"slices"
	"time"
)

// order puts the requests of a dialog into the order of their CSeq (RFC 3261
// section 12.2.2). sipgo gives every message a goroutine of its own, so even on
// TCP they come as the scheduler likes; on UDP a lost one comes again after T1.
// A gap that nobody fills within wait is legal, and passed over. A far end that
// counts in larger steps leaves one each time, so after one that nobody filled the
// next are waited for only shortly, until a request does come late.
type order struct {
	next   uint32
	wait   time.Duration
	steps  bool      // the last gap stayed one
	since  time.Time // when the gap was first seen; zero: none
	parked []*letter // by CSeq, all above next
	passed []span    // gaps that were passed over, the latest last
}

type span struct{ from, to uint32 } // to is not in it

// Bounds of order.
const (
	// reorderWait is the least time that a gap is waited for: longer than T1, after
	// which a lost request comes again, and than a busy machine leaves a goroutine
	// unscheduled.
	reorderWait = 750 * time.Millisecond
	// stepWait is the wait once the far end is seen to count in larger steps.
	stepWait  = 50 * time.Millisecond
	parkedMax = 64
	passedMax = 8
)

// put takes a request and returns those whose turn it is now, in order; late if
// its own turn has passed.
func (o *order) put(l *letter, now time.Time) (ready []*letter, late bool) {
	switch seq := l.seq(); {
	case seq < o.next:
		o.steps = false
		return nil, true
	case seq == o.next:
		o.next++
		return append([]*letter{l}, o.release(now)...), false
	}
	i, double := slices.BinarySearchFunc(o.parked, l.seq(), func(p *letter, seq uint32) int {
		return int(int64(p.seq()) - int64(seq))
	})
	if double {
		return nil, true
	}
	o.parked = slices.Insert(o.parked, i, l)
	if o.since.IsZero() {
		o.since = now
	}
	if len(o.parked) > parkedMax {
		return o.skip(now), false
	}
	return nil, false
}

// release takes the parked requests that follow next without a gap.
func (o *order) release(now time.Time) []*letter {
	n := 0
	for n < len(o.parked) && o.parked[n].seq() == o.next {
		o.next++
		n++
	}
	ready := slices.Clone(o.parked[:n])
	o.parked = slices.Delete(o.parked, 0, n)
	switch {
	case len(o.parked) == 0:
		o.since = time.Time{}
	case n > 0:
		o.since = now // another gap
	}
	return ready
}

// deadline is when the gap is passed over; zero if there is none.
func (o *order) deadline() time.Time {
	if o.since.IsZero() {
		return time.Time{}
	}
	if o.steps {
		return o.since.Add(min(o.wait, stepWait))
	}
	return o.since.Add(o.wait)
}

// giveUp passes over the gap if its time is up.
func (o *order) giveUp(now time.Time) []*letter {
	if d := o.deadline(); d.IsZero() || now.Before(d) {
		return nil
	}
	return o.skip(now)
}

func (o *order) skip(now time.Time) []*letter {
	o.steps = true
	o.passed = append(o.passed, span{o.next, o.parked[0].seq()})
	if len(o.passed) > passedMax {
		o.passed = slices.Delete(o.passed, 0, 1)
	}
	o.next = o.parked[0].seq()
	return o.release(now)
}

// skipped says whether a request of this CSeq never came when it was its turn.
// It says so once.
func (o *order) skipped(seq uint32) bool {
	for i, s := range o.passed {
		if seq < s.from || seq >= s.to {
			continue
		}
		o.passed = slices.Delete(o.passed, i, i+1)
		if s.from < seq {
			o.passed = append(o.passed, span{s.from, seq})
		}
		if seq+1 < s.to {
			o.passed = append(o.passed, span{seq + 1, s.to})
		}
		return true
	}
	return false
}
