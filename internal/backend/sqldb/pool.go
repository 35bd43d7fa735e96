package sqldb

import (
	"context"
	"errors"
	"time"

	"star97/internal/mailbox"
)

var errFull = errors.New("too many callers are waiting for a code to be checked")

// pool bounds how many hashes are computed at a time, how many callers wait for
// that, and how long. The caller waits for the work's end.
type pool struct {
	seats chan struct{} // one per running or waiting caller
	slots chan struct{} // one per running caller
	wait  time.Duration
}

func newPool(workers, queue int, wait time.Duration) *pool {
	return &pool{
		seats: make(chan struct{}, workers+queue),
		slots: make(chan struct{}, workers),
		wait:  wait,
	}
}

// waiting is the number of callers that wait for a slot.
func (p *pool) waiting() int { return max(len(p.seats)-len(p.slots), 0) }

// do runs work, or fails with Busy when no place came free in time and with
// Unavailable when ctx ended first. Work that has begun is not interrupted.
func (p *pool) do(ctx context.Context, op string, work func()) error {
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
