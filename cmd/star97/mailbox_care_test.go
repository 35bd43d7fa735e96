package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/app"
	"star97/internal/audit"
	"star97/internal/config"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// opened are the stores of a data folder, for a look past the command line.
func (c cli) opened() *app.Stores {
	c.t.Helper()
	s, err := app.OpenStores(c.t.Context(), config.Default(), c.data)
	require.NoError(c.t, err)
	c.t.Cleanup(func() { s.Close() })
	return s
}

func parsed(t *testing.T, digits string) pin.PIN {
	t.Helper()
	p, err := pin.Parse(digits)
	require.NoError(t, err)
	return p
}

// endings are the actions that the trail calls done, with who did them and why.
func endings(t *testing.T, s *app.Stores) (all []string) {
	t.Helper()
	for r, err := range s.Ledger.Records(t.Context(), 0) {
		require.NoError(t, err)
		if r.Stage == audit.Ended && r.Outcome == mailbox.Done && r.Actor != "" {
			all = append(all, fmt.Sprintf("%v %s %s", r.Action, r.Extension, r.Reason))
		}
	}
	return all
}

func TestAMailboxIsLockedUntilItIsOpened(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.run(0, "739164\n", "add", "4001")
	s := c.opened()
	a, err := s.Find(t.Context(), "4001", "")
	require.NoError(t, err)
	try := func(call uint64, code string) error {
		return s.Trail.Verify(t.Context(), a, parsed(t, code), mailbox.Attempt{Door: mailbox.OwnDoor, Call: call, Source: "192.0.2.1"})
	}
	out, _ := c.run(0, "", "lock", "4001", "--reason", "stolen")
	require.Equal(t, "Mailbox 4001 is locked.\n", out)
	out, _ = c.run(0, "", "list")
	require.Regexp(t, `4001 +- +- +- +locked`, out)
	a, err = s.Find(t.Context(), "4001", "")
	require.NoError(t, err)
	require.ErrorIs(t, try(1, "739164"), mailbox.Locked)
	require.ErrorIs(t, try(2, "582907"), mailbox.Locked)
	c.run(0, "582907\n", "set-code", "4001")
	require.ErrorIs(t, try(3, "582907"), mailbox.Locked, "a new code is no key to a lock")
	out, _ = c.run(0, "", "unlock", "4001", "--reason", "found again")
	require.Equal(t, "Mailbox 4001 is open at both doors.\n", out)
	a, err = s.Find(t.Context(), "4001", "")
	require.NoError(t, err)
	require.NoError(t, try(4, "582907"))
	for i := range uint64(5) {
		require.ErrorIs(t, try(10+i, "605172"), mailbox.WrongPIN)
	}
	require.ErrorIs(t, try(20, "582907"), mailbox.Locked)
	c.run(0, "", "unlock", "4001")
	require.NoError(t, try(21, "582907"), "wrong codes are forgotten too")
	require.Subset(t, endings(t, s), []string{"lock 4001 stolen", "unlock 4001 found again", "unlock 4001 "})
}

func TestAMailboxGoesToAnotherPerson(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.run(0, "739164\n", "add", "4001", "--name", "Ann Example", "--mail", "ann@example.com", "--number", "12125554001", "--language", "es-ES", "--slow")
	out, _ := c.run(0, "", "show", "4001")
	for _, row := range []string{`mail +ann@example\.com`, `code set +20\d\d-\d\d-\d\dT.*Z`, `changed +-`} {
		require.Regexp(t, `(?m)^`+row+`$`, out)
	}
	c.run(0, "582907\n", "set-code", "4001", "--reason", "lost")
	out, _ = c.run(0, "", "show", "4001")
	require.Regexp(t, `(?m)^changed +20\S+Z, by \S+ at the command line$`, out)
	_, errs := c.run(1, "", "reassign", "4001")
	require.Contains(t, errs, "name the person who gets mailbox 4001 with --name")
	_, errs = c.run(1, "", "reassign", "4001", "--name", "Bob", "--mail", "bob")
	require.Contains(t, errs, "the mail address of mailbox 4001 is none; write it alone, as ann@example.com")
	out, _ = c.run(0, "", "reassign", "4001", "--name", "Bob Example", "--mail", "bob@example.com", "--reason", "Ann has left")
	require.Equal(t, "Mailbox 4001 is Bob Example's now and has no access code. Cleared: access code; name Ann Example; address ann@example.com; "+
		"language es-ES; pace; own numbers 12125554001; the codes before it; wrong codes; one-time codes.\n", out)
	out, _ = c.run(0, "", "show", "4001", "--json")
	v := object(t, out)
	people, _ := c.run(0, "", "show", "4001")
	require.Regexp(t, `(?m)^own door +closed \(no code\); of wrong codes: open$`, people)
	require.Equal(t, []any{"Bob Example", "bob@example.com", nil, nil, nil, []any{"no code"}},
		[]any{v["name"], v["mail"], v["numbers"], v["language"], v["slow"], v["state"]})
	require.NotContains(t, v, "code_set")
	c.run(0, "", "set", "4001", "--mail", "")
	out, _ = c.run(0, "", "reassign", "4001", "--name", "Cem Example", "--json")
	require.Equal(t, []any{"name Bob Example", "the codes before it", "wrong codes", "one-time codes"}, object(t, out)["cleared"])
	require.Contains(t, endings(t, c.opened()), "reassign 4001 Ann has left")
}

func TestImportTakesAddresses(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.run(0, "mailbox,domain,name,language,code,mail\n4001,,Ann,,739164,ann@example.com\n4002,,Bob,,,\n", "import", "-")
	c.run(0, "mailbox,domain,name,language,code,slow,mail\n4003,,Cem,,,yes,cem@example.com\n", "import", "-")
	for extension, mail := range map[string]any{"4001": "ann@example.com", "4002": nil, "4003": "cem@example.com"} {
		out, _ := c.run(0, "", "show", extension, "--json")
		require.Equal(t, mail, object(t, out)["mail"])
	}
	for _, header := range []string{"mailbox,domain,name,language,code,mail,slow", "mailbox,domain,name,language,mail", "domain,mailbox,name,language,code", "mailbox,domain,name,language,code,x"} {
		_, errs := c.run(1, header+"\n", "import", "-")
		require.Contains(t, errs, "standard input:1: the first line must be mailbox,domain,name,language,code,slow,mail, or the same without slow, mail or both")
	}
	_, errs := c.run(1, "mailbox,domain,name,language,code,mail\n4004,,Dee,,,739164\n", "import", "-")
	require.Contains(t, errs, "standard input:2: the mail address of mailbox 4004 is none")
	require.NotContains(t, errs, "739164")
}

// pepper runs "star97 pepper ARGS", which has to end with code.
func (c cli) pepper(code int, args ...string) (stdout, stderr string) {
	c.t.Helper()
	args = append(append([]string{"pepper"}, args...), "--data", c.data)
	if c.config != "" {
		args = append(args, "--config", c.config)
	}
	out, errs, exit := star97(c.t, "", args...)
	require.Equal(c.t, code, exit, "%v: %s%s", args, out, errs)
	return out, errs
}

func TestThePepperIsShownAndRotated(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	_, errs := c.pepper(1, "status")
	require.Contains(t, errs, "there is no data folder")
	c.config = filepath.Join(t.TempDir(), "star97.yaml")
	require.NoError(t, os.WriteFile(c.config, []byte("stores: {north: {sqlite: {}}}\n"), 0o600))
	c.run(0, "739164\n", "add", "4001")
	c.run(0, "739164\n", "add", "4002")
	path := filepath.Join(c.data, "pepper")
	out, _ := c.pepper(0, "status")
	require.Regexp(t, `^the pepper file `+path+`, for store default, north\nKEY +CODES +FORMER CODES +USE\n\w{8} +2 +0 +new codes\n$`, out)
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	out, _ = c.pepper(0, "rotate", "--reason", "left")
	require.Regexp(t, `^the pepper file .* has the new key \w{8}\. New codes use it\. Put the file into your next backup\.\n$`, out)
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(after), string(before), "no key is lost")
	c.run(0, "582907\n", "set-code", "4001")
	out, _ = c.pepper(0, "status")
	require.Regexp(t, `\n\w{8} +1 +\d +old codes\n\w{8} +1 +0 +new codes\n$`, out)
	_, errs = c.pepper(1, "use", "739164")
	require.Contains(t, errs, "no pepper has a key of that name")
	require.NotContains(t, errs, "739164")
	out, _ = c.pepper(0, "status", "--json")
	require.Contains(t, out, `"current": true`)
	var keys []struct{ Key string }
	require.NoError(t, json.Unmarshal([]byte(out), &keys))
	again, _ := c.pepper(0, "use", keys[len(keys)-1].Key, "--json")
	require.Equal(t, out, again)
	require.Contains(t, endings(t, c.opened()), "pepper  rotate: left")

	require.NoError(t, os.Chmod(path, fs.FileMode(0o640)))
	_, errs = c.pepper(1, "status")
	require.Contains(t, errs, "can be read or written by other users (mode 0640): run `chmod 600")
}
