package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const rightWord = "correct-horse-battery"

// edge is a service that takes calls from anywhere, of users who prove who they are.
func edge(t testing.TB, listen string) (s setup, users string) {
	t.Helper()
	users = filepath.Join(t.TempDir(), "users")
	return setup{Codes: map[string]string{extension: oldCode}, Sections: map[string]string{"sip": fmt.Sprintf(
		`{listen: [%s], peers: [{name: edge, addresses: [0.0.0.0/0], identity: digest}], digest: {realm: sip.example.org, users_file: %q}}`,
		listen, users)}}, users
}

const udpAndTCP = `{network: udp, address: "127.0.0.1:0"}, {network: tcp, address: "127.0.0.1:0"}`

// sipUser runs a sip-user command on the service's configuration.
func (v *service) sipUser(stdin string, args ...string) (stdout, stderr string, code int) {
	v.t.Helper()
	return star97(v.t, stdin, append([]string{"sip-user", "--config", v.Config, "--data", v.Data}, args...)...)
}

// addSIPUser adds the user of the extension, also while the service runs.
func (v *service) addSIPUser() {
	v.t.Helper()
	_, errs, code := v.sipUser(rightWord+"\n", "add", extension)
	require.Zero(v.t, code, errs)
}

func TestSIPUsersAreAddedListedAndRemoved(t *testing.T) {
	t.Parallel()
	s, users := edge(t, udpAndTCP)
	v := &service{Config: filepath.Join(t.TempDir(), "star97.yaml"), Data: t.TempDir(), t: t}
	require.NoError(t, os.WriteFile(v.Config, []byte(s.yaml(t)), 0o600))
	_, errs, code := star97(t, "", "check", "--config", v.Config)
	require.Zero(t, code, errs)
	require.Contains(t, errs, "so nobody can call through it: add one with star97 sip-user add")

	v.addSIPUser()
	_, errs, code = v.sipUser(rightWord+"\n", "add", extension)
	require.Equal(t, 1, code)
	require.Contains(t, errs, "--replace")
	out, _, code := v.sipUser("", "add", extension, "--replace", "--generate")
	require.Zero(t, code)
	made := regexp.MustCompile(`: ([A-Z2-7]{26})\n`).FindStringSubmatch(out)
	require.NotNil(t, made, out)
	text, err := os.ReadFile(users)
	require.NoError(t, err)
	require.NotContains(t, string(text), made[1])
	require.Equal(t, 4, strings.Count(string(text), "\n")) // two of a comment, two of the user
	info, err := os.Stat(users)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())

	out, _, _ = v.sipUser("", "list", "--json")
	require.JSONEq(t, `[{"user": "4001", "realm": "sip.example.org", "algorithms": ["SHA-256", "MD5"]}]`, out)
	for name, word := range map[string]string{"short": "word", "no": "", "with its user's name": "this is 4002 calling"} {
		_, errs, code = v.sipUser(word+"\n", "add", "4002")
		require.Equal(t, 1, code, name)
		require.Contains(t, errs, "--generate", name)
		require.NotContains(t, errs, "this is", name)
	}
	_, errs, code = v.sipUser(rightWord+"\nanother-right-word\n", "add", "4002")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "standard input has more than one line; write the new password to it")
	for _, user := range []string{"a:b", "a b%41", "\u00e4"} {
		_, errs, code = v.sipUser(rightWord+"\n", "add", user)
		require.Equal(t, 1, code, user)
		require.Contains(t, errs, "is no name of a user", user)
	}
	_, errs, code = v.sipUser("", "remove", extension)
	require.Zero(t, code, errs)
	_, errs, code = v.sipUser("", "remove", extension)
	require.Equal(t, 1, code)
	require.Contains(t, errs, "no user of this name")
	_, errs, code = star97(t, "", "sip-user", "list")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "sip.digest.realm")

	require.NoError(t, os.WriteFile(users, []byte("# mine\n4001:sip.example.org:SHA-1:00\n"), 0o600))
	out, _, code = star97(t, "", "check", "--config", v.Config)
	require.Equal(t, 1, code)
	require.Contains(t, out, users+":2: The algorithm of the user 4001 is not SHA-256")
}

// Who may call decides who may change a code: each user who was added, given another
// password or removed is on record, with who did it, and without the password.
func TestWhoLetsTelephonesCallIsOnRecord(t *testing.T) {
	t.Parallel()
	s, users := edge(t, udpAndTCP)
	c := newAuditor(t)
	v := &service{Config: filepath.Join(t.TempDir(), "star97.yaml"), Data: filepath.Join(t.TempDir(), "none"), t: t}
	require.NoError(t, os.WriteFile(v.Config, []byte(s.yaml(t)), 0o600))
	_, errs, code := v.sipUser(rightWord+"\n", "add", extension)
	require.Equal(t, 1, code, errs)
	require.Contains(t, errs, "there is no data folder "+v.Data)
	require.NoFileExists(t, users, "what cannot be recorded is not done")
	require.NoDirExists(t, v.Data)

	v.Data = c.data
	secrets := []string{rightWord, "another horse and cart"}
	run := func(code int, stdin string, args ...string) string {
		t.Helper()
		out, errs, exit := v.sipUser(stdin, args...)
		require.Equal(t, code, exit, "%v: %s", args, errs)
		return out
	}
	keep := func() {
		text, err := os.ReadFile(users)
		require.NoError(t, err)
		secrets = append(secrets, regexp.MustCompile(`[0-9a-f]{32,}`).FindAllString(string(text), -1)...)
	}
	run(0, secrets[0]+"\n", "add", extension, "--reason", "new telephone")
	keep()
	run(1, secrets[0]+"\n", "add", extension)
	run(1, "", "remove", "4777")
	run(1, "short\n", "add", "4777")
	run(1, "", "add", "4777", "--replace", "--generate")
	run(0, secrets[1]+"\n", "add", extension, "--replace")
	keep()
	made := regexp.MustCompile(`[A-Z2-7]{26}`).FindString(run(0, "", "add", "4002", "--generate", "--json"))
	require.NotEmpty(t, made)
	secrets = append(secrets, made)
	keep()
	run(0, "", "remove", extension, "--reason", "was stolen")
	require.NoError(t, os.Chmod(users, 0o640))
	run(1, secrets[0]+"\n", "add", "4003")
	require.NoError(t, os.Chmod(users, 0o600))

	me := string(actor())
	row := func(what, who string) []string {
		return []string{what + " begun|-|-|-|" + who + "@sip.example.org|" + me, what + "|done|-|-|" + who + "@sip.example.org|" + me}
	}
	require.Equal(t, slices.Concat(row("sip-user-add", extension), row("sip-user-replace", extension), row("sip-user-add", "4002"), row("sip-user-remove", extension)),
		c.rows("--action", "sip-user-add,sip-user-replace,sip-user-remove"), "nothing that was refused before it was begun")
	shown, _ := c.audit(0, "", "show", fmt.Sprint(c.last+8))
	for _, row := range []string{`action +sip-user-remove: a user may no longer call by digest authentication`, `target +4001@sip\.example\.org`,
		`actor +` + regexp.QuoteMeta(me), `reason +was stolen`, `seal +holds: .*`} {
		require.Regexp(t, `(?m)^`+row+`$`, shown)
	}
	trail, _ := c.audit(0, "", "export")
	require.Contains(t, trail, `"reason":"new telephone"`)
	said, _ := c.audit(0, trail, "verify", "--file", "-")
	require.Contains(t, said, "whole")
	c.audit(0, "", "verify")
	for _, word := range secrets {
		require.NotContains(t, trail+shown, word)
	}
	requireNowhere(t, c.data, secrets)
}

// A user who is not added or removed leaves nothing in a data folder where nothing was, nor
// does a command that looks there.
func TestWhatIsRefusedLeavesAnEmptyFolderEmpty(t *testing.T) {
	t.Parallel()
	s, users := edge(t, udpAndTCP)
	v := &service{Config: filepath.Join(t.TempDir(), "star97.yaml"), Data: t.TempDir(), t: t}
	require.NoError(t, os.WriteFile(v.Config, []byte(s.yaml(t)), 0o600))
	refuse := func(told, stdin string, args ...string) {
		t.Helper()
		_, errs, code := star97(t, stdin, append(args, "--config", v.Config, "--data", v.Data)...)
		require.Equal(t, 1, code, "%v: %s", args, errs)
		require.Contains(t, errs, told)
		left, err := os.ReadDir(v.Data)
		require.NoError(t, err)
		require.Empty(t, left, "%v", args)
		require.NoFileExists(t, users)
	}
	refuse("is no name of a user", rightWord+"\n", "sip-user", "add", "a:b")
	refuse("no password was given", "", "sip-user", "add", "4001")
	refuse("the password has 5 characters", "short\n", "sip-user", "add", "4001")
	refuse("there is no user of this name", "", "sip-user", "add", "4001", "--generate", "--replace")
	refuse("there is no user of this name", "", "sip-user", "remove", "4001")
	out, _, code := star97(t, "", "mailbox", "list", "--data", v.Data)
	require.Zero(t, code)
	require.Equal(t, "(no mailboxes)", strings.TrimSpace(out[strings.LastIndex(out, "STATE")+5:]))
	refuse("holds nothing of star97 yet", "", "mailbox", "unlock", "4001")
	refuse("holds nothing of star97 yet", "", "backup", filepath.Join(t.TempDir(), "star97.tar"))
	require.NoError(t, os.RemoveAll(filepath.Dir(users)))
	refuse("the file of the SIP users cannot be written: open "+users+": no such file or directory; make its folder", "", "sip-user", "add", "4001", "--generate")
	v.Data = t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Dir(users), 0o700))
	v.addSIPUser()
	require.FileExists(t, filepath.Join(v.Data, "star97.db"), "who lets telephones call is on record")
}

// requireNowhere looks for words in every file of a folder.
func requireNowhere(t testing.TB, dir string, words []string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		require.NoError(t, err)
		for _, word := range words {
			require.False(t, bytes.Contains(text, []byte(word)), f.Name())
		}
	}
}

// What star97 call proves is a user, added while the service runs, and no other word is
// believed.
func TestACallThatProvesItsUserChangesACode(t *testing.T) {
	t.Parallel()
	s, _ := edge(t, udpAndTCP)
	s.Race = true
	v := startService(t, s)
	v.addSIPUser()
	dir := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		return name
	}
	right, wrong := write("right", rightWord+"\n"), write("wrong", "another horse\n")
	dial := func(script, codes string, more ...string) (string, int) {
		out, errs, code := star97(t, "", append([]string{"call", "sip:*97@" + v.UDP.String(), "--script", script, "--codes", write("codes", codes)}, more...)...)
		return out + errs, code
	}
	for until := time.Now().Add(readyWithin); !strings.Contains(v.Stderr.String(), "the changed file of the SIP users is in use"); time.Sleep(lookAgain) {
		require.True(t, time.Now().Before(until), "the user is not known")
		said, code := dial("change", "old: "+oldCode+"\nnew: "+newCode+"\n", "--from", extension)
		require.Equal(t, 3, code, said)
		require.Contains(t, said, "401")
	}
	said, code := dial("change", "old: "+oldCode+"\nnew: "+newCode+"\n", "--from", extension, "--user", extension, "--password-file", wrong)
	require.Equal(t, 3, code, said)
	said, code = dial("change", "old: "+oldCode+"\nnew: "+newCode+"\n", "--from", "somebody", "--user", extension, "--password-file", right)
	require.Zero(t, code, said)
	said, code = dial(write("script", "hear enter-code\npress {old}#\nhear option-change-2\n"), "old: "+newCode+"\n", "--user", extension, "--password-file", right)
	require.Zero(t, code, said)
	requireUnseen(t, v)
	require.NotContains(t, v.Stderr.String(), rightWord)
	require.Contains(t, v.Stderr.String(), `level=WARN msg="wrong credentials" source=127.0.0.1 transport=udp peer=edge`)
}

// A machine that has nothing but the configuration and a backup answers the telephones
// that the one before answered.
func TestTelephonesCallAgainAfterARestore(t *testing.T) {
	t.Parallel()
	s, users := edge(t, udpAndTCP)
	dir := t.TempDir()
	v := &service{Config: filepath.Join(dir, "star97.yaml"), Data: filepath.Join(dir, "data"), t: t}
	require.NoError(t, os.WriteFile(v.Config, []byte(s.yaml(t)), 0o600))
	v.addMailbox(extension, oldCode)
	v.addSIPUser()
	file := filepath.Join(dir, "star97.tar")
	run := func(args ...string) string {
		t.Helper()
		out, errs, code := star97(t, "", append(args, "--config", v.Config, "--data", v.Data)...)
		require.Zero(t, code, errs)
		return out
	}
	require.Contains(t, run("backup", file), "holds 3 files")
	require.NoError(t, os.RemoveAll(v.Data))
	require.NoError(t, os.Remove(users))
	run("restore", file)
	v.start(s)
	word, script := filepath.Join(dir, "password"), filepath.Join(dir, "script")
	require.NoError(t, os.WriteFile(word, []byte(rightWord+"\n"), 0o600))
	require.NoError(t, os.WriteFile(script, []byte("hangup\n"), 0o600))
	out, errs, code := star97(t, "", "call", "sip:*97@"+v.UDP.String(), "--user", extension, "--password-file", word, "--script", script)
	require.Zero(t, code, out+errs)
}
