package lockout_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"star97/internal/lockout"
	"star97/internal/mailbox"
)

// The owner who calls in from the own telephone ends the row of a stranger's wrong codes,
// and with it the waits: what the stranger gets in an hour stays ten.
func TestTenAnHourAtAMailboxWhateverTheOwnerDoes(t *testing.T) {
	h := open(t)
	var guessed []time.Time
	for range 2 * 12 { // every five minutes
		for i := range 4 {
			at := h.call(mailbox.AnyDoor)
			at.Caller = fmt.Sprint(i)
			if h.verifyAs(at, anna, wrongCode) == mailbox.WrongPIN {
				guessed = append(guessed, h.now())
			}
		}
		require.Equal(t, mailbox.OK, h.tryOnce(anna, mailbox.OwnDoor, rightCode), "the owner gets in")
		h.pass(5 * time.Minute)
	}
	require.Len(t, guessed, 20)
	for i := 10; i < len(guessed); i++ {
		require.GreaterOrEqual(t, guessed[i].Sub(guessed[i-10]), time.Hour)
	}
}

// What closes the any door for that is told with the time when it is over, is alike for
// right and wrong codes, and is opened by an administrator.
func TestTheHourOfAMailboxShowsAndIsUnlocked(t *testing.T) {
	opts := lockout.DefaultOptions()
	opts.MailboxPerHour = 3
	h := openWith(t, opts)
	h.wrongTimes(3, anna, mailbox.AnyDoor)
	want := lockout.DoorState{Wrong: 3, Recent: 3, ClosedUntil: h.now().Add(time.Hour)}
	s, err := h.State(t.Context(), anna)
	require.NoError(t, err)
	require.Equal(t, want, s.Any)
	require.Zero(t, s.Own)
	require.Equal(t, mailbox.Locked, h.tryOnce(anna, mailbox.AnyDoor, rightCode))
	require.NoError(t, h.Unlock(t.Context(), anna, "admin", ""))
	require.Equal(t, mailbox.OK, h.tryOnce(anna, mailbox.AnyDoor, rightCode))
	s, err = h.State(t.Context(), anna)
	require.NoError(t, err)
	require.Zero(t, s)
}

// A try that was not judged takes no place in the hour, nor does a right one.
func TestOnlyWrongCodesTakeTheHoursPlaces(t *testing.T) {
	h := open(t)
	for range 20 {
		require.Equal(t, mailbox.OK, h.tryOnce(anna, mailbox.AnyDoor, rightCode))
		h.sys.answer = mailbox.Fail("verify", mailbox.Unavailable, nil)
		require.Equal(t, mailbox.Unavailable, h.tryOnce(anna, mailbox.AnyDoor, wrongCode))
		h.sys.answer = nil
	}
	s, err := h.State(t.Context(), anna)
	require.NoError(t, err)
	require.Zero(t, s)
}

func TestTheHourSurvivesARestart(t *testing.T) {
	h := open(t)
	for range 3 {
		h.wrongTimes(3, anna, mailbox.AnyDoor)
		require.Equal(t, mailbox.OK, h.tryOnce(anna, mailbox.OwnDoor, rightCode))
	}
	h.wrongTimes(1, anna, mailbox.AnyDoor)
	again := openAt(t, h.path, lockout.DefaultOptions())
	again.pass(h.now().Sub(again.now()))
	require.Equal(t, mailbox.Locked, again.tryOnce(anna, mailbox.AnyDoor, rightCode))
}

// Never for ever, unless configured: then the any door waits for who may open it.
func TestTheAnyDoorIsClosedForGoodOnlyIfConfigured(t *testing.T) {
	const years = 50 * 365 * 24 * time.Hour
	h := open(t)
	h.wrongTimes(30, anna, mailbox.AnyDoor)
	h.pass(24 * time.Hour)
	require.Equal(t, mailbox.OK, h.tryOnce(anna, mailbox.AnyDoor, rightCode))

	opts := lockout.DefaultOptions()
	opts.CloseForGood = 12
	for name, open := range map[string]func(h *house){
		"the own telephone": func(h *house) {
			require.Equal(t, mailbox.OK, h.tryOnce(anna, mailbox.OwnDoor, rightCode))
		},
		"an administrator": func(h *house) { require.NoError(t, h.Unlock(t.Context(), anna, "admin", "")) },
		"a one-time code": func(h *house) {
			at := h.call(mailbox.OwnDoor)
			at.Claim = mailbox.ByOneTime
			require.Equal(t, mailbox.OK, h.verifyAs(at, anna, rightCode))
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := openWith(t, opts)
			h.wrongTimes(12, anna, mailbox.AnyDoor)
			h.pass(years)
			require.Equal(t, mailbox.Locked, h.tryOnce(anna, mailbox.AnyDoor, rightCode))
			s, err := h.State(t.Context(), anna)
			require.NoError(t, err)
			require.True(t, s.Any.ForGood)
			require.True(t, s.Any.Closed())
			require.False(t, s.Own.Closed())
			open(h)
			require.Equal(t, mailbox.OK, h.tryOnce(anna, mailbox.AnyDoor, rightCode))
		})
	}
}
