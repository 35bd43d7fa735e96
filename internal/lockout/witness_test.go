package lockout_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"star97/internal/lockout"
	"star97/internal/mailbox"
)

type notebook struct {
	h     *house
	lines []string
}

func (n *notebook) Closed(_ context.Context, a mailbox.Account, at mailbox.Attempt, until time.Time, why string) {
	end := "for good"
	if !until.IsZero() {
		end = until.Sub(n.h.now()).String()
	}
	n.lines = append(n.lines, fmt.Sprintf("closed %q %v %s: %s", a.ID, at.Door, end, why))
}

func (n *notebook) Opened(_ context.Context, a mailbox.Account, at mailbox.Attempt, why string) {
	n.lines = append(n.lines, fmt.Sprintf("opened %q %v: %s", a.ID, at.Door, why))
}

func (n *notebook) read() []string {
	all := n.lines
	n.lines = nil
	return all
}

func watch(t *testing.T, opts lockout.Options) (*house, *notebook) {
	h := openWith(t, opts)
	n := &notebook{h: h}
	h.Tell(n)
	return h, n
}

const thisDoor = "too many wrong codes at this door"

// Each step of the ladder is told once, by the try that took it.
func TestWhatClosesAMailboxIsTold(t *testing.T) {
	opts := lockout.DefaultOptions()
	opts.HardStop = 12
	h, n := watch(t, opts)
	h.wrongTimes(4, anna, mailbox.AnyDoor)
	require.Empty(t, n.read())
	h.wrongTimes(1, anna, mailbox.AnyDoor)
	require.Equal(t, []string{`closed "a1" any 30s: ` + thisDoor}, n.read())
	require.Equal(t, mailbox.Locked, h.tryOnce(anna, mailbox.AnyDoor, wrongCode))
	require.Empty(t, n.read(), "one that was turned away")
	h.wrongTimes(5, anna, mailbox.AnyDoor)
	require.Equal(t, `closed "a1" any 1h0m0s: `+thisDoor, n.read()[4])
	h.wrongTimes(2, anna, mailbox.AnyDoor)
	require.Contains(t, n.read()[1], `closed "a1" any for good: too many wrong codes in a row over both doors`)
}

func TestWhatOpensAMailboxIsTold(t *testing.T) {
	for name, row := range map[string]struct {
		at   func(h *house) mailbox.Attempt
		want []string
	}{
		"the own telephone": {
			func(h *house) mailbox.Attempt { return h.call(mailbox.OwnDoor) },
			[]string{`opened "a1" any: a right code at the own telephone`},
		},
		"a one-time code": {
			func(h *house) mailbox.Attempt { return h.claim(mailbox.OwnDoor, mailbox.ByOneTime) },
			[]string{`opened "a1" own: a one-time code`, `opened "a1" any: a one-time code`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, n := watch(t, lockout.DefaultOptions())
			for range 5 {
				require.Equal(t, mailbox.WrongPIN, h.tryOnce(anna, mailbox.AnyDoor, wrongCode))
			}
			if len(row.want) == 2 {
				for range 5 {
					require.Equal(t, mailbox.WrongPIN, h.tryOnce(anna, mailbox.OwnDoor, wrongCode))
				}
			}
			n.read()
			require.Equal(t, mailbox.OK, h.verifyAs(row.at(h), anna, rightCode))
			require.Equal(t, row.want, n.read())
			require.Equal(t, mailbox.OK, h.verifyAs(row.at(h), anna, rightCode))
			require.Empty(t, n.read(), "nothing was closed any more")
		})
	}
}

// A door that the hour still keeps closed is not told to be open.
func TestADoorThatStaysClosedIsNotTold(t *testing.T) {
	opts := lockout.DefaultOptions()
	opts.MailboxPerHour = 5
	h, n := watch(t, opts)
	h.wrongTimes(5, anna, mailbox.AnyDoor)
	require.Equal(t, []string{`closed "a1" any 1h0m0s: ` + thisDoor}, n.read())
	require.Equal(t, mailbox.OK, h.tryOnce(anna, mailbox.OwnDoor, rightCode))
	require.Empty(t, n.read())
}

// What closes to a source names no mailbox.
func TestWhatClosesToASourceIsTold(t *testing.T) {
	h, n := watch(t, lockout.DefaultOptions())
	for i := range 30 {
		a := bert
		a.ID = fmt.Sprint(i % 10)
		require.Equal(t, mailbox.WrongPIN, h.tryOnce(a, mailbox.AnyDoor, wrongCode))
		h.pass(time.Minute)
	}
	require.Equal(t, []string{
		`closed "" any 51m0s: wrong codes at too many mailboxes from this caller within an hour`,
		`closed "" any 31m0s: too many wrong codes from this caller within an hour`,
	}, n.read())
	require.Equal(t, mailbox.Locked, h.tryOnce(bert, mailbox.AnyDoor, wrongCode))
	require.Empty(t, n.read())
}

// A try that closes a door and proves right, or was not judged, has closed nothing.
func TestOnlyAWrongCodeCloses(t *testing.T) {
	h, n := watch(t, lockout.DefaultOptions())
	h.wrongTimes(4, anna, mailbox.AnyDoor)
	h.sys.answer = mailbox.Fail("verify", mailbox.Unavailable, nil)
	require.Equal(t, mailbox.Unavailable, h.tryOnce(anna, mailbox.AnyDoor, wrongCode))
	h.sys.answer = nil
	require.Equal(t, mailbox.OK, h.tryOnce(anna, mailbox.AnyDoor, rightCode))
	require.Empty(t, n.read())
}

// The wish for a one-time code closes to its source as a wrong code does, also where
// nothing is sent.
func TestWhatTheWishForACodeClosesIsTold(t *testing.T) {
	for name, flags := range map[string]mailbox.Flags{"sent": {}, "locked": {Locked: true}} {
		t.Run(name, func(t *testing.T) {
			h := open(t)
			guard, err := lockout.New(&post{system: h.sys}, h.ledger, lockout.DefaultOptions(), h.now)
			require.NoError(t, err)
			n := &notebook{h: h}
			guard.Tell(n)
			a := anna
			a.Flags = flags
			for range 31 {
				_ = guard.Send(t.Context(), a, h.call(mailbox.AnyDoor))
			}
			require.Equal(t, []string{`closed "" any 1h0m0s: too many wrong codes from this caller within an hour`}, n.read())
		})
	}
}
