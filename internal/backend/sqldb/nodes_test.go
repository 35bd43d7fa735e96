package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/sqlkit"
	"star97/internal/sqlkit/sqlkittest"
)

// otherNode is one more node with a pepper file of its own.
func otherNode(t *testing.T, o PostgresOptions) PostgresOptions {
	t.Helper()
	o.PepperFile = filepath.Join(t.TempDir(), "pepper")
	return o
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, content, 0o600))
}

func TestNodesShareMailboxes(t *testing.T) {
	one := nodeOptions(t, sqlkittest.Postgres(t))
	two := otherNode(t, one)
	first := openNode(t, one)
	copyFile(t, one.PepperFile, two.PepperFile)
	second := openNode(t, two)

	code, next := conformance.Code(t, "482915"), conformance.Code(t, "739164")
	a := add(t, first, mailbox.Account{Extension: "4001"}, code)
	found, err := second.Lookup(t.Context(), mailbox.Query{Number: "4001"})
	require.NoError(t, err)
	require.Equal(t, []mailbox.Account{a}, found)
	require.Equal(t, PostgresName, a.Backend)
	require.Equal(t, mailbox.Proved(), second.Change(t.Context(), a, code, next, at))
	require.NoError(t, first.Verify(t.Context(), a, next, at))
	require.ErrorIs(t, first.Verify(t.Context(), a, code, at), mailbox.WrongPIN)
}

// Of changes from the same code at several nodes one comes first; the others are told.
func TestOfChangesAtSeveralNodesOneWins(t *testing.T) {
	o := nodeOptions(t, sqlkittest.Postgres(t))
	nodes := []*Store{openNode(t, o), openNode(t, o)}
	code := conformance.Code(t, "482915")
	a := add(t, nodes[0], mailbox.Account{Extension: "4001"}, code)
	for round := range 3 {
		results := make([]mailbox.Result, 8)
		next := make([]pin.PIN, len(results))
		var all sync.WaitGroup
		for i := range results {
			next[i] = conformance.Code(t, numbered(100*round+i))
			all.Go(func() { results[i] = nodes[i%2].Change(context.Background(), a, code, next[i], at) })
		}
		all.Wait()
		won := -1
		for i, r := range results {
			if r.Outcome == mailbox.Done {
				require.Negative(t, won, "two changes from one code")
				won = i
				continue
			}
			require.Equal(t, mailbox.WrongPIN, r.Reason, "%v", r.Err)
		}
		require.GreaterOrEqual(t, won, 0)
		code = next[won]
		require.NoError(t, nodes[1].Verify(t.Context(), a, code, at))
	}
}

func TestAForeignPepperIsRefused(t *testing.T) {
	one := nodeOptions(t, sqlkittest.Postgres(t))
	openNode(t, one)
	for name, c := range map[string]struct {
		pepper func(t *testing.T, path string)
		says   string
	}{
		"none": {func(*testing.T, string) {}, "is missing: copy it from another node, or restore it from a backup"},
		"another one": {func(t *testing.T, path string) {
			_, err := makePepper(path)
			require.NoError(t, err)
		}, " lacks: copy it from another node"},
		"another key of the same name": {func(t *testing.T, path string) {
			p, err := readPepper(one.PepperFile)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, []byte(p.last+" "+strings.Repeat("ab", pepperSize)+"\n"), 0o600))
		}, "than the other nodes of the database"},
	} {
		t.Run(name, func(t *testing.T) {
			two := otherNode(t, one)
			c.pepper(t, two.PepperFile)
			_, err := two.open(t.Context())
			require.ErrorContains(t, err, c.says)
			require.ErrorContains(t, err, two.PepperFile)
		})
	}
}

// Nodes that start at once on a new database: each has a pepper, and one's is taken.
func TestOnePepperOfFirstStartsIsTaken(t *testing.T) {
	o := nodeOptions(t, sqlkittest.Postgres(t))
	all := []PostgresOptions{o, otherNode(t, o), otherNode(t, o)}
	errs := make([]error, len(all))
	var started sync.WaitGroup
	for i := range all {
		started.Go(func() {
			s, err := all[i].open(context.Background())
			if err == nil {
				err = s.Close()
			}
			errs[i] = err
		})
	}
	started.Wait()
	opened := 0
	for i, err := range errs {
		if err == nil {
			opened++
			continue
		}
		require.ErrorContains(t, err, all[i].PepperFile)
		require.ErrorContains(t, err, "copy it from another node")
	}
	require.Equal(t, 1, opened)
}

// A number that leads to two mailboxes leads to none, whichever nodes add them.
func TestNumbersStayUnsharedWhenNodesAddAtOnce(t *testing.T) {
	o := nodeOptions(t, sqlkittest.Postgres(t))
	nodes := []*Store{openNode(t, o), openNode(t, o)}
	for round := range 5 {
		extension := []string{"5001", "5002", "5003", "5004", "5005"}[round]
		errs := make([]error, 2)
		var all sync.WaitGroup
		for i, a := range []mailbox.Account{{Extension: extension}, {Extension: "4" + extension, Numbers: []string{extension}}} {
			all.Go(func() { _, errs[i] = nodes[i].Add(context.Background(), a, pin.PIN{}, "test") })
		}
		all.Wait()
		require.Error(t, errors.Join(errs...))
		found, err := nodes[0].Lookup(t.Context(), mailbox.Query{Number: extension})
		require.NoError(t, err)
		require.Len(t, found, 1)
	}
}

func TestAFullPoolIsBusy(t *testing.T) {
	o := nodeOptions(t, sqlkittest.Postgres(t))
	s := openNode(t, o)
	code := conformance.Code(t, "482915")
	a := add(t, s, mailbox.Account{Extension: "4001"}, code)
	o.Server.Connections, o.Server.PoolWait = 2, 20*time.Millisecond
	small := openNode(t, o)
	require.NoError(t, small.db.Read(t.Context(), func(*sql.DB) error {
		return small.db.Read(t.Context(), func(*sql.DB) error {
			require.Equal(t, mailbox.Busy, mailbox.CodeOf(small.Verify(t.Context(), a, code, at)))
			r := small.Change(t.Context(), a, code, conformance.Code(t, "739164"), at)
			require.Equal(t, mailbox.Refused, r.Outcome)
			require.Equal(t, mailbox.Busy, r.Reason)
			return nil
		})
	}))
	require.NoError(t, small.Verify(t.Context(), a, code, at))
}

// Whatever is lost in a commit, the caller is told what is in force.
func TestAChangeWhoseAnswerIsLostIsSettled(t *testing.T) {
	server := sqlkittest.Postgres(t)
	o := nodeOptions(t, server)
	relay := server.Relay(t)
	o.Server.Port = relay.Port
	s := openNode(t, o)
	code := conformance.Code(t, numbered(0))
	a := add(t, s, mailbox.Account{Extension: "4001"}, code)
	for i, cut := range []sqlkittest.Cut{sqlkittest.BeforeCommit, sqlkittest.AfterCommit, sqlkittest.BeforeCommit, sqlkittest.AfterCommit} {
		next := conformance.Code(t, numbered(i+1))
		relay.Set(cut)
		r := s.Change(t.Context(), a, code, next, at)
		relay.Set(sqlkittest.Never)
		require.Equal(t, mailbox.Unknown, r.Outcome)
		require.Equal(t, mailbox.OutcomeUnknown, r.Reason)
		require.ErrorIs(t, r.Err, sqlkit.ErrUnreachable)
		r = mailbox.Settle(t.Context(), s, a, code, next, at, r)
		if cut == sqlkittest.BeforeCommit {
			require.Equal(t, mailbox.Refused, r.Outcome)
			continue
		}
		require.Equal(t, mailbox.Proved(), r)
		code = next
	}
	relay.Set(sqlkittest.Always)
	r := s.Change(t.Context(), a, code, conformance.Code(t, numbered(9)), at)
	require.Equal(t, mailbox.Refused, r.Outcome, "what was never sent is not in doubt")
	require.Equal(t, mailbox.Unavailable, r.Reason)
	_, err := s.Lookup(t.Context(), mailbox.Query{Number: "4001"})
	require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err))
	relay.Set(sqlkittest.Never)
	require.NoError(t, s.Verify(t.Context(), a, code, at), "the store comes back with the server")
}

// commits tells that a commit does not wait for a standby.
func commits(t *testing.T, s *Store) bool {
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	return s.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec("SELECT pg_logical_emit_message(true, 'star97', 'test')")
		return err
	}) == nil
}

// A commit that waits for a standby is neither made nor not made, and so says the store:
// while it is under way the old code must not be taken for the one in force.
func TestACommitThatIsStillUnderWayIsNotSettled(t *testing.T) {
	t.Parallel() // it waits rather than computes
	server := sqlkittest.Start(t, "fsync=off", "wal_level=replica", "max_wal_senders=2")
	o := nodeOptions(t, server)
	relay := server.Relay(t)
	o.Server.Port, o.Server.LockTimeout = relay.Port, 100*time.Millisecond
	s := openNode(t, o)
	code, next := conformance.Code(t, "482915"), conformance.Code(t, "739164")
	a := add(t, s, mailbox.Account{Extension: "4001"}, code)
	standby := func(name string) {
		server.Exec(t, "postgres", "ALTER SYSTEM SET synchronous_standby_names = '"+name+"'")
		server.Exec(t, "postgres", "SELECT pg_reload_conf()")
	}
	standby("nobody")
	require.Eventually(t, func() bool { return !commits(t, s) }, time.Minute, 10*time.Millisecond)
	relay.Set(sqlkittest.AfterCommit)
	r := s.Change(t.Context(), a, code, next, at)
	require.Equal(t, mailbox.Unknown, r.Outcome)
	relay.Set(sqlkittest.Never)
	r = mailbox.Settle(t.Context(), s, a, code, next, at, r)
	require.Equal(t, mailbox.Unknown, r.Outcome, "%v", r.Err)
	require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(s.Verify(t.Context(), a, code, at)))
	standby("")
	require.Eventually(t, func() bool { return s.Verify(t.Context(), a, next, at) == nil }, time.Minute, 10*time.Millisecond)
	require.ErrorIs(t, s.Verify(t.Context(), a, code, at), mailbox.WrongPIN)
}
