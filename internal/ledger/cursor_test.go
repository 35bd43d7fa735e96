package ledger

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/audit"
	"star97/internal/mailbox"
	"star97/internal/sqlkit"
	"star97/internal/sqlkit/sqlkittest"
)

// Whoever follows the chain for the first time does not tell of what is long past.
func TestACursorBeginsAtTheEndAndNeverGoesBack(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		l, other := openOn(t, again(), nil), openOn(t, again(), nil)
		at := func(l *Ledger, name string) uint64 {
			seq, err := l.Cursor(t.Context(), name)
			require.NoError(t, err)
			return seq
		}
		require.Zero(t, at(l, "early"), "of an empty chain")
		fill(t, l, 5)
		require.Zero(t, at(l, "early"), "it was kept at its first question")
		require.EqualValues(t, 5, at(l, "late"))
		require.NoError(t, l.Advance(t.Context(), "early", 3))
		require.EqualValues(t, 3, at(other, "early"), "another node sees it")
		require.NoError(t, other.Advance(t.Context(), "early", 2))
		require.EqualValues(t, 3, at(l, "early"))
		require.EqualValues(t, 5, at(l, "late"), "each has its own")
		require.NoError(t, l.Advance(t.Context(), "unasked", 4))
		require.EqualValues(t, 4, at(l, "unasked"))
	})
}

func TestTheLastChange(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		l := openOn(t, again(), nil)
		_, found, err := l.LastChange(t.Context(), "b", "a1")
		require.NoError(t, err)
		require.False(t, found)
		for _, r := range []audit.Record{
			{Action: audit.Change, Stage: audit.Ended, Outcome: mailbox.Done, Backend: "b", Mailbox: "a1", Source: "first"},
			{Action: audit.Reset, Stage: audit.Ended, Outcome: mailbox.Done, Backend: "b", Mailbox: "a1", Source: "this one"},
			{Action: audit.Change, Stage: audit.Ended, Outcome: mailbox.Refused, Backend: "b", Mailbox: "a1", Source: "refused"},
			{Action: audit.Change, Stage: audit.Ended, Outcome: mailbox.Unknown, Backend: "b", Mailbox: "a1", Source: "unknown"},
			{Action: audit.Change, Stage: audit.Intended, Backend: "b", Mailbox: "a1", Source: "intended"},
			{Action: audit.Edit, Stage: audit.Ended, Outcome: mailbox.Done, Backend: "b", Mailbox: "a1", Source: "no change of the code"},
			{Action: audit.Change, Stage: audit.Ended, Outcome: mailbox.Done, Backend: "b", Mailbox: "a2", Source: "another mailbox"},
			{Action: audit.Change, Stage: audit.Ended, Outcome: mailbox.Done, Backend: "c", Mailbox: "a1", Source: "another store"},
			{Action: audit.Reset, Stage: audit.Ended, Outcome: mailbox.Done, Source: "no mailbox"},
		} {
			_, err := l.Append(t.Context(), r)
			require.NoError(t, err)
		}
		r, found, err := l.LastChange(t.Context(), "b", "a1")
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, "this one", r.Source)
		_, found, err = l.LastChange(t.Context(), "", "")
		require.NoError(t, err)
		require.False(t, found, "no mailbox is none")
		_, err = l.Append(t.Context(), audit.Record{Action: audit.Reassign, Stage: audit.Ended, Outcome: mailbox.Done, Backend: "b", Mailbox: "a1"})
		require.NoError(t, err)
		_, found, err = l.LastChange(t.Context(), "b", "a1")
		require.NoError(t, err)
		require.False(t, found, "another person's change is nothing to its new owner")
	})
}

// Of several nodes one follows, and another one when it was not heard of for a minute.
func TestOneNodeLeads(t *testing.T) {
	o := sqlkittest.Postgres(t).Database(t)
	var clock atomic.Int64
	now := func() time.Time { return time.Unix(1_800_000_000+clock.Load(), 0) }
	one, two := openOn(t, postgres(t, o), now), openOn(t, postgres(t, o), now)
	leads := func(l *Ledger, node string) bool {
		is, err := l.Lead(t.Context(), "syslog", node)
		require.NoError(t, err)
		return is
	}
	require.True(t, leads(one, "north"))
	require.False(t, leads(two, "south"))
	clock.Add(45)
	require.True(t, leads(one, "north"), "it is heard of")
	clock.Add(45)
	require.False(t, leads(two, "south"), "less than a minute ago")
	clock.Add(20)
	require.True(t, leads(two, "south"), "then the other one")
	require.False(t, leads(one, "north"), "for good")
	is, err := one.Lead(t.Context(), "another name", "north")
	require.NoError(t, err)
	require.True(t, is)

	clock.Add(120)
	var leading atomic.Int64
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if is, err := []*Ledger{one, two}[i%2].Lead(context.Background(), "syslog", fmt.Sprint(i)); err != nil {
				t.Error(err)
			} else if is {
				leading.Add(1)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 1, leading.Load(), "of those who ask at once")
	is, err = open(t).Lead(t.Context(), "syslog", "north")
	require.NoError(t, err)
	require.True(t, is, "a file has one service")
}
