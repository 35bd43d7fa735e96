package backend

import (
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/mailbox"
)

func TestEveryDriverOpensWithItsDefaults(t *testing.T) {
	require.Equal(t, []string{"sqlite"}, Names())
	for _, name := range Names() {
		o := DefaultOptions().In(t.TempDir())
		o.Driver = name
		require.NoError(t, o.Validate())
		b, err := Open(t.Context(), o)
		require.NoError(t, err)
		found, err := b.Lookup(t.Context(), mailbox.Query{Number: "4001"})
		require.NoError(t, err)
		require.Empty(t, found)
		require.NoError(t, b.Close())
	}
}

func TestWhatIsWrongIsNamedWithItsDriver(t *testing.T) {
	o := DefaultOptions()
	o.Driver = "unity"
	require.ErrorContains(t, o.Validate(), `driver is "unity": use one of sqlite`)
	_, err := Open(t.Context(), o)
	require.ErrorContains(t, err, "use one of sqlite")

	o = DefaultOptions().In(t.TempDir())
	o.SQLite.Database.Path = t.TempDir()
	b, err := Open(t.Context(), o)
	require.Error(t, err)
	require.True(t, b == nil, "what did not open is nothing, not a nil pointer that looks like something")

	o = DefaultOptions()
	o.SQLite.Cost.Passes = 0
	require.ErrorContains(t, o.Validate(), "sqlite.cost.passes is 0: use 2 to 100")
	o.SQLite = DefaultOptions().SQLite
	o.SQLite.Database.Path = ""
	require.ErrorContains(t, o.Validate(), "sqlite.database.path is empty")
}
