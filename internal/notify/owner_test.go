package notify

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/audit"
	"star97/internal/mailbox"
	"star97/internal/sqlkit"
)

// deedOn is the record of what an administrator does to a mailbox.
func deedOn(a mailbox.Account, action audit.Action, stage audit.Stage, outcome mailbox.Outcome) audit.Record {
	r := changeOf(a)
	r.Action, r.Stage, r.Outcome, r.Door, r.Actor = action, stage, outcome, 0, "eve"
	return r
}

// What waits reaches an owner whose mailbox has another number by now, whether the record
// of that comes before the notice is tried or after, and nobody who has the old one.
func TestANoticeFollowsItsMailbox(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		o := officeOn(t, kindOfOffice{})
		r := rigOn(t, again(), mailOnly(o))
		moved, eve := ada, mailbox.Account{ID: "19", Backend: "sqlite", Extension: "4001", Mail: "eve@example.test"}
		moved.Extension = "4101"
		renumber := deedOn(ada, audit.Renumber, audit.Ended, mailbox.Done)
		renumber.Target = "4101"

		deliver := func() {
			require.NoError(t, r.catchUp(t.Context()))
			_, err := r.pass(t.Context(), r.channels[0])
			require.NoError(t, err)
		}

		r.happened(changeOf(ada))
		require.NoError(t, r.catchUp(t.Context()))
		r.people.set(nil, moved, eve)
		r.happened(renumber)
		deliver()
		require.Equal(t, "ada@example.test", o.mail(1).to)
		require.Equal(t, "Mailbox 4101: your access code was changed", o.mail(1).header("Subject"))

		back := moved
		back.Extension = "4201"
		r.people.set(nil, back, eve)
		r.happened(changeOf(moved))
		deliver()
		require.Equal(t, 1, r.waiting(), "the record of its number may be on its way")
		renumber = deedOn(moved, audit.Renumber, audit.Ended, mailbox.Done)
		renumber.Target = "4201"
		r.happened(renumber)
		r.clock.pass(time.Minute)
		deliver()
		require.Equal(t, "ada@example.test", o.mail(2).to)

		r.people.set(nil, eve)
		r.happened(changeOf(ada))
		for range goneTries {
			r.clock.pass(time.Hour)
			deliver()
		}
		require.Zero(t, r.waiting(), "it is gone")
		require.Len(t, o.got(), 2)
	})
}

// From the intent of giving a mailbox to another person on, nothing that waits for the
// one before is sent, not even what is claimed already; if that comes to nothing, it is.
func TestNothingLeavesForAMailboxThatChangesHands(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		o, s := officeOn(t, kindOfOffice{}), receiverOn(t)
		both := mailOnly(o)
		both.Webhook = s.options()
		r := rigOn(t, again(), both)
		pass := func() {
			for _, c := range r.channels {
				_, err := r.pass(t.Context(), c)
				require.NoError(t, err)
			}
		}
		r.happened(changeOf(ada), changeOf(bob))
		require.NoError(t, r.catchUp(t.Context()))
		next := ada
		next.Mail = "mallory@example.test"
		r.people.set(nil, next, bob)
		r.happened(deedOn(ada, audit.Reassign, audit.Intended, mailbox.Unknown))
		pass()
		require.Len(t, o.got(), 1)
		require.Equal(t, "bob@example.test", o.mail(1).to)
		require.Len(t, s.told(), 1)
		require.Equal(t, 2, r.waiting())

		r.people.set(nil, ada, bob)
		r.happened(deedOn(ada, audit.Reassign, audit.Ended, mailbox.Refused))
		require.NoError(t, r.catchUp(t.Context()))
		pass()
		require.Equal(t, "ada@example.test", o.mail(2).to)
		require.Len(t, s.told(), 2)

		for _, outcome := range []mailbox.Outcome{mailbox.Done, mailbox.Unknown} {
			r.happened(changeOf(ada))
			require.NoError(t, r.catchUp(t.Context()))
			r.people.set(nil, next, bob)
			r.happened(deedOn(ada, audit.Reassign, audit.Intended, mailbox.Unknown), deedOn(ada, audit.Reassign, audit.Ended, outcome))
			pass()
			require.Zero(t, r.waiting())
		}
		r.happened(changeOf(ada))
		require.NoError(t, r.catchUp(t.Context()))
		r.happened(deedOn(ada, audit.Reassign, audit.Intended, mailbox.Unknown)) // and killed
		require.NoError(t, r.catchUp(t.Context()))
		r.clock.pass(r.opts.GiveUp + time.Hour)
		pass()
		require.Equal(t, 2, r.waiting(), "nobody knows whose the mailbox is")
		late := changeOf(bob)
		late.Time = r.clock.Now().UTC()
		r.happened(late)
		require.NoError(t, r.catchUp(t.Context()))
		require.Equal(t, 2, r.waiting(), "what was held back too long is forgotten")
		require.Len(t, o.got(), 2)
		require.Len(t, s.told(), 2)
	})
}
