package conformance

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance/trouble"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

func lookup(t *testing.T, s *suite) {
	require.Empty(t, s.lookup(t, "4001", ""))
	want := s.Put(t, mailbox.Account{
		Extension: "4001", Name: "Ada Example", Mail: "ada@mail.example", Language: "en-US", Numbers: []string{"12015550143"},
	}, Code(t, s.First))
	require.NotEmpty(t, want.ID)
	require.NotEmpty(t, want.Backend)

	found := s.lookup(t, "4001", "")
	require.Equal(t, []mailbox.Account{want}, found, "by extension")
	require.Equal(t, "4001", found[0].Extension)
	require.Empty(t, s.lookup(t, "400", ""), "a part of an extension is none")
	require.Empty(t, s.lookup(t, "40010", ""))
	require.Empty(t, s.lookup(t, "", ""))
	require.Empty(t, s.lookup(t, "4001", "no-such-tenant.example"), "an unknown domain is none")
	require.Empty(t, s.lookup(t, "40a1*", ""), "what is no number is none")
	if len(want.Numbers) == 0 {
		return
	}
	require.Equal(t, []mailbox.Account{want}, s.lookup(t, "12015550143", ""), "by own number")
	other := s.Put(t, mailbox.Account{Extension: "4002", Numbers: []string{"12015550143"}}, Code(t, s.Second))
	require.ElementsMatch(t, []mailbox.Account{want, other}, s.lookup(t, "12015550143", ""), "a shared number")
}

func tenants(t *testing.T, s *suite) {
	s.put(t, "4001", s.First)
	other := s.Put(t, mailbox.Account{Extension: "4001", Domain: s.OtherDomain, Numbers: []string{"12015550143"}}, Code(t, s.Second))
	require.Empty(t, s.lookup(t, "12015550143", ""), "a number of another tenant")
	found := s.lookup(t, "4001", s.OtherDomain)
	require.Equal(t, []mailbox.Account{other}, found)
	require.Equal(t, []mailbox.Account{other}, s.lookup(t, "4001", strings.ToUpper(s.OtherDomain)), "domains have no case")
	s.inForce(t, other, s.Second, s.First)
	mine := s.lookup(t, "4001", "")
	require.Len(t, mine, 1)
	s.inForce(t, mine[0], s.First, s.Second)
}

func doubles(t *testing.T, s *suite) {
	a, b := s.put(t, "4001", s.First), s.put(t, "4001", s.Second)
	require.NotEqual(t, a.ID, b.ID)
	require.ElementsMatch(t, []mailbox.Account{a, b}, s.lookup(t, "4001", ""))
	s.inForce(t, a, s.First, s.Second)
	require.Equal(t, mailbox.Done, s.change(t, b, s.Second, s.Third).Outcome)
	s.inForce(t, a, s.First, s.Third)
	s.inForce(t, b, s.Third, s.First, s.Second)
}

func verify(t *testing.T, s *suite) {
	a, b, c := s.put(t, "4001", s.First), s.put(t, "4002", s.Second), s.put(t, "4003", s.Zeros)
	next := s.First[:len(s.First)-1] + string('0'+('9'-s.First[len(s.First)-1]))
	s.inForce(t, a, s.First, s.Second, next, s.First[:len(s.First)-1], s.First+"0", "0"+s.First, reversed(s.First), "0")
	s.inForce(t, b, s.Second, s.First)
	s.inForce(t, c, s.Zeros, s.Zeros[1:], s.Zeros[2:], "0"+s.Zeros)
	require.Equal(t, mailbox.WrongPIN, s.verify(t, a, ""), "no digit at all is a wrong code")
	require.Equal(t, mailbox.WrongPIN, s.verify(t, a, strings.Repeat("9", 30)))
}

func reversed(code string) string {
	b := []byte(code)
	slices.Reverse(b)
	return string(b)
}

func verifyAbsent(t *testing.T, s *suite) {
	s.put(t, "4001", s.First)
	for _, nobody := range []mailbox.Account{{}, {Domain: s.OtherDomain}, {Domain: "no-such-tenant.example"}} {
		require.Equal(t, mailbox.WrongPIN, s.verify(t, nobody, s.First), "an Account without ID")
	}
	gone := mailbox.Account{ID: "no-such-mailbox", Extension: "4099"}
	require.Contains(t, []mailbox.Code{mailbox.NotFound, mailbox.WrongPIN}, s.verify(t, gone, s.First))
	require.Equal(t, mailbox.Refused, s.change(t, gone, s.First, s.Second).Outcome)
	require.Equal(t, mailbox.Refused, s.change(t, mailbox.Account{}, s.First, s.Second).Outcome)
	for _, a := range []mailbox.Account{gone, {}} {
		r := s.raw.Change(s.ctx(t), a, Code(t, s.First), Code(t, s.Second), s.at)
		s.heard(r.Err)
		require.Equal(t, mailbox.Refused, r.Outcome, "nobody in front has checked the code")
	}
}

func verifyDisabled(t *testing.T, s *suite) {
	a := s.Put(t, mailbox.Account{Extension: "4001", Flags: mailbox.Flags{Disabled: true}}, Code(t, s.First))
	if s.traits().Flags {
		require.True(t, s.lookup(t, "4001", "")[0].Flags.Disabled)
	}
	for _, code := range []string{s.First, s.Second} {
		require.Contains(t, []mailbox.Code{mailbox.Disabled, mailbox.WrongPIN}, s.verify(t, a, code))
	}
	r := s.change(t, a, s.First, s.Second)
	require.Equal(t, mailbox.Refused, r.Outcome)
	require.Contains(t, []mailbox.Code{mailbox.Disabled, mailbox.CannotChange, mailbox.WrongPIN}, r.Reason)
}

func verifyNoCode(t *testing.T, s *suite) {
	a := s.put(t, "4001", "")
	if s.traits().Flags {
		require.True(t, s.lookup(t, "4001", "")[0].Flags.NoCode)
	}
	for _, code := range []string{"", s.First} {
		require.Equal(t, mailbox.NoCode, s.verify(t, a, code))
		r := s.change(t, a, code, s.Second)
		require.Equal(t, mailbox.Refused, r.Outcome)
		require.Equal(t, mailbox.NoCode, r.Reason)
	}
}

func changeDone(t *testing.T, s *suite) {
	a, b := s.put(t, "4001", s.First), s.put(t, "4002", s.First)
	r := s.change(t, a, s.First, s.Second)
	require.Equal(t, mailbox.Done, r.Outcome, "%v", r.Err)
	require.NoError(t, r.Err)
	s.inForce(t, a, s.Second, s.First)
	s.inForce(t, b, s.First, s.Second)
}

func changeObeyed(t *testing.T, s *suite) {
	a := s.Put(t, mailbox.Account{Extension: "4001", Flags: mailbox.Flags{MustChange: true}}, Code(t, s.First))
	require.True(t, s.lookup(t, "4001", "")[0].Flags.MustChange)
	r := s.change(t, a, s.First, s.Second)
	require.Equal(t, mailbox.Done, r.Outcome, "%v", r.Err)
	s.inForce(t, a, s.Second, s.First)
	require.False(t, s.lookup(t, "4001", "")[0].Flags.MustChange, "the owner has changed it")
}

func changeShapes(t *testing.T, s *suite) {
	a := s.put(t, "4001", s.First)
	current := s.First
	for _, next := range []string{"004829", s.Zeros, "0000000000", "4829153706", "600617"} {
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
	require.NotEqual(t, s.First, current, "at least one of these shapes must be possible")
	r := s.change(t, a, current, "")
	require.Equal(t, mailbox.Refused, r.Outcome, "an empty code is never set")
	s.inForce(t, a, current)
}

func changeWrong(t *testing.T, s *suite) {
	a := s.put(t, "4001", s.First)
	for _, wrong := range []string{s.Third, "", s.Second} {
		r := s.change(t, a, wrong, s.Second)
		require.Equal(t, mailbox.Refused, r.Outcome)
		require.Equal(t, mailbox.WrongPIN, r.Reason)
		require.Error(t, r.Err)
	}
	s.inForce(t, a, s.First, s.Second)
}

// A caller who was let in by another proof than the current code has none to show. Where
// nobody but the system can tell whether a code is right it writes without one; any other
// backend refuses, without a question.
func changeClaimed(t *testing.T, s *suite) {
	a, at := s.put(t, "4001", s.First), s.at
	at.Claim = mailbox.ByOneTime
	asked := func() int {
		if s.Orders == nil {
			return 0
		}
		return s.Orders.Seen(trouble.Any)
	}
	before := asked()
	r := s.raw.Change(s.ctx(t), a, pin.PIN{}, Code(t, s.Second), at)
	s.heard(r.Err)
	if s.traits().Check == mailbox.NoCheck {
		require.Equal(t, mailbox.Done, r.Outcome, "%v", r.Err)
		require.True(t, s.has(t, a, s.Second))
		r = s.raw.Change(s.ctx(t), a, pin.PIN{}, pin.PIN{}, at)
		s.heard(r.Err)
		require.Equal(t, mailbox.TooShort, r.Reason, "the rules hold all the same")
		require.True(t, s.has(t, a, s.Second))
		return
	}
	require.Equal(t, mailbox.Refused, r.Outcome)
	require.Equal(t, mailbox.WrongPIN, r.Reason)
	require.Equal(t, before, asked(), "that no code is not the current one needs no question")
	s.inForce(t, a, s.First, s.Second)
}

func changeDenied(t *testing.T, s *suite) {
	a := s.Put(t, mailbox.Account{Extension: "4001", Flags: mailbox.Flags{CannotChange: true}}, Code(t, s.First))
	if s.traits().Flags {
		require.True(t, s.lookup(t, "4001", "")[0].Flags.CannotChange)
	}
	r := s.change(t, a, s.First, s.Second)
	require.Equal(t, mailbox.Refused, r.Outcome)
	require.Equal(t, mailbox.CannotChange, r.Reason)
	require.Equal(t, mailbox.WrongPIN, s.change(t, a, s.Third, s.Second).Reason, "who does not know the code learns nothing")
	s.inForce(t, a, s.First, s.Second)
}

// Of callers who all know the current code one wins at least, and the code in force is
// that of one who was not refused. Where the change is a transaction one wins alone.
func changeRace(t *testing.T, s *suite) {
	alone := s.traits().Proof == mailbox.ByTransaction
	a := s.put(t, "4001", s.First)
	const callers = 8
	results := make([]mailbox.Result, callers)
	next := func(i int) string { return fmt.Sprintf("70%d51%d", i, 9-i) }
	var ready, done sync.WaitGroup
	ready.Add(1)
	for i := range callers {
		current, mine, ctx := Code(t, s.First), Code(t, next(i)), s.ctx(t)
		// One caller: started here; stops when the change is answered.
		done.Go(func() {
			ready.Wait()
			results[i] = s.Store.Change(ctx, a, current, mine, s.at)
		})
	}
	ready.Done()
	done.Wait()

	s.forgive(t, a)
	var won []int
	for i, r := range results {
		s.heard(r.Err)
		inForce := s.has(t, a, next(i))
		switch r.Outcome {
		case mailbox.Done:
			won = append(won, i)
		case mailbox.Refused:
			require.False(t, inForce, "refused, and yet in force")
		}
		if alone && r.Outcome != mailbox.Done {
			require.Equal(t, mailbox.Refused, r.Outcome, "%v", r.Err)
			require.Equal(t, mailbox.WrongPIN, r.Reason, "%v", r.Err)
		} else if alone {
			require.Len(t, won, 1, "two changes of one code were both Done")
		}
	}
	require.NotEmpty(t, won, "nobody won")
	last := slices.IndexFunc(results, func(r mailbox.Result) bool { return r.Outcome == mailbox.Done })
	for i, r := range results {
		if r.Outcome != mailbox.Refused && s.has(t, a, next(i)) {
			last = i
		}
	}
	s.inForce(t, a, next(last), s.First)
}

// Callers of several mailboxes do not get into each other's way.
func crowd(t *testing.T, s *suite) {
	const callers = 8
	boxes := make([]mailbox.Account, callers)
	for i := range boxes {
		boxes[i] = s.put(t, fmt.Sprint(4001+i), s.code(i))
	}
	wrong := make([]string, callers)
	var done sync.WaitGroup
	for i, a := range boxes {
		own, other, next, ctx := Code(t, s.code(i)), Code(t, s.code(i+1)), Code(t, s.code(i+2)), s.ctx(t)
		// One caller: started here; stops when the change is answered.
		done.Go(func() {
			found, err := s.Store.Lookup(ctx, mailbox.Query{Number: a.Extension})
			first := s.Store.Verify(ctx, a, other, s.at)
			second := s.Store.Verify(ctx, a, own, s.at)
			r := s.Store.Change(ctx, a, own, next, s.at)
			s.heard(err, first, second, r.Err)
			if len(found) != 1 || found[0].ID != a.ID || mailbox.CodeOf(first) != mailbox.WrongPIN || second != nil || r.Outcome != mailbox.Done {
				wrong[i] = fmt.Sprintf("found %d mailboxes (%v), a wrong code is %v, the right one %v, the change %v (%v)", len(found), err, first, second, r.Outcome, r.Err)
			}
		})
	}
	done.Wait()
	for i, a := range boxes {
		require.Empty(t, wrong[i], "caller %d", i)
		s.inForce(t, a, s.code(i+2), s.code(i))
	}
}

// code is one of three in turn.
func (s *suite) code(i int) string { return [...]string{s.First, s.Second, s.Third}[i%3] }

func changeBack(t *testing.T, s *suite) {
	a := s.put(t, "4001", s.First)
	require.Equal(t, mailbox.Done, s.change(t, a, s.First, s.Second).Outcome)
	require.Equal(t, mailbox.Done, s.change(t, a, s.Second, s.Third).Outcome)
	require.Equal(t, mailbox.WrongPIN, s.change(t, a, s.First, s.Second).Reason, "a code of long ago")
	s.inForce(t, a, s.Third, s.First, s.Second)
}

func endedContext(t *testing.T, s *suite) {
	ended(t, s, s.put(t, "4001", s.First))
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
		err = s.Store.Verify(ctx, a, Code(t, s.First), s.at)
		require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err), name)
		r := s.Store.Change(ctx, a, Code(t, s.First), Code(t, s.Second), s.at)
		require.NotEqual(t, mailbox.Done, r.Outcome, name)
		require.Less(t, time.Since(start), time.Second, "%s: an ended context is noticed at once", name)
		s.heard(err, r.Err)
	}
	s.inForce(t, a, s.First, s.Second)
}

// silence repeats what goes wrong most often; every error of every case is read.
func silence(t *testing.T, s *suite) {
	a := s.put(t, "4001", s.First)
	s.verify(t, a, s.Second)
	s.verify(t, mailbox.Account{}, s.Second)
	s.verify(t, mailbox.Account{ID: "no-such-mailbox"}, s.Second)
	s.change(t, a, s.Second, s.Third)
	s.change(t, a, s.First, "")
	ended(t, s, a)
	require.NotEmpty(t, s.errs)
}

var (
	// named are the attributes that a log may have of an exchange: sizes, states and ids
	// that the system gives to requests.
	named = []string{"time", "level", "msg", "host", "op", "status", "size", "took", "tracking", "code", "error", "for"}
	// attribute is one of a line, with its value.
	attribute = regexp.MustCompile(`(\w+)=("(?:[^"\\]|\\.)*"|\S*)`)
)

// Every exchange is told at debug, and nothing of it that a code could be in: silent looks
// for the codes themselves.
func logged(t *testing.T, s *suite) {
	a := s.put(t, "4001", s.First)
	s.lookup(t, "4001", "")
	s.change(t, a, s.Third, s.Second)
	require.Equal(t, mailbox.Done, s.change(t, a, s.First, s.Second).Outcome)
	said := s.Said()
	require.Regexp(t, `op="?lookup\b`, said)
	require.Regexp(t, `op="?change\b`, said)
	for line := range strings.Lines(said) {
		for _, found := range attribute.FindAllStringSubmatch(line, -1) {
			require.Contains(t, named, found[1], line)
		}
	}
}
