package backend

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance"
	"star97/internal/mailbox"
)

var write = flag.Bool("write", false, "write the tables of the pages anew")

// What the pages say of the drivers is what the drivers declare and what was run;
// `make docs` writes it anew.
func TestThePagesTellWhatTheDriversAre(t *testing.T) {
	matrix, err := conformance.ReadMatrix(os.DirFS("."))
	require.NoError(t, err)
	compare(t, "README.md", "matrix", matrix.Markdown())
	compare(t, "../../README.md", "drivers", driversTable(t))
}

// compare holds what stands between the marks of a page against text.
func compare(t *testing.T, page, mark, text string) {
	t.Helper()
	data, err := os.ReadFile(page)
	require.NoError(t, err)
	head, rest, found := strings.Cut(string(data), fmt.Sprintf("<!-- %s: make docs -->\n", mark))
	require.True(t, found, "%s has no mark %s", page, mark)
	end := fmt.Sprintf("<!-- end of %s -->\n", mark)
	stands, tail, found := strings.Cut(rest, end)
	require.True(t, found, "%s has no end of mark %s", page, mark)
	if *write {
		require.NoError(t, os.WriteFile(page, []byte(head+fmt.Sprintf("<!-- %s: make docs -->\n", mark)+text+end+tail), 0o644))
		return
	}
	require.Equal(t, text, stands, "run make docs")
}

// driversTable has a row for each driver.
func driversTable(t *testing.T) string {
	var b strings.Builder
	b.WriteString("| `driver` | system | the current code is checked by | \"changed\" is proved by | reads | can also | keeps codes as |\n|---|---|---|---|---|---|---|\n")
	for _, name := range Names() {
		d, err := Declared(name)
		require.NoError(t, err)
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", name, d.System, checkedBy[d.Check], d.Proof, reads(d), abilities(d), d.AtRest)
	}
	return b.String()
}

var checkedBy = map[mailbox.Check]string{
	mailbox.NoCheck: "whom `verify` names", mailbox.Native: "the system", mailbox.Compare: "comparing with what it hands out",
}

func reads(d mailbox.Traits) string {
	var all []string
	if d.Rules {
		all = append(all, "rules")
	}
	if d.Flags {
		all = append(all, "states")
	}
	return strings.Join(all, ", ")
}

func abilities(d mailbox.Traits) string {
	var all []string
	for _, can := range d.Can {
		all = append(all, string(can))
	}
	if d.FirstUse {
		all = append(all, "first-use")
	}
	return strings.Join(all, ", ")
}
