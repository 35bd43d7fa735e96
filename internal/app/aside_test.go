package app

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/sqldb"
	"star97/internal/config"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// names are what a folder holds; none if it is not there.
func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if there(dir) {
		require.NoError(t, err)
	}
	for _, f := range files {
		all = append(all, f.Name())
	}
	return all
}

// configured reads a configuration.
func configured(t *testing.T, text string) config.Config {
	t.Helper()
	name := filepath.Join(t.TempDir(), "star97.yaml")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	c, problems := config.Load(name)
	require.Empty(t, problems)
	return c
}

// Who only looks finds what is there and leaves a data folder as it was, whichever of its
// databases are missing: OpenStores would make those.
func TestLookingMakesNothing(t *testing.T) {
	absent := filepath.Join(t.TempDir(), "absent.db")
	const foreign = "driver: axl, axl: {api: {url: \"https://127.0.0.1:9\"}, user: u, password: {env: STAR97_TEST}}"
	t.Setenv("STAR97_TEST", "word")
	for name, c := range map[string]struct{ before, now string }{
		"no folder":                {"", ""},
		"a further store is new":   {"drain: 1s", "stores: {north: {}}"},
		"the default store is new": {"store: {sqlite: {database: {path: north.db}}}", "stores: {north: {}}"},
		"beside a foreign system":  {"drain: 1s", "stores: {north: {" + foreign + "}, south: {}}"},
		"the ledger is new":        {"store: {sqlite: {database: {path: north.db}}}", "store: {" + foreign + "}\nstores: {north: {}}"},
		"a file elsewhere is new":  {"drain: 1s", "stores: {north: {sqlite: {database: {path: " + absent + "}}}}"},
	} {
		t.Run(name, func(t *testing.T) {
			tmp, dir := t.TempDir(), filepath.Join(t.TempDir(), "data")
			t.Setenv("TMPDIR", tmp)
			if c.before != "" {
				s, err := OpenStores(t.Context(), configured(t, c.before), dir)
				require.NoError(t, err)
				_, err = s.Add(t.Context(), mailbox.Account{Extension: "4001"}, pin.PIN{}, "test")
				require.NoError(t, err)
				require.NoError(t, s.Close())
			}
			now := configured(t, c.now)
			require.True(t, Makes(now, dir))
			require.Equal(t, c.before != "", Kept(now, dir))
			held := names(t, dir)
			s, err := OpenAside(t.Context(), now, dir)
			require.NoError(t, err)
			found := 0
			for _, b := range s.Backend.All() {
				if b.Driver == sqldb.Name {
					all, err := b.Lookup(t.Context(), mailbox.Query{Number: "4001"})
					require.NoError(t, err)
					found += len(all)
				}
			}
			require.Equal(t, c.before != "", found == 1)
			require.NoError(t, s.Close())
			require.Equal(t, held, names(t, dir))
			require.Empty(t, names(t, tmp))
			require.NoFileExists(t, absent)
		})
	}
}
