package config

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/dialplan"
	"star97/internal/pin"
	"star97/internal/uas"
)

// written writes a file into a new folder and returns its name.
func written(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "star97.yaml")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

// problems loads a text and returns what is wrong, without the folder.
func problems(t *testing.T, text string) (all []string) {
	t.Helper()
	name := written(t, text)
	_, found := Load(name)
	for _, p := range found {
		all = append(all, strings.ReplaceAll(p.Error(), filepath.Dir(name)+"/", ""))
	}
	return all
}

func TestDefaultsAreValidAndAFileThatSaysNothingIsTheDefaults(t *testing.T) {
	want := Default()
	require.Empty(t, want.check(nil), "no default breaks its own range")
	for name, text := range map[string]string{"empty": "", "a comment": "# nothing yet\n", "an empty section": "sip: {}\n"} {
		c, found := Load(written(t, text))
		require.Empty(t, found, name)
		// The plan's functions aside, everything is equal.
		require.True(t, reflect.DeepEqual(want.SIP, c.SIP), name)
		require.Equal(t, want.Policy, c.Policy, name)
		require.Equal(t, want.Store, c.Store, name)
		require.Equal(t, dialplan.Default(), c.Plan, name)
	}
	c, found := Load("")
	require.Empty(t, found)
	require.Equal(t, want.Drain, c.Drain)
}

func TestWhatAFileSaysReplacesOnlyThat(t *testing.T) {
	c, found := Load(written(t, "sip: {dscp: 0}\nmedia:\n  port_min: 30000\n  port_max: 30998\ndrain: 5s\nlog: {format: json}\n"))
	require.Empty(t, found)
	want := Default()
	require.Zero(t, c.SIP.DSCP)
	require.Equal(t, want.SIP.Listen, c.SIP.Listen)
	require.EqualValues(t, 30000, c.Media.PortMin)
	require.Equal(t, want.Media.Timeout, c.Media.Timeout)
	require.Equal(t, 5*time.Second, c.Drain)
	require.Equal(t, Log{Level: want.Log.Level, Format: "json"}, c.Log)
}

func TestRulesOfAPresetAreTheBaseOfWhatIsWrittenBesideIt(t *testing.T) {
	preset, ok := pin.Preset("broadworks-6-10")
	require.True(t, ok)
	for name, text := range map[string]string{
		"preset first": "policy:\n  preset: broadworks-6-10\n  min_length: 7\n",
		"preset last":  "policy:\n  min_length: 7\n  preset: broadworks-6-10\n",
	} {
		c, found := Load(written(t, text))
		require.Empty(t, found, name)
		want := preset
		want.MinLen = 7
		require.Equal(t, Policy{Preset: "broadworks-6-10", Policy: want}, c.Policy, name)
	}
}

func TestFilesAreTakenFromTheFolderOfTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(t.TempDir(), "plan.yaml")
	for _, name := range []string{filepath.Join(dir, "plan.yaml"), other} {
		require.NoError(t, os.WriteFile(name, []byte("routes:\n  - {number: \"*11\", door: any}\n"), 0o600))
	}
	for _, plan := range []string{"plan.yaml", other} {
		name := filepath.Join(dir, "star97.yaml")
		require.NoError(t, os.WriteFile(name, []byte("dialplan: "+plan+"\nprompts: {folder: own}\n"), 0o600))
		c, found := Load(name)
		require.Empty(t, found)
		require.Len(t, c.Plan.Routes, 1)
		require.Equal(t, "*11", c.Plan.Routes[0].Number)
		require.Equal(t, filepath.Join(dir, "own"), c.Prompts.Folder)
	}
}

// A person mends a file once, not once for each problem.
func TestEveryProblemOfEveryOwnerIsToldWithItsLine(t *testing.T) {
	found := problems(t, `sip:
  dscp: 64
  strangers: welcome
  limits:
    calls: 0
media:
  port_min: 7
call:
  store_deadline: 1s
store:
  sqlite:
    cost: {memory: 1}
lockout: {wait_from: 0}
ledger:
  max_sources: 1
audit: {node: ""}
prompts: {language: "?"}
policy:
  max_same_run: 99
log: {level: loud, format: xml}
drain: 2h
dialplan: none.yaml
`)
	for _, want := range []string{
		"star97.yaml:2: sip: dscp is 64;", "star97.yaml:3: sip: strangers is", "star97.yaml:5: sip: limits.calls is 0;",
		"star97.yaml:7: media: port_min is 7;", "star97.yaml:9: call: store_deadline is 1s;",
		"star97.yaml:12: store: sqlite.cost.memory is 1:", "star97.yaml:13: lockout: wait_from is 0;",
		"star97.yaml:15: ledger: max_sources is 1;", "star97.yaml:16: audit: node is", "star97.yaml:17: prompts: language",
		"star97.yaml:19: policy: max_same_run is 99:", "star97.yaml:20: log: level is", "star97.yaml:20: log: format is", "star97.yaml:21: drain is 2h0m0s.",
		"none.yaml: There is no such file. Check the name. It is named in line 22 of the configuration.",
	} {
		n := 0
		for _, p := range found {
			if strings.HasPrefix(p, want) {
				n++
			}
		}
		require.Equal(t, 1, n, "%s\nin\n%s", want, strings.Join(found, "\n"))
	}
	require.Len(t, found, 15)
}

// A wrong key or kind of value hides nothing else, and what comes of it alone is not told.
func TestWhatCannotBeReadHidesNoOtherMistake(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "star97.yaml")
	require.NoError(t, os.WriteFile(name, []byte(`sip:
  dscp: many
  strnagers: refuse
  peers:
  - name: pbx
    addresses: {a: b}
    identity: guess
  - {name: other, addresses: [192.0.2.1], max_calls: 1.5}
media:
  port_min: 7
  timeout: 60
policy: {preset: lax, min_length: 3}
drain: 2h
drain_limit: 5
stores:
  west: 5
dialplan: plan.yaml
`), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "plan.yaml"), []byte(`routes:
- {number: "*97", door: front}
- {number: "*98", door: any, layout: none}
- {number: "*96", door: any, domain: north}
domains:
- {name: north, store: west}
timers:
  menu: soon
  call: 1s
layouts:
  odd:
    main: main
    menus:
      main: {keys: {"2": alter}}
`), 0o600))
	_, found := Load(name)
	var told []string
	for _, p := range found {
		told = append(told, strings.TrimPrefix(p.Error(), dir+"/"))
	}
	want := []string{
		"star97.yaml:2: This must be a whole number.", `star97.yaml:3: The key "strnagers" is not known here.`, "star97.yaml:6: This must be a list, not a group of keys.",
		"star97.yaml:8: This must be a whole number.", "star97.yaml:11: This must be a length of time.", `star97.yaml:14: The key "drain_limit" is not known here.`,
		"star97.yaml:16: This must be a group of keys, not a number.", `star97.yaml:12: There is no preset named "lax".`,
		"star97.yaml:7: sip: peers[0].identity is \"guess\"", "star97.yaml:10: media: port_min is 7;", "star97.yaml:12: policy: min_length is 3;", "star97.yaml:13: drain is 2h0m0s.",
		"plan.yaml:2: ", "plan.yaml:3: There is no layout \"none\".", "plan.yaml:8: This must be a length of time.", "plan.yaml:9: ", "plan.yaml:14: Action \"alter\" is not known",
	}
	require.Len(t, told, len(want), strings.Join(told, "\n"))
	for i := range want {
		require.True(t, strings.HasPrefix(told[i], want[i]), "%s\nis not\n%s\nin\n%s", told[i], want[i], strings.Join(told, "\n"))
	}
}

func TestAFileThatCannotBeUsed(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large.yaml")
	require.NoError(t, os.WriteFile(large, make([]byte, maxFile+1), 0o600))
	for name, want := range map[string]string{
		filepath.Join(dir, "none.yaml"): "There is no such file. Check the name.",
		dir:                             "This is not a file. Name the YAML file itself.",
		large:                           "The file is larger than 1 MiB.",
	} {
		_, found := Load(name)
		require.Len(t, found, 1)
		require.Contains(t, found[0].Error(), name+": "+want)
	}
}

func TestSyntaxAndUnknownKeysAreOneProblem(t *testing.T) {
	for text, want := range map[string]string{
		"sip:\n\tdscp: 1\n":             "star97.yaml:2: A tab stands in the indentation.",
		"sip:\n  dspc: 1\n":             `star97.yaml:2: The key "dspc" is not known here.`,
		"plan: {}\n":                    `star97.yaml:1: The key "plan" is not known here.`,
		"policy: {preset: lax}\n":       `star97.yaml:1: There is no preset named "lax".`,
		"media: {listen: 3}\n":          `star97.yaml:1: The key "listen" is not known here.`,
		"audit: {atomic: true}\n":       `star97.yaml:1: The key "atomic" is not known here.`,
		"drain: soon\n":                 "star97.yaml:1: This must be a length of time.",
		"sip: {peers: [{adresses: 1}]}": `star97.yaml:1: The key "adresses" is not known here.`,
	} {
		found := problems(t, text)
		require.Len(t, found, 1, text)
		require.Contains(t, found[0], want)
	}
}

func TestRulesThatPermitCodesSoonGuessedAreRefused(t *testing.T) {
	for text, want := range map[string][]string{
		"policy: {min_length: 0}":                             {"star97.yaml:1: policy: min_length is 0; write 4 or more"},
		"policy: {min_length: 3}":                             {"star97.yaml:1: policy: min_length is 3; write 4 or more"},
		"policy:\n  max_length: 0":                            {"star97.yaml:2: policy: max_length is 0; write the most digits"},
		"policy:\n  min_length: 1\n  max_length: 0":           {"star97.yaml:2: policy: min_length", "star97.yaml:3: policy: max_length"},
		"policy: {min_length: 4, max_length: 4}":              nil,
		"policy: {preset: netsapiens-default, min_length: 4}": nil,
	} {
		found := problems(t, text)
		require.Len(t, found, len(want), text)
		for i := range want {
			require.Contains(t, found[i], want[i], text)
		}
	}
}

func TestAPrintedConfigurationIsReadToTheSame(t *testing.T) {
	for name, text := range map[string]string{
		"defaults": "",
		"most of it": `sip:
  listen: [{network: tcp, address: "[::1]:0", advertise: "192.0.2.1"}]
  local_networks: [192.0.2.0/24]
  peers:
  - {name: pbx, addresses: ["192.0.2.7", "2001:db8::/32"], transports: [tcp], identity: from, forwarding: [history-info], lead: 300ms, max_calls: 7, codecs: [pcma]}
media: {bind: ["127.0.0.1", "::1"], timeout: 45s}
policy: {preset: broadworks-6-10, own_number: "", not_current: false, min_length: 7}
store: {sqlite: {pepper_file: "/var/lib/a: b # c"}}
prompts: {folder: own}
dialplan: plan.yaml
drain: 0s
`,
	} {
		t.Run(name, func(t *testing.T) {
			first := written(t, text)
			require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(first), "plan.yaml"), []byte("routes:\n  - {number: \"*11\", door: any}\n"), 0o600))
			want, found := Load(first)
			require.Empty(t, found)
			printed, err := want.YAML()
			require.NoError(t, err)
			got, found := Load(written(t, string(printed)))
			require.Empty(t, found, "%s", printed)
			again, err := got.YAML()
			require.NoError(t, err)
			require.Equal(t, string(printed), string(again))
			for _, c := range []*Config{&want, &got} { // a list of nothing and no list are the same
				c.Media.Bind, c.SIP.Peers = append([]netip.Addr{}, c.Media.Bind...), append([]uas.Peer{}, c.SIP.Peers...)
				for i := range c.SIP.Peers {
					c.SIP.Peers[i].Transports = append([]string{}, c.SIP.Peers[i].Transports...)
					c.SIP.Peers[i].Forwarding = append([]string{}, c.SIP.Peers[i].Forwarding...)
					c.SIP.Peers[i].Codecs = append([]string{}, c.SIP.Peers[i].Codecs...)
				}
				c.SIP.LocalNetworks = append([]string{}, c.SIP.LocalNetworks...)
				c.Plan, c.from = nil, sources{}
			}
			require.Equal(t, want, got)
		})
	}
}
