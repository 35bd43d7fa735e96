package audit_test

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"star97/internal/audit"
	"star97/internal/ledger"
	"star97/internal/lockout"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/sqlkit"
)

// system is the wrapped store: it answers what it is told to.
type system struct {
	verify  error
	change  mailbox.Result
	during  func()
	intents []string
	lookup  error
}

func (s *system) Lookup(context.Context, mailbox.Query) ([]mailbox.Account, error) {
	return []mailbox.Account{anna}, s.lookup
}

func (s *system) Verify(context.Context, mailbox.Account, pin.PIN, mailbox.Attempt) error {
	return s.verify
}

func (s *system) Change(_ context.Context, _ mailbox.Account, _, _ pin.PIN, at mailbox.Attempt) mailbox.Result {
	s.intents = append(s.intents, at.Intent)
	if s.during != nil {
		s.during()
	}
	return s.change
}

var (
	anna = mailbox.Account{ID: "a1", Backend: "sqlite", Extension: "4001", Domain: "example.org", Name: "Anna"}
	call = mailbox.Attempt{
		Door: mailbox.AnyDoor, Peer: "pbx", Transport: "udp", Source: "192.0.2.1", Caller: "+15550100", Call: 1, CallID: "a84b4c76e66710",
	}
	noon = time.Date(2026, 2, 3, 12, 0, 0, 123456789, time.FixedZone("", 3600))
)

type house struct {
	*audit.Trail
	sys    *system
	ledger *ledger.Ledger
	db     *sqlkit.DB
}

func open(t *testing.T) *house {
	t.Helper()
	h := &house{sys: &system{change: mailbox.Proved()}}
	o := sqlkit.DefaultOptions()
	o.Path = filepath.Join(t.TempDir(), "ledger.db")
	var err error
	h.db, err = sqlkit.Open(t.Context(), o)
	require.NoError(t, err)
	h.ledger, err = ledger.New(t.Context(), h.db, ledger.DefaultOptions(), nil)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, h.ledger.Close())
		require.NoError(t, h.db.Close())
	})
	h.Trail, err = audit.New(h.sys, h.ledger, audit.Options{Node: "node-1", Policy: "strong/1"}, func() time.Time { return noon })
	require.NoError(t, err)
	return h
}

func (h *house) records(t *testing.T) (all []audit.Record) {
	t.Helper()
	for r, err := range h.ledger.Records(t.Context(), 0) {
		require.NoError(t, err)
		all = append(all, r)
	}
	_, err := h.ledger.Verify(t.Context())
	require.NoError(t, err)
	return all
}

func code(t testing.TB, digits string) pin.PIN {
	p, err := pin.Parse(digits)
	require.NoError(t, err)
	return p
}

// bare is a record without what differs from run to run.
func bare(r audit.Record) audit.Record {
	r.Hash, r.Prev, r.Intent, r.Form = audit.Hash{}, audit.Hash{}, "", 0
	return r
}

func TestALoginIsOneRecord(t *testing.T) {
	for _, c := range []mailbox.Code{mailbox.OK, mailbox.WrongPIN, mailbox.Locked, mailbox.Unavailable, mailbox.Busy} {
		t.Run(c.String(), func(t *testing.T) {
			h := open(t)
			if c != mailbox.OK {
				h.sys.verify = mailbox.Fail("verify", c, nil)
			}
			require.Equal(t, h.sys.verify, h.Verify(t.Context(), anna, code(t, "482915"), call), "the answer passes unaltered")
			all := h.records(t)
			require.Len(t, all, 1)
			require.Equal(t, audit.Record{
				Seq: 1, Time: time.Date(2026, 2, 3, 11, 0, 0, 123456000, time.UTC),
				Node: "node-1", Peer: "pbx", Transport: "udp", Source: "192.0.2.1 +15550100", CallID: "a84b4c76e66710",
				Door: mailbox.AnyDoor, Backend: "sqlite", Domain: "example.org", Mailbox: "a1", Extension: "4001",
				Action: audit.Login, Result: c, Policy: "strong/1",
			}, bare(all[0]))
		})
	}
}

func TestWhatWasTypedForNoMailboxIsNotRecorded(t *testing.T) {
	h := open(t)
	h.sys.verify = mailbox.Fail("verify", mailbox.WrongPIN, nil)
	typed := mailbox.Account{Extension: "482915", Domain: "482915"}
	require.Error(t, h.Verify(t.Context(), typed, code(t, "482915"), call))
	h.sys.lookup = mailbox.Fail("lookup", mailbox.Unavailable, nil)
	_, err := h.Lookup(t.Context(), mailbox.Query{Number: "482915"})
	require.ErrorIs(t, err, mailbox.Unavailable)
	all := h.records(t)
	require.Len(t, all, 2)
	told, err := json.Marshal(all)
	require.NoError(t, err)
	for _, r := range all {
		r.Hash, r.Prev = audit.Hash{}, audit.Hash{}
		told, err := json.Marshal(r)
		require.NoError(t, err)
		require.NotContains(t, string(told), "482915")
	}
	require.Contains(t, string(told), `"action":"find"`)
}

func TestALookupThatAnswersDecidesNothing(t *testing.T) {
	h := open(t)
	found, err := h.Lookup(t.Context(), mailbox.Query{Number: "4001"})
	require.NoError(t, err)
	require.Equal(t, []mailbox.Account{anna}, found)
	require.Empty(t, h.records(t))
}

func TestAChangeIsRecordedBeforeAndAfter(t *testing.T) {
	for _, end := range []mailbox.Result{
		mailbox.Proved(), mailbox.Refuse(mailbox.Trivial), mailbox.Refuse(mailbox.WrongPIN), mailbox.Doubt(nil),
	} {
		t.Run(end.Outcome.String()+" "+end.Reason.String(), func(t *testing.T) {
			h := open(t)
			h.sys.change = end
			h.sys.during = func() {
				all := h.records(t)
				require.Len(t, all, 1, "the intent is kept before the store is asked")
				require.Equal(t, audit.Intended, all[0].Stage)
				require.Equal(t, mailbox.Unknown, all[0].Outcome)
			}
			require.Equal(t, end, h.Change(t.Context(), anna, code(t, "482915"), code(t, "605172"), call))
			all := h.records(t)
			require.Len(t, all, 2)
			require.Equal(t, audit.Ended, all[1].Stage)
			require.Equal(t, end.Outcome, all[1].Outcome)
			require.Equal(t, end.Reason, all[1].Result)
			require.NotEmpty(t, all[0].Intent)
			require.Equal(t, all[0].Intent, all[1].Intent)
			require.Equal(t, []string{all[0].Intent}, h.sys.intents, "the store is told the intent")
			open, err := h.ledger.OpenIntents(t.Context(), "node-1")
			require.NoError(t, err)
			require.Empty(t, open)
		})
	}
}

func TestNoIntentNoChange(t *testing.T) {
	h := open(t)
	require.NoError(t, h.ledger.Close())
	r := h.Change(t.Context(), anna, code(t, "482915"), code(t, "605172"), call)
	require.Equal(t, mailbox.Refused, r.Outcome)
	require.Equal(t, mailbox.Unavailable, r.Reason)
	require.ErrorIs(t, r.Err, ledger.ErrClosed)
	require.Empty(t, h.sys.intents, "nothing was sent")
}

func TestAnEndThatCannotBeRecordedDoesNotHideTheTruth(t *testing.T) {
	h := open(t)
	h.sys.during = func() { require.NoError(t, h.ledger.Close()) }
	r := h.Change(t.Context(), anna, code(t, "482915"), code(t, "605172"), call)
	require.Equal(t, mailbox.Done, r.Outcome)
	require.ErrorIs(t, r.Err, ledger.ErrClosed)
	open, err := h.ledger.OpenIntents(t.Context(), "node-1")
	require.NoError(t, err)
	require.Len(t, open, 1)
}

func TestAnAnswerThatCannotBeRecordedIsNotGiven(t *testing.T) {
	h := open(t)
	require.NoError(t, h.ledger.Close())
	err := h.Verify(t.Context(), anna, code(t, "482915"), call)
	require.ErrorIs(t, err, mailbox.Unavailable)
	require.ErrorIs(t, err, ledger.ErrClosed)
}

func TestAHangUpLosesNoRecord(t *testing.T) {
	h := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	h.sys.during = cancel
	require.Equal(t, mailbox.Done, h.Change(ctx, anna, code(t, "482915"), code(t, "605172"), call).Outcome)
	require.Len(t, h.records(t), 2)
}

func TestARuleOfOursThatRefusesIsRecorded(t *testing.T) {
	h := open(t)
	require.NoError(t, h.Refused(t.Context(), anna, call, pin.Rule("same-run")))
	all := h.records(t)
	require.Len(t, all, 1)
	require.Equal(t, "same-run", all[0].Rule)
	require.Equal(t, mailbox.Refused, all[0].Outcome)
}

func TestAnAdministratorsDeedIsRecordedBeforeAndAfter(t *testing.T) {
	for name, c := range map[string]struct {
		deed error
		end  mailbox.Outcome
		code mailbox.Code
	}{
		"done":    {nil, mailbox.Done, mailbox.OK},
		"refused": {mailbox.Fail("reset", mailbox.Busy, nil), mailbox.Refused, mailbox.Busy},
		"unknown": {mailbox.Fail("reset", mailbox.OutcomeUnknown, nil), mailbox.Unknown, mailbox.OutcomeUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t)
			err := h.Administer(t.Context(), audit.Reset, anna, "root", "lost phone", func(context.Context) error {
				require.Len(t, h.records(t), 1)
				return c.deed
			})
			require.ErrorIs(t, err, c.deed)
			all := h.records(t)
			require.Len(t, all, 2)
			require.Equal(t, []any{audit.Reset, audit.Ended, c.end, c.code, "root", "lost phone", "4001"},
				[]any{all[1].Action, all[1].Stage, all[1].Outcome, all[1].Result, all[1].Actor, all[1].Reason, all[1].Extension})
		})
	}
}

func TestNoRecordNoDeed(t *testing.T) {
	h := open(t)
	require.NoError(t, h.ledger.Close())
	err := h.Administer(t.Context(), audit.Remove, anna, "root", "", func(context.Context) error {
		return errors.New("the deed was done")
	})
	require.ErrorIs(t, err, mailbox.Unavailable)
	require.NotContains(t, err.Error(), "done")
}

// The order that app builds: the trail outside, so that refused tries show too.
func TestTheTrailAroundTheGuard(t *testing.T) {
	h := open(t)
	h.sys.verify = mailbox.Fail("verify", mailbox.WrongPIN, nil)
	guard, err := lockout.New(h.sys, h.ledger, lockout.DefaultOptions(), nil)
	require.NoError(t, err)
	trail, err := audit.New(guard, h.ledger, audit.DefaultOptions(), nil)
	require.NoError(t, err)
	for range 4 {
		require.Error(t, trail.Verify(t.Context(), anna, code(t, "482915"), call))
	}
	require.NoError(t, trail.Unlock(t.Context(), anna, "root", "asked for it"))
	var told []string
	for _, r := range h.records(t) {
		told = append(told, strings.Join([]string{r.Action.String(), r.Stage.String(), r.Result.String()}, " "))
	}
	require.Equal(t, []string{
		"login whole wrong-pin", "login whole wrong-pin", "login whole wrong-pin", "login whole locked",
		"unlock intended ok", "unlock ended ok",
	}, told)
	require.ErrorIs(t, h.Unlock(t.Context(), anna, "root", ""), mailbox.CannotChange, "a store that cannot unlock says so")
}

// What the Guard closes and opens stands behind the try that did it.
func TestTheTrailTellsWhatTheGuardCloses(t *testing.T) {
	h := open(t)
	h.sys.verify = mailbox.Fail("verify", mailbox.WrongPIN, nil)
	now := noon
	clock := func() time.Time { return now }
	guard, err := lockout.New(h.sys, h.ledger, lockout.DefaultOptions(), clock)
	require.NoError(t, err)
	trail, err := audit.New(guard, h.ledger, audit.DefaultOptions(), clock)
	require.NoError(t, err)
	guard.Tell(trail)
	at := call
	try := func(door mailbox.Door) error {
		at.Call++
		at.Door = door
		return trail.Verify(t.Context(), anna, code(t, "482915"), at)
	}
	for range 6 { // the fifth closes the door, the sixth finds it closed
		require.Error(t, try(mailbox.AnyDoor))
		now = now.Add(2 * time.Second)
	}
	h.sys.verify = nil
	require.NoError(t, try(mailbox.OwnDoor))
	var told []string
	for _, r := range h.records(t) {
		told = append(told, strings.Join([]string{r.Action.String(), r.Door.String(), r.Result.String()}, " "))
		if r.Action == audit.Lock {
			require.Equal(t, "a1", r.Mailbox)
			require.Equal(t, 30*time.Second, r.Until.Sub(r.Time))
		}
	}
	require.Equal(t, []string{
		"login any wrong-pin", "login any wrong-pin", "login any wrong-pin", "login any wrong-pin",
		"login any wrong-pin", "lock any ok", "login any locked", "login own ok", "unlock any ok",
	}, told)
}

// Random codes go through every road; none of them stands in any record, nor
// reversed.
func TestNoCodeInTheTrail(t *testing.T) {
	h := open(t)
	random := rand.New(rand.NewPCG(1, 2))
	var codes []string
	for i := range 20 {
		b := make([]byte, 10)
		for j := range b {
			b[j] = byte('0' + random.IntN(10))
		}
		codes = append(codes, string(b))
		h.sys.verify, h.sys.change = nil, mailbox.Proved()
		if i%2 == 1 {
			h.sys.verify, h.sys.change = mailbox.Fail("verify", mailbox.WrongPIN, nil), mailbox.Refuse(mailbox.Trivial)
		}
		_ = h.Verify(t.Context(), anna, code(t, codes[i]), call)
		_ = h.Verify(t.Context(), mailbox.Account{Extension: codes[i]}, code(t, codes[i]), call)
		h.Change(t.Context(), anna, code(t, codes[i]), code(t, codes[i]), call)
	}
	records := h.records(t)
	require.Len(t, records, 20*(2+2), "two of logging in, two of changing")
	for _, r := range records {
		told, err := json.Marshal(r)
		require.NoError(t, err)
		for _, c := range codes {
			require.NotContains(t, string(told), c)
			back := []byte(c)
			slices.Reverse(back)
			require.NotContains(t, string(told), string(back))
		}
	}
}
