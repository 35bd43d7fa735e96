package mailbox

import (
	"context"
	"errors"
	"time"

	"star97/internal/pin"
)

const (
	// settleRounds bounds how often Settle asks: a wrong code can count at the
	// backend's own lock-out, and next is wrong there as long as current is in force.
	settleRounds = 3
	// settlePause is the wait before a store that did not answer is asked again.
	settlePause = 250 * time.Millisecond
	// settleLimit ends Settle where ctx has no deadline.
	settleLimit = 10 * time.Second
)

// Settle resolves an Unknown by asking s which code is in force, and returns any
// other Result as it is. It answers Done if next verifies, and Refused if next
// does not but current does; where s lags, "current still verifies" counts only
// when the lag is over. A store that does not answer is asked again, a few times.
// What is still open then, or when ctx ends, stays Unknown; so does a change without
// a current code (Attempt.Claim) whose next does not verify.
//
// s must be the backend itself: these questions run below the lock-out counters.
func Settle(ctx context.Context, s Store, a Account, current, next pin.PIN, at Attempt, r Result) Result {
	if r.Outcome != Unknown || current.Equal(&next) {
		return r // known, or nothing could tell the two codes apart
	}
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	var sure time.Time // from when on a refusal can be believed
	if l, ok := s.(Lagging); ok {
		sure = time.Now().Add(l.Lag(a))
	}
	for round := 1; ; round++ {
		asked := time.Now()
		outcome, err := inForce(ctx, s, a, current, next, at)
		pause := settlePause
		switch {
		case outcome == Done:
			return Proved()
		case outcome == Refused && !asked.Before(sure):
			return Result{Outcome: Refused, Reason: Unavailable, Err: r.Err}
		case outcome == Refused:
			pause = time.Until(sure)
		default:
			r = unsettled(r, err)
			if !passing(CodeOf(err)) {
				return r
			}
		}
		if round == settleRounds {
			return r
		}
		if err := sleep(ctx, pause); err != nil {
			return unsettled(r, err)
		}
	}
}

// inForce asks once for each code: Done for next, Refused for current, else Unknown and why.
func inForce(ctx context.Context, s Store, a Account, current, next pin.PIN, at Attempt) (Outcome, error) {
	claimed := at.Claim != ByCode
	at.Claim = ByCode
	err := s.Verify(ctx, a, next, at)
	if err == nil {
		return Done, nil
	}
	if CodeOf(err) != WrongPIN || claimed {
		return Unknown, err
	}
	if err := s.Verify(ctx, a, current, at); err != nil {
		return Unknown, err
	}
	return Refused, nil
}

// passing tells whether it makes sense to ask again soon.
func passing(c Code) bool {
	switch c {
	case Unavailable, Busy, Throttled, OutcomeUnknown:
		return true
	}
	return false
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
// back from the change's deadline for the questions of Settle, and longer where s is
// Slow, but three quarters of the time at most; a context without deadline gives the
// change all the time it wants and Settle reserve.
func Settled(s Store, reserve time.Duration) Store {
	return settled{Store: s, reserve: reserve}
}

type settled struct {
	Store
	reserve time.Duration
}

func (s settled) Change(ctx context.Context, a Account, current, next pin.PIN, at Attempt) Result {
	write, reserve := ctx, s.reserve
	if slow, ok := s.Store.(Slow); ok {
		reserve = max(reserve, slow.Takes(a))
	}
	if end, ok := ctx.Deadline(); ok {
		reserve = min(reserve, time.Until(end)*3/4)
		early, cancel := context.WithDeadline(ctx, end.Add(-reserve))
		defer cancel()
		write = early
	}
	r := s.Store.Change(write, a, current, next, at)
	ask, cancel := context.WithTimeout(ctx, reserve)
	defer cancel()
	return Settle(ask, s.Store, a, current, next, at, r)
}
