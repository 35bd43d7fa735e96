package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/audit"
	"star97/internal/lockout"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/sqlkit/sqlkittest"
)

// system knows one mailbox, to which every code is wrong, and counts how often it is asked.
type system struct {
	mailbox.Store
	asked atomic.Int64
}

func (s *system) Verify(_ context.Context, a mailbox.Account, _ pin.PIN, _ mailbox.Attempt) error {
	if a.ID != "" {
		s.asked.Add(1)
	}
	return mailbox.Fail("verify", mailbox.WrongPIN, nil)
}

// guesses has many callers guess at one mailbox at once, each at the next of the nodes,
// and returns how many guesses the system has seen.
func guesses(t *testing.T, nodes ...*Ledger) int64 {
	t.Helper()
	const callers = 48
	clock := func() time.Time { return time.Unix(1_800_000_000, 0) }
	behind := new(system)
	var guards []*lockout.Guard
	for _, l := range nodes {
		g, err := lockout.New(behind, l, lockout.DefaultOptions(), clock)
		require.NoError(t, err)
		guards = append(guards, g)
	}
	var all sync.WaitGroup
	for n := range callers {
		all.Go(func() {
			at := mailbox.Attempt{Door: mailbox.AnyDoor, Peer: "pbx", Source: fmt.Sprint("192.0.2.", n), Call: uint64(n + 1)}
			code, err := pin.Parse("482915")
			if err != nil {
				t.Error(err)
			}
			err = guards[n%len(guards)].Verify(context.Background(), mailbox.Account{ID: "a1", Backend: "postgres"}, code, at)
			if c := mailbox.CodeOf(err); c != mailbox.WrongPIN && c != mailbox.Locked {
				t.Error(err)
			}
		})
	}
	all.Wait()
	return behind.asked.Load()
}

func TestSeveralNodesGiveNoMoreTriesThanOne(t *testing.T) {
	alone := guesses(t, open(t))
	require.NotZero(t, alone)
	o := sqlkittest.Postgres(t).Database(t)
	var nodes []*Ledger
	for range 3 {
		nodes = append(nodes, openOn(t, postgres(t, o), nil))
	}
	require.Equal(t, alone, guesses(t, nodes...))
}

// Whatever a batch holds, and in whatever order: no two nodes wait for each other, and
// nothing is lost.
func TestNodesDoNotWaitForEachOtherInACircle(t *testing.T) {
	server := sqlkittest.Postgres(t)
	o := server.Database(t)
	server.Exec(t, o.Database, "ALTER DATABASE "+o.Database+" SET deadlock_timeout = '10min'") // the server helps nobody out
	const nodes, callers, rounds, keys = 3, 16, 8, 6
	var all sync.WaitGroup
	var counted [keys]atomic.Int64
	var appended atomic.Int64
	var last *Ledger
	for node := range nodes {
		l := openOn(t, postgres(t, o), nil)
		last = l
		for caller := range callers {
			all.Go(func() {
				dice := rand.New(rand.NewPCG(uint64(node), uint64(caller)))
				for round := range rounds {
					switch dice.IntN(5) {
					case 0:
						if err := l.Advance(context.Background(), fmt.Sprint(dice.IntN(2)), uint64(round)); err != nil {
							t.Error(err)
						}
						continue
					case 1:
						if _, err := l.Lead(context.Background(), fmt.Sprint(round), fmt.Sprint(node)); err != nil {
							t.Error(err)
						}
						continue
					case 2:
						if _, err := l.Append(context.Background(), audit.Record{Action: audit.Login}); err != nil {
							t.Error(err)
						}
						appended.Add(1)
						continue
					}
					some := dice.Perm(keys)[:3]
					var names []string
					for _, k := range some {
						names = append(names, fmt.Sprint("key\x00\xff", k)) // bytes that are no text
						counted[k].Add(1)
					}
					if err := l.Update(context.Background(), names, count); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	all.Wait()
	for k := range keys {
		require.EqualValues(t, counted[k].Load(), read(t, last, fmt.Sprint("key\x00\xff", k))[0].Tries)
	}
	head, err := last.Verify(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, appended.Load(), head.Seq)
}

// Whatever comes before it in a batch: a follower's row is locked behind the chain.
func TestAFollowersRowComesBehindTheChain(t *testing.T) {
	server := sqlkittest.Postgres(t)
	for name, follow := range map[string]func(l *Ledger) error{
		"Cursor":  func(l *Ledger) error { _, err := l.Cursor(context.Background(), "f"); return err },
		"Advance": func(l *Ledger) error { return l.Advance(context.Background(), "f", 1) },
		"Lead":    func(l *Ledger) error { _, err := l.Lead(context.Background(), "f", "n"); return err },
	} {
		t.Run(name, func(t *testing.T) {
			o := server.Database(t)
			server.Exec(t, o.Database, "ALTER DATABASE "+o.Database+" SET deadlock_timeout = '10min'")
			beside := openOn(t, postgres(t, o), nil)
			// queued is what a call on a node without a writer asks for.
			queued := func(l *Ledger, call func(l *Ledger) error) *write {
				go call(l)
				w := <-l.writes
				t.Cleanup(func() { w.err <- ErrClosed })
				return w
			}
			add := func(l *Ledger) error {
				_, err := l.Append(context.Background(), audit.Record{Action: audit.Login})
				return err
			}
			node := func() *Ledger {
				return &Ledger{db: postgres(t, o), now: time.Now, writes: make(chan *write)}
			}
			one, two := node(), node()
			first, second := queued(one, add), queued(one, follow)
			other := []*write{queued(two, follow), queued(two, add)}
			ended := make(chan error, 1)
			require.NoError(t, one.db.Write(t.Context(), func(tx *sql.Tx) error {
				if err := first.use(t.Context(), tx); err != nil {
					return err
				}
				go func() { ended <- two.transact(other) }()
				require.Eventually(t, func() bool { return waiting(t, beside) }, WriteWithin, 10*time.Millisecond)
				return second.use(t.Context(), tx)
			}))
			require.NoError(t, <-ended, "neither waited for the other in a circle")
		})
	}
}

// waiting tells whether somebody waits for the chain.
func waiting(t testing.TB, l *Ledger) (is bool) {
	require.NoError(t, l.db.Read(t.Context(), func(db *sql.DB) error {
		return db.QueryRowContext(t.Context(), `SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
			AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`).Scan(&is)
	}))
	return is
}

// A counter that was only looked at leaves a row to lock; it counts for nothing and goes.
func TestRowsThatWereOnlyLockedAreForgotten(t *testing.T) {
	clock := time.Unix(1_800_000_000, 0)
	l := openOn(t, postgres(t, sqlkittest.Postgres(t).Database(t)), func() time.Time { return clock })
	require.Equal(t, make([]lockout.Counter, 2), read(t, l, "b", "a"))
	require.Equal(t, make([]lockout.Counter, 2), read(t, l, "a", "b"), "a second time too")
	require.NoError(t, l.Update(t.Context(), []string{"a"}, count))
	require.NoError(t, l.Close()) // the writer reads the clock
	require.Equal(t, []string{"a", "b"}, slices.Sorted(slices.Values(keysOf(t, l))))
	clock = clock.Add(2 * time.Minute)
	l.prune()
	require.Equal(t, []string{"a"}, keysOf(t, l))
}

func BenchmarkUpdateSharedPostgres(b *testing.B) {
	l := openOn(b, postgres(b, sqlkittest.Postgres(b).Database(b)), nil)
	b.SetParallelism(32)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := l.Update(context.Background(), tryKeys, count); err != nil {
				b.Error(err)
			}
		}
	})
}
