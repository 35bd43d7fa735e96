package sqldb

import (
	"context"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// cheap makes hashing fast where its cost is not what a test is about.
var cheap = Cost{Memory: 64, Passes: 1, Threads: 1}

func cheapOptions(dir string) Options {
	o := DefaultOptions().In(dir)
	o.Cost = cheap
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
