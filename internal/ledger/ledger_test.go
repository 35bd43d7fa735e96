package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"star97/internal/audit"
	"star97/internal/lockout"
	"star97/internal/sqlkit"
	"star97/internal/sqlkit/sqlkittest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(sqlkittest.Main{M: m}) }

// onEach runs a test for each dialect. again opens the one new database, each time as
// another process would.
func onEach(t *testing.T, test func(t *testing.T, again func() *sqlkit.DB)) {
	t.Run("SQLite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "ledger.db")
		test(t, func() *sqlkit.DB { return database(t, path) })
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		o := sqlkittest.Postgres(t).Database(t)
		o.LockTimeout, o.PoolWait, o.ConnectTimeout = 30*time.Second, 30*time.Second, 30*time.Second
		test(t, func() *sqlkit.DB { return postgres(t, o) })
	})
}

func postgres(t testing.TB, o sqlkit.PostgresOptions) *sqlkit.DB {
	t.Helper()
	db, err := sqlkit.OpenPostgres(context.Background(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func database(t testing.TB, path string) *sqlkit.DB {
	t.Helper()
	return databaseThatWaits(t, path, 30*time.Second)
}

func databaseThatWaits(t testing.TB, path string, busy time.Duration) *sqlkit.DB {
	t.Helper()
	o := sqlkit.DefaultOptions()
	o.Path, o.BusyTimeout = path, busy
	db, err := sqlkit.Open(context.Background(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func openOn(t testing.TB, db *sqlkit.DB, now func() time.Time) *Ledger {
	t.Helper()
	l, err := New(context.Background(), db, DefaultOptions(), now)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

func open(t testing.TB) *Ledger {
	t.Helper()
	return openOn(t, database(t, filepath.Join(t.TempDir(), "ledger.db")), nil)
}

// read loads counters and changes nothing.
func read(t testing.TB, l *Ledger, keys ...string) (got []lockout.Counter) {
	t.Helper()
	require.NoError(t, l.Update(t.Context(), keys, func(c []lockout.Counter) bool {
		got = append(got[:0], c...)
		return false
	}))
	return got
}

func TestCountersAreKeptAsTheyWere(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		at := time.UnixMicro(1_800_000_000_123_456)
		want := []lockout.Counter{
			{Tries: 7, Cleared: 2, Last: at, Recent: []int64{1, 2, at.UnixMilli()}, Expires: at.Add(time.Hour)},
			{Tries: 1 << 40},
			{},
		}
		keys := []string{"any:b\nx", "own:ü", "never"}
		{
			l := openOn(t, again(), nil)
			require.Equal(t, make([]lockout.Counter, 3), read(t, l, keys...), "a key never seen is zero")
			require.NoError(t, l.Update(t.Context(), keys, func(c []lockout.Counter) bool { copy(c, want); return true }))
			require.NoError(t, l.Close())
		}
		require.Equal(t, want, read(t, openOn(t, again(), nil), keys...))
	})
}

func TestADecisionForNothingKeepsNothing(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		l := openOn(t, again(), nil)
		require.NoError(t, l.Update(t.Context(), []string{"a"}, func(c []lockout.Counter) bool { c[0].Tries = 9; return false }))
		require.Zero(t, read(t, l, "a")[0])
	})
}

// Two ledgers stand for two processes on one file; no update is lost.
func TestUpdatesOfTwoProcessesDoNotOverlap(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		ledgers := []*Ledger{openOn(t, again(), nil), openOn(t, again(), nil)}
		const each, workers = 10, 8
		var all sync.WaitGroup
		for w := range workers {
			all.Go(func() {
				for range each {
					err := ledgers[w%2].Update(context.Background(), []string{"a", "b"}, func(c []lockout.Counter) bool {
						c[0].Tries, c[1].Tries = c[0].Tries+1, c[0].Tries+1
						return true
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		got := read(t, ledgers[0], "a", "b")
		require.EqualValues(t, each*workers, got[0].Tries)
		require.EqualValues(t, each*workers, got[1].Tries)
	})
}

func TestAppendsOfTwoProcessesMakeOneChain(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		ledgers := []*Ledger{openOn(t, again(), nil), openOn(t, again(), nil)}
		const each, workers = 10, 8
		var all sync.WaitGroup
		for w := range workers {
			all.Go(func() {
				for range each {
					r, err := ledgers[w%2].Append(context.Background(), audit.Record{Action: audit.Login, Node: fmt.Sprint(w)})
					if err != nil || r.Seq == 0 || r.Hash == (audit.Hash{}) {
						t.Error(r, err)
					}
				}
			})
		}
		all.Wait()
		head, err := ledgers[1].Verify(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, each*workers, head.Seq)
	})
}

// hold keeps the writer busy until the returned function is called, so that what
// is submitted meanwhile is one batch.
func hold(l *Ledger) (release func()) {
	began, end := make(chan struct{}), make(chan struct{})
	go func() {
		_ = l.submit(context.Background(), func(context.Context, *sql.Tx) error { close(began); <-end; return nil })
	}()
	<-began
	return func() { close(end) }
}

func queued(t *testing.T, l *Ledger, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return len(l.writes) == n }, 30*time.Second, time.Millisecond)
}

func TestABadWriteDoesNotHarmItsBatch(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		l := openOn(t, again(), nil)
		release := hold(l)
		bad := errors.New("bad write")
		answers := make([]error, 5)
		var all sync.WaitGroup
		for i := range answers {
			all.Go(func() {
				answers[i] = l.submit(context.Background(), func(ctx context.Context, tx *sql.Tx) error {
					if err := l.keep(ctx, tx, fmt.Sprint(i), &lockout.Counter{Tries: 1}); err != nil || i != 2 {
						return err
					}
					return bad
				})
			})
		}
		queued(t, l, len(answers))
		release()
		all.Wait()
		for i, err := range answers {
			want := uint64(1)
			if i == 2 {
				require.ErrorIs(t, err, bad)
				want = 0
			} else {
				require.NoError(t, err)
			}
			require.Equal(t, want, read(t, l, fmt.Sprint(i))[0].Tries)
		}
	})
}

func TestACallerWhoCannotWaitWritesNothing(t *testing.T) {
	l := open(t)
	release := hold(l)
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan error)
	go func() {
		_, err := l.Append(ctx, audit.Record{Action: audit.Login})
		got <- err
	}()
	queued(t, l, 1)
	cancel()
	require.ErrorIs(t, <-got, context.Canceled)
	release()
	_, err := l.Append(t.Context(), audit.Record{Action: audit.Login})
	require.NoError(t, err)
	head, err := l.Verify(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, head.Seq)
}

func TestAFullQueueWaitsForItsCallersPatience(t *testing.T) {
	l := open(t)
	release := hold(l)
	var all sync.WaitGroup
	for range queuedWrites {
		all.Go(func() {
			_ = l.Update(context.Background(), []string{"a"}, func([]lockout.Counter) bool { return false })
		})
	}
	queued(t, l, queuedWrites)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := l.Update(ctx, []string{"a"}, func([]lockout.Counter) bool { return true })
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "the ledger had no time to write")
	release()
	all.Wait()
}

func TestCloseFinishesWhatIsQueued(t *testing.T) {
	l := open(t)
	release := hold(l)
	got := make(chan error)
	go func() {
		_, err := l.Append(context.Background(), audit.Record{Action: audit.Login})
		got <- err
	}()
	queued(t, l, 1)
	release()
	require.NoError(t, l.Close())
	if err := <-got; err != nil {
		require.ErrorIs(t, err, ErrClosed)
	} else {
		head, err := l.Head(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 1, head.Seq)
	}
	_, err := l.Append(t.Context(), audit.Record{})
	require.ErrorIs(t, err, ErrClosed)
	require.NoError(t, l.Close(), "twice is once")
}

func TestExpiredCountersAreForgotten(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		clock := time.Unix(1_800_000_000, 0)
		l := openOn(t, again(), func() time.Time { return clock })
		put := func(key string, expires time.Time) {
			require.NoError(t, l.Update(t.Context(), []string{key}, func(c []lockout.Counter) bool {
				c[0].Tries, c[0].Expires = 5, expires
				return true
			}))
		}
		put("past", clock.Add(time.Minute))
		put("future", clock.Add(time.Hour))
		put("never", time.Time{})
		require.NoError(t, l.Close()) // the writer reads the clock
		clock = clock.Add(2 * time.Minute)
		l.prune()
		rows := keysOf(t, l)
		require.Equal(t, []string{"future", "never"}, rows)
	})
}

func TestSourcesAreBounded(t *testing.T) {
	onEach(t, func(t *testing.T, again func() *sqlkit.DB) {
		clock := time.Unix(1_800_000_000, 0)
		l := openOn(t, again(), func() time.Time { return clock })
		require.NoError(t, l.Close())
		l.opts.MaxSources = 3
		require.NoError(t, l.db.Write(t.Context(), func(tx *sql.Tx) error {
			for i := range 5 {
				c := lockout.Counter{Tries: 1, Expires: clock.Add(time.Duration(10-i) * time.Minute)}
				if err := l.keep(t.Context(), tx, fmt.Sprint(i), &c); err != nil {
					return err
				}
			}
			return l.keep(t.Context(), tx, "mailbox", &lockout.Counter{Tries: 1})
		}))
		clock = clock.Add(2 * time.Minute)
		l.prune()
		require.Equal(t, []string{"0", "1", "2", "mailbox"}, keysOf(t, l), "the next to expire went first")
	})
}

func keysOf(t *testing.T, l *Ledger) (keys []string) {
	t.Helper()
	require.NoError(t, l.db.Read(t.Context(), func(db *sql.DB) error {
		rows, err := db.Query("SELECT key FROM counters ORDER BY key")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var k string
			if err := rows.Scan(&k); err != nil {
				return err
			}
			keys = append(keys, k)
		}
		return rows.Err()
	}))
	return keys
}

func TestOptionsOutOfRange(t *testing.T) {
	require.NoError(t, DefaultOptions().Validate())
	for _, n := range []int{0, 999, 1_000_001} {
		require.ErrorContains(t, Options{MaxSources: n}.Validate(), "use 1000 to 1000000")
	}
}
