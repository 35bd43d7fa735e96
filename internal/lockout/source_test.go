package lockout_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"star97/internal/lockout"
	"star97/internal/mailbox"
)

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
		a.ID = fmt.Sprint(i % 10)
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
	last := anna
	last.ID = "9"
	require.Equal(t, mailbox.WrongPIN, h.tryOnce(last, mailbox.AnyDoor, wrongCode), "the first has left the hour")
	require.Equal(t, mailbox.Locked, h.tryOnce(last, mailbox.AnyDoor, wrongCode), "and no other one has")
}

// Who calls from 4001 is another person in each tenant; who tries codes of many
// mailboxes at the any door is one for all of them.
func TestTheOwnDoorOfOneTenantIsNotThatOfAnother(t *testing.T) {
	box := func(id, tenant string) mailbox.Account { return mailbox.Account{ID: id, Backend: "b", Domain: tenant} }
	for door, want := range map[mailbox.Door]mailbox.Code{mailbox.OwnDoor: mailbox.OK, mailbox.AnyDoor: mailbox.Locked} {
		h := open(t)
		for i := range 30 {
			require.Equal(t, mailbox.WrongPIN, h.tryOnce(box(fmt.Sprint(i%10), "north.example"), door, wrongCode))
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
		require.Equal(t, mailbox.WrongPIN, try(box%10, "north.example", wrongCode))
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
			a.ID = fmt.Sprint(i % 9)
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

// Ten strangers behind a trunk, with three wrong codes each, close the any door to
// nobody else behind it.
func TestStrangersOfAPeerShareALargeBudget(t *testing.T) {
	require.Equal(t, 600, lockout.DefaultOptions().UnknownPerHour)
	opts := lockout.DefaultOptions()
	opts.UnknownPerHour = 60
	h := openWith(t, opts)
	trunk := h.call(mailbox.AnyDoor)
	trunk.Peer, trunk.Source, trunk.Caller = "trunk", "198.51.100.1", ""
	for i := range opts.UnknownPerHour {
		trunk.Call++
		require.Equal(t, mailbox.OK, h.verifyAs(trunk, bert, rightCode), "after %d wrong codes", i)
		require.Equal(t, mailbox.WrongPIN, h.verifyAs(trunk, nobody, wrongCode))
		h.pass(time.Second)
	}
	require.Equal(t, mailbox.Locked, h.verifyAs(trunk, bert, rightCode), "guessing is bounded all the same")
	known := trunk
	known.Caller = "+15550100"
	require.Equal(t, mailbox.OK, h.verifyAs(known, bert, rightCode), "a believed caller has a budget of his own")
	h.pass(59*time.Minute + time.Second)
	require.Equal(t, mailbox.OK, h.verifyAs(trunk, bert, rightCode))
}

// One code over many mailboxes: a source is let try ten, whether they exist or not, and may
// go on at these.
func TestASourceHasTenMailboxesAnHour(t *testing.T) {
	for what, id := range map[string]func(i int) string{
		"mailboxes": func(i int) string { return fmt.Sprint(i) }, "nobody": func(int) string { return "" },
	} {
		t.Run(what, func(t *testing.T) {
			h := open(t)
			try := func(i int, digits string) mailbox.Code {
				a, at := bert, h.call(mailbox.AnyDoor)
				a.ID, at.Asked = id(i), uint64(1000+i)
				return h.verifyAs(at, a, digits)
			}
			for i := range 10 {
				require.Equal(t, mailbox.WrongPIN, try(i, wrongCode))
				h.pass(time.Minute)
			}
			require.Equal(t, mailbox.Locked, try(10, rightCode), "an eleventh")
			require.Equal(t, mailbox.WrongPIN, try(3, wrongCode), "one of the ten")
			other := h.call(mailbox.AnyDoor)
			other.Caller, other.Asked = "4002", 1010
			require.Equal(t, mailbox.OK, h.verifyAs(other, bert, rightCode), "another source")
			h.pass(50*time.Minute - time.Millisecond)
			require.Equal(t, mailbox.Locked, try(10, rightCode))
			h.pass(time.Millisecond)
			require.Equal(t, mailbox.WrongPIN, try(10, wrongCode), "the first has left the hour")
			require.Equal(t, mailbox.Locked, try(0, wrongCode), "and is an eleventh now")
		})
	}
}

// Callers whom nobody vouches for share a larger budget of mailboxes.
func TestStrangersOfAPeerShareManyMailboxes(t *testing.T) {
	opts := lockout.DefaultOptions()
	opts.UnknownMailboxes = 15
	h := openWith(t, opts)
	try := func(i int) mailbox.Code {
		at := h.call(mailbox.AnyDoor)
		at.Caller, at.Asked = "", uint64(1000+i)
		return h.verifyAs(at, nobody, wrongCode)
	}
	for i := range 15 {
		require.Equal(t, mailbox.WrongPIN, try(i))
	}
	require.Equal(t, mailbox.Locked, try(15))
}

// However many callers a peer shows, and however many peers there are, the wrong codes of
// an hour are bounded at the any door; no flood there reaches the owner's own telephone.
func TestAllCallersTogetherAreBounded(t *testing.T) {
	opts := lockout.DefaultOptions()
	opts.PeerPerHour, opts.TotalPerHour = 40, 70
	h := openWith(t, opts)
	callers := 0
	try := func(peer, digits string) mailbox.Code {
		a, at := bert, h.call(mailbox.AnyDoor)
		callers++
		a.ID, at.Peer, at.Caller = fmt.Sprint(callers), peer, fmt.Sprint(callers)
		return h.verifyAs(at, a, digits)
	}
	for range opts.PeerPerHour {
		require.Equal(t, mailbox.OK, try("a", rightCode), "right codes cost nothing")
		require.Equal(t, mailbox.WrongPIN, try("a", wrongCode))
		h.pass(time.Second)
	}
	require.Equal(t, mailbox.Locked, try("a", rightCode), "the peer")
	for range opts.TotalPerHour - opts.PeerPerHour {
		require.Equal(t, mailbox.WrongPIN, try("b", wrongCode))
	}
	require.Equal(t, mailbox.Locked, try("b", rightCode), "altogether")
	require.Equal(t, mailbox.OK, h.tryOnce(anna, mailbox.OwnDoor, rightCode))
	h.pass(time.Hour + time.Minute)
	require.Equal(t, mailbox.OK, try("a", rightCode), "an hour later, to the minute")
}

// What is closed to a source is so whatever the mailbox: a flood that goes on costs no work.
func TestAFloodBeyondItsBudgetCostsNoWork(t *testing.T) {
	h := open(t)
	closed := bert
	closed.ID = "closed"
	at := h.call(mailbox.AnyDoor)
	try := func(a mailbox.Account) mailbox.Code {
		at.Call++
		return h.verifyAs(at, a, wrongCode)
	}
	for range 5 {
		require.Equal(t, mailbox.WrongPIN, try(closed))
	}
	for range 25 {
		require.Equal(t, mailbox.WrongPIN, try(nobody))
	}
	verified, spent := h.sys.asked()
	for range 10 {
		for _, a := range []mailbox.Account{closed, anna, nobody} {
			require.Equal(t, mailbox.Locked, try(a))
		}
	}
	again, more := h.sys.asked()
	require.Equal(t, [2]int{verified, spent}, [2]int{again, more})
}
