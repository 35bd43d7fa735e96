package sqldb

import (
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance"
	"star97/internal/mailbox"
)

// Each call asks for the caller's mailbox: the query is compiled before, and nothing of it
// stays open behind an answer, which would keep the log of the file from being written back.
func TestLookupIsCompiledOnceAndHoldsNothing(t *testing.T) {
	s := openStore(t, cheapOptions(t.TempDir()))
	add(t, s, mailbox.Account{Extension: "4001"}, conformance.Code(t, "482915"))
	least := func(of func()) time.Duration {
		best := time.Hour
		for range 300 {
			began := time.Now()
			of()
			best = min(best, time.Since(began))
		}
		return best
	}
	asked := least(func() {
		found, err := s.Lookup(t.Context(), mailbox.Query{Number: "4001"})
		require.NoError(t, err)
		require.Len(t, found, 1)
	})
	compiled := least(func() {
		require.NoError(t, s.db.Read(t.Context(), func(db *sql.DB) error {
			rows, err := db.QueryContext(t.Context(), lookupQuery, "", "4001")
			if err != nil {
				return err
			}
			return rows.Close()
		}))
	})
	t.Logf("%v asked, %v compiled as well", asked, compiled)
	require.Less(t, asked, compiled/2)

	other, err := sql.Open("sqlite", "file:"+s.db.Path())
	require.NoError(t, err)
	defer other.Close()
	var busy, log, written int
	require.NoError(t, other.QueryRowContext(t.Context(), "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &written))
	require.Zero(t, busy)
}
