package app

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/audit"
	"star97/internal/mailbox"
)

// Which key was made or put in use, and where a backup went, is on record.
func TestWhatADeedWasAboutIsOnRecord(t *testing.T) {
	s := openStores(t, t.TempDir())
	all, err := s.Peppers(t.Context())
	require.NoError(t, err)
	old := all[0].Keys[0].ID
	fresh, err := s.RotatePepper(t.Context(), all[0], "test", "yearly")
	require.NoError(t, err)
	require.NoError(t, s.UsePepper(t.Context(), all[0], old, "test", ""))
	_, err = s.Backup(t.Context(), copying(filepath.Join(t.TempDir(), "star97.tar")))
	require.NoError(t, err)
	var got [][]any
	for _, r := range records(t, s) {
		if r.Stage == audit.Ended {
			require.Equal(t, mailbox.Done, r.Outcome)
			got = append(got, []any{r.Action, r.Target, r.Reason})
		}
	}
	require.Equal(t, [][]any{
		{audit.Pepper, fresh, "rotate: yearly"},
		{audit.Pepper, old, "use"},
		{audit.Backup, "star97.tar", copying("").Reason},
	}, got)
}
