package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// executeCall runs star97 call with its own flags and returns what it wrote and its exit code.
func executeCall(t *testing.T, stdin string, args ...string) (out, warnings string, code int) {
	t.Helper()
	return execute(t, callCommand(), stdin, args...)
}

func execute(t *testing.T, cmd *cobra.Command, stdin string, args ...string) (out, warnings string, code int) {
	t.Helper()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	var stdout, stderr bytes.Buffer
	cmd.SetIn(bytes.NewBufferString(stdin))
	cmd.SetOut(&stdout)
	cmd.SetErr(&stderr)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(context.Background())
	var exit exitError
	switch {
	case err == nil:
	case errors.As(err, &exit):
		code = exit.code
		stderr.WriteString(err.Error())
	default:
		code = 2
		stderr.WriteString(err.Error())
	}
	return stdout.String(), stderr.String(), code
}

func TestCallThatCannotBegin(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		name = filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(name, []byte(text), mode))
		return name
	}
	gone, err := net.Dial("udp", "127.0.0.1:9") // keeps the port, and is not there for others
	require.NoError(t, err)
	t.Cleanup(func() { _ = gone.Close() })
	nobody := "sip:*97@" + gone.LocalAddr().String()
	good := write("good", "hear welcome\n", 0o600)
	codes := write("codes", "old: 5550199\n", 0o644)
	for name, road := range map[string]struct {
		stdin string
		args  []string
		code  int
		says  string
	}{
		"no script":            {"", []string{nobody}, 2, `"script" not set`},
		"no URI":               {"", []string{"--script", good}, 2, "accepts 1 arg"},
		"URI of another kind":  {"", []string{"http://example.org", "--script", good}, 2, "is no SIP URI"},
		"unknown transport":    {"", []string{nobody, "--script", good, "--transport", "smoke"}, 2, "use udp, tcp or tls"},
		"script is missing":    {"", []string{nobody, "--script", filepath.Join(dir, "none")}, 2, "no such file"},
		"script with an error": {"press 12\nsing loudly\n", []string{nobody, "--script", "-"}, 2, `-:2: There is no verb "sing"`},
		"empty script":         {"# nothing\n", []string{nobody, "--script", "-"}, 2, "-: The script has no step. Write one a line"},
		"unknown sentence":     {"hear welcome\nhear enter-cod\n", []string{nobody, "--script", "-"}, 2, `-:2: There is no sentence "enter-cod" in en-US. Use one of enter-code`},
		"code as a sentence":   {"hear x5550199\n", []string{nobody, "--script", "-"}, 2, "There is no sentence a word with digits in en-US."},
		"sentence like none":   {"hear-not bonjour\n", []string{nobody, "--script", "-"}, 2, "welcome"},
		"code nobody named":    {"press {new}#\n", []string{nobody, "--script", "-", "--codes", codes}, 2, "-:1: For this press nobody said what {new} is. Write it to the file of --codes."},
		"a code to be heard":   {"press {chosen}#\n", []string{nobody, "--script", "-"}, 4, "nothing listens"},
		"that code in a file":  {"", []string{nobody, "--script", good, "--codes", write("chosen", "chosen: 5550199\n", 0o600)}, 2, "chosen:1: This line names no code. Write lines like \"old: DIGITS\"; the names are old, new, other, wrong, ext, one-time."},
		"too many keys":        {"press 1\npress " + strings.Repeat("{old}", 10) + "\n", []string{nobody, "--script", "-", "--codes", codes}, 2, "-:2: These are more than 64 keys."},
		"codes file broken":    {"", []string{nobody, "--script", good, "--codes", write("broken", "5550199", 0o600)}, 2, "This line names no code"},
		"language unknown":     {"", []string{nobody, "--script", good, "--language", "tlh"}, 2, `there is no language "tlh"`},
		"two ways of keys":     {"", []string{nobody, "--script", good, "--info", "--digits", "inband"}, 2, "if any flags in the group [digits info] are set none of the others can be"},
		"a codec twice":        {"", []string{nobody, "--script", good, "--codec", "pcmu,PCMU"}, 2, `--codec has "PCMU"; write one or more`},
		"a recording nowhere":  {"", []string{nobody, "--script", good, "--record", filepath.Join(dir, "none", "x.wav")}, 1, "--record: open "},
		"timeout of nothing":   {"", []string{nobody, "--script", good, "--timeout", "0s"}, 2, "--timeout must be"},
		"nobody there":         {"", []string{nobody, "--script", good, "--codes", codes}, 4, "nothing listens"},
		"codes that all read":  {"", []string{nobody, "--script", good, "--codes", codes}, 4, "chmod 600"},
	} {
		t.Run(name, func(t *testing.T) {
			_, said, code := executeCall(t, road.stdin, road.args...)
			require.Equal(t, road.code, code, said)
			require.Contains(t, said, road.says)
			require.NotContains(t, said, "5550199")
		})
	}
}
