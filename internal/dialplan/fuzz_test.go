package dialplan

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"star97/internal/mailbox"
)

// rich is a plan with everything in it.
const rich = `
routes:
  - {number: "*97", door: own, domain_from: request, layout: own, words: {code: pin}}
  - {number: "+1212555970x", door: own, domain_from: identity, mailbox_from: diversion, slow: true, forgotten: offer}
  - {number: "9xxx", door: any, domain: north, language: es-ES}
  - {number: pilot, door: own, mailbox_from: history-info}
  - {number: "*99", door: check}
  - {number: "0", redirect: "sip:0@pbx.example.org"}
domains:
  - {name: north, hosts: [north.example.org, "2001:db8::1"], store: west}
  - {name: south, hosts: [192.0.2.2]}
  - {hosts: [old.example.org]}
identities:
  - {identity: "+1212555xxxx", mailbox: "7xxx"}
  - {identity: ann, mailbox: "4000"}
targets: {messages: "sip:{mailbox}@pbx.example.org", helpdesk: "sip:1@[2001:db8::1]:5060"}
layouts:
  own:
    first: welcome
    main: main
    menus:
      welcome: {say: attendant-welcome, keys: {"5": sign-in, "8": language es-ES, "0": transfer helpdesk, "*": goodbye}}
      main: {keys: {"1": messages, "3": menu more, "*": goodbye}}
      more: {keys: {"2": change, "*": back}}
`

// used holds an accepted plan to what the rest of the program takes for granted.
func used(t *testing.T, p *Plan) {
	for _, r := range p.Routes {
		require.True(t, r.Redirect != "" || r.Door != 0)
		require.Contains(t, p.Layouts, r.layout())
		number := r.Number
		if isPattern(number) {
			number = strings.ReplaceAll(number, "x", "0")
		}
		_, refused := p.Decide(Question{Number: number})
		require.NotEqual(t, NoRoute, refused, number)
	}
	for _, id := range p.Identities {
		if isPattern(id.Identity) {
			number, _, ok := p.mailboxOf(strings.ReplaceAll(id.Identity, "x", "0"))
			require.True(t, ok)
			require.True(t, isDigits(number), number)
		}
	}
	for name, l := range p.Layouts {
		walked := append(l.below(l.First), l.below(l.Main)...)
		require.Len(t, walked, len(l.Menus), "each menu of %s is reached once", name)
		for _, menu := range walked {
			for _, c := range l.Menus[menu].Keys {
				require.NotZero(t, c.Action)
				if c.Action == DoTransfer {
					require.Contains(t, p.Targets, c.Name)
				}
			}
		}
	}
	for _, uri := range p.Targets {
		require.Regexp(t, `^(?i:sips?):[!-~]+$`, uri)
		require.NotContains(t, uri, "<")
	}
	require.Positive(t, p.Timers.FirstDigit)
	require.Positive(t, p.Limits.WrongCodes)
}

// FuzzParse: a plan that is accepted can be used, and is the same when it is printed
// and read again.
func FuzzParse(f *testing.F) {
	f.Add([]byte(rich))
	f.Add([]byte("routes:\n  - {number: \"9x\", door: any, domain: d}\nidentities:\n  - {identity: \"+1xxxx\", mailbox: \"7xx\"}\n"))
	f.Add([]byte("layouts: {a: {main: change}}\ntargets: {a: \"sip:a@b\"}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, problems := Parse("plan.yaml", data)
		if p == nil {
			require.NotEmpty(t, problems)
			return
		}
		used(t, p)
		printed, err := yaml.Marshal(p)
		require.NoError(t, err)
		again, problems := Parse("printed.yaml", printed)
		require.Empty(t, problems, "%s", printed)
		twice, err := yaml.Marshal(again)
		require.NoError(t, err)
		require.Equal(t, string(printed), string(twice))
	})
}

// FuzzDecide: Decide agrees with Explain; a decision names only what the plan has;
// whose mailbox it is, only a peer that is believed can say; other ways to write the
// same number and hosts make no difference.
func FuzzDecide(f *testing.F) {
	p, problems := Parse("rich.yaml", []byte(rich))
	if len(problems) > 0 {
		f.Fatal(problems)
	}
	f.Add("%2A97", "North.example.org:5060", true, "ann", "old.example.org", "+12125554001", "x")
	f.Add("+1-212-555-9704", "", true, "4001", "192.0.2.2", "+12125554001;a=b", "")
	f.Add("pilot", "[2001:db8::1]", true, "ann", "", "", "%34001")
	f.Add("9123", "", false, "ann", "", "", "")
	f.Add("*99", "", true, "", "", "", "")
	f.Add("0", "", true, "", "", "", "")
	domains := []string{""}
	for _, d := range p.Domains {
		domains = append(domains, d.Name)
	}
	f.Fuzz(func(t *testing.T, number, host string, trusted bool, identity, identityHost, diversion, history string) {
		q := Question{Number: number, Host: host, Trusted: trusted, Identity: identity, IdentityHost: identityHost, Diversion: diversion, History: history}
		d, refused := p.Decide(q)
		explained, same := p.Explain(q)
		require.NotEmpty(t, explained.Why)
		explained.Why = nil
		require.Equal(t, d, explained)
		require.Equal(t, refused, same)
		if refused != 0 {
			require.Equal(t, Decision{}, d)
			return
		}
		require.Contains(t, slices.Collect(maps.Keys(p.Layouts)), d.Route.Layout)
		require.Contains(t, domains, d.Domain)
		require.Equal(t, d.Domain == "north", d.Store == "west")
		require.Equal(t, d.Door == mailbox.OwnDoor, d.Mailbox != "")
		if d.Mailbox != "" {
			require.True(t, trusted)
			require.True(t, isDigits(d.Mailbox), d.Mailbox)
			q.Trusted = false
			d, _ := p.Decide(q)
			require.Empty(t, d.Mailbox)
			q.Trusted = true
		}
		q.Number, q.Host, q.IdentityHost = number+";user=phone", hostOf(host), hostOf(identityHost)
		again, refused := p.Decide(q)
		require.Zero(t, refused)
		require.Equal(t, d, again)
	})
}
