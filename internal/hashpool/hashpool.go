// Package hashpool bounds the slow hashes of a process: how many are computed at a
// time, how many callers wait for that, and how long. Each runs on a thread that gives
// way to every other, so that media and signalling keep their time. It computes nothing
// itself.
package hashpool

import (
	"context"
	"errors"
	"time"

	"star97/internal/mailbox"
)

var errFull = errors.New("too many callers are waiting for a code to be checked")

// Pool is made by New. The caller waits for the work's end.
type Pool struct {
	seats chan struct{} // one per running or waiting caller
	slots chan struct{} // one per running caller
	wait  time.Duration
}

// New allows workers at a time and queue callers more, who wait for at most wait.
func New(workers, queue int, wait time.Duration) *Pool {
	return &Pool{
		seats: make(chan struct{}, workers+queue),
		slots: make(chan struct{}, workers),
		wait:  wait,
	}
}

// Waiting is the number of callers that wait for a slot.
func (p *Pool) Waiting() int { return max(len(p.seats)-len(p.slots), 0) }

// Do runs work, or fails with Busy when no place came free in time and with
// Unavailable when ctx ended first. Work that has begun is not interrupted.
func (p *Pool) Do(ctx context.Context, op string, work func()) error {
	select {
	case p.seats <- struct{}{}:
		defer func() { <-p.seats }()
	default:
		return mailbox.Fail(op, mailbox.Busy, errFull)
	}
	patience := time.NewTimer(p.wait)
	defer patience.Stop()
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-patience.C:
		return mailbox.Fail(op, mailbox.Busy, errFull)
	case <-ctx.Done():
		return mailbox.Expired(ctx, op)
	}
	if ctx.Err() != nil {
		return mailbox.Expired(ctx, op)
	}
	apart(work)
	return nil
}
