package app

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/audit"
	"star97/internal/backend"
	"star97/internal/backend/sqldb"
	"star97/internal/config"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// moody is the real backend, with another end to an administrator's deed.
type moody struct {
	*sqldb.Store
	after func()          // once the deed is done
	reset *mailbox.Result // instead of the deed
	fails error           // instead of the deed
}

func (m *moody) Reset(ctx context.Context, a mailbox.Account, next pin.PIN, must bool, by mailbox.Actor, why string) mailbox.Result {
	if m.reset != nil {
		return *m.reset
	}
	defer m.after()
	return m.Store.Reset(ctx, a, next, must, by, why)
}

func (m *moody) Add(ctx context.Context, a mailbox.Account, code pin.PIN, by mailbox.Actor) (mailbox.Account, error) {
	if m.fails != nil {
		return mailbox.Account{}, m.fails
	}
	defer m.after()
	return m.Store.Add(ctx, a, code, by)
}

func (m *moody) Remove(ctx context.Context, a mailbox.Account, by mailbox.Actor, why string) error {
	if m.fails != nil {
		return m.fails
	}
	defer m.after()
	return m.Store.Remove(ctx, a, by, why)
}

func openMoody(t *testing.T) (*Stores, *moody, mailbox.Account) {
	t.Helper()
	s := openStores(t, t.TempDir())
	a, err := s.Add(t.Context(), mailbox.Account{Extension: "4001"}, digits(t, "482915"), "test")
	require.NoError(t, err)
	m := &moody{Store: s.Backend.Default().(*sqldb.Store), after: func() {}}
	s.Backend = backend.NewRouter(backend.Named{Backend: m, Driver: sqldb.Name})
	return s, m, a
}

func TestACodeInForceIsNeverToldAsNotSet(t *testing.T) {
	next := digits(t, "739164")
	t.Run("set, not recorded, not unlocked", func(t *testing.T) {
		s, m, a := openMoody(t)
		m.after = func() { s.Ledger.Close() } // stands for a disk that is full just now
		err := s.SetCode(t.Context(), a, next, false, "test", "")
		require.Equal(t, mailbox.Done, OutcomeOf(err))
		require.ErrorContains(t, err, "this code is in force; but: ")
		require.NoError(t, m.Verify(t.Context(), a, next, mailbox.Attempt{}))
	})
	t.Run("unclear commit", func(t *testing.T) {
		s, m, a := openMoody(t)
		doubt := mailbox.Doubt(errors.New("disk error"))
		m.reset = &doubt
		err := s.SetCode(t.Context(), a, next, false, "test", "")
		require.Equal(t, mailbox.Unknown, OutcomeOf(err))
		require.ErrorContains(t, err, "this code may be in force; but: ")
	})
	t.Run("refused", func(t *testing.T) {
		s, m, a := openMoody(t)
		no := mailbox.Refuse(mailbox.Busy)
		m.reset = &no
		err := s.SetCode(t.Context(), a, next, false, "test", "")
		require.Equal(t, mailbox.Refused, OutcomeOf(err))
		require.ErrorIs(t, err, mailbox.Busy)
	})
	t.Run("no intent", func(t *testing.T) {
		s, m, a := openMoody(t)
		s.Ledger.Close()
		err := s.SetCode(t.Context(), a, next, false, "test", "")
		require.Equal(t, mailbox.Refused, OutcomeOf(err))
		require.NoError(t, m.Verify(t.Context(), a, digits(t, "482915"), mailbox.Attempt{}))
	})
	t.Run("added, not recorded", func(t *testing.T) {
		s, m, _ := openMoody(t)
		m.after = func() { s.Ledger.Close() }
		a, err := s.Add(t.Context(), mailbox.Account{Extension: "4002"}, next, "test")
		require.Equal(t, mailbox.Done, OutcomeOf(err))
		require.NotEmpty(t, a.ID)
		require.NoError(t, m.Verify(t.Context(), a, next, mailbox.Attempt{}))
	})
	t.Run("perhaps added", func(t *testing.T) {
		s, m, _ := openMoody(t)
		m.fails = mailbox.Fail("add", mailbox.OutcomeUnknown, nil)
		a, err := s.Add(t.Context(), mailbox.Account{Extension: "4002"}, next, "test")
		require.Equal(t, mailbox.Unknown, OutcomeOf(err))
		require.Equal(t, "4002", a.Extension)
	})
	t.Run("examples", func(t *testing.T) {
		s := openStores(t, t.TempDir())
		m := &moody{Store: s.Backend.Default().(*sqldb.Store), after: func() { s.Ledger.Close() }}
		s.Backend = backend.NewRouter(backend.Named{Backend: m, Driver: sqldb.Name})
		made, err := s.MakeExamples(t.Context(), config.Default())
		require.Error(t, err)
		require.Len(t, made, 1, "the one that is in force is shown")
		require.NoError(t, m.Verify(t.Context(), made[0].Account, made[0].Code, mailbox.Attempt{}))
	})
}

// What an administrator alters is on record with the reason, and with the new number.
func TestAlteringIsRecorded(t *testing.T) {
	s, _, a := openMoody(t)
	before, yes := len(records(t, s)), true
	a, err := s.SetFlags(t.Context(), a, mailbox.FlagEdit{MustChange: &yes}, "test", "asked for")
	require.NoError(t, err)
	require.True(t, a.Flags.MustChange)
	moved, err := s.Renumber(t.Context(), a, "4101", "test", "")
	require.NoError(t, err)
	require.Equal(t, "4101", moved.Extension)
	require.Equal(t, a.ID, moved.ID)
	_, err = s.Renumber(t.Context(), a, "41x1", "test", "mistyped")
	require.ErrorIs(t, err, mailbox.NotDigits)
	require.Equal(t, mailbox.Refused, OutcomeOf(err))
	ended := []string{}
	for _, r := range records(t, s)[before:] {
		require.Equal(t, []any{"test", "4001", a.ID}, []any{r.Actor, r.Extension, r.Mailbox})
		if r.Stage == audit.Ended {
			ended = append(ended, r.Action.String()+" "+r.Target+": "+r.Reason+", "+r.Outcome.String())
		}
	}
	require.Equal(t, []string{"edit : asked for, done", "renumber 4101: , done", "renumber 41x1: mistyped, refused"}, ended)
}

func TestAFailedRemovalOpensNoLockedMailbox(t *testing.T) {
	for _, code := range []mailbox.Code{mailbox.Unavailable, mailbox.OutcomeUnknown} {
		s, m, a := openMoody(t)
		for i := range 5 {
			at := mailbox.Attempt{Door: mailbox.AnyDoor, Caller: fmt.Sprint(i)}
			require.ErrorIs(t, s.Trail.Verify(t.Context(), a, digits(t, "605172"), at), mailbox.WrongPIN)
		}
		m.fails = mailbox.Fail("remove", code, nil)
		require.ErrorIs(t, s.Remove(t.Context(), a, "test", ""), code)
		state, err := s.Guard.State(t.Context(), a)
		require.NoError(t, err)
		require.Equal(t, 5, state.Any.Wrong)
		require.False(t, state.Any.ClosedUntil.IsZero())
		m.fails = nil
		require.NoError(t, s.Remove(t.Context(), a, "test", ""))
		state, err = s.Guard.State(t.Context(), a)
		require.NoError(t, err)
		require.Zero(t, state, "the counters go with the mailbox")
	}
}

// A service starts while an import runs beside it.
func TestAStartLeavesAnAdministratorAtWork(t *testing.T) {
	dir := t.TempDir()
	s, other := openStores(t, dir), openStores(t, dir)
	err := s.Trail.Administer(t.Context(), audit.Add, mailbox.Account{Extension: "4001"}, "test", "", func(ctx context.Context) error {
		closed, err := other.Trail.CloseOpen(ctx)
		require.Empty(t, closed)
		return err
	})
	require.NoError(t, err)
	all := records(t, s)
	require.Len(t, all, 2)
	require.Equal(t, mailbox.Done, all[1].Outcome)
	require.Equal(t, mailbox.OK, all[1].Result)
}

func TestTheTrailNamesTheRulesThatAreInForce(t *testing.T) {
	c := config.Default()
	require.Regexp(t, `^strong\+[0-9a-f]{8}$`, rulesName(c.Policy))
	c.Policy.MinLen = 4
	four := rulesName(c.Policy)
	require.NotEqual(t, rulesName(config.Default().Policy), four)
	require.Equal(t, four, rulesName(c.Policy))
	c.Policy.MinLen = 5
	require.NotEqual(t, four, rulesName(c.Policy))

	s, err := OpenStores(t.Context(), c, t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	_, err = s.Add(t.Context(), mailbox.Account{Extension: "4001"}, digits(t, "482915"), "test")
	require.NoError(t, err)
	require.Equal(t, rulesName(c.Policy), records(t, s)[0].Policy)
}

// The shortest time for a store that the configuration takes leaves time for a change.
func TestTheShortestStoreDeadlineIsEnough(t *testing.T) {
	c := config.Default()
	for c.Call.StoreDeadline = time.Millisecond; c.Call.Validate() != nil; c.Call.StoreDeadline += 100 * time.Millisecond {
		require.Less(t, c.Call.StoreDeadline, time.Minute)
	}
	c.Store = rehearsed()
	s, err := OpenStores(t.Context(), c, t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	a, err := s.Add(t.Context(), mailbox.Account{Extension: "4001"}, digits(t, "482915"), "test")
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), c.Call.StoreDeadline)
	defer cancel()
	require.Equal(t, mailbox.Proved(), s.Trail.Change(ctx, a, digits(t, "482915"), digits(t, "739164"), atOwnDoor))
}

// A lock that is there already is on record as that, so that its owner is told once.
func TestALockThatIsThereAlreadyChangesNothing(t *testing.T) {
	s, _, a := openMoody(t)
	var locked mailbox.Account
	var err error
	for _, want := range []string{"", audit.Unchanged} {
		locked, err = s.Lock(t.Context(), a, "test", "asked for")
		require.NoError(t, err)
		require.True(t, locked.Flags.Locked)
		all := records(t, s)
		last := all[len(all)-1]
		require.Equal(t, audit.Lock, last.Action)
		require.Equal(t, mailbox.Done, last.Outcome)
		require.Equal(t, want, last.Target)
	}
	require.NoError(t, s.Unlock(t.Context(), locked, "test", ""))
	_, err = s.Lock(t.Context(), a, "test", "")
	require.NoError(t, err)
	all := records(t, s)
	require.Empty(t, all[len(all)-1].Target)
}
