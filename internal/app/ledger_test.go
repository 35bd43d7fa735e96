package app

import (
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/audit"
	"star97/internal/backend/sqldb"
	"star97/internal/config"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/sqlkit"
	"star97/internal/sqlkit/sqlkittest"
)

// database is that of the default store, with the ledger in it.
func database(s *Stores) *sqlkit.DB { return s.Backend.Default().(filed).DB() }

// Wherever the stores keep their ledger, OpenLedger reads the same one, beside them.
func TestTheLedgerIsReadWhereTheStoresKeepIt(t *testing.T) {
	t.Parallel()
	server := config.Default()
	server.Store.Driver = sqldb.PostgresName
	o := sqlkittest.Postgres(t).Database(t)
	o.PoolWait, o.ConnectTimeout, o.LockTimeout = 30*time.Second, 30*time.Second, 30*time.Second
	server.Store.Postgres.Server = o
	for name, c := range map[string]config.Config{"a file": config.Default(), "a server": server} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			s, err := OpenStores(t.Context(), c, dir)
			require.NoError(t, err)
			defer func() { require.NoError(t, s.Close()) }()
			_, err = s.Add(t.Context(), mailbox.Account{Extension: "4001"}, pin.PIN{}, "test")
			require.NoError(t, err)
			l, end, err := OpenLedger(t.Context(), c, dir)
			require.NoError(t, err)
			defer func() { require.NoError(t, end()) }()
			want, err := s.Ledger.Head(t.Context())
			require.NoError(t, err)
			head, err := l.Verify(t.Context(), want)
			require.NoError(t, err)
			require.Equal(t, want, head)
			require.EqualValues(t, 2, head.Seq)
			r, found, err := l.Record(t.Context(), 2)
			require.NoError(t, err)
			require.True(t, found)
			require.Equal(t, audit.Add, r.Action)

			// As an older version of the program left it: no table is altered for a reader.
			require.NoError(t, database(s).Write(t.Context(), func(tx *sql.Tx) error {
				_, err := tx.Exec("DELETE FROM goose_ledger WHERE version_id > 1")
				return err
			}))
			for range 2 {
				_, _, err = OpenLedger(t.Context(), c, dir)
				require.ErrorContains(t, err, "is of an older star97")
				require.ErrorContains(t, err, "start the new service first, or use that version's program")
			}
		})
	}
}
