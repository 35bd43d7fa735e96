package mailbox

import (
	"context"
	"errors"
	"time"

	"star97/internal/pin"
)

// settlePause is the wait between two questions to a store that lags.
const settlePause = 250 * time.Millisecond

// Settle resolves an Unknown by asking s which code is in force, and returns any
// other Result as it is. It answers Done if next verifies and Refused if next
// does not but current does; where s lags, "current still verifies" counts only
// when the lag is over. Whatever remains open when ctx ends stays Unknown.
//
// s must be the backend itself: these questions run below the lock-out counters.
func Settle(ctx context.Context, s Store, a Account, current, next pin.PIN, at Attempt, r Result) Result {
	if r.Outcome != Unknown {
		return r
	}
	if current.Equal(&next) {
		return r // nothing could tell the two apart
	}
	until := time.Now()
	if l, ok := s.(Lagging); ok {
		until = until.Add(l.Lag())
	}
	for {
		err := s.Verify(ctx, a, next, at)
		if err == nil {
			return Proved()
		}
		if CodeOf(err) != WrongPIN {
			return unsettled(r, err)
		}
		if !time.Now().Before(until) {
			break
		}
		if err := sleep(ctx, min(settlePause, time.Until(until))); err != nil {
			return unsettled(r, err)
		}
	}
	if err := s.Verify(ctx, a, current, at); err != nil {
		return unsettled(r, err)
	}
	return Result{Outcome: Refused, Reason: Unavailable, Err: r.Err}
}

func unsettled(r Result, err error) Result {
	r.Reason = OutcomeUnknown
	r.Err = errors.Join(r.Err, err)
	return r
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Settled is s with every Change settled before it is answered. reserve is held
// back from the change's deadline for the questions of Settle; a context without
// deadline gives the change all the time it wants and Settle reserve.
func Settled(s Store, reserve time.Duration) Store {
	return settled{Store: s, reserve: reserve}
}

type settled struct {
	Store
	reserve time.Duration
}

func (s settled) Change(ctx context.Context, a Account, current, next pin.PIN, at Attempt) Result {
	write := ctx
	if end, ok := ctx.Deadline(); ok {
		early, cancel := context.WithDeadline(ctx, end.Add(-s.reserve))
		defer cancel()
		write = early
	}
	r := s.Store.Change(write, a, current, next, at)
	ask, cancel := context.WithTimeout(ctx, s.reserve)
	defer cancel()
	return Settle(ask, s.Store, a, current, next, at, r)
}
