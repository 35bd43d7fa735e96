package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/caller"
	"star97/internal/caller/callertest"
	"star97/internal/pin"
	"star97/internal/prompt"
)

// leakPolicy makes every code of the test long enough to be found only where it leaked,
// those that are too short included.
var leakPolicy = func() pin.Policy {
	p := pin.DefaultPolicy()
	p.MinLen, p.MaxLen = 10, 12
	return p
}()

func leakSetup() setup {
	return setup{Sections: map[string]string{
		"policy":  "{min_length: 10, max_length: 12}",
		"lockout": "{source_per_hour: 1000}",
		"log":     "{level: debug, format: json}",
	}}
}

// book keeps every code that was given to the program, and everything it wrote beside
// the service's own transcripts.
type book struct {
	mu      sync.Mutex
	codes   []string
	shown   []string // those that standard output shows once, rightly
	written map[string][]byte
	late    func() // notes what was written until the service's end; nil: nothing more
}

func newBook() *book { return &book{written: map[string][]byte{}} }

func (b *book) note(code string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.codes = append(b.codes, code)
	return code
}

// code is a new one that passes the rules for a mailbox.
func (b *book) code(extension string) string {
	for {
		code := randomCode(10)
		p, err := pin.Parse(code)
		if err == nil && leakPolicy.Check(p, pin.Context{Extension: extension}) == pin.Pass {
			return b.note(code)
		}
	}
}

// breaking is a code that breaks the rule of this name first.
func (b *book) breaking(rule pin.Rule, extension string) string {
	for {
		code := randomCode(10)
		at := rand.IntN(6)
		switch rule {
		case pin.TooShort:
			code = code[:9]
		case pin.SameRun:
			code = code[:at] + strings.Repeat(code[at:at+1], 3) + code[at+3:]
		case pin.Sequence:
			code = code[:at] + "3456" + code[at+4:]
		case pin.HasOwnNumber:
			code = code[:at] + extension + code[at+4:]
		}
		p, err := pin.Parse(code)
		if err == nil && leakPolicy.Check(p, pin.Context{Extension: extension}) == rule {
			return b.note(code)
		}
	}
}

func (b *book) wrote(where string, what ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, s := range what {
		b.written[fmt.Sprintf("%s, output %d", where, i)] = []byte(s)
	}
}

// TestNoCodeLeaks drives the real program, debug logging on, through calls and
// commands with random codes and then looks for each of them, in every form that the
// hunter knows, in everything that was written. The exceptions are generated codes,
// at the one place where each is shown once. What a core dump or the memory of the
// process holds is not claimed.
func TestNoCodeLeaks(t *testing.T) {
	t.Parallel()
	callertest.InTime(t, func(t testing.TB) {
		b := newBook()
		s := leakSetup()
		s.Race = true
		v := startService(t, s)
		codes := map[string]string{}
		for i := range 10 {
			extension := fmt.Sprint(4001 + i)
			codes[extension] = b.code(extension)
			v.addMailbox(extension, codes[extension])
		}
		leakyCalls(t, v, b, codes)
		lockedWhileChanging(t, v, b, codes["4009"])
		leakyMessages(t, v, b)
		leakyCommands(t, v, b)
		leakyTelephone(t, v, b, codes["4001"])
		requireNoLeak(t, v, b)
	})
}

// requireNoLeak looks at everything while the service runs and after its end.
func requireNoLeak(t testing.TB, v *service, b *book) {
	t.Helper()
	found := hunt(t, v, b)
	for _, f := range found {
		t.Errorf("a code leaked: %s as %s: %s", f.where, f.form, f.excerpt)
	}
}

func hunt(t testing.TB, v *service, b *book) (found []find) {
	t.Helper()
	for _, name := range []string{"cmdline", "environ"} {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", v.cmd.Process.Pid, name))
		if err == nil {
			b.wrote("/proc/self/"+name, string(data))
		}
	}
	files(t, v.Data, "while serving: ", b)
	for _, page := range []string{"/metrics", "/readyz", "/healthz"} {
		_, body := v.get(page)
		b.wrote(page, body)
	}
	copied := filepath.Join(t.TempDir(), "star97.tar")
	for _, args := range [][]string{{"audit", "export"}, {"audit", "list", "--limit", "10000"}, {"backup", copied}, {"pepper", "rotate"}, {"pepper", "status"}} {
		out, errs, exit := star97(t, "", append(args, "--config", v.Config, "--data", v.Data)...)
		require.Zero(t, exit, errs)
		b.wrote("star97 "+args[0]+" "+args[1], out, errs)
	}
	backup, err := os.ReadFile(copied)
	require.NoError(t, err)
	b.wrote("a backup", string(backup))
	v.stop()
	files(t, v.Data, "after the end: ", b)
	rows(t, v.Data, b)
	out := v.Stdout.String()
	for _, code := range b.shown {
		out = strings.Replace(out, code, "", 1)
	}
	b.wrote("the service's standard output", out)
	b.wrote("the service's standard error", v.Stderr.String())
	if b.late != nil {
		b.late()
	}
	h := newHunter(b.codes...)
	seen := map[string]bool{} // the same bytes by another name
	for where, data := range b.written {
		if !seen[string(data)] {
			found = append(found, h.hunt(where, data)...)
		}
		seen[string(data)] = true
	}
	total := 0
	for _, data := range b.written {
		total += len(data)
	}
	t.Logf("looked for %d codes in %d things written, %d bytes", len(b.codes), len(b.written), total)
	return found
}

func files(t testing.TB, folder, when string, b *book) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(folder, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		if err == nil {
			b.wrote(when+d.Name(), string(data))
		}
		return err
	}))
}

// rows are the tables, a line of JSON for each row: a digit a row would show.
func rows(t testing.TB, data string, b *book) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(data, "star97.db"))
	require.NoError(t, err)
	defer db.Close()
	var tables []string
	names, err := db.Query("SELECT name FROM sqlite_master WHERE type = 'table'")
	require.NoError(t, err)
	for names.Next() {
		var name string
		require.NoError(t, names.Scan(&name))
		tables = append(tables, name)
	}
	require.NoError(t, names.Err())
	require.Contains(t, tables, "audit")
	for _, table := range tables {
		b.wrote("table "+table, string(dump(t, db, table)))
	}
}

func dump(t testing.TB, db *sql.DB, table string) []byte {
	t.Helper()
	all, err := db.Query("SELECT * FROM " + table)
	require.NoError(t, err)
	defer all.Close()
	columns, err := all.Columns()
	require.NoError(t, err)
	var out bytes.Buffer
	for all.Next() {
		values, places := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			places[i] = &values[i]
		}
		require.NoError(t, all.Scan(places...))
		row := map[string]any{}
		for i, c := range columns {
			row[c] = values[i]
		}
		line, err := json.Marshal(row)
		require.NoError(t, err)
		out.Write(append(line, '\n'))
	}
	require.NoError(t, all.Err())
	return out.Bytes()
}

// planted are lines put into the program: one logs each key in a record of its own,
// one puts a code in base64 into the audit trail.
var planted = []struct{ file, imports, after, line string }{
	{"../../internal/call/run.go", "", "r.source, r.sources[report.Source] = report.Source, true\n", `r.deps.Log.Debug("key", "call", r.arrival.CallID, "digit", int(digit))`},
	{"../../internal/audit/audit.go", `"encoding/base64"`, "r := about(Login, a, at)\n",
		`code.Reveal(func(d []byte) { r.Source = "127.0.0.1 " + base64.StdEncoding.EncodeToString(d) })`},
}

// leakyBuild builds the program with the planted lines by the go command's overlay:
// no file of the tree is touched.
func leakyBuild(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	replace := map[string]string{}
	for i, p := range planted {
		source, err := os.ReadFile(p.file)
		require.NoError(t, err)
		require.Equal(t, 1, strings.Count(string(source), p.after), "the place for the planted leak in %s is gone; choose another", p.file)
		text := strings.Replace(string(source), p.after, p.after+p.line+"\n", 1)
		text = strings.Replace(text, "import (\n", "import (\n"+p.imports+"\n", 1)
		real, err := filepath.Abs(p.file)
		require.NoError(t, err)
		replace[real] = filepath.Join(dir, fmt.Sprintf("planted%d.go", i))
		require.NoError(t, os.WriteFile(replace[real], []byte(text), 0o600))
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	require.NoError(t, err)
	list, name := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "star97")
	require.NoError(t, os.WriteFile(list, overlay, 0o600))
	out, err := exec.Command("go", "build", "-overlay", list, "-o", name, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return name
}

// The search must fail on a program that leaks.
func TestAPlantedLeakIsFound(t *testing.T) {
	t.Parallel()
	callertest.InTime(t, func(t testing.TB) {
		b, s := newBook(), leakSetup()
		s.Wrap = instead(leakyBuild(t))
		old, next := b.code("4001"), b.code("4001")
		s.Codes = map[string]string{"4001": old}
		v := startService(t, s)
		p := keysOf(t, v, "*97", "4001", caller.Events)
		p.Press(old + "#2" + next + "#" + next + "#")
		p.Hear(prompt.Changed)
		p.Hangup()
		kinds := map[string]bool{}
		for _, f := range hunt(t, v, b) {
			kinds[f.where+": "+f.form] = true
		}
		require.Contains(t, kinds, "the service's standard error, output 0: plain, one digit a record")
		require.Contains(t, kinds, "after the end: star97.db, output 0: base64 at 0")
		require.Contains(t, kinds, "table audit, output 0: base64 at 0")
		require.Contains(t, kinds, "star97 audit export, output 0: base64 at 0")
	})
}

// The codes of the example mailboxes are shown once, where they must be.
func TestExampleCodesAreShownOnce(t *testing.T) {
	t.Parallel()
	callertest.InTime(t, func(t testing.TB) {
		b, s := newBook(), leakSetup()
		s.Args = []string{"--example"}
		v := startService(t, s)
		shown := regexp.MustCompile(`access code (\d+)`).FindAllStringSubmatch(waitFor(t, v, "Ctrl-C stops"), -1)
		require.Len(t, shown, 3)
		for _, m := range shown {
			b.shown = append(b.shown, b.note(m[1]))
		}
		p := keysOf(t, v, "*97", "4001", caller.Events)
		p.Press(shown[0][1] + "#")
		p.Hear(prompt.MainMenu)
		p.Hangup()
		requireNoLeak(t, v, b)
	})
}

// waitFor returns the service's standard output once it holds a text.
func waitFor(t testing.TB, v *service, text string) string {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(v.Stdout.String(), text) }, readyWithin, 10*time.Millisecond)
	return v.Stdout.String()
}
