package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/pin"
)

// executeCode runs star97 code and returns what it wrote and its exit code.
func executeCode(t *testing.T, stdin string, args ...string) (out, said string, code int) {
	t.Helper()
	cmd := codeCommand()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	var stdout, stderr bytes.Buffer
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetOut(&stdout)
	cmd.SetErr(&stderr)
	cmd.SetArgs(args)
	if err := cmd.Execute(); err != nil {
		code = 2
		var exit exitError
		if errors.As(err, &exit) {
			code = exit.code
		}
		stderr.WriteString(err.Error())
	}
	return stdout.String(), stderr.String(), code
}

func TestCodeCheckTellsTheRuleOfEachLine(t *testing.T) {
	folder := newFolder(t)
	folder.write("star97.yaml", "policy: {preset: netsapiens-default, max_same_run: 3, blocklist_file: ours.txt}\n")
	folder.write("ours.txt", "# of this house\n739164\n")
	now := filepath.Join(folder.path, "now.txt")
	require.NoError(t, os.WriteFile(now, []byte("606172\r\n"), 0o600))
	for name, row := range map[string]struct {
		stdin string
		args  []string
		want  string
		code  int
	}{
		"all are accepted":         {"482915\n739164\n", nil, "1 accepted\n2 accepted\n", 0},
		"without the last newline": {"482915", nil, "1 accepted\n", 0},
		"one is refused":           {"482915\n111111\n", nil, "1 accepted\n2 same-run\n", 1},
		"every reason of strong": {
			"48291\n48291537064\n111223\n123497\n890183\n121212\n112211\n147258\n940017\n550143\n606172\n606173\n241285\n", []string{
				"--preset", "strong", "--extension", "4001", "--number", "7005551", "--number", "12015550143", "--current-file", now,
			},
			"1 too-short\n2 too-long\n3 same-run\n4 sequence\n5 wrap\n6 repeat-block\n7 min-distinct\n8 keypad-line\n9 own-number\n10 own-number\n" +
				"11 current\n12 near-current\n13 blocklist\n", 1,
		},
		"what is no code": {"48 2915\nsecret\n\n" + strings.Repeat("73", 16) + "\r\n４８２９１５\n" + strings.Repeat("a", 40) + "\n", nil, "1 not-digits\n2 not-digits\n3 too-short\n4 too-long\n5 not-digits\n6 not-digits\n", 1},
		"another preset":  {"228883\n4829\n", []string{"--preset", "carrier-4-8"}, "1 accepted\n2 accepted\n", 0},
		"a name":          {"266392\n392675\n482915\n", []string{"--preset", "cisco-trivial", "--name", "Ann Example"}, "1 name\n2 name\n3 accepted\n", 1},
		"a configuration": {"1234\n1111\n739164\n", []string{"--config", filepath.Join(folder.path, "star97.yaml")}, "1 accepted\n2 same-run\n3 blocklist\n", 1},
	} {
		t.Run(name, func(t *testing.T) {
			out, said, code := executeCode(t, row.stdin, append([]string{"check"}, row.args...)...)
			require.Equal(t, row.code, code, said)
			require.Equal(t, row.want, out)
			require.Empty(t, said)

			out, _, again := executeCode(t, row.stdin, append([]string{"check", "--json"}, row.args...)...)
			require.Equal(t, code, again)
			var lines strings.Builder
			for d := json.NewDecoder(strings.NewReader(out)); d.More(); {
				var v judgement
				require.NoError(t, d.Decode(&v))
				require.Equal(t, v.Accepted, v.Rule == pin.Pass)
				require.NoError(t, tell(&lines, false, v))
			}
			require.Equal(t, row.want, lines.String(), "JSON says the same")
		})
	}
}

func TestCodeCommandsThatCannotBegin(t *testing.T) {
	folder := newFolder(t)
	folder.write("wrong.yaml", "policy: {preset: lax}\n")
	folder.write("letters.txt", "48x915\n")
	folder.write("empty.txt", "\n482915\n")
	path := func(name string) string { return filepath.Join(folder.path, name) }
	for name, row := range map[string]struct {
		stdin string
		args  []string
		says  string
	}{
		"no code at all":        {"", nil, "no code was given; write one a line to standard input"},
		"no such preset":        {"482915\n", []string{"--preset", "482915"}, "there is no such preset; use one of strong, broadworks-6-10,"},
		"preset and config":     {"482915\n", []string{"--preset", "strong", "--config", "x"}, "--preset and --config exclude each other"},
		"no such configuration": {"482915\n", []string{"--config", path("none.yaml")}, "none.yaml"},
		"a wrong configuration": {"482915\n", []string{"--config", path("wrong.yaml")}, `wrong.yaml:1: There is no preset named "lax"`},
		"an extension in words": {"482915\n", []string{"--extension", "4001x"}, "--extension must consist of digits only"},
		"a number with a plus":  {"482915\n", []string{"--number", "+12125554001"}, "--number must consist of digits only"},
		"no current code":       {"482915\n", []string{"--current-file", path("none")}, "the current code cannot be read"},
		"letters as current":    {"482915\n", []string{"--current-file", path("letters.txt")}, "letters.txt: a code consists of the digits 0 to 9 only; write the code alone on its first line"},
		"an empty current":      {"482915\n", []string{"--current-file", path("empty.txt")}, "empty.txt: it is empty"},
		"a line without an end": {"482915\n" + strings.Repeat("739164", 1<<18), nil, "line 2 has more than 1 MiB; write one code a line"},
		"a code as an argument": {"", []string{"482915"}, "unknown command"},
		"an unknown flag":       {"482915\n", []string{"--colour"}, "unknown flag"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, command := range []string{"check", "report"} {
				out, said, code := executeCode(t, row.stdin, append([]string{command}, row.args...)...)
				require.Equal(t, 2, code, said)
				require.Contains(t, said, row.says)
				require.NotContains(t, strings.ReplaceAll(said, `unknown command "482915"`, ""), "482915")
				require.NotContains(t, out, "739164")
			}
		})
	}
}

// A line that is too long is one that is no code, and not the end.
func TestCodeCheckGoesOnBehindAnyLine(t *testing.T) {
	digits := strings.Repeat("7391640582", 20)
	for name, row := range map[string]struct {
		in   string
		want []string
	}{
		"a mark of an editor":     {"\ufeff482915\r\n482915\r\n", []string{"1 accepted", "2 accepted"}},
		"too many digits":         {digits + "\n482915\n", []string{"1 too-long", "2 accepted"}},
		"just as many":            {digits[:128] + "\r\n482915\n", []string{"1 too-long", "2 accepted"}},
		"one less":                {digits[:127] + "\n482915\n", []string{"1 too-long", "2 accepted"}},
		"letters at last":         {digits + "x\n482915\n", []string{"1 not-digits", "2 accepted"}},
		"letters first":           {"x" + digits + "\n482915\n", []string{"1 not-digits", "2 accepted"}},
		"the last one":            {"482915\n" + digits, []string{"1 accepted", "2 too-long"}},
		"the last one, as many":   {"482915\n" + digits[:128], []string{"1 accepted", "2 too-long"}},
		"a mark behind the first": {"482915\n\ufeff482915\n", []string{"1 accepted", "2 not-digits"}},
	} {
		t.Run(name, func(t *testing.T) {
			out, said, _ := executeCode(t, row.in, "check")
			require.Equal(t, row.want, strings.Split(strings.TrimSpace(out), "\n"), said)
		})
	}
}

func TestCodeReportCountsEachRuleAndStoresNone(t *testing.T) {
	const codes = "482915\n111111\n121212\n123456\nabc\n482915\n112211\n"
	out, said, code := executeCode(t, codes, "report", "--json")
	require.Zero(t, code, said)
	var got tally
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	require.Equal(t, []int{7, 2, 5}, []int{got.Codes, got.Accepted, got.Refused})
	require.InDelta(t, 500.0/7, got.Percent, 1e-9)
	want := map[pin.Rule][2]int{
		notDigits: {1, 1}, pin.SameRun: {1, 1}, pin.Sequence: {1, 1}, pin.Wraps: {1, 0}, pin.RepeatBlock: {2, 1},
		pin.MinDistinct: {3, 1}, pin.KeypadLine: {1, 0}, pin.Blocklisted: {4, 0},
	}
	refused := 0
	for _, one := range got.Rules {
		require.Equal(t, want[one.Rule], [2]int{one.Breaking, one.Said}, one.Rule)
		require.InDelta(t, 100*float64(one.Breaking)/7, one.Percent, 1e-9)
		require.InDelta(t, 100*float64(one.Said)/7, one.SaidPercent, 1e-9)
		refused += one.Said
	}
	require.Equal(t, got.Refused, refused, "each refused code has one reason")
	require.Len(t, got.Rules, len(pin.Rules()), "history is not known, not-digits is no rule")

	out, _, code = executeCode(t, codes, "report")
	require.Zero(t, code)
	require.Contains(t, out, "7 codes: 2 accepted, 5 refused (71.43 %)\n")
	require.Regexp(t, `3 +42\.86 % +1 +14\.29 % +min-distinct`, out)
	require.NotRegexp(t, "482915|111111|121212|123456|112211", out)
}

func TestCodeGenerateShowsCodesThatItsRulesAccept(t *testing.T) {
	for _, preset := range pin.Presets() {
		args := []string{"--preset", preset, "--extension", "4001", "--name", "Ann Example"}
		out, said, code := executeCode(t, "", append([]string{"generate", "--count", "50"}, args...)...)
		require.Zero(t, code, said)
		require.Regexp(t, `\A([0-9]{6,8}\n){50}\z`, out)
		_, said, code = executeCode(t, out, append([]string{"check"}, args...)...)
		require.Zero(t, code, said)
	}
	out, _, code := executeCode(t, "", "generate")
	require.Zero(t, code)
	require.Regexp(t, `\A[0-9]{6}\n\z`, out)
	out, _, code = executeCode(t, "", "generate", "--count", "2", "--json")
	require.Zero(t, code)
	require.Regexp(t, `\A({"code":"[0-9]{6}"}\n){2}\z`, out)

	for _, count := range []string{"0", "1001", "-1"} {
		out, said, code := executeCode(t, "", "generate", "--count", count)
		require.Equal(t, 2, code)
		require.Contains(t, said, "--count must be 1 to 1000")
		require.Empty(t, out)
	}
	strict := newFolder(t)
	strict.write("star97.yaml", "policy: {min_length: 6, max_length: 6, min_distinct: 6, max_same_run: 1, not_returning_group: true, blocklist: 50000}\n")
	_, said, code := executeCode(t, "", "generate", "--count", "3", "--config", filepath.Join(strict.path, "star97.yaml"))
	require.Zero(t, code, "strict rules leave codes: %s", said)
}

// The whole program, with a file that others can read.
func TestCodeCheckOfTheProgram(t *testing.T) {
	t.Parallel()
	folder := newFolder(t)
	folder.write("now.txt", "482915\n")
	now := filepath.Join(folder.path, "now.txt")
	require.NoError(t, os.Chmod(now, 0o644))
	out, errs, code := star97(t, "482915\n739164\n", "code", "check", "--current-file", now)
	require.Equal(t, 1, code)
	require.Equal(t, "1 current\n2 accepted\n", out)
	require.Equal(t, fmt.Sprintf("warning: others can read %s; make it yours alone with: chmod 600 %s\n", now, now), errs)
	_, errs, code = star97(t, "", "code", "check")
	require.Equal(t, 2, code)
	require.Equal(t, "star97: no code was given; write one a line to standard input\n", errs)
}
