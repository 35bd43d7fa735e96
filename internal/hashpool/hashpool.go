// Package hashpool bounds the slow hashes of a process: how many are computed at a
// time, how many callers wait for that, and how long. Who waits has turns by where he
// calls from, so that a flood from somewhere holds up nobody else. Each hash runs on a
// thread that gives way to every other, so that media and signalling keep their time. It
// computes nothing itself.
package hashpool

import (
	"context"
	"errors"
	"sync"
	"time"

	"star97/internal/mailbox"
)

var errFull = errors.New("too many callers are waiting for a code to be checked")

// Pool is made by New. The caller waits for the work's end.
type Pool struct {
	workers, queue int
	wait           time.Duration

	mu               sync.Mutex
	running, waiting int
	own, others      turns // callers at their own telephone, who go first, and all others
}

// New allows workers at a time and queue callers more, who wait for at most wait.
func New(workers, queue int, wait time.Duration) *Pool {
	return &Pool{workers: workers, queue: queue, wait: wait}
}

// Waiting is the number of callers that wait for a slot.
func (p *Pool) Waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waiting
}

type callerKey struct{}

// For says in the context of a Do who waits there.
func For(ctx context.Context, at mailbox.Attempt) context.Context {
	return context.WithValue(ctx, callerKey{}, at)
}

// Do runs work, or fails with Busy when no place came free in time and with
// Unavailable when ctx ended first. Work that has begun is not interrupted. When the
// queue is full, whoever came last from where most callers wait makes room for one from
// where fewer do.
func (p *Pool) Do(ctx context.Context, op string, work func()) error {
	w, ok := p.enter(ctx)
	if !ok {
		return mailbox.Fail(op, mailbox.Busy, errFull)
	}
	if w != nil {
		if err := p.await(ctx, op, w); err != nil {
			return err
		}
	}
	defer p.leave()
	if ctx.Err() != nil {
		return mailbox.Expired(ctx, op)
	}
	apart(work)
	return nil
}

// enter takes a slot (no waiter), or a place in the queue, or neither.
func (p *Pool) enter(ctx context.Context) (w *waiter, ok bool) {
	at, _ := ctx.Value(callerKey{}).(mailbox.Attempt)
	w = &waiter{turn: make(chan bool, 1), from: at.Peer + "\n" + at.Source + "\n" + at.Caller, in: &p.others}
	if at.Door == mailbox.OwnDoor {
		w.in = &p.own
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.running < p.workers:
		p.running++
		return nil, true
	case p.waiting < p.queue:
		p.waiting++
	case !p.makeRoom(w):
		return nil, false
	}
	w.in.add(w)
	return w, true
}

// makeRoom turns the last of the longest line away, if it is longer than w's would be.
// Who calls from the own telephone makes room for nobody else.
func (p *Pool) makeRoom(w *waiter) bool {
	for _, t := range []*turns{&p.others, &p.own} {
		if longest := t.longest(); longest != nil && (t != w.in || len(longest.waiters) > t.length(w.from)+1) {
			last := longest.waiters[len(longest.waiters)-1]
			t.remove(last)
			last.turn <- false
			return true
		}
		if t == w.in {
			return false
		}
	}
	return false
}

// await waits for a turn.
func (p *Pool) await(ctx context.Context, op string, w *waiter) error {
	patience := time.NewTimer(p.wait)
	defer patience.Stop()
	err := mailbox.Fail(op, mailbox.Busy, errFull)
	select {
	case turn := <-w.turn:
		if turn {
			return nil
		}
		return err
	case <-patience.C:
	case <-ctx.Done():
		err = mailbox.Expired(ctx, op)
	}
	p.mu.Lock()
	waits := w.in.remove(w)
	if waits {
		p.waiting--
	}
	p.mu.Unlock()
	if !waits && <-w.turn { // it came at the same moment, and is another's now
		p.leave()
	}
	return err
}

// leave hands a slot on.
func (p *Pool) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := p.own.next()
	if next == nil {
		next = p.others.next()
	}
	if next == nil {
		p.running--
		return
	}
	p.waiting--
	next.turn <- true
}
