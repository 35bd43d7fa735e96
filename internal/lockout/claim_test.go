package lockout_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"star97/internal/lockout"
	"star97/internal/mailbox"
)

func (h *house) claim(door mailbox.Door, c mailbox.Claim) mailbox.Attempt {
	at := h.call(door)
	at.Claim = c
	return at
}

// A one-time code is possible while wrong codes have closed the doors, and a right one
// opens both as an administrator does.
func TestARightOneTimeCodeOpensBothDoors(t *testing.T) {
	h := open(t)
	h.wrongTimes(10, anna, mailbox.AnyDoor)
	h.wrongTimes(5, anna, mailbox.OwnDoor)
	require.Equal(t, mailbox.WrongPIN, h.verifyAs(h.claim(mailbox.OwnDoor, mailbox.ByOneTime), anna, wrongCode))
	require.Equal(t, mailbox.Locked, h.tryOnce(anna, mailbox.OwnDoor, rightCode))
	require.Equal(t, mailbox.OK, h.verifyAs(h.claim(mailbox.OwnDoor, mailbox.ByOneTime), anna, rightCode))
	s, err := h.State(t.Context(), anna)
	require.NoError(t, err)
	require.Zero(t, s)
	require.Equal(t, mailbox.OK, h.tryOnce(anna, mailbox.AnyDoor, rightCode))
}

// One that is done by a claim proves the owner as well.
func TestAClaimedChangeOpensBothDoors(t *testing.T) {
	for _, c := range []mailbox.Claim{mailbox.ByOneTime, mailbox.ByFirstUse} {
		h := open(t)
		h.wrongTimes(5, anna, mailbox.OwnDoor)
		r := h.Change(t.Context(), anna, code(t, rightCode), code(t, "605172"), h.claim(mailbox.OwnDoor, c))
		require.Equal(t, mailbox.Done, r.Outcome, c)
		s, err := h.State(t.Context(), anna)
		require.NoError(t, err)
		require.Zero(t, s)
	}
}

// Tries with one-time codes are held against nothing but where they come from.
func TestWrongOneTimeCodesCountAtTheirSourceAlone(t *testing.T) {
	for _, door := range []mailbox.Door{mailbox.OwnDoor, mailbox.AnyDoor} {
		h := open(t)
		at := h.claim(door, mailbox.ByOneTime)
		for range 29 {
			require.Equal(t, mailbox.WrongPIN, h.verifyAs(at, anna, wrongCode), "more than three in one call")
		}
		s, err := h.State(t.Context(), anna)
		require.NoError(t, err)
		require.Zero(t, s)
		require.Equal(t, mailbox.OK, h.tryOnce(anna, door, rightCode))
		require.Equal(t, mailbox.WrongPIN, h.verifyAs(at, anna, wrongCode))
		require.NotEqual(t, mailbox.OK, h.verifyAs(at, anna, rightCode), "the thirty-first of the source")
	}
}

func TestTheHardStopStopsClaimsToo(t *testing.T) {
	opts := lockout.DefaultOptions()
	opts.HardStop = opts.CloseFrom
	h := openWith(t, opts)
	h.wrongTimes(opts.HardStop, anna, mailbox.AnyDoor)
	for _, c := range []mailbox.Claim{mailbox.ByOneTime, mailbox.ByFirstUse} {
		at := h.claim(mailbox.OwnDoor, c)
		require.Equal(t, mailbox.Locked, h.verifyAs(at, anna, rightCode))
		r := h.Change(t.Context(), anna, code(t, rightCode), code(t, "605172"), at)
		require.Equal(t, mailbox.Refused, r.Outcome)
		require.Equal(t, mailbox.Locked, r.Reason)
	}
	require.Zero(t, h.sys.changed)
}

// A disabled mailbox is opened by nothing.
func TestNothingStandsForTheCodeOfADisabledMailbox(t *testing.T) {
	h := open(t)
	disabled := anna
	disabled.Flags.Disabled = true
	for _, c := range []mailbox.Claim{mailbox.ByOneTime, mailbox.ByFirstUse} {
		at := h.claim(mailbox.OwnDoor, c)
		require.Equal(t, mailbox.Locked, h.verifyAs(at, disabled, rightCode))
		r := h.Change(t.Context(), disabled, code(t, rightCode), code(t, "605172"), at)
		require.Equal(t, mailbox.Locked, r.Reason)
	}
	require.Zero(t, h.sys.changed)
	require.Equal(t, mailbox.OK, h.tryOnce(disabled, mailbox.OwnDoor, rightCode), "the store's to answer")
}

// The limits of the system behind are its own: a one-time code is not asked there.
func TestAOneTimeCodeLeavesTheSystemsLimit(t *testing.T) {
	h := openBefore(t, 3, time.Hour)
	require.Equal(t, mailbox.WrongPIN, h.tryOnce(anna, mailbox.AnyDoor, wrongCode))
	require.Equal(t, mailbox.OK, h.verifyAs(h.claim(mailbox.AnyDoor, mailbox.ByOneTime), anna, rightCode))
	require.Equal(t, mailbox.Locked, h.tryOnce(anna, mailbox.AnyDoor, rightCode))
}

// A mailbox that an administrator has locked is asked for nothing at either door; the any
// door's answer is that of any closed mailbox, after the same work.
func TestLockedByAnAdministrator(t *testing.T) {
	locked := anna
	locked.Flags.Locked = true
	for _, door := range []mailbox.Door{mailbox.OwnDoor, mailbox.AnyDoor} {
		h := open(t)
		for _, c := range []mailbox.Claim{mailbox.ByCode, mailbox.ByOneTime} {
			for _, digits := range []string{rightCode, wrongCode} {
				_, before := h.sys.asked()
				err := h.Verify(t.Context(), locked, code(t, digits), h.claim(door, c))
				require.ErrorIs(t, err, mailbox.Locked)
				var closed *lockout.Closed
				require.ErrorAs(t, err, &closed)
				require.True(t, closed.Until.IsZero())
				verified, spent := h.sys.asked()
				require.Zero(t, verified)
				if door == mailbox.AnyDoor {
					before++
				}
				require.Equal(t, before, spent)
			}
		}
		r := h.Change(t.Context(), locked, code(t, rightCode), code(t, "605172"), h.call(door))
		require.Equal(t, mailbox.Locked, r.Reason)
		require.Zero(t, h.sys.changed)
		s, err := h.State(t.Context(), anna)
		require.NoError(t, err)
		require.Zero(t, s, "nothing is held against the mailbox")
		require.NoError(t, h.Unlock(t.Context(), locked, "admin", ""))
		require.Equal(t, mailbox.Locked, h.tryOnce(locked, door, rightCode), "the store has to forget it")
	}
}

// post is a system that can send one-time codes.
type post struct {
	*system
	sent int
	err  error
}

func (p *post) Send(context.Context, mailbox.Account, mailbox.Attempt) error {
	p.sent++
	return p.err
}

// Who has one-time codes sent uses up what a source may guess.
func TestSendingIsBoundedBySource(t *testing.T) {
	h := open(t)
	p := &post{system: h.sys}
	guard, err := lockout.New(p, h.ledger, lockout.DefaultOptions(), h.now)
	require.NoError(t, err)
	send := func(a mailbox.Account) mailbox.Code {
		return mailbox.CodeOf(guard.Send(t.Context(), a, h.call(mailbox.AnyDoor)))
	}
	p.err = mailbox.Unavailable
	for range 40 {
		require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(guard.Send(t.Context(), anna, h.call(mailbox.OwnDoor))))
	}
	p.err = nil
	require.NoError(t, guard.Send(t.Context(), anna, h.call(mailbox.OwnDoor)), "what was not sent for want of service costs an owner nothing")
	p.sent = 0
	for range 30 {
		require.Equal(t, mailbox.OK, send(anna))
	}
	require.Equal(t, mailbox.Locked, send(anna))
	require.Equal(t, mailbox.Locked, send(bert))
	require.Equal(t, 30, p.sent)
	h.pass(time.Hour)
	locked := anna
	locked.Flags.Locked = true
	require.Equal(t, mailbox.Locked, send(locked))
	require.Equal(t, 30, p.sent)
	require.ErrorIs(t, h.Send(t.Context(), anna, h.call(mailbox.OwnDoor)), mailbox.NotFound, "a system that sends nothing")
}

// However often a mailbox was sent codes already, and whether it exists, the wish for one
// costs its source the same: neither sends without end nor the budget tell which is which.
func TestAWishForAOneTimeCodeCostsTheSameWhoeverIsNamed(t *testing.T) {
	for name, row := range map[string]struct {
		a   mailbox.Account
		err error
	}{
		"sent":               {anna, nil},
		"past the day's":     {anna, mailbox.Fail("send", mailbox.Throttled, nil)},
		"nobody":             {nobody, mailbox.Fail("send", mailbox.NotFound, nil)},
		"without an address": {anna, mailbox.Fail("send", mailbox.NotFound, nil)},
		"no way just now":    {anna, mailbox.Fail("send", mailbox.Unavailable, nil)},
		"too many on theirs": {anna, mailbox.Fail("send", mailbox.Busy, nil)},
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t)
			p := &post{system: h.sys, err: row.err}
			guard, err := lockout.New(p, h.ledger, lockout.DefaultOptions(), h.now)
			require.NoError(t, err)
			for range 30 {
				require.Equal(t, mailbox.CodeOf(row.err), mailbox.CodeOf(guard.Send(t.Context(), row.a, h.call(mailbox.AnyDoor))))
			}
			require.Equal(t, mailbox.Locked, mailbox.CodeOf(guard.Send(t.Context(), row.a, h.call(mailbox.AnyDoor))))
			require.Equal(t, 30, p.sent)
			require.Equal(t, mailbox.Locked, mailbox.CodeOf(guard.Verify(t.Context(), bert, code(t, rightCode), h.call(mailbox.AnyDoor))))
		})
	}
}

// Who says that there is no code shows none that could be right: it is not judged, opens
// nothing, and costs what a wrong one does.
func TestWhereThereIsNoCodeNoneIsRight(t *testing.T) {
	for _, door := range []mailbox.Door{mailbox.OwnDoor, mailbox.AnyDoor} {
		h := open(t)
		h.wrongTimes(5, anna, mailbox.AnyDoor)
		verified, spent := h.sys.asked()
		at, left := h.claim(door, mailbox.ByFirstUse), 30
		if door == mailbox.AnyDoor {
			left -= 5
		}
		for range left {
			require.Equal(t, mailbox.WrongPIN, h.verifyAs(at, anna, rightCode))
		}
		now, work := h.sys.asked()
		require.Equal(t, []int{verified, spent + left}, []int{now, work}, "the work of a verification and none of its answers")
		require.Equal(t, mailbox.Locked, h.tryOnce(anna, mailbox.AnyDoor, rightCode))
		require.NotEqual(t, mailbox.OK, h.tryOnce(bert, door, rightCode), "the source has used up its tries")
		for _, c := range []mailbox.Code{mailbox.Busy, mailbox.Unavailable} {
			h = open(t)
			h.sys.full = mailbox.Fail("verify", c, nil)
			require.Equal(t, c, h.verifyAs(at, anna, rightCode), "trouble is told")
		}
	}
}
