package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/app"
	"star97/internal/audit"
	"star97/internal/config"
	"star97/internal/ledger"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/sqlkit"
)

// auditor runs audit commands on a data folder of its own, in which something happened.
type auditor struct {
	cli
	last uint64 // record
}

// newAuditor has a mailbox added, wrong codes tried, a code changed and set, and the
// mailbox opened.
func newAuditor(t *testing.T) auditor {
	t.Helper()
	c := newCLI(t)
	c.run(0, "739164\n", "add", "4001", "--name", "Ann Example")
	s, err := app.OpenStores(t.Context(), config.Default(), c.data)
	require.NoError(t, err)
	a, err := s.Find(t.Context(), "4001", "")
	require.NoError(t, err)
	at := mailbox.Attempt{Door: mailbox.AnyDoor, Peer: "pbx", Transport: "udp", Source: "192.0.2.7", Caller: "+15550100", CallID: "call-1", Call: 1}
	require.Error(t, s.Trail.Verify(t.Context(), a, digits(t, "000000"), at))
	at.Call, at.CallID, at.Door = 2, "call-2", mailbox.OwnDoor
	require.Equal(t, mailbox.Done, s.Trail.Change(t.Context(), a, digits(t, "739164"), digits(t, "605172"), at).Outcome)
	require.NoError(t, s.Trail.Refused(t.Context(), a, at, pin.Rule("same-run")))
	require.NoError(t, s.Trail.Transferred(t.Context(), a, at, "operator", mailbox.OK))
	require.NoError(t, s.Close())
	c.run(0, "482915\n", "set-code", "4001", "--reason", "forgotten", "--force")
	head, err := readHead(t, c.data)
	require.NoError(t, err)
	return auditor{c, head.Seq}
}

func digits(t *testing.T, text string) pin.PIN {
	t.Helper()
	p, err := pin.Parse(text)
	require.NoError(t, err)
	return p
}

func readHead(t *testing.T, data string) (audit.Head, error) {
	l, end, err := app.OpenLedger(t.Context(), config.Default(), data)
	require.NoError(t, err)
	defer func() { require.NoError(t, end()) }()
	return l.Head(t.Context())
}

// audit runs "star97 audit ARGS", which has to end with code.
func (c auditor) audit(code int, stdin string, args ...string) (stdout, stderr string) {
	c.t.Helper()
	args = append(append([]string{"audit"}, args...), "--data", c.data)
	out, errs, exit := star97(c.t, stdin, args...)
	require.Equal(c.t, code, exit, "%v: %s%s", args, out, errs)
	return out, errs
}

// rows of a list, without number and time, cells between bars.
func (c auditor) rows(args ...string) (rows []string) {
	c.t.Helper()
	out, errs := c.audit(0, "", append([]string{"list"}, args...)...)
	require.Empty(c.t, errs)
	for i, line := range strings.Split(strings.TrimSpace(out), "\n") {
		cells := regexp.MustCompile(` {2,}`).Split(strings.TrimSpace(line), -1)
		if i == 0 && len(cells) > 1 {
			require.Equal(c.t, []string{"SEQ", "TIME", "ACTION", "RESULT", "MAILBOX", "DOOR", "TARGET", "BY"}, cells)
			continue
		}
		rows = append(rows, strings.Join(cells[min(2, len(cells)-1):], "|"))
	}
	return rows
}

func TestAuditListTellsWhatHappened(t *testing.T) {
	t.Parallel()
	c := newAuditor(t)
	me := string(actor())
	all := []string{
		"add begun|-|4001|-|-|" + me, "add|done|4001|-|-|" + me,
		"login|wrong-pin|4001|any|-|pbx 192.0.2.7 +15550100",
		"change begun|-|4001|own|-|pbx 192.0.2.7 +15550100", "change|done|4001|own|-|pbx 192.0.2.7 +15550100",
		"change|refused: same-run|4001|own|-|pbx 192.0.2.7 +15550100", "transfer|ok|4001|own|operator|pbx 192.0.2.7 +15550100",
		"reset begun|-|4001|-|-|" + me, "reset|done|4001|-|-|" + me, "unlock begun|-|4001|-|-|" + me, "unlock|done|4001|-|-|" + me,
	}
	require.Equal(t, all, c.rows(), "the newest last")
	require.Equal(t, all[len(all)-2:], c.rows("--limit", "2"))
	for filter, want := range map[string][]string{
		"--action change":                                  all[3:6],
		"--action reset,unlock --actor " + me[:2]:          all[7:],
		"--result done --mailbox 4001":                     {all[1], all[4], all[8], all[10]},
		"--result refused,wrong-pin":                       {all[2], all[5]},
		"--door any":                                       {all[2]},
		"--source +1555 --call-id call-2 --result ok":      {all[4], all[6]},
		"--mailbox 4002":                                   {"(no records)"},
		"--since 1h --until 2100-01-01T00:00:00Z --domain": all,
		"--until 1d":                                       {"(no records)"},
	} {
		args := strings.Fields(filter)
		if strings.HasSuffix(filter, "--domain") {
			args = append(args, "")
		}
		require.Equal(t, want, c.rows(args...), filter)
	}
	out, _ := c.audit(0, "", "list", "--json", "--action", "transfer")
	require.Equal(t, "operator", object(t, out)["target"])
	require.Empty(t, strings.Count(out, "482915")+strings.Count(out, "605172"))
}

func TestAuditShowTellsEverything(t *testing.T) {
	t.Parallel()
	c := newAuditor(t)
	out, _ := c.audit(0, "", "show", "4")
	for _, row := range []string{
		`record +4`, `action +change: a caller's change of the access code`, `stage +intended: begun: written before anything was sent`, `outcome +-`, `result +-`,
		`claim +code: the access code`, `mailbox +4001`, `door +own`, `peer +pbx`, `transport +udp`, `source +192\.0\.2\.7 \+15550100`,
		`call id +call-2`, `policy +strong\S*`, `intent +\w+`, `form +2`, `prev +[0-9a-f]{64}`, `hash +[0-9a-f]{64}`,
		`seal +holds: the content matches the hash`, `Of the same intent:`, `5 +\S+Z  change  done`,
	} {
		require.Regexp(t, `(?m)^`+row+`$`, out)
	}
	out, _ = c.audit(0, "", "show", "5", "--json")
	v := object(t, out)
	require.Equal(t, true, v["holds"])
	require.Equal(t, "done", v["record"].(map[string]any)["outcome"])
	require.Len(t, v["related"], 1)
	_, errs := c.audit(1, "", "show", "999")
	require.Contains(t, errs, fmt.Sprintf("there is no record 999; the last one is %d", c.last))
	_, errs = c.audit(2, "", "show", "none")
	require.Contains(t, errs, "a record has a number, from 1 on")
}

// harm alters the data as somebody does who may write to it.
func (c auditor) harm(deed string) {
	c.t.Helper()
	o := sqlkit.DefaultOptions()
	o.Path = filepath.Join(c.data, "star97.db")
	db, err := sqlkit.Open(c.t.Context(), o)
	require.NoError(c.t, err)
	require.NoError(c.t, db.Write(c.t.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(c.t.Context(), "DROP TRIGGER IF EXISTS audit_no_update; DROP TRIGGER IF EXISTS audit_no_delete; "+deed)
		return err
	}))
	require.NoError(c.t, db.Close())
}

// A trail that somebody emptied looks like a new one, and is called neither whole nor broken.
func TestAnEmptyTrailIsCalledEmpty(t *testing.T) {
	t.Parallel()
	c := newAuditor(t)
	head, _ := c.audit(0, "", "head")
	for _, deed := range []string{"DELETE FROM audit; UPDATE audit_head SET seq = 0, hash = zeroblob(32)", "DELETE FROM audit_head"} {
		c.harm(deed)
		out, _ := c.audit(0, "", "verify")
		require.Contains(t, out, "The audit trail is empty: nothing was recorded yet, or all of it was removed")
		_, errs := c.audit(1, "", "verify", "--head", strings.Fields(head)[0])
		require.Contains(t, errs, "the audit trail is broken")
	}
}

func TestAuditVerifyNamesTheFirstBadRecord(t *testing.T) {
	t.Parallel()
	c := newAuditor(t)
	head, _ := c.audit(0, "", "head")
	require.Regexp(t, fmt.Sprintf(`^%d:[0-9a-f]{64} \S+Z\n$`, c.last), head)
	asJSON, _ := c.audit(0, "", "head", "--json")
	require.Equal(t, strings.Fields(head)[0], object(t, asJSON)["head"])
	heads := filepath.Join(t.TempDir(), "heads")
	require.NoError(t, os.WriteFile(heads, []byte("\n"+head+head), 0o600))
	out, errs := c.audit(0, "", "verify")
	require.Equal(t, fmt.Sprintf("The audit trail is whole: %d records checked, the last one is %s\n", c.last, strings.Fields(head)[0]), out)
	require.Empty(t, errs, "no progress where there is no terminal")
	out, _ = c.audit(0, "", "verify", "--head", heads, "--head", strings.Fields(head)[0])
	require.Contains(t, out, "contains every head that was kept (3)")
	out, _ = c.audit(0, "", "verify", "--after", strings.Fields(head)[0], "--json")
	require.Equal(t, map[string]any{"whole": true, "records": 0.0, "head": strings.Fields(head)[0], "kept_heads": 0.0}, object(t, out))

	// The newest records are cut off, and the note of the last one is made to fit.
	c.harm("DELETE FROM audit WHERE seq > 6; UPDATE audit_head SET seq = 6, hash = (SELECT hash FROM audit WHERE seq = 6)")
	out, _ = c.audit(0, "", "verify")
	require.Contains(t, out, "whole: 6 records", "that is why heads are kept elsewhere")
	_, errs = c.audit(1, "", "verify", "--head", heads)
	require.Contains(t, errs, fmt.Sprintf("the audit trail is broken: records 7 to %d are missing: the chain was cut off after record 6", c.last))
	c.harm("UPDATE audit SET source = 'elsewhere' WHERE seq = 5")
	out, errs = c.audit(1, "", "verify", "--json")
	require.Equal(t, map[string]any{"whole": false, "records": 5.0, "kept_heads": 0.0, "record": 5.0,
		"problem": "record 5 was altered: its content does not match its hash"}, object(t, out))
	require.Contains(t, errs, "record 5 was altered")
	out, _ = c.audit(0, "", "show", "5")
	require.Contains(t, out, "BROKEN: the content does not match the hash")
	c.harm("DELETE FROM audit WHERE seq = 2")
	_, errs = c.audit(1, "", "verify")
	require.Contains(t, errs, "record 2 is missing: record 1 is followed by record 3")
}

func TestAuditExportIsVerifiedWithoutTheDatabase(t *testing.T) {
	t.Parallel()
	c := newAuditor(t)
	whole, errs := c.audit(0, "", "export")
	require.Equal(t, fmt.Sprintf("%d records are exported; go on later with --after %d\n", c.last, c.last), errs)
	lines := strings.SplitAfter(whole, "\n")
	require.Len(t, lines, int(c.last)+1)
	rest, _ := c.audit(0, "", "export", "--after", "4")
	require.Equal(t, strings.Join(lines[4:], ""), rest)
	_, errs = c.audit(0, "", "export", "--after", "999")
	require.Equal(t, "there is no record behind 999\n", errs)

	folder := t.TempDir()
	file := func(name string, text ...string) string {
		name = filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(name, []byte(strings.Join(text, "")), 0o600))
		return name
	}
	first, second := file("first", lines[:4]...), file("second", lines[4:]...)
	head, _ := c.audit(0, "", "head")
	head, _, _ = strings.Cut(head, " ")
	elsewhere := auditor{cli{t: t, data: filepath.Join(folder, "no data here")}, 0}
	out, _ := elsewhere.audit(0, "", "verify", "--file", first, "--file", second, "--head", head)
	require.Contains(t, out, fmt.Sprintf("%d records checked", c.last))
	out, _ = elsewhere.audit(0, whole, "verify", "--file", "-")
	require.Contains(t, out, fmt.Sprintf("%d records checked", c.last))

	var four struct{ Hash string }
	require.NoError(t, json.Unmarshal([]byte(lines[3]), &four))
	elsewhere.audit(0, "", "verify", "--file", second, "--after", "4:"+four.Hash)
	for name, row := range map[string]struct {
		args []string
		code int
		says string
	}{
		"a part alone":              {[]string{"--file", second}, 1, "record 1 is missing: record 0 is followed by record 5"},
		"in the wrong order":        {[]string{"--file", second, "--file", first}, 1, "record 1 is missing"},
		"a part twice":              {[]string{"--file", first, "--file", first}, 1, "record 1 stands where record 5 belongs"},
		"a part, and the whole":     {[]string{"--file", first, "--head", head}, 1, fmt.Sprintf("records 5 to %d are missing", c.last)},
		"an edit":                   {[]string{"--file", file("edited", strings.Replace(whole, "192.0.2.7", "192.0.2.8", 1))}, 1, "record 3 was altered"},
		"two lines exchanged":       {[]string{"--file", file("swapped", lines[0], lines[2], lines[1])}, 1, "record 2 is missing"},
		"no export":                 {[]string{"--file", file("none", "hello\n")}, 1, "line 1 of the export, where record 1 belongs, is no record"},
		"half a line":               {[]string{"--file", file("half", whole[:len(whole)-9])}, 1, "the file ends within it"},
		"no file":                   {[]string{"--file", filepath.Join(folder, "gone")}, 3, "no such file or directory; check its name and mode"},
		"no data":                   {nil, 3, "there is no audit trail in"},
		"heads that are none":       {[]string{"--file", first, "--head", first}, 3, first + ":1: a head"},
		"heads that are not there":  {[]string{"--file", first, "--head", filepath.Join(folder, "gone")}, 3, "no such file or directory; check its name and mode"},
		"an empty file of heads":    {[]string{"--file", first, "--head", file("empty")}, 3, "has no head: write the line of"},
		"a head with a wrong hash":  {[]string{"--file", first, "--head", "4:" + strings.Repeat("0", 64)}, 1, "record 4 is not the one that was noted"},
		"a head that is cut":        {[]string{"--file", first, "--head", "4:12"}, 2, "--head is neither SEQ:HASH"},
		"a beginning that is none":  {[]string{"--after", "4"}, 2, "--after: a head is the number of a record, a colon and its hash"},
		"a head before a beginning": {[]string{"--file", second, "--after", "4:" + four.Hash, "--head", "2:" + four.Hash}, 2, "the head of record 2 lies before --after"},
	} {
		_, errs := elsewhere.audit(row.code, "", append([]string{"verify"}, row.args...)...)
		require.Contains(t, errs, row.says, name)
	}
}

func TestAuditRefusesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	c := auditor{newCLI(t), 0}
	for _, row := range []struct {
		args string
		code int
		says string
	}{
		{"list", 1, "there is no audit trail in"},
		{"list --limit 0", 2, "--limit is out of its range: use 1 to 1 million"},
		{"list --since yesterday", 2, "--since is no time: give one (2026-11-22T15:00:00Z), or an age like 90m, 2h or 7d"},
		{"list --until -2h", 2, "--until is no time"},
		{"list --action sing", 2, `--action "sing" is not known: use some of find, login, change`},
		{"list --result good", 2, `--result "good" is not known: use some of done, refused, unknown, ok`},
		{"list --door back", 2, `--door "back" is not known: use some of own, any`},
		{"show", 2, "accepts 1 arg(s), received 0"},
		{"sing", 2, `unknown command "sing" for "star97 audit"`},
	} {
		_, errs := c.audit(row.code, "", strings.Fields(row.args)...)
		require.Contains(t, errs, row.says, row.args)
	}
	require.NoDirExists(t, c.data, "nothing was made")
}

func TestProgressIsShownNowAndThenAndCleared(t *testing.T) {
	t.Parallel()
	var terminal strings.Builder
	p := &progress{w: &terminal, of: 2500}
	for range 2500 {
		p.one()
	}
	require.True(t, strings.HasPrefix(terminal.String(), "\r1000 of 2500 records"))
	p.end()
	require.True(t, strings.HasSuffix(terminal.String(), "\r\x1b[K"))
	terminal.Reset()
	quiet := newProgress(&terminal)
	for range 2500 {
		quiet.one()
	}
	quiet.end()
	require.Empty(t, terminal.String(), "what is no terminal gets nothing")
	require.EqualValues(t, 2500, quiet.n)
}

// The trail is read while a service writes to it.
func TestAuditReadsBesideAService(t *testing.T) {
	t.Parallel()
	v := startService(t, setup{Codes: map[string]string{"4001": "739164"}})
	c := auditor{cli{t: t, data: v.Data}, 0}
	head, _ := c.audit(0, "", "head")
	_, errs, exit := v.mailbox("605172\n", "set-code", "4001", "--force")
	require.Zero(t, exit, errs)
	out, _ := c.audit(0, "", "verify", "--head", strings.Fields(head)[0])
	require.Contains(t, out, "whole")
	require.True(t, slices.ContainsFunc(c.rows(), func(row string) bool { return strings.HasPrefix(row, "reset|done") }))
}

// A foreign system's trail is in a file of its own, and needs neither the system nor its
// password to be read.
func TestAuditReadsTheTrailBesideAForeignStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := sqlkit.DefaultOptions()
	o.Path = filepath.Join(dir, "ledger.db")
	db, err := sqlkit.Open(t.Context(), o)
	require.NoError(t, err)
	l, err := ledger.New(t.Context(), db, ledger.DefaultOptions(), nil)
	require.NoError(t, err)
	_, err = l.Append(context.Background(), audit.Record{Time: time.Now(), Action: audit.Login, Node: "n\x1b[2J"})
	require.NoError(t, err)
	require.NoError(t, l.Close())
	require.NoError(t, db.Close())
	file := filepath.Join(t.TempDir(), "star97.yaml")
	require.NoError(t, os.WriteFile(file, []byte("store: {driver: webhook, webhook: {api: {url: 'https://192.0.2.1/'}, keys: [{id: k1, secret: {env: STAR97_NOT_SET}}]}}\n"), 0o600))
	out, errs, exit := star97(t, "", "audit", "show", "1", "--data", dir, "--config", file)
	require.Zero(t, exit, errs)
	require.Contains(t, out, "login")
	require.NotContains(t, out, "\x1b", "a terminal obeys nothing of it")
}
