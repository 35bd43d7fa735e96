package mailbox

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/pin"
)

var errLine = errors.New("connection reset")

// slate is a Store in memory whose answers can be disturbed.
type slate struct {
	code    pin.PIN
	verify  func(n int) error // disturbs the nth Verify, counted from 1; nil: the truth
	change  func(ctx context.Context) Result
	asked   int
	lag     time.Duration
	old     pin.PIN // in force for Verify until the lag is over
	changed time.Time
}

func (s *slate) Lag(Account) time.Duration { return s.lag }

func (s *slate) Lookup(context.Context, Query) ([]Account, error) { return nil, nil }

func (s *slate) Verify(_ context.Context, _ Account, code pin.PIN, _ Attempt) error {
	s.asked++
	if s.verify != nil {
		if err := s.verify(s.asked); err != nil {
			return err
		}
	}
	now := &s.code
	if time.Since(s.changed) < s.lag {
		now = &s.old
	}
	if !code.Equal(now) {
		return Fail("verify", WrongPIN, nil)
	}
	return nil
}

func (s *slate) Change(ctx context.Context, _ Account, _, _ pin.PIN, _ Attempt) Result {
	return s.change(ctx)
}

func code(t testing.TB, s string) pin.PIN {
	p, err := pin.Parse(s)
	require.NoError(t, err)
	return p
}

func settle(t testing.TB, s *slate, r Result) Result {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	return Settle(ctx, s, Account{ID: "a"}, code(t, "482915"), code(t, "739164"), Attempt{}, r)
}

func TestSettleLeavesKnownOutcomesAlone(t *testing.T) {
	for _, r := range []Result{Proved(), Refuse(Fail("change", TooSoon, nil))} {
		s := &slate{code: code(t, "739164")}
		require.Equal(t, r, settle(t, s, r))
		require.Zero(t, s.asked)
	}
}

func TestSettleSaysWhichCodeIsInForce(t *testing.T) {
	for name, c := range map[string]struct {
		inForce string
		want    Outcome
	}{
		"the new one": {"739164", Done},
		"the old one": {"482915", Refused},
		"a third one": {"606172", Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			got := settle(t, &slate{code: code(t, c.inForce)}, Doubt(errLine))
			require.Equal(t, c.want, got.Outcome)
			if c.want != Done {
				require.ErrorIs(t, got.Err, errLine, "the log keeps why it was in doubt")
			}
		})
	}
}

func TestSettleAsksAgainWhenTheStoreDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slate{code: code(t, "739164"), verify: func(n int) error {
			if n < 3 {
				return Fail("verify", Unavailable, errLine)
			}
			return nil
		}}
		require.Equal(t, Done, settle(t, s, Doubt(nil)).Outcome)
		require.Equal(t, 3, s.asked)
	})
}

func TestSettleGivesUp(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		asked int
	}{
		"a dead store after a few rounds":   {Fail("verify", Unavailable, errLine), settleRounds},
		"a bare error likewise":             {errLine, settleRounds},
		"a locked mailbox at once":          {Fail("verify", Locked, nil), 1},
		"a refused service account at once": {Fail("verify", ServiceRefused, nil), 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &slate{verify: func(int) error { return c.err }}
				got := settle(t, s, Doubt(nil))
				require.Equal(t, Unknown, got.Outcome)
				require.Equal(t, OutcomeUnknown, got.Reason)
				require.ErrorIs(t, got.Err, target(c.err))
				require.Equal(t, c.asked, s.asked)
			})
		})
	}
}

func TestSettleEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slate{verify: func(int) error { return errLine }}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		start := time.Now()
		got := Settle(ctx, s, Account{}, code(t, "482915"), code(t, "739164"), Attempt{}, Doubt(nil))
		require.Equal(t, Unknown, got.Outcome)
		require.ErrorIs(t, got.Err, context.DeadlineExceeded)
		require.Equal(t, 100*time.Millisecond, time.Since(start))
	})
}

// On a system that replicates, the old code verifies for a while although the
// change went through; and no more wrong guesses are spent there than needed.
func TestSettleWaitsOutTheLag(t *testing.T) {
	for name, c := range map[string]struct {
		now  string
		want Outcome
	}{
		"the change was applied":     {"739164", Done},
		"the change was not applied": {"482915", Refused},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &slate{lag: 2 * time.Second, old: code(t, "482915"), code: code(t, c.now), changed: time.Now()}
				start := time.Now()
				require.Equal(t, c.want, settle(t, s, Doubt(nil)).Outcome)
				require.Equal(t, 2*time.Second, time.Since(start))
				require.LessOrEqual(t, s.asked, 4)
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		s := &slate{lag: time.Minute, old: code(t, "482915"), code: code(t, "482915"), changed: time.Now()}
		require.Equal(t, Unknown, settle(t, s, Doubt(nil)).Outcome, "a refusal within the lag is not believed")
	})
}

func TestSettleCannotTellEqualCodesApart(t *testing.T) {
	s := &slate{code: code(t, "482915")}
	got := Settle(t.Context(), s, Account{}, code(t, "482915"), code(t, "482915"), Attempt{}, Doubt(nil))
	require.Equal(t, Unknown, got.Outcome)
}

func TestSettledHoldsTimeBackForItsQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slate{code: code(t, "739164")}
		s.change = func(ctx context.Context) Result {
			<-ctx.Done()
			return Doubt(ctx.Err())
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		r := Settled(s, 2*time.Second).Change(ctx, Account{}, code(t, "482915"), code(t, "739164"), Attempt{})
		require.Equal(t, Proved(), r)
		require.Equal(t, 3*time.Second, time.Since(start))
	})
}

// sluggish is a slate that takes its time to verify.
type sluggish struct {
	*slate
	takes time.Duration
}

func (s sluggish) Takes(Account) time.Duration { return s.takes }

func TestSettledHoldsBackWhatASlowStoreNeeds(t *testing.T) {
	for takes, written := range map[time.Duration]time.Duration{time.Second: 6 * time.Second, 5 * time.Second: 3 * time.Second, time.Minute: 2 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			s := sluggish{&slate{code: code(t, "739164")}, takes}
			s.change = func(ctx context.Context) Result {
				<-ctx.Done()
				return Doubt(ctx.Err())
			}
			ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
			defer cancel()
			start := time.Now()
			require.Equal(t, Proved(), Settled(s, 2*time.Second).Change(ctx, Account{}, code(t, "482915"), code(t, "739164"), Attempt{}))
			require.Equal(t, written, time.Since(start), "a quarter is left for the change")
		})
	}
}

// target is what errors.Is must find of err.
func target(err error) error {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return err
}
