package conformance

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// recorded is the record of a whole run in which one case was left out.
func recorded(why string) *record {
	r := newRecord()
	for _, c := range cases {
		r.lines[c.name] = Line{c.name, "pass", ""}
	}
	if why != "" {
		r.lines["Reassign"] = Line{"Reassign", "skip", why}
	}
	return r
}

func TestARunKeepsItsReport(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	recorded("one reason").keep(t)
	kept := reportFile(t.Name())
	require.NoFileExists(t, kept, "nobody has asked for it")

	t.Setenv("STAR97_MATRIX", "write")
	recorded("one reason").keep(t)
	t.Setenv("STAR97_MATRIX", "")
	recorded("one reason").keep(t)
	lines, err := readReport(os.DirFS(dir), kept)
	require.NoError(t, err)
	require.Len(t, lines, len(cases))
	require.Equal(t, Line{"Reassign", "skip", "one reason"}, lines[len(lines)-1])

	before, err := os.ReadFile(kept)
	require.NoError(t, err)
	part := recorded("another reason")
	delete(part.lines, cases[0].name)
	part.keep(t) // -run has left one out: nothing to compare
	after, err := os.ReadFile(kept)
	require.NoError(t, err)
	require.Equal(t, string(before), string(after))
}

func TestAReportThatTellsOtherwiseFailsTheRun(t *testing.T) {
	dir := t.TempDir()
	kept := filepath.Join(dir, "kept.tsv")
	require.NoError(t, os.WriteFile(kept, recorded("a reason").bytes(), 0o644))
	require.NoError(t, recorded("a reason").differs(kept))
	require.ErrorContains(t, recorded("").differs(kept), "Reassign")
	require.NoError(t, recorded("").differs(filepath.Join(dir, "none")))
}

func TestACaseIsNotedAsItEnded(t *testing.T) {
	r := newRecord()
	for name, run := range map[string]func(*testing.T){
		"passes":                func(*testing.T) {},
		"passes without a part": func(*testing.T) { r.because("passes without a part", "one"); r.because("passes without a part", "two") },
		"skips":                 func(t *testing.T) { (&suite{record: r, name: "skips"}).skip(t, "a reason") },
		"skips by itself":       func(t *testing.T) { t.Skip("a reason that nobody hears") },
		"skips in a part": func(t *testing.T) {
			t.Run("part", func(t *testing.T) { (&suite{record: r, name: "skips in a part"}).skip(t, "a reason") })
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer r.note(t, name)
			run(t)
		})
	}
	require.Equal(t, map[string]Line{
		"passes":                {"passes", "pass", ""},
		"passes without a part": {"passes without a part", "pass", "one; two"},
		"skips":                 {"skips", "skip", "a reason"},
		"skips by itself":       {"skips by itself", "skip", "the system cannot hold such a mailbox"},
		"skips in a part":       {"skips in a part", "skip", "a reason"},
	}, r.lines)
}

func TestMatrix(t *testing.T) {
	m, err := ReadMatrix(fstest.MapFS{
		"b/" + reportFile("TestConformance/over TCP"): {Data: recorded("one reason").bytes()},
		"a/" + reportFile("TestConformance"):          {Data: []byte("Reassign\tskip\tone reason\nList\tskip\tanother reason\nReset\tpass\t\nProbe\tpass\twithout a part\n")},
		"c/other.tsv":                                 {Data: []byte("x")},
	})
	require.NoError(t, err)
	text := m.Markdown()
	require.Contains(t, text, "| case | a | b over TCP |\n|---|---|---|\n")
	require.Contains(t, text, "| List | 1 | + |\n")
	require.Contains(t, text, "| Reset | + | + |\n")
	require.Contains(t, text, "| Reassign | 3 | 3 |\n\n1. another reason\n2. without a part\n3. one reason\n")
	require.Contains(t, text, "| Probe | + 2 | + |\n")
	require.Contains(t, text, "| Change back | not run | + |\n")

	_, err = ReadMatrix(fstest.MapFS{"a/" + reportFile("Test"): {Data: []byte("Edit\tperhaps\t\n")}})
	require.ErrorContains(t, err, "line 1")
}

func TestCasesHaveNamesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range cases {
		require.False(t, seen[c.name], c.name)
		require.NotContains(t, c.name, "\t")
		seen[c.name] = true
	}
}
