package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/prompt"
)

// bad is one row of the table: what is done and the answer that it has to get. Every
// row also shows that nothing is lost: its try ends with what still works.
type bad struct {
	what string
	try  func(t *testing.T) got
	code int      // exit code; 0 for what is answered over the telephone
	says []string // parts of the answer, in their order
}

// got is what came back.
type got struct {
	text  string
	code  int
	still string // what works afterwards, in words; the try has shown it
}

// TestBadInput is the table of what star97 does with bad input. With -v it prints it:
// what is done, what comes back, the exit code, what still works.
func TestBadInput(t *testing.T) {
	t.Parallel()
	v := startService(t, setup{Race: true, Codes: map[string]string{"4001": oldCode}})
	rows := concat(badConfigurations(t), badPrompts(), badData(), badCalls(v), badCommands(v))
	require.GreaterOrEqual(t, len(rows), 30)
	lines := make([]string, len(rows))
	var mu sync.Mutex
	t.Run("rows", func(t *testing.T) {
		for i, row := range rows {
			t.Run(row.what, func(t *testing.T) {
				t.Parallel()
				g := row.try(t)
				require.Equal(t, row.code, g.code, "%s", g.text)
				rest := g.text
				for _, part := range row.says {
					require.Contains(t, rest, part, "in %q", g.text)
					_, rest, _ = strings.Cut(rest, part)
				}
				requireOneSentence(t, g.text)
				mu.Lock()
				defer mu.Unlock()
				if row.code != 0 {
					g.still = fmt.Sprintf("exit code %d; %s", row.code, g.still)
				}
				lines[i] = fmt.Sprintf("%2d. %s\n      %s\n      %s", i+1, row.what, g.text, g.still)
			})
		}
	})
	t.Logf("what star97 does with bad input:\n%s", strings.Join(lines, "\n"))
}

func concat(all ...[]bad) (rows []bad) {
	for _, some := range all {
		rows = append(rows, some...)
	}
	return rows
}

// requireOneSentence holds an answer to what people can read: a few lines, no trace of
// the program's inside.
func requireOneSentence(t *testing.T, text string) {
	t.Helper()
	require.NotEmpty(t, text)
	require.LessOrEqual(t, strings.Count(text, "\n"), 1, text)
	require.Less(t, len(text), 480, text)
	for _, inside := range []string{"panic", "goroutine", ".go:", "%!", "<nil>"} {
		require.NotContains(t, text, inside)
	}
}

// folder is a new one whose path is shown as "." in the table.
type folder struct {
	t    *testing.T
	path string
}

func newFolder(t *testing.T) folder { t.Helper(); return folder{t, t.TempDir()} }

func (f folder) write(name, text string) string {
	f.t.Helper()
	name = filepath.Join(f.path, name)
	require.NoError(f.t, os.MkdirAll(filepath.Dir(name), 0o700))
	require.NoError(f.t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

// shown is a text with the folder's name cut out, in one line as far as it can be.
func (f folder) shown(text string) string {
	return strings.TrimSpace(strings.ReplaceAll(text, f.path+"/", ""))
}

// configured is a configuration that `star97 check` must refuse; serve must say the same.
func configured(yaml string) func(*testing.T) got {
	return withFiles(map[string]string{"star97.yaml": yaml})
}

func withFiles(files map[string]string) func(*testing.T) got {
	return func(t *testing.T) got {
		f := newFolder(t)
		for name, text := range files {
			f.write(name, text)
		}
		config, data := filepath.Join(f.path, "star97.yaml"), filepath.Join(f.path, "data")
		out, errs, code := star97(t, "", "check", "--config", config)
		require.Contains(t, errs, "1 problem found")
		_, said, exit := star97(t, "", "serve", "--config", config, "--data", data)
		require.Equal(t, code, exit)
		require.Contains(t, said, strings.TrimSpace(out), "serve says what check says")
		require.NoDirExists(t, data, "and has begun nothing")
		return got{f.shown(out), code, "nothing was started"}
	}
}

func badConfigurations(t *testing.T) []bad {
	const account = "sip: {peers: [{name: p, registration: account}]}\nregistrations:\n  - name: account\n    registrar: example.org\n    user: a\n    expires: 1h\n"
	certificate, key := newCertificate(t)
	row := func(what, yaml string, says ...string) bad {
		return bad{what, configured(yaml), 1, says}
	}
	dialplan := func(text string) func(*testing.T) got {
		return withFiles(map[string]string{"star97.yaml": "drain: 1s\ndialplan: plan.yaml\n", "plan.yaml": text})
	}
	listed := func(list map[string]string) func(*testing.T) got {
		list["star97.yaml"] = "drain: 1s\npolicy:\n  preset: strong\n  blocklist_file: ours.txt\n"
		return withFiles(list)
	}
	return []bad{
		{"a list of codes that is not there", listed(map[string]string{}), 1,
			[]string{"star97.yaml:4: policy: blocklist_file: ours.txt cannot be read: no such file", "check its name and mode"}},
		{"a list of codes with words in it", listed(map[string]string{"ours.txt": "604817\nsecret\n"}), 1,
			[]string{"star97.yaml:4: policy: blocklist_file: ours.txt: line 2 holds something else than digits", "write one code on each line"}},
		row("a tab in the configuration", "sip:\n\tdscp: 3\n", "star97.yaml:2: A tab", "Indent with spaces"),
		row("an unknown key", "sip:\n  dcsp: 3\n", `star97.yaml:2: The key "dcsp" is not known`, "Known keys here are:", "dscp"),
		row("an unknown section", "drain: 1s\nspi: {}\n", `star97.yaml:2: The key "spi"`, "sip, store"),
		row("a key twice", "drain: 1s\ndrain: 2s\n", "star97.yaml:2:", "first is in line 1", "Remove one"),
		row("a word for a number", "sip:\n  dscp: many\n", "star97.yaml:2: This must be a whole number."),
		row("a time without unit", "drain: 10\n", "star97.yaml:1:", "such as 30s"),
		row("a quotation mark left open", "sip:\n  strangers: \"refuse\n", "star97.yaml:2: A quotation mark", "Add the second"),
		row("a file that is no UTF-8", "drain: 1s # \xff\n", "star97.yaml:1: This is not UTF-8", "Save the file in UTF-8"),
		row("a second document", "drain: 1s\n---\ndrain: 2s\n", "star97.yaml:3:", "Keep one document"),
		row("a host name to listen on", "sip:\n  listen:\n    - {network: udp, address: \"localhost:5060\"}\n", "star97.yaml:3: sip: listen[0].address", "write IP:port"),
		row("nobody who may call", "sip:\n  peers: []\n", "star97.yaml:2: sip: peers is empty", "list the PBX"),
		row("an identity that nobody knows", "sip:\n  peers:\n    - {name: pbx, addresses: [192.0.2.1], identity: guess}\n",
			"star97.yaml:3: sip: peers[0].identity", "use none, pai, from"),
		row("an odd RTP port", "media:\n  port_min: 40001\n", "star97.yaml:2: media: port_min is 40001", "even port"),
		row("a hash that is too cheap", "store:\n  sqlite:\n    cost: {memory: 8}\n", "star97.yaml:3: store: sqlite.cost.memory is 8", "19456"),
		row("rules that no code can pass", "policy:\n  min_length: 12\n  max_length: 8\n", "star97.yaml:2: policy: min_length 12", "no code could pass"),
		row("a preset that is not there", "policy:\n  preset: lax\n", `star97.yaml:2: There is no preset named "lax".`, "Use one of strong"),
		row("a deadline that leaves no time", "call: {store_deadline: 1s}\n", "star97.yaml:1: call: store_deadline is 1s", "between 4s"),
		row("a dialplan that is missing", "drain: 1s\ndialplan: none.yaml\n", "none.yaml: There is no such file.", "line 2 of the configuration"),
		row("an authority of telephones that is none", "sip:\n  listen:\n    - network: tls\n      address: \"127.0.0.1:0\"\n      certificate: "+certificate+"\n      key: "+key+"\n      client_ca: "+key+"\n",
			"star97.yaml:7: sip: listen[0].client_ca: ", "holds no certificate in PEM", "write the authority's there"),
		row("a password of a registration that is not there", account+"    password: {file: word}\n", "star97.yaml:7: registrations[0].password: the secret's file word is missing", "with mode 0600"),
		row("a password of a registration in no variable", account+"    password: {env: STAR97_TEST_UNSET}\n", "star97.yaml:7: registrations[0].password: the environment variable STAR97_TEST_UNSET", "set it before star97 starts"),
		{"a dialplan with an unknown door", dialplan("routes:\n  - number: \"*97\"\n    door: front\n"), 1,
			[]string{`plan.yaml:3: Door "front" is not known`, "use own, any or check"}},
		{"a dialplan with one key for two things", dialplan("layouts:\n  own:\n    main: m\n    menus:\n      m:\n        keys:\n          \"2\": change\n          \"2\": goodbye\n"), 1,
			[]string{`plan.yaml:8: The key "2" stands here a second time; the first is in line 7.`, "Remove one of the two."}},
		{"a layout that leads nowhere", dialplan("layouts:\n  own:\n    main: m\n    menus:\n      m:\n        keys:\n          \"9\": repeat\n          \"*\": goodbye\n"), 1,
			[]string{"plan.yaml:3: No key leads to a new code.", "the action change"}},
	}
}

func badPrompts() []bad {
	manifest := "language: en-US\nvoices:\n  us: {engine: human, licence: ours}\nsentences:\n  welcome:\n    text: Hello.\n    voice: us\n"
	own := func(extra map[string]string) func(*testing.T) got {
		files := map[string]string{"star97.yaml": "prompts: {folder: own}\n"}
		for name, text := range extra {
			files[name] = text
		}
		return withFiles(files)
	}
	return []bad{
		{"a language that is not recorded", configured("prompts: {language: tlh}\n"), 1,
			[]string{"tlh/manifest.yaml: The default language has no manifest", "Set prompts.language to one of de-DE, en-GB, en-US", "star97.yaml:1: prompts is set here."}},
		{"a folder of prompts that is missing", configured("prompts: {folder: nowhere}\n"), 1,
			[]string{"nowhere: The folder of prompts cannot be listed", "Set prompts.folder", "star97.yaml:1: prompts is set here."}},
		{"a recording of the site that is missing", own(map[string]string{"own/en-US/manifest.yaml": manifest}), 1,
			[]string{"own/en-US/manifest.yaml:6: The master welcome.wav", "cannot be read", "Put it beside"}},
		{"a recording of the site with another hash", own(map[string]string{
			"own/en-US/manifest.yaml": manifest + "    sha256: " + strings.Repeat("ab", 32) + "\n",
			"own/en-US/welcome.wav":   string(prompt.WriteWAV(16000, make([]int16, 16000))),
		}), 1, []string{"own/en-US/manifest.yaml:8: The master welcome.wav", "its hash differs", "Restore the file"}},
		{"a recording of the site that is no WAV", own(map[string]string{
			"own/en-US/manifest.yaml": manifest, "own/en-US/welcome.wav": "hello",
		}), 1, []string{"own/en-US/manifest.yaml:6: The master welcome.wav", "is not a WAV file", "16-bit mono PCM"}},
	}
}
