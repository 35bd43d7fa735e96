package axl

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/axl/fake"
	"star97/internal/backend/conformance"
	"star97/internal/backend/conformance/trouble"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// What the system does to "must change" by itself is not known: the owner of a new PIN
// need not choose another one, whatever it does.
func TestMustChangeIsNotLeftBehind(t *testing.T) {
	for _, sets := range []bool{false, true} {
		for _, before := range []bool{false, true} {
			f, s := start(t, nil)
			f.SetsMustChange = sets
			id := f.Put(fake.Person{ID: "jdoe", Extension: "2041", Status: 1, MustChange: before}, code(t, hers))
			require.Equal(t, mailbox.Proved(), change(t, s, found(t, s, "2041"), hers, fresh))
			p, _ := f.Person(id)
			require.False(t, p.MustChange)
			writes := 1
			if sets {
				writes = 2
			}
			require.Equal(t, writes, f.Orders().Seen(fake.OpUpdate))
		}
	}
}

// The change is in force, and the log tells what the owner may meet.
func TestMustChangeThatCannotBeClearedIsLogged(t *testing.T) {
	said := &conformance.Log{}
	f := fake.New(t)
	f.SetsMustChange = true
	o := reach(f)
	o.LogTo(said.Logger())
	s := openTo(t, o)
	f.Put(fake.Person{ID: "jdoe", Extension: "2041", Status: 1}, code(t, hers))
	a := found(t, s, "2041")
	f.Orders().Give(fake.OpUpdate, trouble.Order{Kind: trouble.Status, Status: 403, Skip: 1})
	require.Equal(t, mailbox.Proved(), change(t, s, a, hers, fresh))
	require.Contains(t, said.String(), "may still have to be changed")
	require.Contains(t, said.String(), "user=jdoe")
}

// Where a right PIN that must be changed is answered no, its number tells it.
func TestAPINThatMustBeChangedCanBeChanged(t *testing.T) {
	f, s := start(t, func(o *Options) { o.Codes = []Meaning{{fake.MustChange, "right"}} })
	f.RefusesMustChange = true
	id := f.Put(fake.Person{ID: "jdoe", Extension: "2041", Status: 1, MustChange: true}, code(t, hers))
	a := found(t, s, "2041")
	require.True(t, a.Flags.MustChange)
	require.Equal(t, mailbox.WrongPIN, mailbox.CodeOf(verify(t, s, a, third)))
	require.Equal(t, mailbox.Proved(), change(t, s, a, hers, fresh))
	require.True(t, f.Has(id, code(t, fresh)))
}

func TestChangeIsRefusedBeforeAnythingIsWritten(t *testing.T) {
	strict := func(p *fake.Policy) { p.MinLength, p.MinAge = 8, 24*time.Hour }
	for name, c := range map[string]struct {
		person  fake.Person
		policy  func(*fake.Policy)
		current string
		next    string
		want    mailbox.Code
	}{
		"a wrong current code":                   {fake.Person{}, nil, third, fresh, mailbox.WrongPIN},
		"a wrong one, and cannot change":         {fake.Person{CantChange: true}, nil, third, fresh, mailbox.WrongPIN},
		"cannot change":                          {fake.Person{CantChange: true}, nil, hers, fresh, mailbox.CannotChange},
		"locked":                                 {fake.Person{Locked: true}, nil, hers, fresh, mailbox.Locked},
		"inactive":                               {fake.Person{Status: -1}, nil, hers, fresh, mailbox.Disabled},
		"too soon":                               {fake.Person{Changed: time.Now().Add(-time.Hour)}, strict, hers, third, mailbox.TooSoon},
		"too soon, but it must be changed":       {fake.Person{Changed: time.Now().Add(-time.Hour), MustChange: true}, strict, hers, third, mailbox.OK},
		"too soon, for all that the system says": {fake.Person{Changed: time.Now().Add(-time.Hour), NoTime: true}, strict, hers, third, mailbox.TooSoon},
		"old enough":                             {fake.Person{Changed: time.Now().Add(-25 * time.Hour)}, strict, hers, third, mailbox.OK},
		"too short":                              {fake.Person{}, strict, hers, fresh, mailbox.TooShort},
		"shorter than any":                       {fake.Person{}, func(p *fake.Policy) { p.MinLength = 0 }, hers, "739", mailbox.TooShort},
		"nothing":                                {fake.Person{}, func(p *fake.Policy) { p.MinLength = 0 }, hers, "", mailbox.TooShort},
		"trivial":                                {fake.Person{}, nil, hers, "777123", mailbox.Trivial},
		"a group that comes again":               {fake.Person{}, nil, hers, "408408", mailbox.Trivial},
		"lines of keys":                          {fake.Person{}, nil, hers, "147258", mailbox.Trivial},
		"the name on the keys":                   {fake.Person{First: "Maryann", Last: "Poe"}, nil, hers, "6279266", mailbox.Trivial},
		"trivial, which is allowed":              {fake.Person{}, func(p *fake.Policy) { p.Trivial = false }, hers, "777123", mailbox.OK},
		"with the extension":                     {fake.Person{}, nil, hers, "720416", mailbox.Trivial},
		"with the telephone number's end":        {fake.Person{Telephone: "+1 201 555 0143"}, nil, hers, "550143", mailbox.Trivial},
		"the current one":                        {fake.Person{}, nil, hers, hers, mailbox.InHistory},
		"synchronised with a directory":          {fake.Person{LDAP: "corporate"}, nil, hers, fresh, mailbox.OK},
		"at home in another cluster":             {fake.Person{Elsewhere: true}, nil, hers, fresh, mailbox.OK},
	} {
		t.Run(name, func(t *testing.T) {
			f, s := start(t, nil)
			if c.policy != nil {
				f.SetPolicy(fake.DefaultPolicy, c.policy)
			}
			c.person.ID, c.person.Extension, c.person.Status = "jdoe", "2041", c.person.Status+1
			id := f.Put(c.person, code(t, hers))
			a := found(t, s, "2041")
			r := change(t, s, a, c.current, c.next)
			require.Equal(t, c.want, r.Reason, "%v", r.Err)
			if c.want == mailbox.OK {
				require.Equal(t, mailbox.Proved(), r)
				require.True(t, f.Has(id, code(t, c.next)))
				return
			}
			require.Equal(t, mailbox.Refused, r.Outcome)
			require.True(t, f.Has(id, code(t, hers)))
			if name != "too soon, for all that the system says" {
				require.Zero(t, f.Orders().Seen(fake.OpUpdate))
			}
		})
	}
}

// A change's own tries: the current code before the write, the new one after it.
func TestAChangeTriesTwice(t *testing.T) {
	f, s := start(t, nil)
	f.Put(fake.Person{ID: "jdoe", Extension: "2041", Status: 1}, code(t, hers))
	a := found(t, s, "2041")
	require.Equal(t, mailbox.Proved(), change(t, s, a, hers, fresh))
	require.Equal(t, 2, f.Orders().Seen(fake.OpAuthenticate))
	require.Equal(t, 1, f.Orders().Seen(fake.OpUpdate))
	require.Equal(t, 1, f.Orders().Seen(fake.OpPolicy), "read in Lookup and remembered")
}

// A server's cache takes the old code for a while: that the new one is right proves the
// change, and that the old one is right disproves none before the lag is over.
func TestACacheProvesNothing(t *testing.T) {
	const lag = 300 * time.Millisecond
	open := func(t *testing.T) (*fake.Server, *Store, mailbox.Account) {
		f, s := start(t, func(o *Options) { o.Lag = lag })
		f.Cache = lag
		f.Put(fake.Person{ID: "jdoe", Extension: "2041", Status: 1}, code(t, hers))
		return f, s, found(t, s, "2041")
	}
	settled := func(t *testing.T, s *Store, a mailbox.Account) mailbox.Result {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		return mailbox.Settled(s, 10*time.Second).Change(ctx, a, code(t, hers), code(t, fresh), at)
	}
	t.Run("a change", func(t *testing.T) {
		f, s, a := open(t)
		f.Cache = time.Hour
		require.Equal(t, mailbox.Proved(), change(t, s, a, hers, fresh))
		require.NoError(t, verify(t, s, a, hers), "the cache still takes it")
	})
	t.Run("one that was carried out and not answered", func(t *testing.T) {
		f, s, a := open(t)
		f.Orders().Give(fake.OpUpdate, trouble.Order{Kind: trouble.CutAfter})
		require.Equal(t, mailbox.Proved(), settled(t, s, a))
	})
	t.Run("one that was not carried out", func(t *testing.T) {
		f, s, a := open(t)
		f.Orders().Give(fake.OpUpdate, trouble.Order{Kind: trouble.CutBefore})
		start := time.Now()
		require.Equal(t, mailbox.Refused, settled(t, s, a).Outcome)
		require.GreaterOrEqual(t, time.Since(start), lag)
	})
	require.Equal(t, 2*time.Minute, DefaultOptions().Lag)
}

// Of callers who know the code one wins, and the others cost no wrong try.
func TestChangesOfOneUserFollowEachOther(t *testing.T) {
	f, s := start(t, nil)
	id := f.Put(fake.Person{ID: "jdoe", Extension: "2041", Status: 1}, code(t, hers))
	a := found(t, s, "2041")
	before, err := s.turns.Take(t.Context(), "test", id, pin.PIN{})
	require.NoError(t, err)
	const callers = 8
	results := make(chan mailbox.Result, callers)
	var all sync.WaitGroup
	for i := range callers {
		next := code(t, fmt.Sprintf("7391%d2", i))
		// One caller: started here; stops when the change is answered.
		all.Go(func() { results <- s.Change(t.Context(), a, code(t, hers), next, at) })
	}
	require.Eventually(t, func() bool { return s.turns.Waiting(id) == callers+1 }, 30*time.Second, time.Millisecond)
	before.End()
	all.Wait()
	close(results)
	done := 0
	for r := range results {
		if r.Outcome == mailbox.Done {
			done++
			continue
		}
		require.Equal(t, mailbox.WrongPIN, r.Reason, "%v", r.Err)
	}
	require.Equal(t, 1, done)
	require.Zero(t, f.Hacks(id))
	require.Zero(t, s.turns.Waiting(id))
}

func reset(t *testing.T, s *Store, a mailbox.Account, next string, must bool) mailbox.Result {
	return s.Reset(t.Context(), a, code(t, next), must, "test", "forgotten")
}

func TestReset(t *testing.T) {
	f, s := start(t, nil)
	id := f.Put(fake.Person{ID: "jdoe", Extension: "2041", Status: 1, CantChange: true}, code(t, hers))
	a := found(t, s, "2041")
	for range 3 {
		require.Error(t, verify(t, s, a, third))
	}
	require.Equal(t, mailbox.Locked, mailbox.CodeOf(verify(t, s, a, hers)))
	require.Equal(t, mailbox.Proved(), reset(t, s, a, fresh, true), "and wrong codes are forgotten")
	p, _ := f.Person(id)
	require.True(t, p.MustChange && p.CantChange)
	require.NoError(t, verify(t, s, a, fresh))

	// Even where a PIN that must be changed is answered no, it is proved before.
	f.RefusesMustChange = true
	require.Equal(t, mailbox.Proved(), reset(t, s, a, third, true))
	require.Equal(t, mailbox.WrongPIN, mailbox.CodeOf(verify(t, s, a, third)))

	for next, want := range map[string]mailbox.Code{"": mailbox.TooShort, "739": mailbox.TooShort, "777777": mailbox.Trivial, fresh: mailbox.InHistory} {
		r := reset(t, s, a, next, false)
		require.Equal(t, mailbox.Refused, r.Outcome)
		require.Equal(t, want, r.Reason)
	}
	f.Edit(id, func(p *fake.Person) { p.Locked = true })
	r := reset(t, s, a, "591837", false)
	require.Equal(t, mailbox.Locked, r.Reason)
	require.ErrorContains(t, r.Err, "unlock it in the system first")
	f.Edit(id, func(p *fake.Person) { p.Status = 0 })
	require.Equal(t, mailbox.Disabled, reset(t, s, a, "591837", false).Reason)
	require.Equal(t, mailbox.NotFound, reset(t, s, mailbox.Account{ID: "gone"}, fresh, false).Reason)
	require.True(t, f.Has(id, code(t, third)))
}

// Half a reset is not a whole one.
func TestAResetWhoseFlagFailsIsInDoubt(t *testing.T) {
	f, s := start(t, nil)
	id := f.Put(fake.Person{ID: "jdoe", Extension: "2041", Status: 1}, code(t, hers))
	f.Orders().Give(fake.OpUpdate, trouble.Order{Kind: trouble.CutBefore, Skip: 1})
	r := reset(t, s, found(t, s, "2041"), fresh, true)
	require.Equal(t, mailbox.Unknown, r.Outcome)
	require.ErrorContains(t, r.Err, "the PIN is in force, but not whether it must be changed")
	require.True(t, f.Has(id, code(t, fresh)))
}

// A system that says yes and keeps its states.
func TestFlagsAreReadBack(t *testing.T) {
	f, s := start(t, nil)
	f.Put(fake.Person{ID: "jdoe", Extension: "2041", Status: 1}, code(t, hers))
	a := found(t, s, "2041")
	yes := true
	for _, e := range []mailbox.FlagEdit{{CannotChange: &yes}, {MustChange: &yes}} {
		f.Orders().Give(fake.OpUpdate, trouble.Order{Kind: trouble.Ignored})
		_, err := s.SetFlags(t.Context(), a, e, "test", "")
		require.Equal(t, mailbox.OutcomeUnknown, mailbox.CodeOf(err))
	}
	b, err := s.SetFlags(t.Context(), a, mailbox.FlagEdit{CannotChange: &yes, MustChange: &yes}, "test", "")
	require.NoError(t, err)
	require.Equal(t, mailbox.Flags{CannotChange: true, MustChange: true}, b.Flags)
}

// What an administrator has locked is not for star97 to open.
func TestUnlockForgetsWrongCodesOnly(t *testing.T) {
	f, s := start(t, nil)
	id := f.Put(fake.Person{ID: "jdoe", Extension: "2041", Status: 1, Locked: true}, code(t, hers))
	require.NoError(t, s.Unlock(t.Context(), found(t, s, "2041"), "test", ""))
	p, _ := f.Person(id)
	require.True(t, p.Locked)
}

// No part of a code stands in what was asked for in the open, or in a log.
func TestCodesAreInBodiesOnly(t *testing.T) {
	f := fake.New(t)
	o := reach(f)
	var log conformance.Log
	o.LogTo(log.Logger())
	s := openTo(t, o)
	f.Put(fake.Person{ID: "jdoe", Extension: "2041", Status: 1}, code(t, hers))
	a := found(t, s, "2041")
	require.Equal(t, mailbox.Proved(), change(t, s, a, hers, fresh))
	require.Equal(t, mailbox.Proved(), reset(t, s, a, third, true))
	require.NotEmpty(t, log.String())
	for _, text := range append(f.Orders().Heads(), log.String()) {
		for _, digits := range []string{hers, fresh, third} {
			require.NotContains(t, text, digits)
		}
	}
}
