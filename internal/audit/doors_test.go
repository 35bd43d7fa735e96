package audit_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/audit"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// keeper counts the commits that a Trail asks for.
type keeper struct{ commits [][]audit.Record }

func (k *keeper) Append(_ context.Context, r audit.Record, more ...audit.Record) (audit.Record, error) {
	k.commits = append(k.commits, append([]audit.Record{r}, more...))
	return r, nil
}

func (k *keeper) OpenIntents(context.Context, string) ([]audit.Record, error) { return nil, nil }

// door is a store that closes and opens doors within its answers, as the Guard does.
type door struct {
	*system
	trail *audit.Trail
	until time.Time
}

func (d *door) move(ctx context.Context, a mailbox.Account, at mailbox.Attempt, wrong bool) {
	ctx = context.WithoutCancel(ctx)
	if wrong {
		d.trail.Closed(ctx, a, at, d.until, "too many wrong codes in a row at this door")
		return
	}
	d.trail.Opened(ctx, a, at, "a right code")
}

func (d *door) Verify(ctx context.Context, a mailbox.Account, p pin.PIN, at mailbox.Attempt) error {
	err := d.system.Verify(ctx, a, p, at)
	d.move(ctx, a, at, err != nil)
	return err
}

func (d *door) Change(ctx context.Context, a mailbox.Account, p, q pin.PIN, at mailbox.Attempt) mailbox.Result {
	d.move(ctx, a, at, d.change.Outcome != mailbox.Done)
	return d.system.Change(ctx, a, p, q, at)
}

func (d *door) Send(ctx context.Context, a mailbox.Account, at mailbox.Attempt) error {
	d.move(ctx, mailbox.Account{Domain: a.Domain}, at, true)
	return nil
}

func atDoors(t *testing.T) (*door, *keeper) {
	t.Helper()
	k, d := new(keeper), &door{system: &system{change: mailbox.Proved()}, until: noon.Add(time.Hour)}
	var err error
	d.trail, err = audit.New(d, k, audit.DefaultOptions(), func() time.Time { return noon })
	require.NoError(t, err)
	return d, k
}

// A stranger must not see by the time of an answer that there was a door to close.
func TestAClosingIsOneCommitWithItsTry(t *testing.T) {
	d, k := atDoors(t)
	d.verify = mailbox.Fail("verify", mailbox.WrongPIN, nil)
	require.Error(t, d.trail.Verify(t.Context(), anna, code(t, "482915"), call))
	require.Len(t, k.commits, 1)
	login, lock := k.commits[0][0], k.commits[0][1]
	require.Equal(t, audit.Login, login.Action)
	require.Equal(t, []any{audit.Lock, audit.Whole, "a1", call.Door, "too many wrong codes in a row at this door", login.Node, login.Time, login.CallID},
		[]any{lock.Action, lock.Stage, lock.Mailbox, lock.Door, lock.Reason, lock.Node, lock.Time, lock.CallID})
	require.True(t, lock.Until.Equal(d.until.Truncate(time.Microsecond)))
	require.Zero(t, login.Until)
}

func TestAnOpeningIsRecorded(t *testing.T) {
	d, k := atDoors(t)
	require.NoError(t, d.trail.Verify(t.Context(), anna, code(t, "482915"), call))
	require.Equal(t, mailbox.Done, d.trail.Change(t.Context(), anna, code(t, "482915"), code(t, "605172"), call).Outcome)
	require.Len(t, k.commits, 3)
	require.Len(t, k.commits[1], 1, "the intent")
	for _, n := range []int{0, 2} {
		require.Equal(t, audit.Unlock, k.commits[n][1].Action)
		require.Equal(t, "a right code", k.commits[n][1].Reason)
	}
	require.Equal(t, k.commits[1][0].Intent, k.commits[2][1].Intent, "it belongs to the change")
}

func TestASourceThatIsClosedHasNoMailbox(t *testing.T) {
	d, k := atDoors(t)
	d.verify = mailbox.Fail("verify", mailbox.WrongPIN, nil)
	require.Error(t, d.trail.Verify(t.Context(), mailbox.Account{Extension: "482915"}, code(t, "482915"), call))
	lock := k.commits[0][1]
	require.Empty(t, lock.Mailbox+lock.Extension)
	require.Equal(t, "192.0.2.1 +15550100", lock.Source)
}

// Who has one-time codes sent until no more are may find all mailboxes closed to him.
func TestWhatASendClosesIsOneCommitWithIt(t *testing.T) {
	d, k := atDoors(t)
	require.NoError(t, d.trail.Send(t.Context(), anna, call))
	require.Len(t, k.commits, 1)
	require.Len(t, k.commits[0], 2)
	send, lock := k.commits[0][0], k.commits[0][1]
	require.Equal(t, []any{audit.Send, mailbox.OK, "a1"}, []any{send.Action, send.Result, send.Mailbox})
	require.Equal(t, []any{audit.Lock, "", call.Door, "192.0.2.1 +15550100"}, []any{lock.Action, lock.Mailbox, lock.Door, lock.Source})
}

// sender is a store that sends one-time codes.
type sender struct {
	*system
	err error
}

func (s *sender) Send(context.Context, mailbox.Account, mailbox.Attempt) error { return s.err }

func TestAOneTimeCodeIsRecordedWhateverBecomesOfIt(t *testing.T) {
	for name, c := range map[string]struct {
		store mailbox.Store
		want  mailbox.Code
	}{
		"sent":       {&sender{system: new(system)}, mailbox.OK},
		"no address": {&sender{system: new(system), err: mailbox.Fail("send", mailbox.NotFound, nil)}, mailbox.NotFound},
		"too many":   {&sender{system: new(system), err: mailbox.Fail("send", mailbox.Throttled, nil)}, mailbox.Throttled},
		"nobody can": {new(system), mailbox.CannotChange},
	} {
		t.Run(name, func(t *testing.T) {
			k := new(keeper)
			trail, err := audit.New(c.store, k, audit.DefaultOptions(), nil)
			require.NoError(t, err)
			require.Equal(t, c.want, mailbox.CodeOf(trail.Send(t.Context(), anna, call)))
			require.Len(t, k.commits, 1)
			r := k.commits[0][0]
			require.Equal(t, []any{audit.Send, c.want, "a1", "4001"}, []any{r.Action, r.Result, r.Mailbox, r.Extension})
		})
	}
}

func TestTheClaimIsRecorded(t *testing.T) {
	h := open(t)
	at := call
	at.Claim = mailbox.ByOneTime
	require.NoError(t, h.Verify(t.Context(), anna, code(t, "48291567"), at))
	require.Equal(t, mailbox.Done, h.Change(t.Context(), anna, code(t, "48291567"), code(t, "605172"), at).Outcome)
	for _, r := range h.records(t) {
		require.Equal(t, mailbox.ByOneTime, r.Claim)
	}
}

func TestATransferIsRecordedWithWhatBecameOfIt(t *testing.T) {
	h := open(t)
	require.NoError(t, h.Transferred(t.Context(), anna, call, "operator", mailbox.OK))
	require.NoError(t, h.Transferred(t.Context(), mailbox.Account{}, call, "operator", mailbox.Unavailable))
	all := h.records(t)
	require.Equal(t, []any{audit.Transfer, "operator", mailbox.OK, "a1"}, []any{all[0].Action, all[0].Target, all[0].Result, all[0].Mailbox})
	require.Equal(t, []any{mailbox.Unavailable, ""}, []any{all[1].Result, all[1].Mailbox})
}

func TestADeedCanHaveATargetAndNoMailbox(t *testing.T) {
	h := open(t)
	d := audit.Deed{Action: audit.Pepper, By: "root", Reason: "yearly"}
	require.NoError(t, h.Do(t.Context(), &d, func(context.Context) error {
		d.Target = "k2" // known when it is made
		return nil
	}))
	d.Action, d.Target = audit.Backup, "star97.backup"
	full := mailbox.Fail("backup", mailbox.Unavailable, nil)
	require.ErrorIs(t, h.Do(t.Context(), &d, func(context.Context) error { return full }), mailbox.Unavailable)
	var got [][]any
	for _, r := range h.records(t) {
		require.Equal(t, []any{"root", "yearly", ""}, []any{r.Actor, r.Reason, r.Mailbox})
		got = append(got, []any{r.Action, r.Stage, r.Target, r.Outcome})
	}
	require.Equal(t, [][]any{
		{audit.Pepper, audit.Intended, "", mailbox.Unknown},
		{audit.Pepper, audit.Ended, "k2", mailbox.Done},
		{audit.Backup, audit.Intended, "star97.backup", mailbox.Unknown},
		{audit.Backup, audit.Ended, "star97.backup", mailbox.Refused},
	}, got)
}
