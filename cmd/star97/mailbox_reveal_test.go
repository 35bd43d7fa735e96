package main

import (
	"bytes"
	"database/sql"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/app"
	"star97/internal/audit"
	"star97/internal/config"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// fullFor makes the data folder's disk full for records of one stage of a decision.
func fullFor(t *testing.T, data string, stage audit.Stage) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(data, "star97.db"))
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Exec("CREATE TRIGGER full BEFORE INSERT ON audit WHEN NEW.stage = " + string('0'+rune(stage)) +
		" BEGIN SELECT RAISE(ABORT, 'no room'); END")
	require.NoError(t, err)
}

var shown = regexp.MustCompile(`Access code of mailbox (\d+) \(shown this once\): (\d+)\n`)

// A generated code that is in force is shown, whatever goes wrong after it was set:
// nobody else knows it.
func TestAGeneratedCodeInForceIsShown(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"set": {"set-code", "4001", "--generate"},
		"add": {"add", "4002", "--generate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCLI(t)
			c.run(0, "739164\n", "add", "4001")
			fullFor(t, c.data, audit.Ended)
			out, errs := c.run(1, "", args...)
			found := shown.FindStringSubmatch(out)
			require.NotNil(t, found, out)
			require.Contains(t, errs, "in force; but: ")
			require.Contains(t, errs, "no room")
			require.NotContains(t, errs, found[2])

			s, err := app.OpenStores(t.Context(), config.Default(), c.data)
			require.NoError(t, err)
			defer s.Close()
			a, err := s.Find(t.Context(), found[1], "")
			require.NoError(t, err)
			code, err := pin.Parse(found[2])
			require.NoError(t, err)
			require.NoError(t, s.Backend.Verify(t.Context(), a, code, mailbox.Attempt{}))
		})
	}
	t.Run("not set", func(t *testing.T) {
		t.Parallel()
		c := newCLI(t)
		c.run(0, "739164\n", "add", "4001")
		fullFor(t, c.data, audit.Intended)
		out, errs := c.run(1, "", "set-code", "4001", "--generate")
		require.Empty(t, out)
		require.NotContains(t, errs, "in force")
	})
}

// brokenPipe is a standard output that nobody reads any more.
type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestWhenACodeIsShown(t *testing.T) {
	code, err := pin.Parse("739164")
	require.NoError(t, err)
	a := mailbox.Account{Extension: "4001"}
	generated := codeFrom{generate: true}
	reveal := func(w io.Writer, asJSON bool, from codeFrom, o mailbox.Outcome) error {
		is, err := (&mailboxes{json: asJSON}).reveal(w, from, a, code, o)
		require.Equal(t, is, err == nil && from.generate && o != mailbox.Refused)
		return err
	}
	for o, want := range map[mailbox.Outcome]bool{mailbox.Done: true, mailbox.Unknown: true, mailbox.Refused: false} {
		var out bytes.Buffer
		require.NoError(t, reveal(&out, false, generated, o))
		require.Equal(t, want, shown.MatchString(out.String()), o)
		out.Reset()
		require.NoError(t, reveal(&out, true, generated, o))
		require.Equal(t, want, strings.Contains(out.String(), `"code": "739164"`), o)
		require.NoError(t, reveal(brokenPipe{}, false, codeFrom{}, o), "a code that was typed is not shown")
	}
	for _, asJSON := range []bool{false, true} {
		require.ErrorContains(t, reveal(brokenPipe{}, asJSON, generated, mailbox.Done), "could not be shown; set another one")
	}
	require.Equal(t, "this code may be in force; but: disk error", plainly(&app.Unfinished{
		Action: audit.Reset, Outcome: mailbox.Unknown, Err: mailbox.Fail("reset", mailbox.OutcomeUnknown, errors.New("disk error")),
	}))
}

// Spreadsheet programs write a byte order mark before the first column's name.
func TestImportReadsAFileWithAByteOrderMark(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	file := filepath.Join(t.TempDir(), "mailboxes.csv")
	for _, row := range []struct {
		text string
		code int
	}{
		{"\uFEFFmailbox,domain,name,language,code\r\n4001,,Ann,,\r\n", 0},
		{"mailbox,domain,name,language,code\n4002,,Bob,,\n", 0},
		{"\uFEFF\uFEFFmailbox,domain,name,language,code\n4003,,Cem,,\n", 1},
		{"\uFEFF", 1},
		{"", 1},
	} {
		require.NoError(t, os.WriteFile(file, []byte(row.text), 0o600))
		c.run(row.code, "", "import", file)
	}
	out, _ := c.run(0, "", "list")
	require.Contains(t, out, "4001")
	require.Contains(t, out, "4002")
}
