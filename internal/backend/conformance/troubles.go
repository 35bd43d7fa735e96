package conformance

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance/trouble"
	"star97/internal/mailbox"
)

// fault is one trouble of a system and the reasons that may be told for it; none: any.
type fault struct {
	name  string
	order trouble.Order
	http  bool           // only HTTP has it
	maybe bool           // the answer itself is right and may be taken
	ask   []mailbox.Code // of Lookup and Verify
	write []mailbox.Code // the system has clearly refused to write: of a Refused Change
}

// tries is how often a request that does something may be sent: after 401 the system
// has looked at nothing but who asks.
func (f fault) tries() int {
	if f.order.Status == http.StatusUnauthorized {
		return 2
	}
	return 1
}

// afar is a wait that no call of the suite has the patience for.
const afar = time.Minute

// faults are the troubles of every system. Where it can be that the request was carried
// out all the same, both happen.
func faults() []fault {
	down := []mailbox.Code{mailbox.Unavailable, mailbox.OutcomeUnknown}
	refused, throttled := []mailbox.Code{mailbox.ServiceRefused}, []mailbox.Code{mailbox.Throttled}
	status := func(status int, retryAfter string) trouble.Order {
		return trouble.Order{Kind: trouble.Status, Status: status, RetryAfter: retryAfter}
	}
	date := time.Now().Add(afar).UTC().Format(http.TimeFormat)
	list := []fault{
		{name: "401", order: status(401, ""), http: true, ask: refused, write: refused},
		{name: "403", order: status(403, ""), http: true, ask: refused, write: refused},
		{name: "404", order: status(404, ""), http: true, maybe: true},
		{name: "429", order: status(429, ""), http: true, ask: throttled, write: throttled},
		{name: "429 and when to ask again", order: status(429, "60"), http: true, ask: throttled, write: throttled},
		{name: "503 and the date when to ask again", order: status(503, date), http: true, ask: throttled},
		{name: "503", order: status(503, ""), http: true, ask: down},
		{name: "cut before", order: trouble.Order{Kind: trouble.CutBefore}, ask: down},
		{name: "cut after", order: trouble.Order{Kind: trouble.CutAfter}, ask: down},
	}
	for _, f := range []fault{
		{name: "500", order: status(500, ""), http: true},
		{name: "malformed", order: trouble.Order{Kind: trouble.Malformed}},
		{name: "empty", order: trouble.Order{Kind: trouble.Empty}, http: true},
		{name: "a page with 200", order: trouble.Order{Kind: trouble.HTML}, http: true},
		{name: "a page with 500", order: trouble.Order{Kind: trouble.HTML, Status: 500}, http: true},
	} {
		f.ask = down
		list = append(list, f)
		f.name += ", carried out"
		f.order.Applied = true
		list = append(list, f)
	}
	return append(list, fault{name: "another type", order: trouble.Order{Kind: trouble.WrongType}, http: true, maybe: true, ask: down})
}

// lackable are the names that Harness.Lacks may have.
func lackable() map[string]bool {
	names := map[string]bool{}
	for _, c := range cases {
		names[c.name] = true
		for _, f := range faults() {
			names[c.name+": "+f.name] = true
		}
	}
	return names
}

// eachFault runs one part of a case for every fault, each with a harness of its own.
func (s *suite) eachFault(t *testing.T, op func(Ops) string, run func(t *testing.T, s *suite, op string, f fault)) {
	for _, f := range faults() {
		if why := s.Lacks[s.name+": "+f.name]; why != "" {
			s.record.because(s.name, "without "+f.name+": "+why)
			continue
		}
		if f.http && s.NoHTTP {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			s := s.again(t)
			run(t, s, op(s.Ops), f)
			s.silent(t)
		})
	}
}

func lookupTrouble(t *testing.T, s *suite) {
	s.eachFault(t, forLookup, func(t *testing.T, s *suite, op string, f fault) {
		a := s.put(t, "4001", s.First)
		f.order.Times = trouble.Always
		s.Orders.Give(op, f.order)
		found, err := s.Store.Lookup(s.ctx(t), mailbox.Query{Number: "4001"})
		s.heard(err)
		switch {
		case f.maybe && err == nil && len(found) > 0:
			require.Equal(t, []mailbox.Account{a}, found)
		case f.maybe && err == nil:
			require.Equal(t, 404, f.order.Status, "only a system that has no such thing has none")
		case f.ask != nil:
			require.Error(t, err, "found: %v", found)
			require.Contains(t, f.ask, mailbox.CodeOf(err), "%v", err)
		}
		require.NotZero(t, s.Orders.Seen(op), "the fake's requests have other names than Ops")
	})
}

func verifyTrouble(t *testing.T, s *suite) {
	s.eachFault(t, forVerify, func(t *testing.T, s *suite, op string, f fault) {
		a := s.put(t, "4001", s.First)
		for code, right := range map[string]bool{s.First: true, s.Second: false} {
			f.order.Times = trouble.Always
			s.Orders.Give(op, f.order)
			err := s.Store.Verify(s.ctx(t), a, Code(t, code), s.at)
			s.Orders.Clear()
			s.heard(err)
			s.forgive(t, a)
			got := mailbox.CodeOf(err)
			switch {
			case got == mailbox.OK:
				require.True(t, right && f.maybe, "verified by no answer")
			case got == mailbox.WrongPIN:
				require.True(t, f.maybe && (!right || f.order.Status == 404), "a code is wrong by no answer")
			case f.ask != nil:
				require.Contains(t, f.ask, got, "%v", err)
			}
		}
	})
}

// verifyOnce: where the system counts wrong codes, one question is one try, whatever
// comes of it.
func verifyOnce(t *testing.T, s *suite) {
	s.eachFault(t, forVerify, func(t *testing.T, s *suite, op string, f fault) {
		a := s.put(t, "4001", s.First)
		before := s.Orders.Seen(op)
		s.Orders.Give(op, f.order)
		s.verify(t, a, s.First)
		require.LessOrEqual(t, s.Orders.Seen(op)-before, f.tries())
	})
}

// truth fails where r says what the system's memory denies.
func (s *suite) truth(t *testing.T, a mailbox.Account, current, next string, r mailbox.Result) {
	t.Helper()
	isNew, isOld := s.has(t, a, next), s.has(t, a, current)
	require.True(t, isNew != isOld, "the memory must have one of both codes")
	switch r.Outcome {
	case mailbox.Done:
		require.True(t, isNew, "changed, was said, and it was not")
	case mailbox.Refused:
		require.True(t, isOld, "not changed, was said, and it was: %v", r.Err)
	}
}

func changeTrouble(t *testing.T, s *suite) {
	s.eachFault(t, forChange, func(t *testing.T, s *suite, op string, f fault) {
		a := s.put(t, "4001", s.First)
		if f.write != nil {
			f.order.Times = trouble.Always // also for who signs in anew after 401
		}
		s.Orders.Give(op, f.order)
		r := s.change(t, a, s.First, s.Second)
		require.NotZero(t, s.Orders.Seen(op), "the fake's requests have other names than Ops")
		s.truth(t, a, s.First, s.Second, r)
		if f.write != nil {
			require.Equal(t, mailbox.Refused, r.Outcome, "that was a clear refusal")
			require.Contains(t, f.write, r.Reason, "%v", r.Err)
		}
		if r.Outcome != mailbox.Done {
			require.Error(t, r.Err, "the log needs to know why")
		}
	})
}

// settleTrouble: when the trouble is over, the Store's own answers settle what was in doubt.
func settleTrouble(t *testing.T, s *suite) {
	s.eachFault(t, forChange, func(t *testing.T, s *suite, op string, f fault) {
		a := s.put(t, "4001", s.First)
		s.Orders.Give(op, f.order)
		before := s.Orders.Seen(op)
		s.settled(s.ctx(t), t, s.Store, a)
		require.LessOrEqual(t, s.Orders.Seen(op)-before, f.tries(), "a write is never repeated blindly")
	})
}

// settled changes First to Second through mailbox.Settled, which must tell the truth
// and leave nothing open.
func (s *suite) settled(ctx context.Context, t *testing.T, store mailbox.Store, a mailbox.Account) {
	t.Helper()
	r := mailbox.Settled(store, settleTime).Change(ctx, a, Code(t, s.First), Code(t, s.Second), s.at)
	s.heard(r.Err)
	s.forgive(t, a)
	s.truth(t, a, s.First, s.Second, r)
	require.NotEqual(t, mailbox.Unknown, r.Outcome, "the system answers again: %v", r.Err)
}

// settleTime is what the suite holds back of a call's patience for the questions.
const settleTime = 10 * time.Second

// proofTrouble: the write is carried out, and what was to prove it fails.
func proofTrouble(t *testing.T, s *suite) {
	s.eachFault(t, forVerify, func(t *testing.T, s *suite, op string, f fault) {
		a := s.put(t, "4001", s.First)
		before := s.Orders.Seen(op)
		s.verify(t, a, s.First)
		f.order.Skip = s.Orders.Seen(op) - before // those that check the current code
		if s.traits().Check == mailbox.NoCheck {
			f.order.Skip = 0
		}
		f.order.Times = trouble.Always
		s.Orders.Give(op, f.order)
		r := s.Store.Change(s.ctx(t), a, Code(t, s.First), Code(t, s.Second), s.at)
		s.Orders.Clear()
		s.heard(r.Err)
		s.forgive(t, a)
		s.truth(t, a, s.First, s.Second, r)
		if !f.maybe {
			require.NotEqual(t, mailbox.Done, r.Outcome, "there was no proof")
		}
	})
}

// ignored: only a proof that looks again can see it.
func ignored(t *testing.T, s *suite) {
	a := s.put(t, "4001", s.First)
	s.Orders.Give(s.Ops.Change, trouble.Order{Kind: trouble.Ignored})
	r := s.change(t, a, s.First, s.Second)
	s.usedUp(t)
	require.NotEqual(t, mailbox.Done, r.Outcome)
	s.truth(t, a, s.First, s.Second, r)
}

// usedUp skips the case where the fake does not make the trouble that was ordered.
func (s *suite) usedUp(t *testing.T) {
	if s.Orders.Due() > 0 {
		s.skip(t, "the fake cannot do that")
	}
}

// late: the system says yes, and shows it after a while.
func late(t *testing.T, s *suite) {
	for _, delay := range []time.Duration{10 * time.Millisecond, 60 * time.Millisecond} {
		t.Run(delay.String(), func(t *testing.T) {
			s := s.again(t)
			a := s.put(t, "4001", s.First)
			s.Orders.Give(s.Ops.Change, trouble.Order{Kind: trouble.Late, Delay: delay})
			r := mailbox.Settled(s.Store, settleTime).Change(s.ctx(t), a, Code(t, s.First), Code(t, s.Second), s.at)
			s.usedUp(t)
			s.heard(r.Err)
			require.NotEqual(t, mailbox.Refused, r.Outcome, "the code becomes the other one: %v", r.Err)
			require.Eventually(t, func() bool { return s.has(t, a, s.Second) }, patience, 5*time.Millisecond)
		})
	}
}

// slow: whatever the adapter's own limits, the caller's patience ends every call.
func slow(t *testing.T, s *suite) {
	const short = 200 * time.Millisecond
	a := s.put(t, "4001", s.First)
	hurried := func() context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), short)
		t.Cleanup(cancel)
		return ctx
	}
	order := func(op string, applied bool) {
		s.Orders.Clear()
		s.Orders.Give(op, trouble.Order{Kind: trouble.Slow, Delay: afar, Applied: applied, Times: trouble.Always})
	}
	start := time.Now()
	order(s.Ops.Lookup, false)
	_, err := s.Store.Lookup(hurried(), mailbox.Query{Number: "4001"})
	s.heard(err)
	require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err), "%v", err)
	if s.Ops.Verify != "" {
		order(s.Ops.Verify, false)
		err = s.Store.Verify(hurried(), a, Code(t, s.First), s.at)
		s.heard(err)
		require.Contains(t, []mailbox.Code{mailbox.Unavailable, mailbox.OutcomeUnknown}, mailbox.CodeOf(err), "%v", err)
		s.forgive(t, a)
	}
	for _, applied := range []bool{false, true} {
		t.Run(fmt.Sprintf("a change that is carried out %v", applied), func(t *testing.T) {
			s := s.again(t)
			a := s.put(t, "4001", s.First)
			s.Orders.Give(s.Ops.Change, trouble.Order{Kind: trouble.Slow, Delay: afar, Applied: applied, Times: trouble.Always})
			ctx, cancel := context.WithTimeout(t.Context(), settleTime+short)
			defer cancel()
			s.settled(ctx, t, &watched{Store: s.Store}, a)
		})
	}
	require.Less(t, time.Since(start), afar/2, "somebody waited on")
}

// loginTrouble: star97 cannot sign itself in.
func loginTrouble(t *testing.T, s *suite) {
	s.eachFault(t, forLogin, func(t *testing.T, s *suite, op string, f fault) {
		a := s.put(t, "4001", s.First)
		f.order.Times = trouble.Always
		s.Orders.Give(op, f.order)
		_, err := s.Store.Lookup(s.ctx(t), mailbox.Query{Number: "4001"})
		require.NotZero(t, s.Orders.Seen(op), "the fake's requests have other names than Ops")
		s.heard(err)
		if f.ask != nil && !f.maybe {
			require.Contains(t, f.ask, mailbox.CodeOf(err), "%v", err)
		}
		r := s.change(t, a, s.First, s.Second)
		s.truth(t, a, s.First, s.Second, r)
	})
}

// expired: the adapter signs in anew and nobody notices.
func expired(t *testing.T, s *suite) {
	a := s.put(t, "4001", s.First)
	require.Len(t, s.lookup(t, "4001", ""), 1)
	s.Orders.Give(s.Ops.Lookup, trouble.Order{Kind: trouble.Expired})
	require.Equal(t, []mailbox.Account{a}, s.lookup(t, "4001", ""))
	s.usedUp(t)
	if s.Ops.Verify != "" {
		s.Orders.Give(s.Ops.Verify, trouble.Order{Kind: trouble.Expired})
		require.Equal(t, mailbox.OK, s.verify(t, a, s.First))
		s.usedUp(t)
	}
	s.Orders.Give(s.Ops.Change, trouble.Order{Kind: trouble.Expired})
	r := s.change(t, a, s.First, s.Second)
	require.Equal(t, mailbox.Done, r.Outcome, "%v", r.Err)
	s.inForce(t, a, s.Second, s.First)
	s.usedUp(t)
}
