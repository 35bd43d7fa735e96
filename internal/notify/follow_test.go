package notify

import (
	"context"
	"database/sql"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/audit"
	"star97/internal/mailbox"
	"star97/internal/sqlkit"
)

func TestWhichRecordsAreTold(t *testing.T) {
	change := changeOf(ada)
	with := func(alter func(*audit.Record)) audit.Record {
		r := change
		alter(&r)
		return r
	}
	for name, c := range map[string]struct {
		r    audit.Record
		want Kind
	}{
		"a change":                              {change, Changed},
		"by a one-time code":                    {with(func(r *audit.Record) { r.Claim = mailbox.ByOneTime }), Changed},
		"its intent":                            {with(func(r *audit.Record) { r.Stage, r.Outcome = audit.Intended, mailbox.Unknown }), ""},
		"a refused change":                      {with(func(r *audit.Record) { r.Outcome = mailbox.Refused }), ""},
		"a change refused by a rule":            {with(func(r *audit.Record) { r.Stage, r.Outcome = audit.Whole, mailbox.Refused }), ""},
		"a change left unknown":                 {with(func(r *audit.Record) { r.Outcome = mailbox.Unknown }), Unsure},
		"a reset":                               {with(func(r *audit.Record) { r.Action, r.Actor = audit.Reset, "eve" }), Reset},
		"a refused reset":                       {with(func(r *audit.Record) { r.Action, r.Outcome = audit.Reset, mailbox.Refused }), ""},
		"a reset left unknown":                  {with(func(r *audit.Record) { r.Action, r.Outcome = audit.Reset, mailbox.Unknown }), Unsure},
		"a lock by wrong codes":                 {with(func(r *audit.Record) { r.Action, r.Stage, r.Outcome = audit.Lock, audit.Whole, mailbox.Unknown }), Locked},
		"a source's lock":                       {with(func(r *audit.Record) { r.Action, r.Stage, r.Mailbox, r.Extension = audit.Lock, audit.Whole, "", "" }), ""},
		"a lock by an administrator":            {with(func(r *audit.Record) { r.Action, r.Actor = audit.Lock, "eve" }), Shut},
		"a lock that was there already":         {with(func(r *audit.Record) { r.Action, r.Target = audit.Lock, audit.Unchanged }), ""},
		"a lock refused to an administrator":    {with(func(r *audit.Record) { r.Action, r.Outcome = audit.Lock, mailbox.Refused }), ""},
		"an administrator's intent to lock":     {with(func(r *audit.Record) { r.Action, r.Stage, r.Outcome = audit.Lock, audit.Intended, mailbox.Unknown }), ""},
		"an unlock":                             {with(func(r *audit.Record) { r.Action = audit.Unlock }), ""},
		"a login":                               {with(func(r *audit.Record) { r.Action, r.Stage = audit.Login, audit.Whole }), ""},
		"an edit left unknown":                  {with(func(r *audit.Record) { r.Action, r.Outcome = audit.Edit, mailbox.Unknown }), ""},
		"a new owner":                           {with(func(r *audit.Record) { r.Action = audit.Reassign }), passedOn},
		"a new owner who was refused":           {with(func(r *audit.Record) { r.Action, r.Outcome = audit.Reassign, mailbox.Refused }), keptOn},
		"a new owner, perhaps":                  {with(func(r *audit.Record) { r.Action, r.Outcome = audit.Reassign, mailbox.Unknown }), passedOn},
		"a new owner, soon":                     {with(func(r *audit.Record) { r.Action, r.Stage = audit.Reassign, audit.Intended }), passing},
		"another number":                        {with(func(r *audit.Record) { r.Action, r.Target = audit.Renumber, "4101" }), moved},
		"a number that was refused":             {with(func(r *audit.Record) { r.Action, r.Target, r.Outcome = audit.Renumber, "4101", mailbox.Refused }), ""},
		"a change of nobody that is known":      {with(func(r *audit.Record) { r.Mailbox, r.Extension = "", "" }), ""},
		"a change of a mailbox without number":  {with(func(r *audit.Record) { r.Extension = "" }), ""},
		"an action that is not known here":      {with(func(r *audit.Record) { r.Action = 200 }), ""},
		"one of them in the middle of its ways": {with(func(r *audit.Record) { r.Stage = 9 }), ""},
	} {
		require.Equal(t, c.want, kindOf(&c.r), name)
	}
}

// A new person in a mailbox is not told what befell the one before, nor kept from hearing
// of a lock of their own. The administrator's list stays.
func TestWhatWaitsForAFormerOwnerIsForgotten(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		options := hookOnly(receiverOn(t))
		options.Mail, options.Digest = officeOn(t, kindOfOffice{}).options(), "eve@example.test"
		r := rigOn(t, again(), options)
		waits := func() (all []string) {
			require.NoError(t, r.catchUp(t.Context()))
			require.NoError(t, r.db.Read(t.Context(), func(db *sql.DB) error {
				rows, err := db.Query("SELECT channel || ' ' || kind || ' ' || extension FROM notice")
				require.NoError(t, err)
				defer rows.Close()
				for rows.Next() {
					var one string
					require.NoError(t, rows.Scan(&one))
					all = append(all, one)
				}
				return rows.Err()
			}))
			return all
		}
		unsure, lock, given := changeOf(ada), changeOf(ada), changeOf(ada)
		unsure.Outcome, given.Action = mailbox.Unknown, audit.Reassign
		lock.Action, lock.Stage, lock.Outcome = audit.Lock, audit.Whole, mailbox.Unknown
		r.happened(changeOf(ada), unsure, lock, changeOf(bob))
		require.Len(t, waits(), 9)
		r.happened(given, lock)
		require.ElementsMatch(t, []string{"digest unsure 4001", "mail changed 4002", "webhook changed 4002", "mail locked 4001", "webhook locked 4001"}, waits())
	})
}

func TestAtMostOneLockIsToldInAnHour(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		s := receiverOn(t)
		r := rigOn(t, again(), hookOnly(s))
		r.running()
		begin := time.Now().UTC().Add(-3 * time.Hour).Truncate(time.Microsecond)
		lock := func(a mailbox.Account, after time.Duration) audit.Record {
			l := changeOf(a)
			l.Action, l.Stage, l.Time = audit.Lock, audit.Whole, begin.Add(after)
			return l
		}
		shut := func(a mailbox.Account, after time.Duration) audit.Record {
			l := deedOn(a, audit.Lock, audit.Ended, mailbox.Done)
			l.Time = begin.Add(after)
			return l
		}
		r.happened(shut(bob, 0), shut(bob, time.Minute), shut(bob, 59*time.Minute), shut(bob, 61*time.Minute))
		r.happened(lock(ada, 0), lock(ada, time.Second), lock(bob, time.Minute), lock(ada, 59*time.Minute), lock(ada, time.Hour),
			lock(ada, time.Hour+time.Second), lock(bob, 61*time.Minute), lock(ada, 2*time.Hour))
		r.idle()
		got := map[string]int{}
		for _, body := range s.told() {
			var e struct{ Kind, Extension string }
			require.NoError(t, json.Unmarshal([]byte(body), &e))
			got[e.Kind+" "+e.Extension]++
		}
		require.Equal(t, map[string]int{"locked 4001": 3, "locked 4002": 2, "locked-by-administrator 4002": 2}, got)
	})
}

func TestWhatWaitsIsBounded(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		s := receiverOn(t)
		r := rigOn(t, again(), hookOnly(s))
		r.opts.MaxWaiting = 5
		var all []audit.Record
		for i := range 8 {
			one := changeOf(ada)
			one.Time = time.Now().UTC().Add(time.Duration(i-60) * time.Second).Truncate(time.Microsecond)
			all = append(all, one)
		}
		sealed := r.happened(all...)
		require.NoError(t, r.catchUp(t.Context()))
		require.Equal(t, 5, r.waiting())
		require.Contains(t, r.said.String(), "given_up=3")
		r.running()
		r.idle()
		told := strings.Join(s.told(), "\n")
		for i, one := range sealed {
			require.Equal(t, i >= 3, strings.Contains(told, noticeOf(Changed, &one).id), "the oldest go first")
		}
	})
}

// What happened before notices were ever on, or too long ago, is not told.
func TestOldRecordsAreNotTold(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		s := receiverOn(t)
		before := rigOn(t, again(), hookOnly(s))
		require.NoError(t, before.db.Write(t.Context(), func(tx *sql.Tx) error {
			_, err := tx.Exec("DELETE FROM notice_cursor")
			return err
		}))
		before.happened(changeOf(ada), changeOf(ada))
		r := rigOn(t, again(), hookOnly(s))
		r.running()
		old := changeOf(ada)
		old.Time = time.Now().UTC().Add(-25 * time.Hour)
		sealed := r.happened(old, changeOf(bob))
		r.idle()
		require.Len(t, s.told(), 1)
		require.Contains(t, s.told()[0], noticeOf(Changed, &sealed[1]).id)
	})
}

// Two nodes follow one chain and empty one outbox: each notice is told once.
func TestOfSeveralNodesOneDelivers(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		s := receiverOn(t)
		nodes := []*rig{rigOn(t, again(), hookOnly(s)), rigOn(t, again(), hookOnly(s))}
		for _, n := range nodes {
			n.running()
		}
		const each = 12
		var want []string
		for range each {
			for i, n := range nodes {
				for _, one := range n.happened(changeOf([]mailbox.Account{ada, bob}[i])) {
					want = append(want, noticeOf(Changed, &one).id)
				}
			}
		}
		nodes[0].idle()
		var got []string
		for _, body := range s.told() {
			var e struct{ ID string }
			require.NoError(t, json.Unmarshal([]byte(body), &e))
			got = append(got, e.ID)
		}
		require.ElementsMatch(t, want, got)
	})
}

// What is on its way when the context of a step has ended is not lost.
func TestAStepThatIsCutOffIsMadeAgain(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		s := receiverOn(t)
		r := rigOn(t, again(), hookOnly(s))
		r.happened(changeOf(ada))
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		require.Error(t, r.catchUp(gone))
		require.Zero(t, r.waiting())
		require.NoError(t, r.catchUp(t.Context()))
		require.Equal(t, 1, r.waiting())
		require.NoError(t, r.catchUp(t.Context()))
		require.Equal(t, 1, r.waiting())
	})
}
