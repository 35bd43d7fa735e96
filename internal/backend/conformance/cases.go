package conformance

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/mailbox"
)

// Codes of the cases. No two share four digits in a row.
const (
	first  = "482915"
	second = "739164"
	third  = "60617238"
)

func lookup(t *testing.T, s *suite) {
	require.Empty(t, s.lookup(t, "4001", ""))
	want := s.Put(t, mailbox.Account{
		Extension: "4001", Name: "Ada Example", Language: "en-US", Numbers: []string{"12015550143"},
	}, Code(t, first))
	require.NotEmpty(t, want.ID)
	require.NotEmpty(t, want.Backend)

	found := s.lookup(t, "4001", "")
	require.Equal(t, []mailbox.Account{want}, found, "by extension")
	require.Equal(t, "4001", found[0].Extension)
	require.Empty(t, s.lookup(t, "400", ""), "a part of an extension is none")
	require.Empty(t, s.lookup(t, "40010", ""))
	require.Empty(t, s.lookup(t, "", ""))
	if len(want.Numbers) == 0 {
		return
	}
	require.Equal(t, []mailbox.Account{want}, s.lookup(t, "12015550143", ""), "by own number")
	other := s.Put(t, mailbox.Account{Extension: "4002", Numbers: []string{"12015550143"}}, Code(t, second))
	require.ElementsMatch(t, []mailbox.Account{want, other}, s.lookup(t, "12015550143", ""), "a shared number")
}

func tenants(t *testing.T, s *suite) {
	s.put(t, "4001", first)
	require.Empty(t, s.lookup(t, "4001", "no-such-tenant.example"), "an unknown domain is none")
	if s.OtherDomain == "" {
		t.Skip("the system has no tenants")
	}
	other := s.Put(t, mailbox.Account{Extension: "4001", Domain: s.OtherDomain, Numbers: []string{"12015550143"}}, Code(t, second))
	require.Empty(t, s.lookup(t, "12015550143", ""), "a number of another tenant")
	found := s.lookup(t, "4001", s.OtherDomain)
	require.Equal(t, []mailbox.Account{other}, found)
	require.Equal(t, []mailbox.Account{other}, s.lookup(t, "4001", strings.ToUpper(s.OtherDomain)), "domains have no case")
	s.inForce(t, other, second, first)
	mine := s.lookup(t, "4001", "")
	require.Len(t, mine, 1)
	s.inForce(t, mine[0], first, second)
}

func verify(t *testing.T, s *suite) {
	a := s.put(t, "4001", first)
	b := s.put(t, "4002", second)
	s.inForce(t, a, first, second, "482916", "48291", "4829150", "0482915", "519284", "0")
	s.inForce(t, b, second, first)
	require.Equal(t, mailbox.WrongPIN, s.verify(t, a, ""), "no digit at all is a wrong code")
	require.Equal(t, mailbox.WrongPIN, s.verify(t, a, strings.Repeat("9", 30)))
}

func verifyAbsent(t *testing.T, s *suite) {
	s.put(t, "4001", first)
	for _, nobody := range []mailbox.Account{{}, {Domain: s.OtherDomain}, {Domain: "no-such-tenant.example"}} {
		require.Equal(t, mailbox.WrongPIN, s.verify(t, nobody, first), "an Account without ID")
	}
	gone := mailbox.Account{ID: "no-such-mailbox", Extension: "4099"}
	require.Contains(t, []mailbox.Code{mailbox.NotFound, mailbox.WrongPIN}, s.verify(t, gone, first))
	require.Equal(t, mailbox.Refused, s.change(t, gone, first, second).Outcome)
	require.Equal(t, mailbox.Refused, s.change(t, mailbox.Account{}, first, second).Outcome)
}

func verifyDisabled(t *testing.T, s *suite) {
	a := s.Put(t, mailbox.Account{Extension: "4001", Flags: mailbox.Flags{Disabled: true}}, Code(t, first))
	require.True(t, s.lookup(t, "4001", "")[0].Flags.Disabled)
	for _, code := range []string{first, second} {
		require.Contains(t, []mailbox.Code{mailbox.Disabled, mailbox.WrongPIN}, s.verify(t, a, code))
	}
	r := s.change(t, a, first, second)
	require.Equal(t, mailbox.Refused, r.Outcome)
	require.Contains(t, []mailbox.Code{mailbox.Disabled, mailbox.CannotChange, mailbox.WrongPIN}, r.Reason)
}

func verifyNoCode(t *testing.T, s *suite) {
	if s.NoCode {
		t.Skip("every mailbox of the system has a code")
	}
	a := s.put(t, "4001", "")
	require.True(t, s.lookup(t, "4001", "")[0].Flags.NoCode)
	for _, code := range []string{"", first} {
		require.Equal(t, mailbox.NoCode, s.verify(t, a, code))
		r := s.change(t, a, code, second)
		require.Equal(t, mailbox.Refused, r.Outcome)
		require.Equal(t, mailbox.NoCode, r.Reason)
	}
}

func changeDone(t *testing.T, s *suite) {
	a := s.Put(t, mailbox.Account{Extension: "4001", Flags: mailbox.Flags{MustChange: true}}, Code(t, first))
	b := s.put(t, "4002", first)
	r := s.change(t, a, first, second)
	require.Equal(t, mailbox.Done, r.Outcome, "%v", r.Err)
	require.NoError(t, r.Err)
	s.inForce(t, a, second, first)
	s.inForce(t, b, first, second)
	require.False(t, s.lookup(t, "4001", "")[0].Flags.MustChange, "the owner has changed it")
}

func changeShapes(t *testing.T, s *suite) {
	a := s.put(t, "4001", first)
	current := first
	for _, next := range []string{"004829", "0000000000", "4829153706", "600617"} {
		r := s.change(t, a, current, next)
		if r.Outcome == mailbox.Refused {
			continue // the system's own rules; what is Done is what counts here
		}
		require.Equal(t, mailbox.Done, r.Outcome, "%v", r.Err)
		s.inForce(t, a, next, current)
		if short := strings.TrimLeft(next, "0"); short != next {
			require.Equal(t, mailbox.WrongPIN, s.verify(t, a, short), "leading zeros count")
		}
		current = next
	}
	require.NotEqual(t, first, current, "at least one of these shapes must be possible")
	r := s.change(t, a, current, "")
	require.Equal(t, mailbox.Refused, r.Outcome, "an empty code is never set")
	s.inForce(t, a, current)
}

func changeWrong(t *testing.T, s *suite) {
	a := s.put(t, "4001", first)
	for _, wrong := range []string{third, "", second} {
		r := s.change(t, a, wrong, second)
		require.Equal(t, mailbox.Refused, r.Outcome)
		require.Equal(t, mailbox.WrongPIN, r.Reason)
		require.Error(t, r.Err)
	}
	s.inForce(t, a, first, second)
}

func changeDenied(t *testing.T, s *suite) {
	a := s.Put(t, mailbox.Account{Extension: "4001", Flags: mailbox.Flags{CannotChange: true}}, Code(t, first))
	require.True(t, s.lookup(t, "4001", "")[0].Flags.CannotChange)
	r := s.change(t, a, first, second)
	require.Equal(t, mailbox.Refused, r.Outcome)
	require.Equal(t, mailbox.CannotChange, r.Reason)
	require.Equal(t, mailbox.WrongPIN, s.change(t, a, third, second).Reason, "who does not know the code learns nothing")
	s.inForce(t, a, first, second)
}

// Of callers who all know the current code, exactly one wins, and its code is in force.
func changeRace(t *testing.T, s *suite) {
	a := s.put(t, "4001", first)
	const callers = 8
	results := make([]mailbox.Result, callers)
	next := func(i int) string { return fmt.Sprintf("70%d51%d", i, 9-i) }
	var ready, done sync.WaitGroup
	ready.Add(1)
	for i := range callers {
		current, mine, ctx := Code(t, first), Code(t, next(i)), s.ctx(t)
		// One caller: started here; stops when the change is answered.
		done.Go(func() {
			ready.Wait()
			results[i] = s.Store.Change(ctx, a, current, mine, s.at)
		})
	}
	ready.Done()
	done.Wait()

	winner := -1
	for i, r := range results {
		s.errs = append(s.errs, r.Err)
		if r.Outcome == mailbox.Done {
			require.Equal(t, -1, winner, "two changes of one code were both Done")
			winner = i
			continue
		}
		require.Equal(t, mailbox.Refused, r.Outcome, "%v", r.Err)
		require.Equal(t, mailbox.WrongPIN, r.Reason, "%v", r.Err)
	}
	require.NotEqual(t, -1, winner, "nobody won")
	s.inForce(t, a, next(winner), first)
}

func changeBack(t *testing.T, s *suite) {
	a := s.put(t, "4001", first)
	require.Equal(t, mailbox.Done, s.change(t, a, first, second).Outcome)
	require.Equal(t, mailbox.Done, s.change(t, a, second, third).Outcome)
	require.Equal(t, mailbox.WrongPIN, s.change(t, a, first, second).Reason, "a code of long ago")
	s.inForce(t, a, third, first, second)
}

func endedContext(t *testing.T, s *suite) {
	ended(t, s, s.put(t, "4001", first))
}

func ended(t *testing.T, s *suite, a mailbox.Account) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for name, ctx := range map[string]context.Context{"cancelled": cancelled, "past its deadline": late} {
		start := time.Now()
		_, err := s.Store.Lookup(ctx, mailbox.Query{Number: "4001"})
		require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err), name)
		err = s.Store.Verify(ctx, a, Code(t, first), s.at)
		require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err), name)
		r := s.Store.Change(ctx, a, Code(t, first), Code(t, second), s.at)
		require.NotEqual(t, mailbox.Done, r.Outcome, name)
		require.Less(t, time.Since(start), time.Second, "%s: an ended context is noticed at once", name)
		s.errs = append(s.errs, err, r.Err)
	}
	s.inForce(t, a, first, second)
}

// silence repeats what goes wrong most often and reads every error.
func silence(t *testing.T, s *suite) {
	a := s.put(t, "4001", first)
	s.verify(t, a, second)
	s.verify(t, mailbox.Account{}, second)
	s.verify(t, mailbox.Account{ID: "no-such-mailbox"}, second)
	s.change(t, a, second, third)
	s.change(t, a, first, "")
	ended(t, s, a)
	said := 0
	for _, err := range s.errs {
		if err == nil {
			continue
		}
		said++
		for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err)} {
			for _, code := range []string{first, second, third} {
				require.NotContains(t, text, code)
				require.NotContains(t, text, code[:4])
			}
		}
	}
	require.NotZero(t, said)
}
