package onetime

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/hashpool"
	"star97/internal/mailbox"
	"star97/internal/sqlkit"
)

// However often strangers name a mailbox, its own telephone is sent a code that day.
func TestStrangersLeaveTheOwnDoorACodeADay(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		d := deskOn(t, again())
		for range 2 {
			d.sentFrom(t, mailbox.AnyDoor, ada)
		}
		for _, door := range []mailbox.Door{mailbox.AnyDoor, 0} {
			require.Equal(t, mailbox.Throttled, mailbox.CodeOf(d.wish(ada, mailbox.Attempt{Door: door})))
		}
		require.Equal(t, mailbox.OK, d.verify(ada, d.sent(t, ada), oneTime))
		require.Equal(t, mailbox.Throttled, mailbox.CodeOf(d.wish(ada, oneTime)), "three a day")
		d.clock.pass(24 * time.Hour)
		d.sentFrom(t, mailbox.AnyDoor, ada)
	})
}

// What was not carried is given back to the door that asked.
func TestACodeThatFoundNoWayIsNoneOfItsDoors(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		d := deskOn(t, again())
		d.sentFrom(t, mailbox.AnyDoor, ada)
		for _, at := range []mailbox.Attempt{stranger(1), call(2)} {
			d.post.fail = mailbox.Fail("carry", mailbox.Busy, nil)
			require.Equal(t, mailbox.Busy, mailbox.CodeOf(d.wish(ada, at)))
		}
		d.post.fail = nil
		d.sentFrom(t, mailbox.AnyDoor, ada)
		require.Equal(t, mailbox.Throttled, mailbox.CodeOf(d.wish(ada, stranger(1))))
	})
}

func TestHowManyCodesADoorMayHave(t *testing.T) {
	for perDay, row := range map[int]struct{ strangers, ownAfter, own, strangersAfter int }{
		1:  {strangers: 1, ownAfter: 1, own: 1, strangersAfter: 1},
		2:  {strangers: 1, ownAfter: 1, own: 2, strangersAfter: 0},
		3:  {strangers: 2, ownAfter: 1, own: 3, strangersAfter: 0},
		20: {strangers: 19, ownAfter: 1, own: 20, strangersAfter: 0},
	} {
		o := DefaultOptions()
		o.PerDay = perDay
		var own, others int
		fill := func() (byOwner, byStrangers int) {
			for o.allow(mailbox.AnyDoor, own, others) {
				others, byStrangers = others+1, byStrangers+1
			}
			for o.allow(mailbox.OwnDoor, own, others) {
				own, byOwner = own+1, byOwner+1
			}
			return byOwner, byStrangers
		}
		byOwner, byStrangers := fill()
		require.Equal(t, []int{row.strangers, row.ownAfter}, []int{byStrangers, byOwner}, "the strangers first, of %d", perDay)
		own, others = 0, 0
		for o.allow(mailbox.OwnDoor, own, others) {
			own++
		}
		require.Equal(t, row.own, own, perDay)
		_, byStrangers = fill()
		require.Equal(t, row.strangersAfter, byStrangers, "the owner first, of %d", perDay)
	}
}

// Wrong codes at one door void nothing at the other, and a code is used once all the same.
func TestTriesCountForTheirDoor(t *testing.T) {
	for name, at := range map[string]struct{ wrong, right mailbox.Attempt }{
		"strangers and the owner": {stranger(1), call(2)},
		"the owner and strangers": {call(1), stranger(2)},
		"no door is the any door": {mailbox.Attempt{Claim: mailbox.ByOneTime}, call(2)},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
				d := deskOn(t, again())
				code := d.sent(t, ada)
				for range 20 {
					require.Equal(t, mailbox.WrongPIN, d.verify(ada, other(t, code), at.wrong))
				}
				require.Equal(t, mailbox.WrongPIN, d.verify(ada, code, at.wrong), "void where it was tried")
				for range 2 {
					require.Equal(t, mailbox.WrongPIN, d.verify(ada, other(t, code), at.right))
				}
				require.Equal(t, mailbox.OK, d.verify(ada, code, at.right))
				require.Equal(t, mailbox.WrongPIN, d.verify(ada, code, at.right), "one use")
				code = d.sent(t, ada)
				require.Equal(t, mailbox.OK, d.verify(ada, code, at.wrong), "a new code has all its tries")
				require.Equal(t, mailbox.WrongPIN, d.verify(ada, code, at.right), "one use over both doors")
			})
		})
	}
}

// Twenty right ones at once, from both doors, open one.
func TestBothDoorsAtOnceUseACodeOnce(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		one := deskOn(t, again())
		two := deskWith(t, again(), one.vault, one.post, one.clock)
		code := one.sent(t, ada)
		var all sync.WaitGroup
		answers := make(chan mailbox.Code, 6)
		for i := range uint64(3) {
			all.Go(func() { answers <- one.verify(ada, code, call(i+1)) })
			all.Go(func() { answers <- two.verify(ada, code, stranger(i+1)) })
		}
		all.Wait()
		close(answers)
		got := map[mailbox.Code]int{}
		for a := range answers {
			got[a]++
		}
		require.Equal(t, map[mailbox.Code]int{mailbox.OK: 1, mailbox.WrongPIN: 5}, got)
	})
}

// A try that was not looked at is given back to its own door.
func TestABusyPoolGivesBackToTheDoor(t *testing.T) {
	d := deskOn(t, opened(t)(sqlkit.Open(t.Context(), sqlkit.Options{Path: t.TempDir() + "/x.db"})))
	code := d.sent(t, ada)
	d.tries(t, ada, code, 2)
	require.Equal(t, mailbox.WrongPIN, d.verify(ada, other(t, code), stranger(1)))
	pool := d.pool
	d.pool = hashpool.New(1, 0, time.Minute)
	busy, release, held := make(chan struct{}), make(chan struct{}), sync.WaitGroup{}
	held.Go(func() { _ = d.pool.Do(context.Background(), "test", func() { close(busy); <-release }) })
	<-busy
	for range 5 {
		require.Equal(t, mailbox.Busy, d.verify(ada, code, stranger(1)))
	}
	close(release)
	held.Wait()
	d.pool = pool
	require.Equal(t, mailbox.WrongPIN, d.verify(ada, other(t, code), stranger(1)))
	require.Equal(t, mailbox.OK, d.verify(ada, code, stranger(1)), "its third")
}
