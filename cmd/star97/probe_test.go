package main

import (
	"encoding/json"
	"fmt"
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

// The program learns from calls to another one's menu and then tells right from wrong,
// as an administrator would have it do.
func TestAProbeLearnsAndTests(t *testing.T) {
	t.Parallel()
	const right, wrong = "739152", "268413"
	far := startService(t, setup{Codes: map[string]string{"4001": right}})
	dir := t.TempDir()
	name, prints := filepath.Join(dir, "star97.yaml"), filepath.Join(dir, "pilot.json")
	require.NoError(t, os.WriteFile(name, fmt.Appendf(nil, `probes:
  pilot:
    uri: sip:*98@%s
    local: 127.0.0.1
    fingerprints: pilot.json
    within: 30s
    script:
      - {until: greeting, at_most: 10s, press: "{extension}#"}
      - {until: code, at_most: 10s, press: "{code}#"}
`, far.UDP), 0o600))
	probe := func(stdin string, args ...string) (map[string]any, int) {
		out, errs, exit := star97(t, stdin, append([]string{"probe", args[0], "--config", name, "--name", "pilot", "--extension", "4001", "--json"}, args[1:]...)...)
		for _, digits := range []string{right, wrong} {
			require.NotContains(t, out+errs, digits)
		}
		var v map[string]any
		require.NoError(t, json.Unmarshal([]byte(out), &v), "%s%s", out, errs)
		return v, exit
	}
	learned, exit := probe(right+"\n"+wrong+"\n", "learn")
	require.Zero(t, exit)
	require.Equal(t, []any{"code", "greeting", "right", "wrong"}, learned["sentences"])
	info, err := os.Stat(prints)
	require.NoError(t, err)
	require.NotZero(t, info.Size())
	for digits, want := range map[string]string{right: "right", wrong: "wrong-pin"} {
		heard, exit := probe(digits+"\n", "test")
		require.Equal(t, want, heard["answer"], "%v", heard)
		require.Equal(t, digits == right, exit == 0)
	}
}
