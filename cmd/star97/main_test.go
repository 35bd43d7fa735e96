package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// Each command shows its use with an example, and never asks for a code as an argument.
func TestEveryCommandHasHelpWithExamples(t *testing.T) {
	t.Parallel()
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		require.NotEmpty(t, cmd.Short, cmd.CommandPath())
		require.NotEmpty(t, cmd.Example, cmd.CommandPath())
		require.Nil(t, cmd.Flags().Lookup("code"), "a code never stands on a command line")
		args := append(strings.Fields(cmd.CommandPath())[1:], "--help")
		out, errs, code := star97(t, "", args...)
		require.Zero(t, code, errs)
		require.Contains(t, out, "Examples:\n"+cmd.Example, cmd.CommandPath())
		for _, sub := range cmd.Commands() {
			if sub.Name() != "help" && sub.Name() != "completion" {
				visit(sub)
			}
		}
	}
	visit(rootCommand())
}

// Output for people is the default and JSON for programs an option, but for commands
// whose only output is a log, a file to be altered, or JSON already.
func TestEveryCommandWritesJSON(t *testing.T) {
	without := map[string]bool{"star97 serve": true, "star97 init": true, "star97 audit export": true}
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
		if cmd.HasSubCommands() {
			return
		}
		flag := cmd.Flags().Lookup("json")
		if flag == nil {
			flag = cmd.InheritedFlags().Lookup("json")
		}
		require.Equal(t, without[cmd.CommandPath()], flag == nil, cmd.CommandPath())
	}
	visit(rootCommand())
}

func TestExitCodesAndOutputOfTheSmallCommands(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "star97.yaml")
	wrong := filepath.Join(t.TempDir(), "star97.yaml")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	require.NoError(t, os.WriteFile(wrong, []byte("drain: 2h\nlog: {level: loud}\n"), 0o600))
	doubtful := filepath.Join(t.TempDir(), "star97.yaml")
	require.NoError(t, os.WriteFile(doubtful, []byte("sip: {limits: {calls: 5000}}\n"), 0o600))
	for _, row := range []struct {
		args         []string
		code         int
		stdout, errs string // parts; empty: nothing at all
	}{
		{[]string{"--version"}, 0, "star97 version", ""},
		{[]string{}, 0, "Available Commands:", ""},
		{[]string{"mailbox"}, 0, "Available Commands:", ""},
		{[]string{"sing"}, 2, "", `star97: unknown command "sing"`},
		{[]string{"srve"}, 2, "", "star97: unknown command \"srve\" for \"star97\", perhaps serve is meant; write `star97 --help` for the commands\n"},
		{[]string{"482915"}, 2, "", `star97: unknown command "..."`},
		{[]string{"mailbox", "list", "--482915"}, 2, "", "star97: unknown flag: --...;"},
		{[]string{"mailbox", "list", "--json=482915"}, 2, "", `star97: invalid argument "..." for "--json"`},
		{[]string{"serve", "now"}, 2, "", "write `star97 serve [flags]`"},
		{[]string{"check"}, 0, "No problem found.", ""},
		{[]string{"check", "--config", empty}, 0, "No problem found.", ""},
		{[]string{"check", "--json"}, 0, "[]", ""},
		{[]string{"check", "--config", doubtful}, 0, "No problem found.", "warning: " + doubtful + ":1: media.port_min to media.port_max hold 2000 calls"},
		{[]string{"check", "--config", doubtful, "--json"}, 0, `"warning": true`, ""},
		{[]string{"check", "--config", doubtful, "--print"}, 0, "calls: 5000", "warning: "},
		{[]string{"check", "--print"}, 0, "\nlog:\n  level: info\n  format: text\ndrain: 1m0s\n", ""},
		{[]string{"check", "--print", "--json"}, 2, "", "none of the others can be"},
		{[]string{"check", "--print", "--config", wrong}, 1, wrong + ":1: drain", "2 problems found"},
		{[]string{"check", "--config", wrong}, 1, wrong + ":1: drain is 2h0m0s. Set it between 0s and 1h.", "2 problems found"},
		{[]string{"check", "--config", wrong}, 1, wrong + ":2: log: level is \"loud\"", "2 problems found"},
		{[]string{"check", "--config", wrong, "--json"}, 1, `"line": 1`, "2 problems found"},
		{[]string{"serve", "--config", wrong}, 1, "", "star97: " + wrong + ":2: log: level"},
		{[]string{"mailbox", "list", "--config", wrong}, 1, "", wrong + ":1: drain"},
		{[]string{"flow", "--format", "text"}, 0, "menu", ""},
		{[]string{"flow", "--format", "dot"}, 0, "digraph", ""},
		{[]string{"flow", "--format", "svg"}, 0, "<svg", ""},
		{[]string{"flow", "--json"}, 0, `"state": "main-menu"`, ""},
		{[]string{"flow", "--json", "--format", "svg"}, 2, "", "none of the others can be"},
		{[]string{"backend", "webhook-api"}, 0, "openapi: 3.1", ""},
		{[]string{"backend", "webhook-api", "--json"}, 0, `"openapi": "3.1`, ""},
		{[]string{"dialplan", "unity", "--json"}, 0, `"preferences"`, ""},
		{[]string{"flow", "--format", "paint"}, 2, "", "svg, dot, text or json"},
		{[]string{"flow", "--layout", "unity"}, 0, "key 1 in preferences", ""},
		{[]string{"flow", "--layout", "nothing"}, 2, "", `no layout "nothing"; it has asterisk, attendant, default, express, freeswitch, netsapiens, unity`},
	} {
		t.Run(strings.Join(row.args, " "), func(t *testing.T) {
			out, errs, code := star97(t, "", row.args...)
			require.Equal(t, row.code, code, errs)
			for _, part := range []struct{ want, is string }{{row.stdout, out}, {row.errs, errs}} {
				if part.want == "" {
					require.Empty(t, part.is)
				}
				require.Contains(t, part.is, part.want)
			}
		})
	}
}
