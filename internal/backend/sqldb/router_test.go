package sqldb_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/backend"
	"star97/internal/backend/conformance"
	"star97/internal/backend/sqldb"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// Two stores behind a Router are a store like any other.
func TestRouterConforms(t *testing.T) {
	conformance.Run(t, func(t *testing.T) conformance.Harness {
		open := func(name string) backend.Named {
			return backend.Named{Backend: sqldb.OpenForTest(t, sqldb.Cheap(t.TempDir())), Name: name, Driver: sqldb.Name}
		}
		r := backend.NewRouter(open(""), open("north"))
		require.NoError(t, r.Serve(map[string]string{"tenant.example": "north"}))
		return conformance.Harness{
			Store: r, OtherDomain: "tenant.example",
			Put: func(t *testing.T, a mailbox.Account, code pin.PIN) mailbox.Account {
				made, err := r.Add(t.Context(), a, code, "conformance")
				require.NoError(t, err)
				return made
			},
		}
	})
}
