package conformance

import (
	"context"
	"fmt"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/mailbox"
	"star97/internal/pin"
)

// suite is one case's harness with shorthands.
type suite struct {
	Harness
	Sample
	raw    mailbox.Store // the backend itself, with its abilities
	open   func(*testing.T) Harness
	record *record
	name   string
	at     mailbox.Attempt

	mu   sync.Mutex
	errs []error // every error that the Store gave
}

func newSuite(h Harness, open func(*testing.T) Harness, r *record) *suite {
	s := &suite{Harness: h, Sample: h.Sample.complete(), raw: h.Store, open: open, record: r}
	s.at = mailbox.Attempt{Door: mailbox.OwnDoor, Peer: "conformance"}
	if s.traits().Check == mailbox.NoCheck {
		s.Harness.Store = checked{Store: h.Store, has: h.Has}
	}
	return s
}

// sound requires that the harness leaves nothing out by mistake.
func (s *suite) sound(t *testing.T) {
	t.Helper()
	for name := range s.Lacks {
		require.Contains(t, lackable(), name, "Lacks names no case")
	}
	checks := s.traits().Check != mailbox.NoCheck
	require.True(t, checks || s.Has != nil, "a Store that cannot check codes is tested behind Has")
	if s.Orders != nil {
		require.NotEmpty(t, s.Ops.Lookup, "Ops.Lookup")
		require.NotEmpty(t, s.Ops.Change, "Ops.Change")
		require.True(t, !checks || s.Ops.Verify != "", "Ops.Verify")
	}
}

// again is the same case with a harness of its own.
func (s *suite) again(t *testing.T) *suite {
	fresh := newSuite(s.open(t), s.open, s.record)
	fresh.name = s.name
	return fresh
}

// named is s for the case of that name.
func (s *suite) named(name string) *suite {
	return &suite{Harness: s.Harness, Sample: s.Sample, raw: s.raw, open: s.open, record: s.record, at: s.at, name: name}
}

func (a Sample) complete() Sample {
	for _, f := range []struct {
		own   *string
		usual string
	}{
		{&a.First, DefaultSample().First}, {&a.Second, DefaultSample().Second},
		{&a.Third, DefaultSample().Third}, {&a.Zeros, DefaultSample().Zeros},
	} {
		if *f.own == "" {
			*f.own = f.usual
		}
	}
	return a
}

// checked is a Store of a system that cannot check codes, with a Verifier in front that
// knows the fake's memory.
type checked struct {
	mailbox.Store
	has func(mailbox.Account, pin.PIN) bool
}

func (c checked) Verify(ctx context.Context, a mailbox.Account, code pin.PIN, _ mailbox.Attempt) error {
	switch {
	case ctx.Err() != nil:
		return mailbox.Expired(ctx, "verify")
	case a.ID == "":
		return mailbox.Fail("verify", mailbox.WrongPIN, nil)
	case a.Flags.NoCode:
		return mailbox.Fail("verify", mailbox.NoCode, nil)
	case a.Flags.Disabled:
		return mailbox.Fail("verify", mailbox.Disabled, nil)
	case !c.has(a, code):
		return mailbox.Fail("verify", mailbox.WrongPIN, nil)
	}
	return nil
}

func (c checked) Change(ctx context.Context, a mailbox.Account, current, next pin.PIN, at mailbox.Attempt) mailbox.Result {
	if err := c.Verify(ctx, a, current, at); err != nil {
		return mailbox.Refuse(err)
	}
	return c.Store.Change(ctx, a, current, next, at)
}

// Lag is the system's.
func (c checked) Lag(a mailbox.Account) time.Duration {
	if l, ok := c.Store.(mailbox.Lagging); ok {
		return l.Lag(a)
	}
	return 0
}

// traits are what the Store declares; one that declares nothing is a database of ours.
func (s *suite) traits() mailbox.Traits {
	if d, ok := s.raw.(mailbox.Declarer); ok {
		return d.Traits(mailbox.Account{})
	}
	return mailbox.Traits{Check: mailbox.Native, Proof: mailbox.ByTransaction, Flags: true}
}

// skip ends the case, or the last part of it, with a reason for the matrix.
func (s *suite) skip(t *testing.T, why string) {
	t.Helper()
	s.record.leave(s.name, why)
	t.Skip(why)
}

func (s *suite) ctx(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func (s *suite) put(t *testing.T, extension, code string) mailbox.Account {
	return s.Put(t, mailbox.Account{Extension: extension, Name: "Ada Example"}, Code(t, code))
}

func (s *suite) lookup(t *testing.T, number, domain string) []mailbox.Account {
	found, err := s.Store.Lookup(s.ctx(t), mailbox.Query{Number: number, Domain: domain})
	require.NoError(t, err, "none is not an error")
	return found
}

func (s *suite) verify(t *testing.T, a mailbox.Account, code string) mailbox.Code {
	err := s.Store.Verify(s.ctx(t), a, Code(t, code), s.at)
	s.heard(err)
	s.forgive(t, a)
	return mailbox.CodeOf(err)
}

func (s *suite) change(t *testing.T, a mailbox.Account, current, next string) mailbox.Result {
	r := s.Store.Change(s.ctx(t), a, Code(t, current), Code(t, next), s.at)
	s.heard(r.Err)
	s.forgive(t, a)
	return r
}

func (s *suite) forgive(t *testing.T, a mailbox.Account) {
	if s.Forgive != nil && a.ID != "" {
		s.Forgive(t, a)
	}
}

// has asks the system's memory, or the Store where nobody can look into it.
func (s *suite) has(t *testing.T, a mailbox.Account, code string) bool {
	if s.Has != nil {
		return s.Has(a, Code(t, code))
	}
	return s.verify(t, a, code) == mailbox.OK
}

// inForce asks for one code that must verify and others that must not.
func (s *suite) inForce(t *testing.T, a mailbox.Account, code string, not ...string) {
	t.Helper()
	require.True(t, s.has(t, a, code), "the system's memory must have this code")
	require.Equal(t, mailbox.OK, s.verify(t, a, code))
	for _, n := range not {
		require.False(t, s.has(t, a, n), "the system's memory must not have another code")
		require.Equal(t, mailbox.WrongPIN, s.verify(t, a, n))
	}
}

// heard keeps an error for silent.
func (s *suite) heard(errs ...error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, err := range errs {
		if err != nil {
			s.errs = append(s.errs, err)
		}
	}
}

// figures are digits in errors that come from elsewhere: ports and durations.
var figures = regexp.MustCompile(`(127\.0\.0\.1|\[::1\]|localhost):\d+|\d+(\.\d+)?(ns|µs|ms|s|m|h)\b`)

// pointers stand in what %#v prints.
var pointers = regexp.MustCompile(`0xc[0-9a-f]{9}\b`)

// sums are the signatures of requests, among whose digits any could be.
var sums = regexp.MustCompile(`\b[0-9a-f]{64}\b`)

// silent requires that nothing the Store said, logged or put into a request's head
// holds a code of the case.
func (s *suite) silent(t *testing.T) {
	if t.Failed() || t.Skipped() {
		return
	}
	var said []string
	s.mu.Lock()
	for _, err := range s.errs {
		said = append(said, err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err))
	}
	s.mu.Unlock()
	if s.Said != nil {
		said = append(said, s.Said())
	}
	for _, code := range []string{s.First, s.Second, s.Third, s.Zeros} {
		part := regexp.MustCompile(`\b` + code[:4] + `\d*\b`)
		for _, text := range said {
			text = pointers.ReplaceAllString(figures.ReplaceAllString(text, ""), "")
			require.NotContains(t, text, code, "a code was said")
			require.NotRegexp(t, part, text, "a part of a code was said")
		}
	}
	if s.Orders == nil {
		return
	}
	for _, head := range s.Orders.Heads() {
		head = sums.ReplaceAllString(head, "")
		for _, code := range []string{s.First, s.Second, s.Third, s.Zeros} {
			require.NotContains(t, head, code, "a code stood in a request's address or header")
		}
	}
}

// Code parses a test's code.
func Code(t testing.TB, digits string) pin.PIN {
	t.Helper()
	p, err := pin.Parse(digits)
	require.NoError(t, err)
	return p
}
