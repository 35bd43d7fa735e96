package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/audit"
	"star97/internal/mailbox"
	"star97/internal/sqlkit"
)

// some are records of every kind, one second apart.
func some(t *testing.T, l *Ledger, n int) (all []audit.Record) {
	t.Helper()
	dice := rand.New(rand.NewPCG(3, uint64(n)))
	for i := range n {
		r := audit.Record{
			Time: time.Unix(int64(i), 0).UTC(), Action: audit.Actions()[dice.IntN(4)], Stage: audit.Stage(dice.IntN(3)), Door: mailbox.Door(dice.IntN(3)),
			Outcome: mailbox.Outcome(dice.IntN(3)), Result: mailbox.Code(dice.IntN(5)), Mailbox: fmt.Sprint("id", dice.IntN(5)), Extension: fmt.Sprint(4000 + dice.IntN(5)),
			Domain: []string{"", "north.example", "south.example"}[dice.IntN(3)], Actor: []string{"", "Root", "100%_sure!"}[dice.IntN(3)],
			Source: []string{"192.0.2.1 +15550100", "198.51.100.7"}[dice.IntN(2)], CallID: fmt.Sprint("c", dice.IntN(10)), Intent: fmt.Sprint("i", i),
		}
		r, err := l.Append(t.Context(), r)
		require.NoError(t, err)
		all = append(all, r)
	}
	return all
}

type filtering struct {
	f    Filter
	fits func(r audit.Record) bool

	never bool // it fits nothing
}

func filters() map[string]filtering {
	north, none := "North.Example", ""
	ended := func(r audit.Record) bool { return r.Stage == audit.Ended || r.Outcome != mailbox.Unknown }
	return map[string]filtering{
		"all":            {f: Filter{}, fits: func(audit.Record) bool { return true }},
		"since":          {f: Filter{Since: time.Unix(20, 0)}, fits: func(r audit.Record) bool { return r.Time.Unix() >= 20 }},
		"until":          {f: Filter{Until: time.Unix(20, 0)}, fits: func(r audit.Record) bool { return r.Time.Unix() < 20 }},
		"extension":      {f: Filter{Mailbox: "4002"}, fits: func(r audit.Record) bool { return r.Extension == "4002" }},
		"ID":             {f: Filter{Mailbox: "id2"}, fits: func(r audit.Record) bool { return r.Mailbox == "id2" }},
		"domain":         {f: Filter{Domain: &north}, fits: func(r audit.Record) bool { return r.Domain == "north.example" }},
		"default domain": {f: Filter{Domain: &none}, fits: func(r audit.Record) bool { return r.Domain == "" }},
		"actions":        {f: Filter{Actions: []audit.Action{audit.Login, audit.Unlock}}, fits: func(r audit.Record) bool { return r.Action == audit.Login || r.Action == audit.Unlock }},
		"door":           {f: Filter{Doors: []mailbox.Door{mailbox.OwnDoor}}, fits: func(r audit.Record) bool { return r.Door == mailbox.OwnDoor }},
		"result":         {f: Filter{Results: []mailbox.Code{mailbox.WrongPIN}}, fits: func(r audit.Record) bool { return r.Stage != audit.Intended && r.Result == mailbox.WrongPIN }},
		"done":           {f: Filter{Outcomes: []mailbox.Outcome{mailbox.Done}}, fits: func(r audit.Record) bool { return r.Stage != audit.Intended && r.Outcome == mailbox.Done }},
		"unknown":        {f: Filter{Outcomes: []mailbox.Outcome{mailbox.Unknown}}, fits: func(r audit.Record) bool { return r.Stage == audit.Ended && r.Outcome == mailbox.Unknown }},
		"result, outcome": {f: Filter{Results: []mailbox.Code{mailbox.Locked}, Outcomes: []mailbox.Outcome{mailbox.Refused}}, fits: func(r audit.Record) bool {
			return r.Stage != audit.Intended && (r.Result == mailbox.Locked || ended(r) && r.Outcome == mailbox.Refused)
		}},
		"actor":           {f: Filter{Actor: "roo"}, fits: func(r audit.Record) bool { return r.Actor == "Root" }},
		"actor, signs":    {f: Filter{Actor: "0%_s"}, fits: func(r audit.Record) bool { return r.Actor == "100%_sure!" }},
		"actor, no signs": {f: Filter{Actor: "r_ot"}, fits: func(audit.Record) bool { return false }, never: true},
		"source":          {f: Filter{Source: "+1555"}, fits: func(r audit.Record) bool { return strings.Contains(r.Source, "+1555") }},
		"Call-ID":         {f: Filter{CallID: "c1"}, fits: func(r audit.Record) bool { return r.CallID == "c1" }},
		"intent":          {f: Filter{Intent: "i7"}, fits: func(r audit.Record) bool { return r.Intent == "i7" }},
		"all together": {f: Filter{Since: time.Unix(5, 0), Mailbox: "4001", Domain: &none, Actor: "r", Source: "192"}, fits: func(r audit.Record) bool {
			return r.Time.Unix() >= 5 && r.Extension == "4001" && r.Domain == "" && r.Actor != "" && strings.HasPrefix(r.Source, "192")
		}},
		"a quotation mark": {f: Filter{Actor: "'", Mailbox: "'; DROP TABLE audit; --"}, fits: func(audit.Record) bool { return false }, never: true},
	}
}

// Each filter finds what a plain look at every record finds.
func TestFiltersFindWhatTheySay(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		l := openOn(t, again(), nil)
		all := some(t, l, 120)
		for name, c := range filters() {
			t.Run(name, func(t *testing.T) {
				var fit []uint64
				for _, r := range all {
					if c.fits(r) {
						fit = append(fit, r.Seq)
					}
				}
				require.Equal(t, c.never, fit == nil, "a filter that finds nothing shows nothing")
				require.Equal(t, fit, found(t, l, c.f, 1000), "in order")
				require.Equal(t, fit[max(0, len(fit)-3):], found(t, l, c.f, 3)[:min(3, len(fit))], "the newest three")
			})
		}
	})
}

func found(t *testing.T, l *Ledger, f Filter, most int) (seqs []uint64) {
	t.Helper()
	for r, err := range l.Find(t.Context(), f, most) {
		require.NoError(t, err)
		seqs = append(seqs, r.Seq)
	}
	return seqs
}

// Tables of more than one page come whole and in order, whatever is written meanwhile.
func TestPagesGoOnFromEachOther(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		l := openOn(t, again(), nil)
		const n = pageRows + 7
		many(t, l, n)
		for _, from := range []uint64{0, 1, pageRows - 1, pageRows, pageRows + 1, n - 1, n} {
			next := from + 1
			for r, err := range l.Records(t.Context(), from) {
				require.NoError(t, err)
				require.Equal(t, next, r.Seq)
				if next++; r.Seq == pageRows {
					_, err := l.Append(t.Context(), audit.Record{Action: audit.Edit})
					require.NoError(t, err, "no transaction of the reader is in the way")
				}
			}
			require.Greater(t, next, uint64(n))
		}
		for _, most := range []int{1, pageRows, pageRows + 1} {
			seqs := found(t, l, Filter{Actions: []audit.Action{audit.Login}}, most)
			require.Len(t, seqs, most)
			require.EqualValues(t, n, seqs[most-1])
		}
		r, is, err := l.Record(t.Context(), 3)
		require.NoError(t, err)
		require.True(t, is)
		require.EqualValues(t, 3, r.Seq)
		_, is, err = l.Record(t.Context(), 1<<40)
		require.NoError(t, err)
		require.False(t, is)
	})
}

// many appends records in few commits.
func many(t testing.TB, l *Ledger, n int) {
	t.Helper()
	const commit = 5000
	for done := 0; done < n; done += commit {
		require.NoError(t, l.db.Write(context.Background(), func(tx *sql.Tx) error {
			for i := done; i < min(n, done+commit); i++ {
				_, err := l.appendIn(context.Background(), tx, audit.Record{
					Action: audit.Login, Time: time.UnixMicro(int64(i+1) * 1_000_000).UTC(), Node: "node-1", Peer: "pbx", Transport: "udp",
					Source: "192.0.2.1 +15550100", CallID: fmt.Sprint("a84b4c76e66710-", i), Backend: "sqlite", Mailbox: fmt.Sprint("a", i%1000),
					Extension: fmt.Sprint(4000 + i%1000), Door: mailbox.AnyDoor, Result: mailbox.Code(i % 5), Policy: "strong",
				})
				if err != nil {
					return err
				}
			}
			return nil
		}))
	}
}

// Writers on two nodes, a follower and somebody who verifies at the same time: the chain
// holds at each look, and the follower meets every record once.
func TestTheChainHoldsWhileItIsWritten(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		ledgers := []*Ledger{openOn(t, again(), nil), openOn(t, again(), nil)}
		const writers, each = 6, 15
		var all sync.WaitGroup
		for w := range writers {
			all.Go(func() {
				for range each {
					if _, err := ledgers[w%2].Append(context.Background(), audit.Record{Action: audit.Login}, audit.Record{Action: audit.Lock}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		next := uint64(1)
		for next <= 2*writers*each {
			head, err := ledgers[0].Verify(t.Context())
			require.NoError(t, err)
			_, err = ledgers[1].Verify(t.Context(), head)
			require.NoError(t, err, "it contains the head of a moment ago")
			for r, err := range ledgers[1].Records(t.Context(), next-1) {
				require.NoError(t, err)
				require.Equal(t, next, r.Seq)
				want := audit.Login
				if next%2 == 0 {
					want = audit.Lock
				}
				require.Equal(t, want, r.Action, "what was appended together stands together")
				next++
			}
		}
		all.Wait()
	})
}

// What a list reads must not grow with the chain where an index can lead to it.
func TestQuestionsUseTheirIndex(t *testing.T) {
	l := open(t)
	many(t, l, 200)
	plan := func(question string, args ...any) (all []string) {
		require.NoError(t, l.db.Read(t.Context(), func(db *sql.DB) error {
			rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+question, args...)
			require.NoError(t, err)
			defer rows.Close()
			for rows.Next() {
				var id, parent, unused int
				var detail string
				require.NoError(t, rows.Scan(&id, &parent, &unused, &detail))
				all = append(all, detail)
			}
			return rows.Err()
		}))
		return all
	}
	for name, c := range map[string]struct {
		f       Filter
		indexes []string
	}{
		"mailbox": {Filter{Mailbox: "4001"}, []string{"audit_extension", "audit_mailbox"}},
		"since":   {Filter{Since: time.Unix(1, 0)}, []string{"audit_at"}},
		"intent":  {Filter{Intent: "i"}, []string{"audit_intent"}},
	} {
		where, args := c.f.where()
		used := strings.Join(plan(newest(where, 50), args...), "; ")
		for _, index := range c.indexes {
			require.Contains(t, used, index, name)
		}
		require.NotContains(t, used, "SCAN audit", name)
	}
	require.Contains(t, strings.Join(plan("SELECT seq FROM audit "+lastChange, "b", "m", 3, 5, 13), "; "), "audit_done")
	require.Contains(t, strings.Join(plan("SELECT seq FROM audit "+page, 100, pageRows), "; "), "PRIMARY KEY (rowid>?)")
}

func BenchmarkVerifyLedger(b *testing.B) {
	l := open(b)
	const n = 20_000
	many(b, l, n)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.Verify(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/record")
}
