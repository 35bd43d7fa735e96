package conformance

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// reportFolder is where the Runs of an adapter's test keep their Reports, each in a file
// with the name of the test.
const reportFolder = "testdata/conformance"

func reportFile(test string) string {
	return path.Join(reportFolder, strings.ReplaceAll(test, "/", " ")+".tsv")
}

// Line is how one case came out: "pass", or "skip" and why. A pass says why a part of
// the case was left out, if one was.
type Line struct {
	Case, Result, Why string
}

// Report is how all cases of one adapter came out. Run compares it with the one in
// testdata/conformance, if there is one, and writes that where STAR97_MATRIX is
// "write"; so what is shown from there is what was seen.
type Report struct {
	Adapter string // the folder, and the test where that is not TestConformance
	Lines   []Line
}

// record gathers a Run's Report. It is safe for concurrent use.
type record struct {
	mu    sync.Mutex
	lines map[string]Line
	why   map[string]string
	left  map[string]bool // cases that were skipped as a whole
	bad   bool
}

func newRecord() *record {
	return &record{lines: map[string]Line{}, why: map[string]string{}, left: map[string]bool{}}
}

// leave keeps that a case, as a whole, is skipped and why.
func (r *record) leave(name, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left[name], r.why[name] = true, why
}

// because keeps one more reason why a part of the case is skipped.
func (r *record) because(name, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if before := r.why[name]; before != "" {
		why = before + "; " + why
	}
	r.why[name] = why
}

// note keeps how a case ended.
func (r *record) note(t *testing.T, name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case t.Failed():
		r.bad = true
	case t.Skipped() || r.left[name]:
		why := r.why[name]
		if why == "" {
			why = "the system cannot hold such a mailbox"
		}
		r.lines[name] = Line{name, "skip", why}
	default:
		r.lines[name] = Line{name, "pass", r.why[name]}
	}
}

// keep compares or writes the Report of a Run in which every case had its turn: a
// failed case speaks for itself, and -run leaves some out.
func (r *record) keep(t *testing.T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bad || len(r.lines) != len(cases) {
		return
	}
	if os.Getenv("STAR97_MATRIX") == "write" {
		require.NoError(t, os.MkdirAll(filepath.FromSlash(reportFolder), 0o755))
		require.NoError(t, os.WriteFile(reportFile(t.Name()), r.bytes(), 0o644))
	}
	require.NoError(t, r.differs(reportFile(t.Name())))
}

func (r *record) bytes() []byte {
	var b bytes.Buffer
	for _, c := range cases {
		l := r.lines[c.name]
		fmt.Fprintf(&b, "%s\t%s\t%s\n", l.Case, l.Result, l.Why)
	}
	return b.Bytes()
}

// differs tells the first line of the file that says otherwise; no file says nothing.
func (r *record) differs(name string) error {
	kept, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && bytes.Equal(kept, r.bytes()) {
		return nil
	}
	if err != nil {
		return err
	}
	was := strings.Split(string(kept), "\n")
	for i, is := range strings.Split(string(r.bytes()), "\n") {
		if i >= len(was) || was[i] != is {
			return fmt.Errorf("%s: line %d should be %q: if that is right, run the adapter's test with STAR97_MATRIX=write", name, i+1, is)
		}
	}
	return fmt.Errorf("%s has more lines than there are cases: run the adapter's test with STAR97_MATRIX=write", name)
}

// Matrix is the Reports of all adapters.
type Matrix []Report

// ReadMatrix reads the Reports of the adapters in the folders of dir, by name.
func ReadMatrix(dir fs.FS) (Matrix, error) {
	files, err := fs.Glob(dir, path.Join("*", reportFolder, "*.tsv"))
	if err != nil {
		return nil, err
	}
	var m Matrix
	for _, name := range files {
		adapter, _, _ := strings.Cut(name, "/")
		if test := strings.TrimPrefix(strings.TrimSuffix(path.Base(name), ".tsv"), "TestConformance"); test != "" {
			adapter += " " + strings.ReplaceAll(strings.TrimSpace(test), "_", " ")
		}
		lines, err := readReport(dir, name)
		if err != nil {
			return nil, err
		}
		m = append(m, Report{adapter, lines})
	}
	return m, nil
}

func readReport(dir fs.FS, name string) (lines []Line, err error) {
	f, err := dir.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for scan := bufio.NewScanner(f); scan.Scan(); {
		fields := strings.Split(scan.Text(), "\t")
		if len(fields) != 3 || fields[1] != "pass" && fields[1] != "skip" {
			return nil, fmt.Errorf("%s: line %d is none of a report: run the adapter's test with STAR97_MATRIX=write", name, len(lines)+1)
		}
		lines = append(lines, Line{fields[0], fields[1], fields[2]})
	}
	return lines, nil
}

// Markdown is a table of cases by adapters, a + for each pass and a number for what was
// left out, and below it what the numbers stand for.
func (m Matrix) Markdown() string {
	var b strings.Builder
	b.WriteString("| case |")
	for _, r := range m {
		b.WriteString(" " + r.Adapter + " |")
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(m)) + "\n")
	var reasons []string
	for _, c := range cases {
		b.WriteString("| " + c.name + " |")
		for _, r := range m {
			b.WriteString(" " + r.mark(c.name, &reasons) + " |")
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
	for i, why := range reasons {
		fmt.Fprintf(&b, "%d. %s\n", i+1, why)
	}
	return b.String()
}

// mark is one cell. A reason that is new is appended to reasons.
func (r Report) mark(name string, reasons *[]string) string {
	i := slices.IndexFunc(r.Lines, func(l Line) bool { return l.Case == name })
	if i < 0 {
		return "not run"
	}
	var marks []string
	l := r.Lines[i]
	if l.Result == "pass" {
		marks = append(marks, "+")
	}
	if l.Why != "" {
		n := slices.Index(*reasons, l.Why)
		if n < 0 {
			n = len(*reasons)
			*reasons = append(*reasons, l.Why)
		}
		marks = append(marks, fmt.Sprint(n+1))
	}
	return strings.Join(marks, " ")
}
