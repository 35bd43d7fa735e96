package sqlkit_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/sqlkit"
	"star97/internal/sqlkit/sqlkittest"
)

func TestMain(m *testing.M) { os.Exit(sqlkittest.Main{M: m}.Run()) }

// patient bears a machine that is busy.
func patient(o sqlkit.PostgresOptions) sqlkit.PostgresOptions {
	o.PoolWait, o.ConnectTimeout, o.LockTimeout = 30*time.Second, 30*time.Second, 30*time.Second
	return o
}

func openPostgres(t testing.TB, o sqlkit.PostgresOptions) *sqlkit.DB {
	t.Helper()
	d, err := sqlkit.OpenPostgres(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

// steps are a room's migrations.
func steps(statements ...string) fstest.MapFS {
	files := fstest.MapFS{}
	for i, s := range statements {
		files["0000"+string(rune('1'+i))+"_step.sql"] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + s + ";\n")}
	}
	return files
}

var notes = steps("CREATE TABLE note (text TEXT PRIMARY KEY, n BIGINT NOT NULL DEFAULT 0)")

func openNotes(t testing.TB, o sqlkit.PostgresOptions) *sqlkit.DB {
	t.Helper()
	d := openPostgres(t, o)
	require.NoError(t, d.Migrate(t.Context(), "test", notes))
	return d
}

func newNotes(t testing.TB) *sqlkit.DB {
	t.Helper()
	return openNotes(t, patient(sqlkittest.Postgres(t).Database(t)))
}

func write(ctx context.Context, d *sqlkit.DB, text string) error {
	return d.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO note (text) VALUES ($1)", text)
		return err
	})
}

func number(t testing.TB, d *sqlkit.DB, query string) (n int) {
	t.Helper()
	require.NoError(t, d.Read(t.Context(), func(db *sql.DB) error { return db.QueryRowContext(t.Context(), query).Scan(&n) }))
	return n
}

func count(t testing.TB, d *sqlkit.DB) int {
	t.Helper()
	return number(t, d, "SELECT count(*) FROM note")
}

func TestServerWriteIsAllOrNothing(t *testing.T) {
	d := newNotes(t)
	require.Equal(t, sqlkit.PostgreSQL, d.Dialect())
	mine := errors.New("changed my mind")
	err := d.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec("INSERT INTO note (text) VALUES ('half')")
		return errors.Join(err, mine)
	})
	require.ErrorIs(t, err, mine)
	require.NotErrorIs(t, err, sqlkit.ErrCommit)
	ctx, cancel := context.WithCancel(t.Context())
	err = d.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec("INSERT INTO note (text) VALUES ('late')")
		cancel()
		return err
	})
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, sqlkit.ErrCommit, "the commit was never asked for")
	require.Zero(t, count(t, d))
	require.NoError(t, write(t.Context(), d, "x"))
	require.True(t, sqlkit.IsUnique(write(t.Context(), d, "x")))
	require.Equal(t, 1, count(t, d))
}

// What a commit itself is refused for is no doubt: the server has said so.
func TestACommitThatTheServerRefusesIsCertain(t *testing.T) {
	d := newNotes(t)
	require.NoError(t, d.Migrate(t.Context(), "more", steps(
		"CREATE TABLE a (id INTEGER PRIMARY KEY, other INTEGER REFERENCES a (id) DEFERRABLE INITIALLY DEFERRED)")))
	err := d.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec("INSERT INTO a VALUES (1, 2)")
		return err
	})
	require.ErrorContains(t, err, "foreign key")
	require.NotErrorIs(t, err, sqlkit.ErrCommit)
	err = d.Write(t.Context(), func(tx *sql.Tx) error {
		_, _ = tx.Exec("INSERT INTO note (nonsense) VALUES (1)") // an error that use does not heed
		return nil
	})
	require.Error(t, err, "the server makes a rollback of such a commit")
	require.NotErrorIs(t, err, sqlkit.ErrCommit)
}

// Two transactions that wait for each other: the server undoes one, which runs again.
func TestWhatTheServerUndoesRunsAgain(t *testing.T) {
	d := newNotes(t)
	require.NoError(t, write(t.Context(), d, "a"))
	require.NoError(t, write(t.Context(), d, "b"))
	var runs atomic.Int32
	var met, all sync.WaitGroup
	met.Add(2)
	for _, order := range [][2]string{{"a", "b"}, {"b", "a"}} {
		all.Go(func() {
			first := true
			err := d.Write(context.Background(), func(tx *sql.Tx) error {
				runs.Add(1)
				for _, text := range order {
					if _, err := tx.Exec("UPDATE note SET n = n + 1 WHERE text = $1", text); err != nil {
						return err
					}
					if first { // both hold their first row
						first = false
						met.Done()
						met.Wait()
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.Greater(t, runs.Load(), int32(2))
	require.Equal(t, 4, number(t, d, "SELECT sum(n) FROM note"), "each row twice, none three times")
}

func TestOneAfterTheOther(t *testing.T) {
	o := patient(sqlkittest.Postgres(t).Database(t))
	nodes := []*sqlkit.DB{openNotes(t, o), openNotes(t, o)}
	require.NoError(t, write(t.Context(), nodes[0], "a"))
	var all sync.WaitGroup
	for n := range 20 {
		all.Go(func() {
			d, ctx := nodes[n%2], context.Background()
			err := d.Write(ctx, func(tx *sql.Tx) error {
				if err := d.Alone(ctx, tx, "test"); err != nil {
					return err
				}
				var now int
				if err := tx.QueryRow("SELECT n FROM note").Scan(&now); err != nil {
					return err
				}
				_, err := tx.Exec("UPDATE note SET n = $1", now+1)
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.Equal(t, 20, number(t, nodes[0], "SELECT n FROM note"))
}

func TestNodesThatStartAtOnceMigrateOnce(t *testing.T) {
	o := patient(sqlkittest.Postgres(t).Database(t))
	errs := make([]error, 4)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			d, err := sqlkit.OpenPostgres(context.Background(), o)
			if err == nil {
				err = errors.Join(d.Migrate(context.Background(), "test", notes), d.Close())
			}
			errs[i] = err
		})
	}
	all.Wait()
	require.NoError(t, errors.Join(errs...))
	d := openPostgres(t, o)
	require.NoError(t, write(t.Context(), d, "x"))
	require.NoError(t, d.Migrate(t.Context(), "test", steps("SELECT 1", "SELECT 2")))
	require.ErrorContains(t, d.Migrate(t.Context(), "test", notes), "was made by a newer star97")
}

// Two nodes of one name would take each other's open changes for their own.
func TestANameIsClaimedOnce(t *testing.T) {
	o := patient(sqlkittest.Postgres(t).Database(t))
	o.Connections = 2
	one, two := openNotes(t, o), openNotes(t, o)
	require.NoError(t, one.Claim(t.Context(), "node a"))
	require.ErrorIs(t, two.Claim(t.Context(), "node a"), sqlkit.ErrClaimed)
	require.NoError(t, two.Claim(t.Context(), "node b"))
	require.NoError(t, write(t.Context(), one, "x"))
	require.NoError(t, one.Close())
	three := openNotes(t, o)
	require.Eventually(t, func() bool { return three.Claim(t.Context(), "node a") == nil }, time.Minute, 10*time.Millisecond)
	require.Equal(t, 1, count(t, three))
}

// Whatever the server's own setting says, what was confirmed is kept.
func TestEverySessionIsDurable(t *testing.T) {
	s := sqlkittest.Postgres(t)
	o := s.Database(t)
	s.Exec(t, o.Database, "ALTER DATABASE "+o.Database+" SET synchronous_commit = 'off'")
	d := openPostgres(t, o)
	for setting, want := range map[string]string{
		"synchronous_commit": "on", "lock_timeout": "5s", "idle_in_transaction_session_timeout": "10s",
		"transaction_isolation": "read committed", "application_name": "star97", "client_encoding": "UTF8",
	} {
		var got string
		require.NoError(t, d.Read(t.Context(), func(db *sql.DB) error { return db.QueryRow("SHOW " + setting).Scan(&got) }))
		require.Equal(t, want, got, setting)
	}
}

// libpq's variables and files are somebody else's.
func TestTheEnvironmentHasNoSay(t *testing.T) {
	o := sqlkittest.Postgres(t).Database(t)
	for name, value := range map[string]string{
		"PGHOST": "192.0.2.1", "PGPORT": "1", "PGUSER": "nobody", "PGDATABASE": "nothing", "PGPASSWORD": "wrong", "PGSSLMODE": "verify-full",
		"PGSSLROOTCERT": filepath.Join(t.TempDir(), "none"), "PGOPTIONS": "-c nonsense=1", "PGTARGETSESSIONATTRS": "standby", "PGTZ": "nowhere",
	} {
		t.Setenv(name, value)
	}
	openPostgres(t, o)
}
