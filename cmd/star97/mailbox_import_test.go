package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMailboxImport(t *testing.T) {
	t.Parallel()
	c := newCLI(t).with("north", "south")
	file := filepath.Join(t.TempDir(), "mailboxes.csv")
	const head = "mailbox,domain,name,language,code\n"
	write := func(rows string) { require.NoError(t, os.WriteFile(file, []byte(head+rows), 0o600)) }

	write("4001,,\"Example, Ann\",en-US,739164\n4002,north,Bob,,\n4003,,Cem,,111111\n4004,,Dee,,secret\n")
	out, errs := c.run(1, "", "import", file)
	require.Empty(t, out)
	require.Contains(t, errs, file+`:4: its code breaks the rule "same-run"`)
	require.Contains(t, errs, "star97: "+file+":5: a code consists of the digits")
	require.NoDirExists(t, c.data, "the whole file is checked before anything is added")

	write("4001,,\"Example, Ann\",en-US,739164\n4002,north,Bob,,\n")
	out, _ = c.run(0, "", "import", file)
	require.Equal(t, "2 of 2 mailboxes are added.\n", out)
	out, _ = c.run(0, "", "list")
	require.Contains(t, out, "Example, Ann")
	require.Regexp(t, `4002 +north +Bob +- +no code`, out)

	write("4001,,Ann,,739164\n4005,,Eve,,582907\n4002,NORTH,Bob,,582907\n")
	out, errs = c.run(0, "", "import", file, "--json")
	require.JSONEq(t, `{"added": 1, "there": 2, "failed": 0}`, out, "an import can be repeated")
	require.NotContains(t, errs, "star97:", "signs of life at most")
	out, _ = c.run(0, "", "import", file)
	require.Equal(t, "0 of 3 mailboxes are added; 3 were there already.\n", out)
	require.NoError(t, os.WriteFile(file, []byte("Mailbox, DOMAIN ,name,language, Code\n 4007 ,south, Gus ,,\n"), 0o600))
	out, _ = c.run(0, "", "import", file)
	require.Equal(t, "1 of 1 mailboxes are added.\n", out)
	out, _ = c.run(0, "", "list", "--search", "4007")
	require.Regexp(t, `4007 +south +Gus +- +no code`, out)
	out, _ = c.run(0, head+"4006,,Fay,,111111\n", "import", "-", "--force")
	require.Equal(t, "1 of 1 mailboxes are added.\n", out)
	_, errs = c.run(1, "", "import", file+".none")
	require.Contains(t, errs, "check its name and mode")
}

func TestAnImportMayTellWhoNeedsTime(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	out, errs := c.run(1, "mailbox,domain,name,language,code,slow\n4001,,Ann,,,739164\n", "import", "-")
	require.Empty(t, out)
	require.Contains(t, errs, "standard input:2: slow must be yes or no, or empty for no")
	require.NotContains(t, errs, "739164", "a code in the wrong column")
	_, errs = c.run(1, "mailbox,domain,name,language,code,pace\n", "import", "-")
	require.Contains(t, errs, "standard input:1: the first line must be mailbox,domain,name,language,code,slow,mail, or the same without slow, mail or both")
	c.run(0, "mailbox,domain,name,language,code,Slow\n4001,,Ann,,,Yes\n4002,,Bob,,,no\n4003,,Cem,,,\n", "import", "-")
	out, _ = c.run(0, "", "list")
	require.Regexp(t, `4001 .* no code, slow\n4002 .* no code\n4003 .* no code\n`, out)
}

// A person mends a file once, not once for each problem.
func TestAnImportTellsEveryProblemOfItsFile(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	out, errs := c.run(1, `mailbox,domain,name,language,code
4001,,Ann,en-US,739164
40x2,,Bob,,
4003,north example,Cem,,582907
4004,,"Dee
x",,582907
4005,,Eve,739164,
4006,,Fay,,111111
4007,,Gus
4008,,,739164,secret
4001,,Ann again,,582907
`, "import", "-")
	require.Empty(t, out)
	var lines []string
	for line := range strings.Lines(errs) {
		lines = append(lines, strings.TrimPrefix(strings.TrimSpace(line), "star97: standard input:"))
	}
	want := []string{
		"3: the extension must have", "4: the domain of mailbox 4003 is none", "5: the name of mailbox 4004 has a control character",
		"7: the language of mailbox 4005", "8: its code breaks the rule", "9: wrong number of fields; each line has 5 fields",
		"10: the language of mailbox 4008", "10: a code consists of the digits", "11: this mailbox stands in line 2 already",
	}
	require.Len(t, lines, len(want), errs)
	for i := range want {
		require.True(t, strings.HasPrefix(lines[i], want[i]), "%s\n%s", want[i], lines[i])
	}
	require.NoDirExists(t, c.data, "nothing is begun")
}

// All cores add, and each mailbox is there once with its code.
func TestALargeImportTellsHowFarItIs(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	rows := "mailbox,domain,name,language,code\n"
	for i := range 250 {
		rows += fmt.Sprintf("%d,,,,\n", 4000+i)
	}
	out, errs := c.run(0, rows, "import", "-")
	require.Equal(t, "250 of 250 mailboxes are added.\n", out)
	require.Contains(t, errs, "100 of 250 mailboxes\n")
	require.Contains(t, errs, "200 of 250 mailboxes\n")
	out, _ = c.run(0, "", "list", "--json")
	require.Equal(t, 250, strings.Count(out, `"extension"`))
	out, _ = c.run(0, rows, "import", "-")
	require.Equal(t, "0 of 250 mailboxes are added; 250 were there already.\n", out)
}
