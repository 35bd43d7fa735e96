package sqldb

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/sqlkit/sqlkittest"
)

func TestMain(m *testing.M) { os.Exit(sqlkittest.Main{M: m}.Run()) }

// nodeOptions are those of one node of a new database.
func nodeOptions(t testing.TB, s *sqlkittest.Server) PostgresOptions {
	t.Helper()
	o := DefaultPostgresOptions()
	o.Server, o.PepperFile = s.Database(t), filepath.Join(t.TempDir(), "pepper")
	o.Server.PoolWait, o.Server.ConnectTimeout, o.Server.LockTimeout = 30*time.Second, 30*time.Second, 30*time.Second
	o.Cost = cheap
	return o
}

func openNode(t testing.TB, o PostgresOptions) *Store {
	t.Helper()
	s, err := o.open(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func TestConformanceOfPostgreSQL(t *testing.T) {
	t.Parallel()
	conformance.Run(t, func(t *testing.T) conformance.Harness {
		s := openNode(t, nodeOptions(t, sqlkittest.Postgres(t)))
		return conformance.Harness{
			Store:       s,
			OtherDomain: "tenant.example",
			Put:         func(t *testing.T, a mailbox.Account, code pin.PIN) mailbox.Account { return add(t, s, a, code) },
		}
	})
}
