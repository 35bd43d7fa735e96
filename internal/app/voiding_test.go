package app

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/audit"
	"star97/internal/config"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// pocket keeps the last one-time code that it was given to carry.
type pocket struct{ code pin.PIN }

func (p *pocket) Carry(_ context.Context, _ mailbox.Account, code pin.PIN, _ time.Time) error {
	p.code = code
	return nil
}

// pocketing are stores with the mailbox 4001, whose one-time codes go into a pocket.
func pocketing(t *testing.T) (*Stores, mailbox.Account, *pocket) {
	t.Helper()
	c, sent := config.Default(), new(pocket)
	c.Store = rehearsed()
	c.OneTime.Rehearsal = true
	s, err := OpenWith(t.Context(), c, t.TempDir(), Seams{Carrier: sent})
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	a, err := s.Add(t.Context(), mailbox.Account{Extension: "4001", Mail: "old@example.com"}, digits(t, "482915"), "test")
	require.NoError(t, err)
	return s, a, sent
}

// A second request while the code before is good sends nothing, and the trail says so;
// who asks is answered alike.
func TestTheTrailTellsWhatWasNotSent(t *testing.T) {
	s, a, sent := pocketing(t)
	ask := func(call uint64) {
		require.NoError(t, s.Trail.Send(t.Context(), a, mailbox.Attempt{Door: mailbox.OwnDoor, Claim: mailbox.ByOneTime, Call: call}))
	}
	ask(1)
	first := sent.code
	ask(2)
	require.True(t, first.Equal(&sent.code))
	require.NoError(t, s.Trail.Verify(t.Context(), a, first, mailbox.Attempt{Door: mailbox.OwnDoor, Claim: mailbox.ByOneTime, Call: 2}))
	ask(3)
	require.False(t, first.Equal(&sent.code))
	var targets []string
	for _, r := range records(t, s) {
		if r.Action == audit.Send {
			require.Equal(t, mailbox.OK, r.Result)
			require.Equal(t, r.Target != "", r.Reason != "")
			targets = append(targets, r.Target)
		}
	}
	require.Equal(t, []string{"", audit.Unchanged, ""}, targets)
}

// Whoever has a one-time code, or has shown it, sets no code with it after an
// administrator's deed that takes the mailbox from them.
func TestADeedEndsOneTimeCodes(t *testing.T) {
	yes, mail, name := true, "new@example.com", "Ann Example"
	edit := func(e mailbox.Edit) func(*Stores, context.Context, mailbox.Account) error {
		return func(s *Stores, ctx context.Context, a mailbox.Account) error {
			_, err := s.Edit(ctx, a, e, "test", "")
			return err
		}
	}
	for name, is := range map[string]struct {
		deed  func(*Stores, context.Context, mailbox.Account) error
		stays bool
	}{
		"another address": {deed: edit(mailbox.Edit{Mail: &mail})},
		"disabled":        {deed: edit(mailbox.Edit{Disabled: &yes})},
		"another name":    {deed: edit(mailbox.Edit{Name: &name}), stays: true},
		"another code": {deed: func(s *Stores, ctx context.Context, a mailbox.Account) error {
			return s.SetCode(ctx, a, digits(t, "605172"), false, "test", "")
		}},
		"locked": {deed: func(s *Stores, ctx context.Context, a mailbox.Account) error {
			_, err := s.Lock(ctx, a, "test", "")
			return err
		}},
		"removed": {deed: func(s *Stores, ctx context.Context, a mailbox.Account) error { return s.Remove(ctx, a, "test", "") }},
		"given to somebody else": {deed: func(s *Stores, ctx context.Context, a mailbox.Account) error {
			_, err := s.Reassign(ctx, a, mailbox.Account{}, "test", "")
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s, a, sent := pocketing(t)
			ctx, showing := t.Context(), mailbox.Attempt{Claim: mailbox.ByOneTime, Call: 1}
			require.NoError(t, s.Desk.Send(ctx, a, showing))
			require.NoError(t, s.Desk.Verify(ctx, a, sent.code, showing))
			require.NoError(t, s.Desk.Send(ctx, a, showing))
			require.NoError(t, is.deed(s, ctx, a))
			err := s.Desk.Verify(ctx, a, sent.code, mailbox.Attempt{Claim: mailbox.ByOneTime, Call: 2})
			r := s.Desk.Change(ctx, a, pin.PIN{}, digits(t, "739164"), showing)
			if is.stays {
				require.NoError(t, err)
				require.Equal(t, mailbox.Proved(), r)
				return
			}
			require.ErrorIs(t, err, mailbox.WrongPIN)
			require.Equal(t, mailbox.Refused, r.Outcome)
			require.Equal(t, mailbox.WrongPIN, r.Reason)
		})
	}
}
