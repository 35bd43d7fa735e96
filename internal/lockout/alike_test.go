package lockout_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"star97/internal/lockout"
	"star97/internal/mailbox"
)

// nobody is a mailbox that does not exist.
var nobody mailbox.Account

func TestWhileLockedARightAndAWrongCodeAreAlike(t *testing.T) {
	h := open(t)
	h.wrongTimes(10, anna, mailbox.AnyDoor)
	for i, digits := range []string{rightCode, wrongCode} {
		before, spentBefore := h.sys.asked()
		err := h.Verify(t.Context(), anna, code(t, digits), h.call(mailbox.AnyDoor))
		require.ErrorIs(t, err, mailbox.Locked)
		verified, spent := h.sys.asked()
		require.Equal(t, before, verified, "the account's own code is not judged")
		require.Equal(t, spentBefore+1, spent, "try %d works as long as a verification", i)
		var closed *lockout.Closed
		require.ErrorAs(t, err, &closed)
		require.Equal(t, time.Hour, closed.Until.Sub(h.now()))
		require.NotContains(t, err.Error(), digits)
	}
}

// What a stranger can try at the any door, with the mailbox closed, open and not
// there, must take the same time. The bubble's clock counts the work exactly and
// the ledger's own as nothing.
func TestWhileLockedTriesTakeAsLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		h.wrongTimes(10, anna, mailbox.AnyDoor)
		h.sys.work = 55 * time.Millisecond
		for _, row := range []struct {
			who    string
			a      mailbox.Account
			digits string
			want   mailbox.Code
		}{
			{"closed, right", anna, rightCode, mailbox.Locked},
			{"closed, wrong", anna, wrongCode, mailbox.Locked},
			{"open, right", bert, rightCode, mailbox.OK},
			{"open, wrong", bert, wrongCode, mailbox.WrongPIN},
			{"not there", nobody, wrongCode, mailbox.WrongPIN},
		} {
			began := time.Now()
			require.Equal(t, row.want, h.tryOnce(row.a, mailbox.AnyDoor, row.digits), row.who)
			require.Equal(t, h.sys.work, time.Since(began), row.who)
		}
	})
}

// Trouble with the work of a verification sounds the same for every mailbox at the
// any door, and is nobody's wrong code.
func TestWhileLockedTroubleIsAlike(t *testing.T) {
	for _, c := range []mailbox.Code{mailbox.Busy, mailbox.Unavailable, mailbox.Throttled, mailbox.ServiceRefused} {
		t.Run(c.String(), func(t *testing.T) {
			h := open(t)
			h.wrongTimes(10, anna, mailbox.AnyDoor)
			h.wrongTimes(5, anna, mailbox.OwnDoor)
			h.sys.full = mailbox.Fail("verify", c, nil)
			for range 12 { // more than a source may have
				for who, a := range map[string]mailbox.Account{"closed": anna, "open": bert, "not there": nobody} {
					for _, digits := range []string{rightCode, wrongCode} {
						require.Equal(t, c, h.tryOnce(a, mailbox.AnyDoor, digits), who)
					}
					r := h.Change(t.Context(), a, code(t, rightCode), code(t, "605172"), h.call(mailbox.AnyDoor))
					if a.ID == anna.ID {
						require.Equal(t, mailbox.Refused, r.Outcome)
						require.Equal(t, c, r.Reason)
					}
				}
			}
			require.Equal(t, mailbox.Locked, h.tryOnce(anna, mailbox.OwnDoor, rightCode), "the owner may know")
			h.sys.full = nil
			require.Equal(t, mailbox.OK, h.tryOnce(bert, mailbox.AnyDoor, rightCode), "no budget was used")
		})
	}
}

// A stranger who has a mailbox here could ask with its right code whether the tries
// at another one used up his budget: they must, whether that one is closed or not
// there at all.
func TestASourcesBudgetDoesNotTellWhatExists(t *testing.T) {
	for who, target := range map[string]mailbox.Account{"closed": anna, "not there": nobody} {
		for what, digits := range map[string]string{"right": rightCode, "wrong": wrongCode} {
			t.Run(who+", "+what, func(t *testing.T) {
				h := open(t)
				h.wrongTimes(5, anna, mailbox.AnyDoor)
				at := h.call(mailbox.AnyDoor)
				at.Caller = "+15550100"
				for i := range 30 {
					at.Call++
					require.Equal(t, mailbox.OK, h.verifyAs(at, bert, rightCode), "after %d", i)
					require.NotEqual(t, mailbox.OK, h.verifyAs(at, target, digits))
				}
				at.Call++
				require.Equal(t, mailbox.Locked, h.verifyAs(at, bert, rightCode))
			})
		}
	}
}

// The tries of a call end alike too.
func TestACallsTriesDoNotTellWhatExists(t *testing.T) {
	for who, target := range map[string]mailbox.Account{"closed": anna, "not there": nobody} {
		t.Run(who, func(t *testing.T) {
			h := open(t)
			h.wrongTimes(5, anna, mailbox.AnyDoor)
			at := h.call(mailbox.AnyDoor)
			for range 3 {
				require.Equal(t, mailbox.OK, h.verifyAs(at, bert, rightCode))
				require.NotEqual(t, mailbox.OK, h.verifyAs(at, target, wrongCode))
			}
			require.Equal(t, mailbox.Locked, h.verifyAs(at, bert, rightCode))
		})
	}
}

// A mailbox's own limits hold whoever tries.
func TestStrangersOfAPeerCloseTheMailboxTheyTry(t *testing.T) {
	h := open(t)
	trunk := h.call(mailbox.AnyDoor)
	trunk.Caller = ""
	for range 5 {
		trunk.Call++
		require.Equal(t, mailbox.WrongPIN, h.verifyAs(trunk, anna, wrongCode))
	}
	trunk.Call++
	require.Equal(t, mailbox.Locked, h.verifyAs(trunk, anna, rightCode))
}

func (h *house) verifyAs(at mailbox.Attempt, a mailbox.Account, digits string) mailbox.Code {
	h.t.Helper()
	return mailbox.CodeOf(h.Verify(h.t.Context(), a, code(h.t, digits), at))
}
