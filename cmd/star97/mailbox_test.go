package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/app"
	"star97/internal/config"
	"star97/internal/lockout"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// cli runs mailbox commands on a data folder of its own.
type cli struct {
	t      *testing.T
	data   string
	config string // empty: none
}

func newCLI(t *testing.T) cli { return cli{t: t, data: filepath.Join(t.TempDir(), "data")} }

// with has a route lead to each of these domains, beside the default one.
func (c cli) with(domains ...string) cli {
	plan := "routes:\n  - {number: \"*97\", door: own}\n"
	for i, name := range domains {
		plan += fmt.Sprintf("  - {number: \"*5%d\", door: own, domain: %s}\n", i, name)
	}
	dir := c.t.TempDir()
	c.config = filepath.Join(dir, "star97.yaml")
	require.NoError(c.t, os.WriteFile(c.config, []byte("dialplan: plan.yaml\n"), 0o600))
	require.NoError(c.t, os.WriteFile(filepath.Join(dir, "plan.yaml"), []byte(plan), 0o600))
	return c
}

// run runs "star97 mailbox ARGS", which has to end with code, and returns what it wrote.
func (c cli) run(code int, stdin string, args ...string) (stdout, stderr string) {
	c.t.Helper()
	args = append(append([]string{"mailbox"}, args...), "--data", c.data)
	if c.config != "" {
		args = append(args, "--config", c.config)
	}
	out, errs, exit := star97(c.t, stdin, args...)
	require.Equal(c.t, code, exit, "%v: %s%s", args, out, errs)
	return out, errs
}

// object reads what a command with --json wrote.
func object(t *testing.T, text string) (v map[string]any) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), &v), text)
	return v
}

func TestMailboxIsAddedShownAndRemoved(t *testing.T) {
	t.Parallel()
	c := newCLI(t).with("north.example")
	out, errs := c.run(0, "739164\n", "add", "4001", "--name", "Ann Example", "--number", "12125554001", "--number", "5554001",
		"--language", "en-US", "--domain", "North.Example", "--must-change")
	require.Equal(t, "Mailbox 4001 is added.\n", out)
	require.Empty(t, errs)

	_, errs = c.run(1, "", "show", "4001")
	require.Contains(t, errs, "there is no mailbox 4001", "the default tenant has none")
	out, _ = c.run(0, "", "show", "4001", "--domain", "north.example")
	for _, row := range []string{
		`extension +4001`, `domain +north\.example`, `name +Ann Example`, `language +en-US`,
		`numbers +12125554001, 5554001`, `state +must change`, `own door +open`, `any door +open`, `id +sqlite \w+`,
	} {
		require.Regexp(t, `(?m)^`+row+`$`, out)
	}
	out, _ = c.run(0, "", "show", "4001", "--domain", "north.example", "--json")
	v := object(t, out)
	require.Equal(t, "4001", v["extension"])
	require.Equal(t, []any{"must change"}, v["state"])
	require.Equal(t, []any{"12125554001", "5554001"}, v["numbers"])
	require.Equal(t, map[string]any{"wrong_codes_in_a_row": 0.0}, v["own_door"])
	require.Equal(t, false, v["stopped"])
	require.NotContains(t, out, "739164")

	_, errs = c.run(1, "", "remove", "4001", "--domain", "north.example")
	require.Contains(t, errs, "say --yes")
	out, _ = c.run(0, "", "remove", "4001", "--domain", "north.example", "--yes", "--reason", "left")
	require.Equal(t, "Mailbox 4001 is removed.\n", out)
	c.run(1, "", "show", "4001", "--domain", "north.example")
}

func TestMailboxList(t *testing.T) {
	t.Parallel()
	c := newCLI(t).with("north")
	require.NoError(t, os.Mkdir(c.data, 0o700))
	out, _ := c.run(0, "", "list", "--json")
	require.JSONEq(t, "[]", out, "an empty list is a list")
	c.run(0, "", "add", "4001", "--name", "Ann Example", "--no-code")
	c.run(0, "739164\n", "add", "4002", "--name", "Bob Example", "--domain", "north", "--cannot-change")
	rows := func(args ...string) []string {
		out, _ := c.run(0, "", append([]string{"list"}, args...)...)
		lines := strings.Split(strings.TrimSpace(out), "\n")
		for i, l := range lines {
			lines[i] = strings.Join(regexp.MustCompile(` {2,}`).Split(strings.TrimSpace(l), -1), "|")
		}
		return lines
	}
	ann, bob := "4001|-|Ann Example|-|no code", "4002|north|Bob Example|-|cannot change"
	require.ElementsMatch(t, []string{"EXTENSION|DOMAIN|NAME|LANGUAGE|STATE", ann, bob}, rows())
	require.NotContains(t, rows("--domain", "north"), ann)
	require.NotContains(t, rows("--search", "ann"), bob)
	out, _ = c.run(0, "", "list", "--json", "--search", "bob")
	var all []map[string]any
	require.NoError(t, json.Unmarshal([]byte(out), &all))
	require.Len(t, all, 1)
	require.Equal(t, "north", all[0]["domain"])
	require.Equal(t, []any{"cannot change"}, all[0]["state"])

	id := all[0]["id"].(string)
	require.Equal(t, []string{"EXTENSION|DOMAIN|NAME|LANGUAGE|STATE", bob}, rows("--search", id), "what the log calls a mailbox")
	require.Equal(t, []string{"EXTENSION|DOMAIN|NAME|LANGUAGE|STATE", bob}, rows("--search", id, "--domain", "north"))
	require.Equal(t, "(no mailboxes)", rows("--search", id, "--domain", "")[1])
	require.Equal(t, "(no mailboxes)", rows("--search", id[1:])[1], "a part of an ID is nobody's")
}

func TestMailboxCodes(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	out, _ := c.run(0, "", "add", "4001", "--generate")
	require.Regexp(t, `^Access code of mailbox 4001 \(shown this once\): \d{6}\nMailbox 4001 is added\.\n$`, out)
	out, errs := c.run(0, "", "set-code", "4001", "--generate", "--json", "--must-change")
	require.Empty(t, errs)
	require.Equal(t, []any{"must change"}, object(t, out)["state"])
	require.Regexp(t, `^\d{6}$`, object(t, out)["code"], "one object with the code in it")
	out, _ = c.run(0, "", "add", "4002", "--generate", "--json")
	require.Regexp(t, `^\d{6}$`, object(t, out)["code"])
	out, _ = c.run(0, "582907\n", "add", "4003", "--json")
	require.NotContains(t, object(t, out), "code", "who wrote the code knows it")
	out, _ = c.run(0, "739164", "set-code", "4001", "--reason", "lost")
	require.Equal(t, "The code of mailbox 4001 is set.\n", out)

	_, errs = c.run(1, "4001\n", "set-code", "4001")
	require.Contains(t, errs, `breaks the rule "too-short"`)
	c.run(0, "4001\n", "set-code", "4001", "--force")
	for _, input := range []string{"739164\n605172\n", "739164\n605172", "739164\r\n\n"} {
		for _, args := range [][]string{{"set-code", "4001"}, {"set-code", "4001", "--force"}, {"add", "4009"}} {
			_, errs = c.run(1, input, args...)
			require.Contains(t, errs, "standard input has more than one line")
		}
	}
	c.run(1, "", "show", "4009")
	_, errs = c.run(1, "73916x\n", "set-code", "4001")
	require.Contains(t, errs, "digits 0 to 9 only")
	_, errs = c.run(1, "", "set-code", "4001")
	require.Contains(t, errs, "no code was given")
	out, _ = c.run(0, "", "unlock", "4001", "--reason", "identity checked")
	require.Equal(t, "Mailbox 4001 is open at both doors.\n", out)
	out, _ = c.run(0, "", "unlock", "4001", "--json")
	require.Equal(t, "4001", object(t, out)["extension"])
}

// A code that an administrator sets is held against those that the mailbox has or had, of
// which the one who sets it need not know.
func TestACodeThatIsSetIsLikeNoneThatTheMailboxHad(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.run(0, "739164\n", "add", "4001")
	c.run(0, "582907\n", "set-code", "4001")
	for code, rule := range map[string]string{
		"582907": "current", "709285": "current", "582908": "near-current", "5829070": "near-current", "739164": "history", "461937": "history",
	} {
		_, errs := c.run(1, code+"\n", "set-code", "4001")
		require.Contains(t, errs, `breaks the rule "`+rule+`"`)
		require.NotContains(t, errs, code)
	}
	c.run(0, "582908\n", "set-code", "4001", "--force")
	c.run(0, "605172\n", "set-code", "4001")
}

func TestMailboxIsSet(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.run(0, "739164\n", "add", "4001", "--name", "Ann Example", "--language", "en-US", "--slow")
	shown := func() map[string]any {
		out, _ := c.run(0, "", "show", "4001", "--json")
		return object(t, out)
	}
	require.Equal(t, true, shown()["slow"])
	out, _ := c.run(0, "", "show", "4001")
	require.Regexp(t, `(?m)^pace +slow: twice the time for every entry$`, out)
	out, _ = c.run(0, "", "list")
	require.Regexp(t, `4001 +- +Ann Example +en-US +ok, slow`, out)

	out, _ = c.run(0, "", "set", "4001", "--language", "es-ES", "--slow=false", "--reason", "asked for it")
	require.Equal(t, "Mailbox 4001 is changed.\n", out)
	v := shown()
	require.Equal(t, []any{"Ann Example", "es-ES", nil}, []any{v["name"], v["language"], v["slow"]})
	out, _ = c.run(0, "", "set", "4001", "--name", "Ann Sample", "--disabled", "--json")
	require.Equal(t, []any{"disabled"}, object(t, out)["state"])
	c.run(0, "", "set", "4001", "--disabled=false", "--language", "")
	v = shown()
	require.Equal(t, []any{"Ann Sample", nil, []any{"ok"}}, []any{v["name"], v["language"], v["state"]})

	_, errs := c.run(1, "", "set", "4001")
	require.Contains(t, errs, "nothing is to be changed; name what: --name, --language, --mail, --slow, --disabled, --must-change or --cannot-change")
	_, errs = c.run(1, "", "set", "4001", "--language", "739164")
	require.Contains(t, errs, "the language of mailbox 4001 is no BCP 47 tag")
	_, errs = c.run(1, "", "set", "4009", "--slow")
	require.Contains(t, errs, "there is no mailbox 4009")
}

func TestWhatAnOwnerMustAndMayIsSet(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.run(0, "739164\n", "add", "4001", "--must-change")
	set := func(args ...string) any {
		out, _ := c.run(0, "", append([]string{"set", "4001", "--json"}, args...)...)
		return object(t, out)["state"]
	}
	require.Equal(t, []any{"ok"}, set("--must-change=false"))
	require.Equal(t, []any{"cannot change"}, set("--cannot-change", "--name", "Ann"), "both kinds at once")
	require.Equal(t, []any{"must change"}, set("--must-change", "--cannot-change=false"), "in one step")
	for _, args := range [][]string{{"--cannot-change"}, {"--must-change", "--cannot-change"}} {
		_, errs := c.run(1, "", append([]string{"set", "4001", "--name", "Bob"}, args...)...)
		require.Contains(t, errs, "mailbox 4001 would have to change its code and could not; say --must-change=false or --cannot-change=false")
	}
	out, _ := c.run(0, "", "show", "4001")
	require.Regexp(t, `(?m)^name +Ann$`, out, "refused whole")
	require.Regexp(t, `(?m)^state +must change$`, out)
}

// The ID stays, and with it code and counters; the trail knows both numbers.
func TestAMailboxIsRenumbered(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	out, _ := c.run(0, "739164\n", "add", "4001", "--json")
	id := object(t, out)["id"]
	c.run(0, "", "add", "4002", "--no-code")
	out, _ = c.run(0, "", "renumber", "4001", "4101", "--reason", "moved")
	require.Equal(t, "Mailbox 4001 is 4101 now.\n", out)
	out, _ = c.run(0, "", "show", "4101", "--json")
	require.Equal(t, id, object(t, out)["id"])
	for args, want := range map[[2]string]string{
		{"4101", "4002"}: "mailbox 4002 is there already", {"4101", "41x1"}: "the extension must have", {"4001", "4003"}: "there is no mailbox 4001",
	} {
		_, errs := c.run(1, "", "renumber", args[0], args[1])
		require.Contains(t, errs, want)
	}
	s, err := app.OpenStores(t.Context(), config.Default(), c.data)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	a, err := s.Find(t.Context(), "4101", "")
	require.NoError(t, err)
	code, err := pin.Parse("739164")
	require.NoError(t, err)
	require.NoError(t, s.Trail.Verify(t.Context(), a, code, mailbox.Attempt{Door: mailbox.OwnDoor, Call: 1}))
}

// A tag that is well formed and that nobody speaks is kept, for recordings may follow; who
// has mistyped it is told.
func TestALanguageThatNobodyHasRecordedIsToldOf(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	const told = "warning: nobody has recorded pt-BR, so its callers go on in their route's language; there are de-DE, en-GB, en-US, es-ES, fr-FR, it-IT.\n"
	_, errs := c.run(0, "", "add", "4001", "--no-code", "--language", "pt-BR")
	require.Equal(t, told, errs)
	_, errs = c.run(0, "", "add", "4002", "--no-code", "--language", "de-AT")
	require.Empty(t, errs, "de-DE is near enough")
	_, errs = c.run(0, "", "set", "4002", "--language", "pt-BR")
	require.Equal(t, told, errs)
	_, errs = c.run(0, "", "set", "4002", "--slow")
	require.Empty(t, errs, "what was not asked for now was told then")
	_, errs = c.run(0, "mailbox,domain,name,language,code\n4003,,Cem,pt-BR,\n4004,,Dee,pt-BR,\n4005,,Eve,en-US,\n", "import", "-")
	require.Equal(t, 1, strings.Count(errs, told), errs)
}

func TestWhatOnlyLooksMakesNoDataFolder(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	for _, args := range [][]string{{"list"}, {"show", "4001"}, {"set-code", "4001", "--generate"}, {"unlock", "4001"}, {"remove", "4001", "--yes"}} {
		_, errs := c.run(1, "", args...)
		require.Contains(t, errs, "there is no data folder "+c.data+"; name the service's with --data")
		require.NoDirExists(t, c.data)
	}
}

func TestMailboxesThatCannotBe(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	for want, args := range map[string][]string{
		"the name of mailbox 4001 has a control character": {"--no-code", "--name", "Ann\nExample"},
		"the domain of mailbox 4001 is none":               {"--no-code", "--domain", "north example"},
	} {
		_, errs := c.run(1, "", append([]string{"add", "4001"}, args...)...)
		require.Contains(t, errs, want)
	}
	for _, args := range [][]string{{"--no-code", "--generate"}, {"--must-change", "--cannot-change", "--generate"}} {
		_, errs := c.run(2, "", append([]string{"add", "4001"}, args...)...)
		require.Contains(t, errs, "none of the others can be")
	}
}

func TestClosedMailboxesAreListedAsClosed(t *testing.T) {
	until := lockout.DoorState{Wrong: 9, ClosedUntil: time.Now()}
	for want, s := range map[string]lockout.State{
		"ok": {}, "own door closed": {Own: until}, "any door closed": {Any: until},
		"closed": {Own: until, Any: until}, "closed ": {Stopped: true},
	} {
		require.Equal(t, []string{strings.TrimSpace(want)}, viewOf(mailbox.Account{}).with(s).State)
	}
	must := mailbox.Account{Flags: mailbox.Flags{MustChange: true}}
	require.Equal(t, []string{"must change", "closed"}, viewOf(must).with(lockout.State{Stopped: true}).State)
	require.Equal(t, "open, 1 wrong code", doorView{WrongCodes: 1}.String())
	require.Equal(t, "open, 2 wrong codes in a row", doorView{WrongCodes: 2, LastHour: 2}.String())
	require.Equal(t, "open, 1 wrong code, 4 within the last hour", doorView{WrongCodes: 1, LastHour: 4}.String())
	require.Equal(t, "closed until somebody opens it, 12 wrong codes in a row", doorView{WrongCodes: 12, ForGood: true}.String())

	t.Parallel()
	c := newCLI(t)
	c.run(0, "739164\n", "add", "4001")
	s, err := app.OpenStores(t.Context(), config.Default(), c.data)
	require.NoError(t, err)
	a, err := s.Find(t.Context(), "4001", "")
	require.NoError(t, err)
	wrong, err := pin.Parse("582907")
	require.NoError(t, err)
	for i := range lockout.DefaultOptions().WaitFrom {
		attempt := mailbox.Attempt{Door: mailbox.OwnDoor, Call: uint64(i + 1), Source: fmt.Sprintf("192.0.2.%d", i)}
		require.Error(t, s.Trail.Verify(t.Context(), a, wrong, attempt))
	}
	require.NoError(t, s.Close())
	long := filepath.Join(t.TempDir(), "star97.yaml") // closed for longer than a command takes on a busy machine
	require.NoError(t, os.WriteFile(long, []byte("lockout: {wait_first: 1h}\n"), 0o600))
	out, _ := c.run(0, "", "list", "--config", long)
	require.Regexp(t, `4001 +- +- +- +own door closed`, out)
	out, _ = c.run(0, "", "show", "4001", "--config", long)
	require.Regexp(t, `(?m)^state +own door closed$`, out)
}
