package audit_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"star97/internal/audit"
	"star97/internal/mailbox"
)

func TestIntentsLeftByACrashAreClosedOnce(t *testing.T) {
	h := open(t)
	other, err := audit.New(h.sys, h.ledger, audit.Options{Node: "node-2"}, nil)
	require.NoError(t, err)
	crash := func(trail *audit.Trail) {
		defer func() { require.NotNil(t, recover()) }()
		h.sys.during = func() { panic("the process dies here") }
		trail.Change(t.Context(), anna, code(t, "482915"), code(t, "605172"), call)
	}
	crash(h.Trail)
	crash(other)
	crash(h.Trail)
	closed, err := h.CloseOpen(t.Context())
	require.NoError(t, err)
	require.Len(t, closed, 2, "the other node's is its own to close")
	for i, r := range closed {
		require.Equal(t, audit.Ended, r.Stage)
		require.Equal(t, mailbox.Unknown, r.Outcome)
		require.Equal(t, "unknown after crash", r.Reason)
		require.Equal(t, "a1", r.Mailbox)
		require.Equal(t, h.records(t)[2*i].Intent, r.Intent, "oldest first")
	}
	again, err := h.CloseOpen(t.Context())
	require.NoError(t, err)
	require.Empty(t, again)
	require.Len(t, h.records(t), 5)
}

// Only the store that writes the end of a change with the change itself is known to
// have made none; another one may have made it.
func TestWhatACrashLeftOpenIsToldByItsStore(t *testing.T) {
	h := open(t)
	trail, err := audit.New(h.sys, h.ledger, audit.Options{Node: "node-1", Atomic: anna.Backend}, nil)
	require.NoError(t, err)
	h.sys.during = func() { panic("the process dies here") }
	other, nobody := anna, anna
	other.Backend, nobody.ID, nobody.Backend = "sqlite:north", "", ""
	for _, a := range []mailbox.Account{anna, other, nobody} {
		require.Panics(t, func() { trail.Change(t.Context(), a, code(t, "482915"), code(t, "605172"), call) })
	}
	closed, err := trail.CloseOpen(t.Context())
	require.NoError(t, err)
	require.Len(t, closed, 3)
	for i, want := range []mailbox.Outcome{mailbox.Refused, mailbox.Unknown, mailbox.Unknown} {
		require.Equal(t, want, closed[i].Outcome)
	}
}

// Administrators work beside a service that starts: what they began a moment ago
// is not what a crash left.
func TestAYoungDeedIsLeftToItsAdministrator(t *testing.T) {
	h := open(t)
	now := noon
	trail, err := audit.New(h.sys, h.ledger, audit.DefaultOptions(), func() time.Time { return now })
	require.NoError(t, err)
	func() {
		defer func() { require.NotNil(t, recover()) }()
		_ = trail.Administer(t.Context(), audit.Add, anna, "root", "", func(context.Context) error { panic("the process dies here") })
	}()
	for _, row := range []struct {
		after  time.Duration
		closed int
	}{{0, 0}, {59 * time.Second, 0}, {-59 * time.Second, 0}, {time.Minute + time.Millisecond, 1}, {time.Hour, 0}} {
		now = noon.Add(row.after)
		closed, err := trail.CloseOpen(t.Context())
		require.NoError(t, err)
		require.Len(t, closed, row.closed, "after %v", row.after)
	}
}
