package lockout_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"star97/internal/ledger"
	"star97/internal/lockout"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/sqlkit"
)

// system is the wrapped store: every mailbox has the code right. It notes what
// reached it.
type system struct {
	right pin.PIN

	mu       sync.Mutex
	verified int             // for an account that exists
	spent    int             // for an account without ID
	nobody   mailbox.Account // the last such
	changed  int

	work   time.Duration                 // what each verification takes
	full   error                         // why none can be made now, of whatever account
	answer error                         // of Verify, instead of the truth
	result *mailbox.Result               // of Change, instead of the truth
	during func(a mailbox.Account) error // runs inside Verify
}

func (s *system) Lookup(context.Context, mailbox.Query) ([]mailbox.Account, error) {
	return []mailbox.Account{anna}, nil
}

func (s *system) Verify(_ context.Context, a mailbox.Account, code pin.PIN, _ mailbox.Attempt) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full != nil {
		return s.full
	}
	if s.work > 0 {
		s.mu.Unlock()
		time.Sleep(s.work)
		s.mu.Lock()
	}
	if a.ID == "" {
		s.spent, s.nobody = s.spent+1, a
		return mailbox.Fail("verify", mailbox.WrongPIN, nil)
	}
	s.verified++
	if s.during != nil {
		s.mu.Unlock()
		err := s.during(a)
		s.mu.Lock()
		if err != nil {
			return err
		}
	}
	switch {
	case s.answer != nil:
		return s.answer
	case !code.Equal(&s.right):
		return mailbox.Fail("verify", mailbox.WrongPIN, nil)
	}
	return nil
}

func (s *system) Change(_ context.Context, _ mailbox.Account, current, _ pin.PIN, _ mailbox.Attempt) mailbox.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed++
	switch {
	case s.result != nil:
		return *s.result
	case !current.Equal(&s.right):
		return mailbox.Refuse(mailbox.WrongPIN)
	}
	return mailbox.Proved()
}

func (s *system) asked() (verified, spent int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.verified, s.spent
}

var (
	anna = mailbox.Account{ID: "a1", Backend: "b", Extension: "4001"}
	bert = mailbox.Account{ID: "b2", Backend: "b", Extension: "4002"}
)

// house is a Guard on a real ledger with a clock that stands still.
type house struct {
	*lockout.Guard
	t      *testing.T
	sys    *system
	ledger *ledger.Ledger
	path   string

	mu    sync.Mutex
	clock time.Time
	calls int
}

func open(t *testing.T) *house { return openWith(t, lockout.DefaultOptions()) }

func openWith(t *testing.T, opts lockout.Options) *house {
	return openAt(t, filepath.Join(t.TempDir(), "ledger.db"), opts)
}

func openAt(t *testing.T, path string, opts lockout.Options) *house {
	t.Helper()
	o := sqlkit.DefaultOptions()
	o.Path = path
	db, err := sqlkit.Open(t.Context(), o)
	require.NoError(t, err)
	h := &house{t: t, path: path, sys: &system{right: code(t, "482915")}, clock: time.Unix(1_800_000_000, 0)}
	h.ledger, err = ledger.New(t.Context(), db, ledger.DefaultOptions(), h.now)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, h.ledger.Close())
		require.NoError(t, db.Close())
	})
	h.Guard, err = lockout.New(h.sys, h.ledger, opts, h.now)
	require.NoError(t, err)
	return h
}

func (h *house) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.clock
}

func (h *house) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clock = h.clock.Add(d)
}

// call is an attempt of a new call.
func (h *house) call(door mailbox.Door) mailbox.Attempt {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls++
	return mailbox.Attempt{Door: door, Peer: "pbx", Source: "192.0.2.1", Caller: "4001", Call: uint64(h.calls), CallID: "the same"}
}

// tryOnce verifies in a call of its own and returns the answer's Code.
func (h *house) tryOnce(a mailbox.Account, door mailbox.Door, digits string) mailbox.Code {
	return mailbox.CodeOf(h.Verify(h.t.Context(), a, code(h.t, digits), h.call(door)))
}

// wrongTimes makes n wrong tries, each in its own call, each as soon as the door
// is open.
func (h *house) wrongTimes(n int, a mailbox.Account, door mailbox.Door) {
	h.t.Helper()
	for range n {
		h.waitOpen(a, door)
		require.Equal(h.t, mailbox.WrongPIN, h.tryOnce(a, door, wrongCode))
	}
}

func (h *house) waitOpen(a mailbox.Account, door mailbox.Door) {
	h.t.Helper()
	s, err := h.State(h.t.Context(), a)
	require.NoError(h.t, err)
	d := s.Any
	if door == mailbox.OwnDoor {
		d = s.Own
	}
	if !d.ClosedUntil.IsZero() {
		h.pass(d.ClosedUntil.Sub(h.now()))
	}
}

const (
	rightCode = "482915"
	wrongCode = "739164"
)

func code(t testing.TB, digits string) pin.PIN {
	p, err := pin.Parse(digits)
	require.NoError(t, err)
	return p
}
