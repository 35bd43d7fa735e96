package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/app"
	"star97/internal/config"
	"star97/internal/mailbox"
)

func TestWhatIsLostComesBack(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.run(0, "739164\n", "add", "4001", "--mail", "ann@example.com")
	file := filepath.Join(t.TempDir(), "star97.tar")
	star := func(code int, args ...string) (string, string) {
		t.Helper()
		out, errs, exit := star97(t, "", append(args, "--data", c.data)...)
		require.Equal(t, code, exit, "%v: %s%s", args, out, errs)
		return out, errs
	}
	out, _ := star(0, "backup", file, "--reason", "nightly")
	require.Regexp(t, `^`+file+` holds 2 files, \d+ kB, as of 20\S+Z\. Whoever has it can compute codes: keep it where nobody else reads it\.\n$`, out)
	_, errs := star(1, "backup", file)
	require.Contains(t, errs, file+" is there already; a backup overwrites nothing: choose another name")
	c.run(0, "582907\n", "set-code", "4001")
	_, errs = star(1, "restore", file)
	require.Contains(t, errs, "say --force to move it aside")
	require.NoError(t, os.RemoveAll(c.data))
	out, _ = star(0, "restore", file, "--reason", "disk died")
	require.Regexp(t, `^The backup of 20\S+Z is restored: mailboxes: 1; audit trail: 2 records, whole, head [0-9a-f]{64}\.\n$`, out)

	s, err := app.OpenStores(t.Context(), config.Default(), c.data)
	require.NoError(t, err)
	a, err := s.Find(t.Context(), "4001", "")
	require.NoError(t, err)
	require.Equal(t, "ann@example.com", a.Mail)
	require.NoError(t, s.Trail.Verify(t.Context(), a, parsed(t, "739164"), mailbox.Attempt{Door: mailbox.OwnDoor, Call: 1}))
	require.NoError(t, s.Close())
	out, _ = star(0, "restore", file, "--force", "--json")
	v := object(t, out)
	require.Equal(t, map[string]any{"default": 1.0}, v["mailboxes"])
	require.NotEmpty(t, v["moved_aside"])
	_, errs = star(1, "restore", filepath.Join(c.data, "pepper"), "--force")
	require.Contains(t, errs, "is no whole backup")
	_, errs = star(1, "restore", "/no/such.tar", "--force")
	require.Contains(t, errs, "the backup /no/such.tar cannot be read")
}
