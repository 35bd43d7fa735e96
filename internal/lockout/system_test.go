package lockout_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"star97/internal/mailbox"
)

// locking are systems that lock a mailbox after so many wrong codes in a row.
type locking mailbox.Traits

func (l locking) Traits(mailbox.Account) mailbox.Traits { return mailbox.Traits(l) }

func openBefore(t *testing.T, limit int, window time.Duration) *house {
	h := open(t)
	h.Heed(locking{Limit: limit, Window: window})
	return h
}

// A system with limit 4 locks at the fourth wrong code: strangers get two of them, the
// owner's own phone the third, nobody the last.
func TestNoDoorBringsTheSystemToLock(t *testing.T) {
	h := openBefore(t, 4, 30*time.Minute)
	for range 2 {
		require.Equal(t, mailbox.WrongPIN, h.tryOnce(anna, mailbox.AnyDoor, wrongCode))
	}
	require.Equal(t, mailbox.Locked, h.tryOnce(anna, mailbox.AnyDoor, rightCode), "the any door is used up")
	require.Equal(t, mailbox.WrongPIN, h.tryOnce(anna, mailbox.OwnDoor, wrongCode), "the owner is not")
	require.Equal(t, mailbox.Locked, h.tryOnce(anna, mailbox.OwnDoor, rightCode))
	asked, _ := h.sys.asked()
	require.Equal(t, 3, asked, "the system is not asked beyond that")

	require.Equal(t, mailbox.OK, h.tryOnce(bert, mailbox.AnyDoor, rightCode), "another mailbox is open")
	h.pass(30*time.Minute - time.Millisecond)
	require.Equal(t, mailbox.Locked, h.tryOnce(anna, mailbox.AnyDoor, rightCode))
	h.pass(time.Millisecond)
	require.Equal(t, mailbox.OK, h.tryOnce(anna, mailbox.AnyDoor, rightCode), "the system has forgotten")
}

// A success ends the system's row of wrong codes, and with it ours.
func TestARightCodeResetsTheSystemsRow(t *testing.T) {
	h := openBefore(t, 4, 30*time.Minute)
	for range 5 {
		h.pass(time.Second)
		require.Equal(t, mailbox.WrongPIN, h.tryOnce(anna, mailbox.AnyDoor, wrongCode))
		h.pass(time.Second)
		require.Equal(t, mailbox.OK, h.tryOnce(anna, mailbox.AnyDoor, rightCode))
	}
}

func TestATryThatTheSystemDidNotJudgeCostsNothingThere(t *testing.T) {
	h := openBefore(t, 3, time.Hour)
	h.sys.answer = mailbox.Fail("verify", mailbox.Unavailable, nil)
	for range 5 {
		require.Equal(t, mailbox.Unavailable, h.tryOnce(anna, mailbox.AnyDoor, wrongCode))
	}
	h.sys.answer = nil
	require.Equal(t, mailbox.WrongPIN, h.tryOnce(anna, mailbox.AnyDoor, wrongCode))
	require.Equal(t, mailbox.Locked, h.tryOnce(anna, mailbox.AnyDoor, wrongCode))
}

func TestALowLimitLeavesOneTry(t *testing.T) {
	for _, limit := range []int{1, 2, 3} {
		h := openBefore(t, limit, time.Hour)
		require.Equal(t, mailbox.WrongPIN, h.tryOnce(anna, mailbox.AnyDoor, wrongCode))
		require.Equal(t, mailbox.Locked, h.tryOnce(anna, mailbox.AnyDoor, wrongCode))
	}
}

func TestTenCallsAtOnceAreNoMoreForTheSystem(t *testing.T) {
	h := openBefore(t, 5, time.Hour)
	h.sys.work = 20 * time.Millisecond
	var calls sync.WaitGroup
	for range 10 {
		at, guess := h.call(mailbox.AnyDoor), code(t, wrongCode)
		// One call: started here; stops when its code is judged.
		calls.Go(func() { _ = h.Verify(t.Context(), anna, guess, at) })
	}
	calls.Wait()
	asked, _ := h.sys.asked()
	require.Equal(t, 3, asked)
}

// Without a word on how long the system remembers, it is a day.
func TestAnUnknownWindowIsLong(t *testing.T) {
	h := openBefore(t, 3, 0)
	require.Equal(t, mailbox.WrongPIN, h.tryOnce(anna, mailbox.AnyDoor, wrongCode))
	h.pass(24*time.Hour - time.Second)
	require.Equal(t, mailbox.Locked, h.tryOnce(anna, mailbox.AnyDoor, rightCode))
	h.pass(time.Second)
	require.Equal(t, mailbox.OK, h.tryOnce(anna, mailbox.AnyDoor, rightCode))
}

// Nobody can call a mailbox open that is closed, and an administrator can open it.
func TestTheSystemsLimitShowsAndIsUnlocked(t *testing.T) {
	h := openBefore(t, 3, time.Hour)
	require.Equal(t, mailbox.WrongPIN, h.tryOnce(anna, mailbox.AnyDoor, wrongCode))
	s, err := h.State(t.Context(), anna)
	require.NoError(t, err)
	require.True(t, s.Own.ClosedUntil.IsZero())
	require.Equal(t, h.now().Add(time.Hour), s.Any.ClosedUntil)
	require.Equal(t, mailbox.WrongPIN, h.tryOnce(anna, mailbox.OwnDoor, wrongCode))
	s, err = h.State(t.Context(), anna)
	require.NoError(t, err)
	require.False(t, s.Own.ClosedUntil.IsZero())
	require.NoError(t, h.Unlock(t.Context(), anna, "test", ""))
	for _, door := range []mailbox.Door{mailbox.OwnDoor, mailbox.AnyDoor} {
		require.Equal(t, mailbox.OK, h.tryOnce(anna, door, rightCode))
	}
}
