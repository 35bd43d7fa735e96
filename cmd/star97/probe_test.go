package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// What stands in the way of a call is said before one is made, and no code is repeated.
func TestAProbeThatCannotCallSaysWhy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "star97.yaml")
	require.NoError(t, os.WriteFile(name, []byte("probes:\n  pilot: {uri: 'sip:*98@127.0.0.1:9', fingerprints: pilot.json}\n"), 0o600))
	for _, one := range []struct {
		stdin, says string
		code        int
		args        []string
	}{
		{"", `required flag(s) "extension" not set`, 2, []string{"learn", "--config", name, "--name", "pilot"}},
		{"", `has no probe "plot": it has pilot`, 1, []string{"learn", "--config", name, "--name", "plot", "--extension", "4001"}},
		{"739152\n739152\n", "a right and a wrong code are needed", 1, []string{"learn", "--config", name, "--name", "pilot", "--extension", "4001"}},
		{"739152\n268413\n", "6 calls for each answer are asked for: 2 to 5 serve", 1, []string{"learn", "--config", name, "--name", "pilot", "--extension", "4001", "--times", "6"}},
		{"739152\n", "pilot.json cannot be read", 1, []string{"test", "--config", name, "--name", "pilot", "--extension", "4001"}},
	} {
		out, errs, exit := star97(t, one.stdin, append([]string{"probe"}, one.args...)...)
		require.Equal(t, one.code, exit, "%v: %s%s", one.args, out, errs)
		require.Contains(t, errs, one.says)
		require.NotContains(t, out+errs, "739152")
		require.NotContains(t, out+errs, "268413")
	}
	require.NoFileExists(t, filepath.Join(dir, "pilot.json"))
}
