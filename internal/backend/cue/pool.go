package cue

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"star97/internal/mailbox"
)

// crowd is how many may wait for a connection.
const crowd = 256

// pool keeps a few connections that are signed in. What it hands out is the caller's
// alone until it is given back.
type pool struct {
	dial    func(context.Context) (*shell, error)
	places  chan struct{} // one for each connection that is in use or being made
	waiting atomic.Int32
	breaker *gobreaker.CircuitBreaker[*shell]
	every   time.Duration // between empty lines
	longest time.Duration // idle

	life context.Context
	stop context.CancelFunc
	all  sync.WaitGroup

	mu    sync.Mutex
	idle  []*shell // the last one was used last
	ended bool
	last  error // why the last sign-in failed
}

func newPool(o Options, dial func(context.Context) (*shell, error)) *pool {
	n := o.Sessions
	if o.Via != "" {
		n = 1 // the module has one line to its router
	}
	p := &pool{dial: dial, places: make(chan struct{}, n), every: o.KeepAlive, longest: o.Idle}
	p.life, p.stop = context.WithCancel(context.Background())
	p.breaker = gobreaker.NewCircuitBreaker[*shell](gobreaker.Settings{
		MaxRequests: 1,
		Timeout:     o.BreakPause,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= uint32(o.BreakAfter) },
		IsExcluded:  func(err error) bool { return errors.Is(err, context.Canceled) },
	})
	return p
}

// run starts what close waits for; false after the end.
func (p *pool) run(what func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return false
	}
	// Started here; stops when what returns; owns what what does.
	p.all.Go(what)
	return true
}

// watch keeps idle connections alive and ends those that nobody uses.
func (p *pool) watch() {
	// Started here; stops when the pool is closed; owns nothing.
	p.run(func() {
		t := time.NewTicker(p.every)
		defer t.Stop()
		for {
			select {
			case <-p.life.Done():
				return
			case <-t.C:
				p.tend()
			}
		}
	})
}

// tend looks after each connection that has waited for a while, if there is a place.
func (p *pool) tend() {
	p.mu.Lock()
	resting := len(p.idle)
	p.mu.Unlock()
	for range resting {
		select {
		case p.places <- struct{}{}:
		default:
			return
		}
		h := p.oldest()
		if h == nil {
			<-p.places
			return
		}
		used := h.last
		if time.Since(used) > p.longest {
			h.leave()
			<-p.places
			continue
		}
		_ = h.check(p.life) // which marks one that is dead
		h.last = used       // an empty line is no use
		p.give(h)
	}
}

// oldest takes the idle connection that was given back first.
func (p *pool) oldest() *shell {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == 0 {
		return nil
	}
	h := p.idle[0]
	p.idle = p.idle[1:]
	return h
}

// take hands out a connection. One that has to be made is made even if ctx ends before:
// an old system may need longer for it than a caller has patience.
func (p *pool) take(ctx context.Context, op string) (*shell, error) {
	if err := p.enter(ctx, op); err != nil {
		return nil, err
	}
	if h := p.waiter(); h != nil {
		return h, nil
	}
	type made struct {
		h   *shell
		err error
	}
	got := make(chan made)
	// Signs in: started here; stops when that is done, at the latest when the options'
	// time for it is over; owns the place until somebody has the connection.
	going := p.run(func() {
		h, err := p.breaker.Execute(func() (*shell, error) { return p.dial(p.life) })
		err = p.explain(err)
		select {
		case got <- made{h, err}:
		case <-ctx.Done():
			if err == nil {
				p.give(h)
				return
			}
			<-p.places
		}
	})
	if !going {
		<-p.places
		return nil, mailbox.Fail(op, mailbox.Unavailable, errClosed)
	}
	select {
	case m := <-got:
		if m.err != nil {
			<-p.places
		}
		return m.h, m.err
	case <-ctx.Done():
		return nil, mailbox.Expired(ctx, op)
	}
}

// enter waits for a place.
func (p *pool) enter(ctx context.Context, op string) error {
	if ctx.Err() != nil {
		return mailbox.Expired(ctx, op)
	}
	defer p.waiting.Add(-1)
	if p.waiting.Add(1) > crowd {
		return mailbox.Fail(op, mailbox.Busy, errors.New("too many calls wait for one of its connections (sessions)"))
	}
	select {
	case p.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return mailbox.Fail(op, mailbox.Unavailable, errors.New("no connection was free in time (sessions)"))
	case <-p.life.Done():
		return mailbox.Fail(op, mailbox.Unavailable, errClosed)
	}
}

var errClosed = errors.New("the store is closed")

// waiter is an idle connection on which nothing has happened; nil if there is none.
func (p *pool) waiter() *shell {
	for {
		p.mu.Lock()
		n := len(p.idle)
		if n == 0 {
			p.mu.Unlock()
			return nil
		}
		h := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		if h.idle() == nil {
			return h
		}
		h.close()
	}
}

// explain keeps why a sign-in failed for those who come while the server is left alone.
func (p *pool) explain(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err == nil:
		p.last = nil
	case errors.Is(err, gobreaker.ErrOpenState), errors.Is(err, gobreaker.ErrTooManyRequests):
		if p.last != nil {
			return p.last
		}
		return mailbox.Fail("sign-in", mailbox.Unavailable, err)
	default:
		p.last = err
	}
	return err
}

// give takes a connection back, and ends one that is out of step.
func (p *pool) give(h *shell) {
	defer func() { <-p.places }()
	if h.dead {
		h.close()
		return
	}
	p.mu.Lock()
	keep := !p.ended && p.longest > 0
	if keep {
		h.used = true
		p.idle = append(p.idle, h) // from here on it may be another's
	}
	p.mu.Unlock()
	if !keep {
		h.leave()
	}
}

// flush ends all that are idle: where one has died they may all have.
func (p *pool) flush() {
	p.mu.Lock()
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, h := range idle {
		h.leave()
	}
}

// close ends the pool. What is in use ends when it is given back.
func (p *pool) close() {
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	p.stop()
	p.all.Wait()
	p.flush()
}
