package sim

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"star97/internal/mailbox"
	"star97/internal/pin"
)

// moods are how often a store fails in which way.
type moods struct {
	slow, dead, down, refused, doubtBefore, doubtAfter float64
	slowest                                            time.Duration
}

// someMoods is mostly a good store.
func someMoods(r *rand.Rand) moods {
	if chance(r, 0.6) {
		return moods{}
	}
	m := moods{slowest: []time.Duration{300 * time.Millisecond, 3 * time.Second, 20 * time.Second}[r.IntN(3)]}
	for _, p := range []*float64{&m.slow, &m.dead, &m.down, &m.refused, &m.doubtBefore, &m.doubtAfter} {
		if chance(r, 0.4) {
			*p = 0.02 + 0.3*r.Float64()*r.Float64()
		}
	}
	return m
}

var errMood = errors.New("the simulated store is in a bad mood")

// moody stands right around the backend and fails as the round's plan says.
type moody struct {
	mailbox.Store
	round *round
	moods moods

	mu   sync.Mutex
	dice map[string]*rand.Rand // by call
}

// roll is a chance of the call's own.
func (s *moody) roll(call string, p float64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return chance(s.of(call), p)
}

func (s *moody) of(call string) *rand.Rand {
	d := s.dice[call]
	if d == nil {
		n := uint64(0)
		for _, c := range []byte(call) {
			n = n*31 + uint64(c)
		}
		d = dice(s.round.seed, ofStore, n)
		s.dice[call] = d
	}
	return d
}

// befall waits or fails; nil: the backend answers.
func (s *moody) befall(ctx context.Context, op, call string) error {
	if s.roll(call, s.moods.slow) {
		s.mu.Lock()
		wait := between(s.of(call), 0, s.moods.slowest)
		s.mu.Unlock()
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return mailbox.Expired(ctx, op)
		}
	}
	switch {
	case s.roll(call, s.moods.dead):
		<-ctx.Done()
		return mailbox.Expired(ctx, op)
	case s.roll(call, s.moods.down):
		return mailbox.Fail(op, mailbox.Unavailable, errMood)
	}
	return nil
}

func (s *moody) Lookup(ctx context.Context, q mailbox.Query) ([]mailbox.Account, error) {
	if err := s.befall(ctx, "lookup", "lookup "+q.Number); err != nil {
		return nil, err
	}
	return s.Store.Lookup(ctx, q)
}

func (s *moody) Verify(ctx context.Context, a mailbox.Account, code pin.PIN, at mailbox.Attempt) error {
	if err := s.befall(ctx, "verify", at.CallID); err != nil {
		return err
	}
	return s.Store.Verify(ctx, a, code, at)
}

// refusals are what a backend may say against a new code.
var refusals = []mailbox.Code{
	mailbox.TooSoon, mailbox.CannotChange, mailbox.OtherChannel, mailbox.InHistory, mailbox.Trivial, mailbox.TooShort,
	mailbox.PolicyOther, mailbox.Busy, mailbox.Locked, mailbox.ServiceRefused,
}

func (s *moody) Change(ctx context.Context, a mailbox.Account, current, next pin.PIN, at mailbox.Attempt) mailbox.Result {
	if err := s.befall(ctx, "change", at.CallID); err != nil {
		if ctx.Err() != nil {
			return mailbox.Doubt(err)
		}
		return mailbox.Refuse(err)
	}
	switch {
	case s.roll(at.CallID, s.moods.refused):
		s.mu.Lock()
		why := refusals[s.of(at.CallID).IntN(len(refusals))]
		s.mu.Unlock()
		return mailbox.Refuse(mailbox.Fail("change", why, errMood))
	case s.roll(at.CallID, s.moods.doubtBefore):
		return mailbox.Doubt(errMood)
	}
	r := s.Store.Change(ctx, a, current, next, at)
	if s.roll(at.CallID, s.moods.doubtAfter) {
		return mailbox.Doubt(errMood)
	}
	return r
}

// witness stands where the lock-out asks and keeps what was asked and answered.
type witness struct {
	mailbox.Store
	round *round
}

func (w witness) Verify(ctx context.Context, a mailbox.Account, code pin.PIN, at mailbox.Attempt) error {
	err := w.Store.Verify(ctx, a, code, at)
	w.round.saw(&deed{call: at.CallID, box: a.ID, claim: at.Claim, door: at.Door, current: plainOf(code), right: err == nil})
	return err
}

func (w witness) Change(ctx context.Context, a mailbox.Account, current, next pin.PIN, at mailbox.Attempt) mailbox.Result {
	d := &deed{call: at.CallID, box: a.ID, claim: at.Claim, door: at.Door, current: plainOf(current), next: plainOf(next), change: true, intent: at.Intent}
	w.round.saw(d)
	result := w.Store.Change(ctx, a, current, next, at)
	w.round.mu.Lock()
	defer w.round.mu.Unlock()
	d.right, d.answered, d.outcome = result.Outcome == mailbox.Done, true, result.Outcome
	return result
}

func plainOf(code pin.PIN) (plain string) {
	code.Reveal(func(d []byte) { plain = string(d) })
	return plain
}

// deed is one thing asked of the store.
type deed struct {
	call, box     string
	claim         mailbox.Claim // what current is
	door          mailbox.Door
	current, next string
	change        bool
	right         bool // verified, or changed
	intent        string
	answered      bool // a change was
	outcome       mailbox.Outcome
}
