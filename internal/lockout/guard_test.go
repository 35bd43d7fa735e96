package lockout_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"star97/internal/ledger"
	"star97/internal/lockout"
	"star97/internal/mailbox"
)

func TestACallHasThreeTries(t *testing.T) {
	h := open(t)
	at := h.call(mailbox.OwnDoor)
	for range 3 {
		require.ErrorIs(t, h.Verify(t.Context(), anna, code(t, wrongCode), at), mailbox.WrongPIN)
	}
	require.ErrorIs(t, h.Verify(t.Context(), anna, code(t, rightCode), at), mailbox.Throttled)
	require.ErrorIs(t, h.Verify(t.Context(), bert, code(t, rightCode), at), mailbox.Throttled, "another mailbox is the same call")
	require.Equal(t, mailbox.OK, h.tryOnce(anna, mailbox.OwnDoor, rightCode), "the next call goes on")
}

// A phone may send the same Call-ID for each of its calls.
func TestACallIDThatComesAgainIsAnotherCall(t *testing.T) {
	h := open(t)
	for range 4 {
		at := h.call(mailbox.OwnDoor)
		at.CallID = "always the same"
		require.ErrorIs(t, h.Verify(t.Context(), anna, code(t, wrongCode), at), mailbox.WrongPIN)
	}
	at := h.call(mailbox.OwnDoor)
	at.CallID = "always the same"
	require.NoError(t, h.Verify(t.Context(), anna, code(t, rightCode), at))
}

func TestRightCodesCostACallNothing(t *testing.T) {
	h := open(t)
	at := h.call(mailbox.OwnDoor)
	for range 5 {
		require.NoError(t, h.Verify(t.Context(), anna, code(t, rightCode), at))
	}
}

func TestWaitsFromTheFifthWrongCode(t *testing.T) {
	for _, door := range []mailbox.Door{mailbox.OwnDoor, mailbox.AnyDoor} {
		t.Run(door.String(), func(t *testing.T) {
			h := open(t)
			h.wrongTimes(4, anna, door)
			require.Equal(t, mailbox.WrongPIN, h.tryOnce(anna, door, wrongCode), "the fourth costs no wait")
			for _, wait := range []time.Duration{30, 60, 120, 240, 480} {
				h.pass(wait*time.Second - time.Millisecond)
				require.Equal(t, mailbox.Locked, h.tryOnce(anna, door, rightCode), "%ds not over", wait)
				h.pass(time.Millisecond)
				require.Equal(t, mailbox.WrongPIN, h.tryOnce(anna, door, wrongCode), "%ds over", wait)
			}
		})
	}
}

func TestTheTenthWrongCodeClosesTheAnyDoorOnly(t *testing.T) {
	h := open(t)
	h.wrongTimes(10, anna, mailbox.AnyDoor)
	h.pass(time.Hour - time.Millisecond)
	require.Equal(t, mailbox.Locked, h.tryOnce(anna, mailbox.AnyDoor, rightCode))
	require.Equal(t, mailbox.OK, h.tryOnce(bert, mailbox.AnyDoor, rightCode), "another mailbox is open")
	require.Equal(t, mailbox.OK, h.tryOnce(anna, mailbox.OwnDoor, rightCode), "the owner's own phone has its own budget")
	require.Equal(t, mailbox.OK, h.tryOnce(anna, mailbox.AnyDoor, rightCode), "and opens the any door")
}

func TestTheOwnDoorIsNotClosedByItsTenth(t *testing.T) {
	h := open(t)
	h.wrongTimes(10, anna, mailbox.OwnDoor)
	s, err := h.State(t.Context(), anna)
	require.NoError(t, err)
	require.Equal(t, 960*time.Second, s.Own.ClosedUntil.Sub(h.now()), "the ladder goes on doubling")
	require.Zero(t, s.Any, "the other door knows nothing of it")
}

func TestARightCodeResetsBothDoors(t *testing.T) {
	for _, door := range []mailbox.Door{mailbox.OwnDoor, mailbox.AnyDoor} {
		t.Run(door.String(), func(t *testing.T) {
			h := open(t)
			h.wrongTimes(4, anna, mailbox.OwnDoor)
			h.wrongTimes(4, anna, mailbox.AnyDoor)
			require.Equal(t, mailbox.OK, h.tryOnce(anna, door, rightCode))
			s, err := h.State(t.Context(), anna)
			require.NoError(t, err)
			require.Equal(t, lockout.State{Any: lockout.DoorState{Recent: 4}}, s)
		})
	}
}

// A patient stranger who tries whenever the any door opens gets ten guesses an
// hour at most, and the hard stop at last.
func TestAPatientStranger(t *testing.T) {
	h := open(t)
	var tries []time.Time
	for {
		s, err := h.State(t.Context(), anna)
		require.NoError(t, err)
		if s.Stopped {
			require.True(t, s.Own.ForGood && s.Any.ForGood)
			break
		}
		h.wrongTimes(1, anna, mailbox.AnyDoor)
		tries = append(tries, h.now())
		require.LessOrEqual(t, len(tries), 100)
	}
	require.Len(t, tries, 100, "the hard stop")
	for i := range tries {
		if i >= 10 {
			require.GreaterOrEqual(t, tries[i].Sub(tries[i-10]), time.Hour, "try %d", i+1)
		}
	}
	h.pass(100 * 365 * 24 * time.Hour)
	require.Equal(t, mailbox.Locked, h.tryOnce(anna, mailbox.AnyDoor, rightCode))
	require.Equal(t, mailbox.Locked, h.tryOnce(anna, mailbox.OwnDoor, rightCode), "over both doors")
	require.NoError(t, h.Unlock(t.Context(), anna, "admin", "called the help desk"))
	require.Equal(t, mailbox.OK, h.tryOnce(anna, mailbox.AnyDoor, rightCode))
}

// However many calls try at once, the wrapped store judges no more codes than one
// call after the other would get without waiting.
func TestConcurrentCallsGetNoMoreTriesThanOne(t *testing.T) {
	for _, door := range []mailbox.Door{mailbox.OwnDoor, mailbox.AnyDoor} {
		t.Run(door.String(), func(t *testing.T) {
			h := open(t)
			const callers, free = 50, 5
			// No judgement ends before every call has been let in or turned away.
			var decided sync.WaitGroup
			decided.Add(callers)
			h.sys.during = func(mailbox.Account) error { decided.Done(); decided.Wait(); return nil }
			answers := make(chan mailbox.Code, callers)
			for range callers {
				at := h.call(door)
				at.Caller = fmt.Sprint(at.Call) // each another one
				go func() {
					c := mailbox.CodeOf(h.Verify(context.Background(), anna, code(t, wrongCode), at))
					if c == mailbox.Locked {
						decided.Done()
					}
					answers <- c
				}()
			}
			got := map[mailbox.Code]int{}
			for range callers {
				got[<-answers]++
			}
			require.Equal(t, map[mailbox.Code]int{mailbox.WrongPIN: free, mailbox.Locked: callers - free}, got)
			verified, spent := h.sys.asked()
			require.Equal(t, free, verified)
			if door == mailbox.AnyDoor {
				require.Equal(t, callers-free, spent, "each refused call costs the work of a verification")
			} else {
				require.Zero(t, spent, "the owner may know")
			}
		})
	}
}

func TestALateRightAnswerKeepsLaterWrongOnes(t *testing.T) {
	h := open(t)
	began, goOn := make(chan struct{}), make(chan struct{})
	h.sys.during = func(mailbox.Account) error { close(began); <-goOn; return nil }
	done := make(chan mailbox.Code)
	go func() { done <- h.tryOnce(anna, mailbox.AnyDoor, rightCode) }()
	<-began
	h.sys.mu.Lock()
	h.sys.during = nil
	h.sys.mu.Unlock()
	h.wrongTimes(3, anna, mailbox.AnyDoor)
	close(goOn)
	require.Equal(t, mailbox.OK, <-done)
	s, err := h.State(t.Context(), anna)
	require.NoError(t, err)
	require.Equal(t, 3, s.Any.Wrong, "the three tries that began after it")
}

func TestTriesWhileLockedDoNotProlongIt(t *testing.T) {
	h := open(t)
	h.wrongTimes(5, anna, mailbox.OwnDoor)
	for range 29 {
		h.pass(time.Second)
		require.Equal(t, mailbox.Locked, h.tryOnce(anna, mailbox.OwnDoor, wrongCode))
	}
	h.pass(time.Second)
	require.Equal(t, mailbox.OK, h.tryOnce(anna, mailbox.OwnDoor, rightCode))
}

func TestAClockSetBackDoesNotLockForLonger(t *testing.T) {
	h := open(t)
	h.wrongTimes(5, anna, mailbox.OwnDoor)
	h.pass(-24 * time.Hour)
	require.Equal(t, mailbox.Locked, h.tryOnce(anna, mailbox.OwnDoor, rightCode), "the wait begins now")
	h.pass(30 * time.Second)
	require.Equal(t, mailbox.OK, h.tryOnce(anna, mailbox.OwnDoor, rightCode))
}

func TestCountsSurviveARestart(t *testing.T) {
	h := open(t)
	h.wrongTimes(10, anna, mailbox.AnyDoor)
	again := openAt(t, h.path, lockout.DefaultOptions())
	again.pass(h.now().Sub(again.now()))
	require.Equal(t, mailbox.Locked, again.tryOnce(anna, mailbox.AnyDoor, rightCode))
	require.NoError(t, again.Unlock(t.Context(), anna, "admin", ""))
	require.Equal(t, mailbox.OK, h.tryOnce(anna, mailbox.AnyDoor, rightCode), "an unlock by another process counts here")
}

// What a right code leaves behind may be forgotten soon, what a wrong one leaves
// at its mailbox never.
func TestRightCodesLeaveNothingForLong(t *testing.T) {
	h := open(t)
	require.Equal(t, mailbox.OK, h.tryOnce(anna, mailbox.OwnDoor, rightCode))
	keys := []string{"own:b\na1", "any:b\na1", "both:b\na1", "own:b\nb2"}
	expire := func() (after []time.Duration) {
		require.NoError(t, h.ledger.Update(t.Context(), keys, func(c []lockout.Counter) bool {
			for i := range c {
				if !c[i].Expires.IsZero() {
					after = append(after, c[i].Expires.Sub(h.now()))
				}
			}
			return false
		}))
		return after
	}
	require.Equal(t, []time.Duration{10 * time.Minute, 10 * time.Minute}, expire(), "the other door was never written")
	h.wrongTimes(1, anna, mailbox.OwnDoor)
	h.wrongTimes(1, bert, mailbox.OwnDoor)
	require.Empty(t, expire())
}

// A ledger that cannot count stops tries: nothing reaches the wrapped store.
func TestNoTryWithoutACount(t *testing.T) {
	h := open(t)
	require.NoError(t, h.ledger.Close())
	err := h.Verify(t.Context(), anna, code(t, rightCode), h.call(mailbox.OwnDoor))
	require.ErrorIs(t, err, mailbox.Unavailable)
	require.ErrorIs(t, err, ledger.ErrClosed)
	r := h.Change(t.Context(), anna, code(t, rightCode), code(t, "605172"), h.call(mailbox.OwnDoor))
	require.Equal(t, mailbox.Refused, r.Outcome)
	require.Equal(t, mailbox.Unavailable, r.Reason)
	verified, spent := h.sys.asked()
	require.Zero(t, verified+spent+h.sys.changed)
}
