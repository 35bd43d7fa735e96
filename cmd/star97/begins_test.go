package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is refused, and what only looks, begins nothing: neither where there is no folder nor
// in an empty one, whichever systems the configuration names.
func TestWhatIsRefusedBeginsNothing(t *testing.T) {
	t.Parallel()
	const foreign = "{driver: axl, axl: {api: {url: \"https://127.0.0.1:9\"}, user: u, password: {file: word}}}"
	dir := t.TempDir()
	beside, only := filepath.Join(dir, "beside.yaml"), filepath.Join(dir, "only.yaml")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "word"), []byte("word\n"), 0o600))
	require.NoError(t, os.WriteFile(beside, []byte("stores: {cucm: "+foreign+"}\n"), 0o600))
	require.NoError(t, os.WriteFile(only, []byte("store: "+foreign+"\nstores: {north: {}}\n"), 0o600))
	for _, row := range []struct {
		config, stdin, args string
		code                int
		told                string
		folder              bool // there is one, which is empty
	}{
		{"", "111111\n", "mailbox add 4001", 1, "same-run", false},
		{"", "739164\n", "mailbox add 4x", 1, "1 to 32 digits", false},
		{"", "739164\n", "mailbox add 4001 --domain nowhere", 1, "no domain nowhere", false},
		{"", "mailbox,domain,name,language,code\n4001,,Ann,en-US,111111\n", "mailbox import -", 1, "same-run", false},
		{only, "", "mailbox add 4001 --generate", 1, "the default store cannot add mailboxes", false},
		{"", "", "mailbox list --domain nowhere", 1, "no domain nowhere", true},
		{beside, "", "mailbox list", 0, "(no mailboxes)", true},
		{beside, "", "mailbox show 4001", 1, "there is no mailbox 4001", true},
		{beside, "", "mailbox set-code 4001 --generate", 1, "there is no mailbox 4001", true},
		{beside, "", "pepper status", 1, "there is no pepper yet", true},
		{only, "", "mailbox list", 1, "cannot be reached", true},
		{only, "", "mailbox unlock 4001", 1, "cannot be reached", true},
		{only, "", "pepper rotate", 1, "there is no pepper yet", true},
		{beside, "", "backup BACKUP", 1, "there is nothing to back up", true},
		{only, "", "backup BACKUP", 1, "there is nothing to back up", true},
		{"", "", "backend test", 1, "there is no data folder", false},
		{"", "", "backend test --extension 4001", 1, "find    FAILED", true},
		{"", "739164\n582907\n", "backend test --extension 4001 --change", 1, "find    FAILED", true},
	} {
		t.Run(row.args, func(t *testing.T) {
			t.Parallel()
			data := filepath.Join(t.TempDir(), "data")
			if row.folder {
				require.NoError(t, os.Mkdir(data, 0o700))
			}
			backup := filepath.Join(t.TempDir(), "star97.tar")
			args := append(strings.Fields(strings.ReplaceAll(row.args, "BACKUP", backup)), "--data", data)
			if row.config != "" {
				args = append(args, "--config", row.config)
			}
			out, errs, code := star97(t, row.stdin, args...)
			require.Equal(t, row.code, code, out+errs)
			require.Contains(t, out+errs, row.told)
			require.NoFileExists(t, backup)
			if !row.folder {
				require.NoDirExists(t, data)
				return
			}
			left, err := os.ReadDir(data)
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

// Where nothing was found out there is no table, nor an empty list.
func TestAListThatCannotBeIsNoEmptyTable(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.run(0, "", "add", "4001", "--no-code")
	for _, args := range [][]string{{"list", "--domain", "nowhere"}, {"list", "--domain", "nowhere", "--json"}} {
		out, errs := c.run(1, "", args...)
		require.Empty(t, out)
		require.Contains(t, errs, "the dialplan has no domain nowhere")
	}
}
