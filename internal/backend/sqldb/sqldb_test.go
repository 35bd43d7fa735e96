package sqldb

import (
	"context"
	"database/sql"
	"path/filepath"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/sqlkit"
	"star97/internal/sqlkit/sqlkittest"
)

// cheap makes hashing fast where its cost is not what a test is about.
var cheap = Cost{Memory: 64, Passes: 1, Threads: 1}

func cheapOptions(dir string) Options {
	o := DefaultOptions().In(dir)
	o.Cost, o.Database.BusyTimeout = cheap, 30*time.Second
	return o
}

func openStore(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := open(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func add(t testing.TB, s *Store, a mailbox.Account, code pin.PIN) mailbox.Account {
	t.Helper()
	a, err := s.Add(t.Context(), a, code, "test")
	require.NoError(t, err)
	return a
}

func TestConformance(t *testing.T) {
	conformance.Run(t, func(t *testing.T) conformance.Harness {
		s := openStore(t, cheapOptions(t.TempDir()))
		return conformance.Harness{
			Store:       s,
			OtherDomain: "tenant.example",
			Put:         func(t *testing.T, a mailbox.Account, code pin.PIN) mailbox.Account { return add(t, s, a, code) },
		}
	})
}

func TestReopenedStoreKnowsItsCodes(t *testing.T) {
	o := cheapOptions(filepath.Join(t.TempDir(), "made", "on the way #?%20"))
	first, second := conformance.Code(t, "482915"), conformance.Code(t, "739164")
	s := openStore(t, o)
	a := add(t, s, mailbox.Account{Extension: "4001"}, first)
	require.Equal(t, mailbox.Proved(), s.Change(t.Context(), a, first, second, mailbox.Attempt{}))
	require.NoError(t, s.Close())

	s = openStore(t, o)
	require.NoError(t, s.Verify(t.Context(), a, second, mailbox.Attempt{}))
	require.ErrorIs(t, s.Verify(t.Context(), a, first, mailbox.Attempt{}), mailbox.WrongPIN)
}

// A database of the first version keeps its mailboxes; nobody in it is slow.
func TestADatabaseOfTheFirstVersionIsBroughtUpToDate(t *testing.T) {
	o := cheapOptions(t.TempDir())
	first, err := migrations.ReadFile("migrations/sqlite/00001_mailboxes.sql")
	require.NoError(t, err)
	db, err := sqlkit.Open(t.Context(), o.Database)
	require.NoError(t, err)
	require.NoError(t, db.Migrate(t.Context(), "mailbox", fstest.MapFS{"00001_mailboxes.sql": {Data: first}}))
	require.NoError(t, db.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec("INSERT INTO mailbox VALUES ('a1', '', '4001', 'Ada', 'en-US', 0, 1, 0, 1, 1)")
		return err
	}))
	require.NoError(t, db.Close())
	s := openStore(t, o)
	found, err := s.Lookup(t.Context(), mailbox.Query{Number: "4001"})
	require.NoError(t, err)
	require.Equal(t, []mailbox.Account{{
		ID: "a1", Backend: Name, Extension: "4001", Name: "Ada", Language: "en-US",
		Flags: mailbox.Flags{NoCode: true, MustChange: true},
	}}, found)
}

// A server's database of the first version keeps its mailboxes and their codes.
func TestAServersDatabaseOfTheFirstVersionIsBroughtUpToDate(t *testing.T) {
	o := nodeOptions(t, sqlkittest.Postgres(t))
	first, err := migrations.ReadFile("migrations/postgres/00001_mailboxes.sql")
	require.NoError(t, err)
	db, err := sqlkit.OpenPostgres(t.Context(), o.Server)
	require.NoError(t, err)
	require.NoError(t, db.Migrate(t.Context(), "mailbox", fstest.MapFS{"00001_mailboxes.sql": {Data: first}}))
	p, err := makePepper(o.PepperFile)
	require.NoError(t, err)
	code := conformance.Code(t, "482915")
	r := p.seal("a1", &code, cheap)
	require.NoError(t, db.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec("INSERT INTO mailbox VALUES ('a1', '', '4001', 'Ada', 'en-US', FALSE, TRUE, FALSE, TRUE, 1, 1)")
		if err != nil {
			return err
		}
		return put(t.Context(), tx, "a1", &r, 5000)
	}))
	require.NoError(t, db.Close())
	s := openNode(t, o)
	found, err := s.Lookup(t.Context(), mailbox.Query{Number: "4001"})
	require.NoError(t, err)
	require.Equal(t, []mailbox.Account{{
		ID: "a1", Backend: PostgresName, Extension: "4001", Name: "Ada", Language: "en-US", Set: time.UnixMilli(5000).UTC(),
		Flags: mailbox.Flags{MustChange: true, Slow: true},
	}}, found)
	s.Remember(1)
	made(t, s, found[0], "482915", "739164")
	refused(t, mailbox.InHistory, s.Change(t.Context(), found[0], conformance.Code(t, "739164"), code, at))
}

// The service and the command line may be started at the same moment on a new data folder.
func TestFirstOpensAtOnce(t *testing.T) {
	o := cheapOptions(t.TempDir())
	stores, errs := make([]*Store, 4), make([]error, 4)
	var all sync.WaitGroup
	for i := range stores {
		all.Go(func() { stores[i], errs[i] = open(context.Background(), o) })
	}
	all.Wait()
	for i, s := range stores {
		require.NoError(t, errs[i])
		defer s.Close()
	}
	code := conformance.Code(t, "482915")
	a := add(t, stores[0], mailbox.Account{Extension: "4001"}, code)
	for _, s := range stores {
		require.NoError(t, s.Verify(t.Context(), a, code, mailbox.Attempt{}), "one pepper for all")
	}
}
