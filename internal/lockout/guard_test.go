package lockout_test

import (
	"context"
	"errors"
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
			require.Zero(t, s)
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
			require.Equal(t, callers-free, spent, "each refused call costs the work of a verification")
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

// What each answer of the wrapped store does to the count.
func TestWhichAnswersCount(t *testing.T) {
	free := map[mailbox.Code]bool{
		mailbox.OK: true, mailbox.Unavailable: true, mailbox.Throttled: true, mailbox.ServiceRefused: true, mailbox.Busy: true,
	}
	for _, c := range mailbox.Codes() {
		t.Run(c.String(), func(t *testing.T) {
			h := open(t)
			if c != mailbox.OK {
				h.sys.answer = mailbox.Fail("verify", c, errors.New("detail"))
			}
			require.Equal(t, c, h.tryOnce(anna, mailbox.AnyDoor, rightCode))
			s, err := h.State(t.Context(), anna)
			require.NoError(t, err)
			want := 1
			if free[c] {
				want = 0
			}
			require.Equal(t, want, s.Any.Wrong)
		})
	}
	t.Run("a caller who hangs up", func(t *testing.T) {
		h := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		h.sys.during = func(mailbox.Account) error { cancel(); return mailbox.Expired(ctx, "verify") }
		require.ErrorIs(t, h.Verify(ctx, anna, code(t, rightCode), h.call(mailbox.AnyDoor)), mailbox.Unavailable)
		s, err := h.State(t.Context(), anna)
		require.NoError(t, err)
		require.Equal(t, 1, s.Any.Wrong, "a caller cannot take a try back")
	})
}

func TestAnOutageLocksNobody(t *testing.T) {
	h := open(t)
	h.wrongTimes(6, anna, mailbox.AnyDoor)
	h.waitOpen(anna, mailbox.AnyDoor)
	h.sys.answer = mailbox.Fail("verify", mailbox.Unavailable, nil)
	for range 200 {
		require.Equal(t, mailbox.Unavailable, h.tryOnce(anna, mailbox.AnyDoor, rightCode))
	}
	h.sys.answer = nil
	require.Equal(t, mailbox.OK, h.tryOnce(anna, mailbox.AnyDoor, rightCode), "not even the wait began anew")
}

func TestTheCurrentCodeInAChangeIsATry(t *testing.T) {
	change := func(h *house, current string) mailbox.Result {
		return h.Change(t.Context(), anna, code(t, current), code(t, "605172"), h.call(mailbox.AnyDoor))
	}
	t.Run("wrong", func(t *testing.T) {
		h := open(t)
		for range 5 {
			require.Equal(t, mailbox.WrongPIN, change(h, wrongCode).Reason)
		}
		r := change(h, rightCode)
		require.Equal(t, mailbox.Refused, r.Outcome)
		require.Equal(t, mailbox.Locked, r.Reason)
		require.Equal(t, 5, h.sys.changed, "nothing was sent")
		_, spent := h.sys.asked()
		require.Equal(t, 1, spent)
	})
	t.Run("done", func(t *testing.T) {
		h := open(t)
		h.wrongTimes(4, anna, mailbox.AnyDoor)
		require.Equal(t, mailbox.Done, change(h, rightCode).Outcome)
		s, err := h.State(t.Context(), anna)
		require.NoError(t, err)
		require.Zero(t, s)
	})
	for c, want := range map[mailbox.Code]int{
		mailbox.Trivial: 0, mailbox.InHistory: 0, mailbox.CannotChange: 0, mailbox.Unavailable: 0, mailbox.Busy: 0,
		mailbox.WrongPIN: 1, mailbox.Locked: 1, mailbox.NotFound: 1, mailbox.Disabled: 1, mailbox.NoCode: 1, mailbox.OK: 1,
	} {
		t.Run("refused "+c.String(), func(t *testing.T) {
			h := open(t)
			h.sys.result = &mailbox.Result{Outcome: mailbox.Refused, Reason: c}
			require.Equal(t, *h.sys.result, change(h, rightCode))
			s, err := h.State(t.Context(), anna)
			require.NoError(t, err)
			require.Equal(t, want, s.Any.Wrong)
		})
	}
	t.Run("unknown", func(t *testing.T) {
		h := open(t)
		h.sys.result = &mailbox.Result{}
		require.Equal(t, mailbox.Unknown, change(h, rightCode).Outcome)
		s, err := h.State(t.Context(), anna)
		require.NoError(t, err)
		require.Equal(t, 1, s.Any.Wrong)
	})
}

// Two stores may both have a mailbox of an id; the work in place of a verification is
// done by the one that would have made it.
func TestMailboxesOfTwoStoresShareNothing(t *testing.T) {
	h := open(t)
	twin := anna
	twin.Backend, twin.Domain = "b:north", "north.example"
	h.wrongTimes(5, twin, mailbox.AnyDoor)
	require.Equal(t, mailbox.Locked, h.tryOnce(twin, mailbox.AnyDoor, rightCode))
	require.Equal(t, mailbox.Account{Backend: "b:north", Domain: "north.example"}, h.sys.nobody)
	require.Equal(t, mailbox.OK, h.tryOnce(anna, mailbox.AnyDoor, rightCode))
	require.Equal(t, mailbox.Locked, h.tryOnce(twin, mailbox.AnyDoor, rightCode), "nor does a right code of the other open it")
}

func TestASourceHasThirtyWrongCodesAnHour(t *testing.T) {
	h := open(t)
	for i := range 30 {
		a := anna
		a.ID = fmt.Sprint(i)
		require.Equal(t, mailbox.WrongPIN, h.tryOnce(a, mailbox.AnyDoor, wrongCode))
		h.pass(time.Minute)
	}
	require.Equal(t, mailbox.Locked, h.tryOnce(bert, mailbox.AnyDoor, rightCode), "any mailbox")
	require.Equal(t, mailbox.Locked, h.tryOnce(mailbox.Account{}, mailbox.AnyDoor, wrongCode), "one that does not exist too")
	require.Equal(t, mailbox.OK, h.tryOnce(bert, mailbox.OwnDoor, rightCode), "the own door is not touched")
	elsewhere := h.call(mailbox.AnyDoor)
	elsewhere.Caller = "4002"
	require.NoError(t, h.Verify(t.Context(), bert, code(t, rightCode), elsewhere), "nor another source")
	h.pass(30 * time.Minute)
	require.Equal(t, mailbox.WrongPIN, h.tryOnce(bert, mailbox.AnyDoor, wrongCode), "the first has left the hour")
	require.Equal(t, mailbox.Locked, h.tryOnce(bert, mailbox.AnyDoor, wrongCode), "and no other one has")
}

// Who calls from 4001 is another person in each tenant; who tries codes of many
// mailboxes at the any door is one for all of them.
func TestTheOwnDoorOfOneTenantIsNotThatOfAnother(t *testing.T) {
	box := func(id, tenant string) mailbox.Account { return mailbox.Account{ID: id, Backend: "b", Domain: tenant} }
	for door, want := range map[mailbox.Door]mailbox.Code{mailbox.OwnDoor: mailbox.OK, mailbox.AnyDoor: mailbox.Locked} {
		h := open(t)
		for i := range 30 {
			require.Equal(t, mailbox.WrongPIN, h.tryOnce(box(fmt.Sprint(i), "north.example"), door, wrongCode))
		}
		require.NotEqual(t, mailbox.OK, h.tryOnce(box("30", "north.example"), door, rightCode))
		require.Equal(t, want, h.tryOnce(box("31", "south.example"), door, rightCode))
	}
}

// At the any door the same number in two tenants is two callers, where the caller's
// tenant is known: one does not use up what the other may try.
func TestCallersOfTwoTenantsHaveTheirOwnBudgets(t *testing.T) {
	h := open(t)
	try := func(box int, home, digits string) mailbox.Code {
		at := h.call(mailbox.AnyDoor)
		at.Home = home
		return mailbox.CodeOf(h.Verify(t.Context(), mailbox.Account{ID: fmt.Sprint(box), Backend: "b"}, code(t, digits), at))
	}
	for box := range 30 {
		require.Equal(t, mailbox.WrongPIN, try(box, "north.example", wrongCode))
	}
	require.Equal(t, mailbox.Locked, try(30, "north.example", rightCode))
	require.Equal(t, mailbox.OK, try(31, "south.example", rightCode))
	require.Equal(t, mailbox.OK, try(32, "", rightCode), "nor what callers of no known tenant may")
}

// The owner is told what closes the door: the mailbox's own lock, or that of the
// phone, which leaves the mailbox as it is. A stranger is never told which.
func TestOnlyTheOwnDoorTellsALimitOfTheCallerFromALock(t *testing.T) {
	for name, row := range map[string]struct {
		door  mailbox.Door
		close func(*house, mailbox.Attempt)
		want  mailbox.Code
		until time.Duration
	}{
		"own door, the call":    {mailbox.OwnDoor, threeTries, mailbox.Throttled, time.Minute},
		"any door, the call":    {mailbox.AnyDoor, threeTries, mailbox.Locked, time.Minute},
		"own door, the source":  {mailbox.OwnDoor, boxes(30), mailbox.Throttled, time.Hour},
		"any door, the source":  {mailbox.AnyDoor, boxes(30), mailbox.Locked, time.Hour},
		"own door, the mailbox": {mailbox.OwnDoor, fiveCalls, mailbox.Locked, 30 * time.Second},
		"any door, the mailbox": {mailbox.AnyDoor, fiveCalls, mailbox.Locked, 30 * time.Second},
		"own door, both": {mailbox.OwnDoor, func(h *house, at mailbox.Attempt) { fiveCalls(h, at); boxes(25)(h, at) }, mailbox.Locked,
			30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t)
			at := h.call(row.door)
			row.close(h, at)
			before, _ := h.sys.asked()
			for _, digits := range []string{rightCode, wrongCode} {
				err := h.Verify(t.Context(), anna, code(t, digits), at)
				require.Equal(t, row.want, mailbox.CodeOf(err))
				var closed *lockout.Closed
				require.ErrorAs(t, err, &closed)
				require.Equal(t, row.until, closed.Until.Sub(h.now()))
				r := h.Change(t.Context(), anna, code(t, digits), code(t, "605172"), at)
				require.Equal(t, mailbox.Refused, r.Outcome)
				require.Equal(t, row.want, r.Reason)
			}
			verified, _ := h.sys.asked()
			require.Equal(t, before, verified, "nothing reaches the store")
		})
	}
}

// threeTries and fiveCalls reach the limit of a call and of anna's mailbox, thirty boxes
// that of a source.
func threeTries(h *house, at mailbox.Attempt) {
	for range 3 {
		require.Equal(h.t, mailbox.WrongPIN, h.verifyAs(at, bert, wrongCode))
	}
}

func boxes(n int) func(*house, mailbox.Attempt) {
	return func(h *house, at mailbox.Attempt) {
		for i := range n {
			a := bert
			a.ID = fmt.Sprint(i)
			at.Call += 1000
			require.Equal(h.t, mailbox.WrongPIN, h.verifyAs(at, a, wrongCode))
		}
	}
}

func fiveCalls(h *house, at mailbox.Attempt) {
	for range 5 {
		at.Call += 1_000_000
		require.Equal(h.t, mailbox.WrongPIN, h.verifyAs(at, anna, wrongCode))
	}
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
