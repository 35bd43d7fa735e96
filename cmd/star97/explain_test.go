package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const explainedPlan = `
routes:
  - {number: "*97", door: own, layout: asterisk, language: en-US, words: {code: pin}, slow: true}
  - {number: "*98", door: any, domain_from: request}
  - {number: "1", door: own, domain_from: identity}
  - {number: "+1212555970x", door: own, mailbox_from: diversion}
  - {number: pilot, redirect: "sip:*98@pbx.example.org"}
  - {number: "*99", door: check}
  - {number: "2", door: any, domain_from: request, layout: express}
domains:
  - {name: north, hosts: [127.0.0.1]}
  - {name: south, hosts: [example.org]}
identities:
  - {identity: "+1212555xxxx", mailbox: "xxxx"}
  - {identity: ann, mailbox: "4002"}
`

func readExplained(t *testing.T, text string) (e explained) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), &e), text)
	return e
}

// What --explain says of a call is what the service does with it.
func TestExplainTellsWhatACallGets(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	v := startService(t, setup{
		Sections: map[string]string{
			"dialplan": f.write("plan.yaml", explainedPlan),
			"sip":      `{listen: [{network: udp, address: "127.0.0.1:0"}, {network: tcp, address: "127.0.0.1:0"}], peers: [{name: this-machine, addresses: [127.0.0.0/8], identity: from, forwarding: [diversion]}]}`,
		},
		Codes: map[string]string{"4001": oldCode, "4003": oldCode},
	})
	_, errs, code := v.mailbox(oldCode+"\n", "add", "4002", "--domain", "south")
	require.Zero(t, code, errs)
	for name, c := range map[string]struct {
		number, from, header string
		args                 []string
		status               int
		door                 string
		want                 explained
	}{
		"an own call": {number: "*97", from: "4001", args: []string{"--identity", "4001@example.org"}, status: 200, door: "own",
			want: explained{Mailbox: "4001", Route: "*97", Layout: "asterisk", Language: "en-US", Words: []string{"pin", "extension"}, Slow: true}},
		"an escaped number": {number: "%2A97;phone-context=x", from: "+1-212-555-4001", args: []string{"--identity", "+12125554001"}, status: 200, door: "own",
			want: explained{Mailbox: "4001", Route: "*97", Layout: "asterisk", Language: "en-US", Words: []string{"pin", "extension"}, Slow: true}},
		"an own call of nobody": {number: "*97", from: "bob", args: []string{"--identity", "bob"}, status: 200, door: "any",
			want: explained{Route: "*97", Layout: "asterisk", Language: "en-US", Words: []string{"pin", "extension"}, Slow: true}},
		"the domain of the request": {number: "*98", from: "4001", args: []string{"--host", "127.0.0.1:5060"}, status: 200, door: "any",
			want: explained{Route: "*98", Domain: "north", Layout: "default", Language: "en-US", Words: []string{"access-code", "extension"}}},
		"the domain of the caller": {number: "1", from: "ann", args: []string{"--identity", "ann@example.org"}, status: 200, door: "own",
			want: explained{Mailbox: "4002", Route: "1", Domain: "south", Layout: "default", Language: "en-US", Words: []string{"access-code", "extension"}}},
		"a diverted call": {number: "+12125559707", from: "4001", header: "Diversion: <sip:+12125554003@pbx.example.org>;reason=unconditional\r\n",
			args: []string{"--identity", "4001", "--diversion", "+12125554003"}, status: 200, door: "own",
			want: explained{Mailbox: "4003", Route: "+1212555970x", Layout: "default", Language: "en-US", Words: []string{"access-code", "extension"}}},
		"a call that nobody diverted": {number: "+12125559707", from: "4001", args: []string{"--identity", "4001"}, status: 200, door: "any",
			want: explained{Route: "+1212555970x", Layout: "default", Language: "en-US", Words: []string{"access-code", "extension"}}},
		"a redirect":   {number: "Pilot", from: "4001", status: 302, want: explained{Route: "pilot", Redirect: "sip:*98@pbx.example.org"}},
		"a line check": {number: "*99", from: "4001", status: 200, door: "check", want: explained{Route: "*99", Language: "en-US"}},
		"no route":     {number: "*96", from: "4001", status: 404},
	} {
		t.Run(name, func(t *testing.T) {
			out, errs, code := star97(t, "", append([]string{"check", "--config", v.Config, "--json", "--explain", c.number}, c.args...)...)
			require.Empty(t, errs)
			require.Equal(t, c.status > 399, code == 1, out)
			e := readExplained(t, out)
			require.NotEmpty(t, e.Why)
			c.want.Status, c.want.Door, c.want.Peer, c.want.Answer, c.want.Why = c.status, c.door, "this-machine", e.Answer, e.Why
			require.Equal(t, c.want, e)

			p := newTextPhone(t, v.UDP, c.number)
			p.from, p.extra = c.from, c.header
			a := p.call(textOffer)
			require.Equal(t, e.Answer, strings.TrimSpace(a.words()[:len(e.Answer)]))
			if a.status != 200 {
				require.Equal(t, c.want.Redirect != "", strings.Contains(a.header.Get("Contact"), "<sip:*98@pbx.example.org>"))
				return
			}
			p.hangUp()
			require.Eventually(t, func() bool {
				for line := range strings.Lines(v.Stderr.String()) {
					if strings.Contains(line, "call="+p.callID+" end=") {
						return strings.Contains(line, " door="+c.door+" ")
					}
				}
				return false
			}, 20*time.Second, 10*time.Millisecond, "the end record says the door")
		})
	}
}

func TestExplainIsReadByPeople(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.write("plan.yaml", explainedPlan)
	config := f.write("star97.yaml", `
dialplan: plan.yaml
sip:
  peers:
    - {name: pbx, addresses: [192.0.2.20], identity: pai, forwarding: [diversion]}
    - {name: trunk, addresses: [192.0.2.0/24]}
    - {name: edge, addresses: [198.51.100.7], transports: [tcp], identity: header X-Mailbox}
`)
	explain := func(code int, args ...string) string {
		out, errs, exit := star97(t, "", append([]string{"check", "--config", config}, args...)...)
		require.Equal(t, code, exit, "%s%s", out, errs)
		return out + errs
	}
	require.Equal(t, `answer    200 OK
peer      pbx
route     *97
door      own
mailbox   4001
layout    asterisk
language  en-US
words     pin, extension
pace      slow

The peer pbx is believed about who calls, in the header P-Asserted-Identity.
The number "%2A97" is read as *97.
Route 1 of 7 has the number: "*97".
It names no domain, so the mailboxes are those of the default one.
It leads to the own door: by rule 1 under identities, the user +12125554001 of the caller's identity has the mailbox 4001.
The key 1 (messages) of the menu main is left out: there is no target messages.
`, explain(0, "--explain", "%2A97", "--from", "pbx", "--identity", "+1-212-555-4001"))

	for what, c := range map[string]struct {
		args []string
		code int
		says []string
	}{
		"a peer that is not believed":  {[]string{"--explain", "*97", "--from", "trunk", "--identity", "4001"}, 0, []string{"door      any", "its identity is none", "asked for the mailbox"}},
		"a peer by its address":        {[]string{"--explain", "*97", "--from", "192.0.2.20", "--identity", "4001"}, 0, []string{"peer      pbx", "door      own"}},
		"a peer of a wider prefix":     {[]string{"--explain", "*97", "--from", "192.0.2.21"}, 0, []string{"peer      trunk"}},
		"a peer over TCP alone":        {[]string{"--explain", "*97", "--from", "198.51.100.7"}, 0, []string{"peer      edge", "in the header X-Mailbox"}},
		"a stranger":                   {[]string{"--explain", "*97", "--from", "203.0.113.1"}, 1, []string{"answer    403 Forbidden", "No peer lists the address 203.0.113.1"}},
		"a host that is nobody's":      {[]string{"--explain", "*98", "--from", "pbx", "--host", "elsewhere.example"}, 1, []string{"answer    404 Not Found", `The host "elsewhere.example" of the Request-URI stands for none of the 2 domains.`}},
		"no user of a Diversion":       {[]string{"--explain", "+12125559701", "--from", "pbx", "--history", "4001"}, 0, []string{"door      any", "the Diversion header names nobody"}},
		"a domain and its store":       {[]string{"--explain", "2", "--from", "pbx", "--host", "EXAMPLE.org."}, 0, []string{"domain    south", "layout    express", "are in the store (default)"}},
		"no peer where there are more": {[]string{"--explain", "*97"}, 1, []string{"say which one with --from: pbx, trunk, edge"}},
		"a peer that is not there":     {[]string{"--explain", "*97", "--from", "pxb"}, 1, []string{`there is no peer "pxb"; the peers are pbx, trunk, edge`}},
		"an identity without a number": {[]string{"--identity", "4001"}, 2, []string{"--identity needs --explain with a number"}},
		"an empty number":              {[]string{"--explain", ""}, 2, []string{"--explain is empty; write the number that is dialled"}},
		"a URI for a number":           {[]string{"--explain", "sip:*97@pbx.example.org", "--from", "pbx"}, 2, []string{`--explain is "sip:*97@pbx.example.org"; write the user part alone`}},
		"a host with a number":         {[]string{"--explain", "*97@pbx.example.org", "--from", "pbx"}, 2, []string{"write the user part alone"}},
		"a URI for an identity":        {[]string{"--explain", "*97", "--from", "pbx", "--identity", "<SIP:4001@example.org>"}, 2, []string{`--identity is "<SIP:4001@example.org>"; write USER or USER@HOST alone`}},
		"a telephone URI in Diversion": {[]string{"--explain", "*97", "--from", "pbx", "--diversion", "tel:+12125554001"}, 2, []string{`--diversion is "tel:+12125554001"; write the user part alone`}},
		"two wishes at once":           {[]string{"--explain", "1", "--print"}, 2, []string{"explain print"}},
		"the help":                     {[]string{"--help"}, 0, []string{"--explain '*97' --from pbx --identity", "what a call to a number would get"}},
	} {
		said := explain(c.code, c.args...)
		for _, part := range c.says {
			require.Contains(t, said, part, what)
		}
	}
}

func TestExplainOfABrokenDialplanTellsItsProblems(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.write("plan.yaml", "routes:\n  - {number: \"*97\", door: front}\n")
	_, errs, code := star97(t, "", "check", "--config", f.write("star97.yaml", "dialplan: plan.yaml\n"), "--explain", "*97")
	require.Equal(t, 1, code)
	require.Contains(t, errs, filepath.Join(f.path, "plan.yaml")+":2: Door \"front\" is not known")
}

func TestStrangersThatAreIgnoredGetNothing(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	config := f.write("star97.yaml", "sip: {strangers: ignore}\n")
	out, _, code := star97(t, "", "check", "--config", config, "--explain", "*97", "--from", "192.0.2.1", "--json")
	require.Equal(t, 1, code)
	e := readExplained(t, out)
	require.Zero(t, e.Status)
	require.Equal(t, "none", e.Answer)
}
