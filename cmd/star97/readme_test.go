package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// Every command line of the README and of the helps can be typed: its command, its
// options and the number of its arguments are right.
func TestEveryCommandLineThatIsShownIsRight(t *testing.T) {
	var shown []string
	page, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "    ") {
			shown = append(shown, commandLines(line)...)
		}
	}
	require.Greater(t, len(shown), 20)
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		lines := commandLines(cmd.Example)
		require.NotEmpty(t, lines, cmd.CommandPath())
		shown = append(shown, lines...)
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	visit(rootCommand())
	for _, line := range shown {
		cmd, args, err := rootCommand().Find(shellWords(line)[1:])
		require.NoError(t, err, line)
		require.NoError(t, cmd.ParseFlags(args), line)
		require.NoError(t, cmd.ValidateArgs(cmd.Flags().Args()), line)
		require.NoError(t, cmd.ValidateFlagGroups(), line)
		require.False(t, cmd.HasSubCommands() && len(shellWords(line)) > 1 && cmd.Name() != "star97", "%s: a command of commands", line)
	}
}

var ofStar97 = regexp.MustCompile("(?:^|[ |/;])(star97 [a-z][^`\n]*)")

// commandLines are the calls of star97 in shell text, as far as the next program,
// redirection or comment.
func commandLines(text string) (all []string) {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, " #")
		if m := ofStar97.FindStringSubmatch(line); m != nil {
			line, _, _ = strings.Cut(m[1], "  ")
			all = append(all, cutAtShell(line))
		}
	}
	return all
}

// cutAtShell ends a command where the shell has something else to do, outside quotes.
func cutAtShell(line string) string {
	quote := rune(0)
	for i, c := range line {
		switch {
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case c == quote:
			quote = 0
		case quote == 0 && strings.ContainsRune("|<>#;&", c):
			return line[:i]
		}
	}
	return line
}

var (
	substituted = regexp.MustCompile(`\$\([^)]*\)`)
	quotedOrNot = regexp.MustCompile(`'([^']*)'|"([^"]*)"|\S+`)
)

// shellWords splits a command as the shell does; what another command would say is 1.
func shellWords(line string) (all []string) {
	for _, m := range quotedOrNot.FindAllStringSubmatch(substituted.ReplaceAllString(line, "1"), -1) {
		switch {
		case m[1] != "":
			all = append(all, m[1])
		case m[2] != "":
			all = append(all, m[2])
		default:
			all = append(all, m[0])
		}
	}
	return all
}
