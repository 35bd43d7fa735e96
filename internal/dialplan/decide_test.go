package dialplan

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/mailbox"
)

// got is a decision in one line: door, mailbox, layout, domain, store.
func got(d Decision, refused Refusal) string {
	if refused != 0 {
		return refused.String()
	}
	return strings.Join([]string{d.Door.String(), "mailbox " + d.Mailbox, d.Route.Layout, "domain " + d.Domain, "store " + d.Store}, ", ")
}

// ask holds the decision of a plan to want, and Explain to the same.
func ask(t *testing.T, p *Plan, q Question, want string) {
	t.Helper()
	require.Equal(t, want, got(p.Decide(q)), "%+v", q)
	d, refused := p.Explain(q)
	require.Equal(t, want, got(d, refused), "%+v", q)
}

func TestTheFirstRouteThatFitsIsTaken(t *testing.T) {
	p := parse(t, `
routes:
  - {number: "*97", door: any}
  - {number: "+1-212-555-9701", door: any, domain: north}
  - {number: "+1212555970X", door: any, domain: south}
  - {number: Max-Pilot, door: any, layout: unity}
`)
	const plain = "any, mailbox , default, domain , store "
	for number, want := range map[string]string{
		"*97": plain, "%2A97": plain, "*97;phone-context=example.org": plain, "*9-7": plain,
		"+12125559701": "any, mailbox , default, domain north, store ", "+1.212.555.9701": "any, mailbox , default, domain north, store ",
		"+12125559705": "any, mailbox , default, domain south, store ", "+1(212)5559705;user=phone": "any, mailbox , default, domain south, store ",
		"max-pilot": "any, mailbox , unity, domain , store ", "MAX-PILOT": "any, mailbox , unity, domain , store ",
	} {
		ask(t, p, Question{Number: number}, want)
	}
	for _, number := range []string{
		"", "*9", "*977", "+1212555970x", "+1212555970X", "+1212555970*", "ma0-pilot", "maxpilot", "%25%32A97", "*97 ", "\u212Aax-pilot", strings.Repeat("9", 5000),
	} {
		ask(t, p, Question{Number: number}, NoRoute.String())
	}
}

func TestTheMailboxOfAnOwnCall(t *testing.T) {
	p := parse(t, `
routes:
  - {number: "*97", door: own}
  - {number: "*98", door: any}
identities:
  - {identity: "+1212555xxxx", mailbox: "xxxx"}
  - {identity: "8xxxxxx", mailbox: "4xxx"}
  - {identity: Reception, mailbox: "4000"}
`)
	for identity, want := range map[string]string{
		"+12125554001": "4001", "+1-212-555-4001": "4001", "%2B12125554001;user=phone": "4001", "8123456": "4456", "reception": "4000", "RECEPTION": "4000",
		"4001": "4001", "40-01": "4001", "007": "007", "+12125554": "", "ann": "", "": "", "40 01": "", "anonymous": "", "+4930123": "", "4001@x": "",
		strings.Repeat("1", 32): strings.Repeat("1", 32), strings.Repeat("1", 33): "",
	} {
		door := "own"
		if want == "" {
			door = "any"
		}
		ask(t, p, Question{Number: "*97", Trusted: true, Identity: identity}, fmt.Sprintf("%s, mailbox %s, default, domain , store ", door, want))
		ask(t, p, Question{Number: "*97", Identity: identity}, "any, mailbox , default, domain , store ")
		ask(t, p, Question{Number: "*98", Trusted: true, Identity: identity}, "any, mailbox , default, domain , store ")
	}
}

// Who diverted a call, and not who calls, owns the mailbox where a route says so.
// A proof is about who calls, not about whose call was forwarded, and nothing without an
// own door.
func TestAProofIsAboutTheCallerAlone(t *testing.T) {
	p := parse(t, `
routes:
  - {number: "1", door: own}
  - {number: "2", door: own, mailbox_from: identity}
  - {number: "3", door: own, mailbox_from: diversion}
  - {number: "4", door: any}
`)
	q := Question{Trusted: true, Identity: "4001", Diversion: "4002", Forwarding: []string{FromDiversion}}
	for _, proved := range []bool{false, true} {
		for number, want := range map[string]bool{"1": proved, "2": proved, "3": false, "4": false} {
			q.Number, q.Proved = number, proved
			d, refused := p.Explain(q)
			require.Zero(t, refused)
			require.Equal(t, want, d.Proved, number)
			require.Equal(t, want, strings.Contains(strings.Join(d.Why, " "), "may be given its first one"), number)
		}
	}
	q.Number, q.Identity = "1", "nobody's"
	d, _ := p.Decide(q)
	require.Equal(t, mailbox.AnyDoor, d.Door)
	require.False(t, d.Proved)
}

func TestTheMailboxOfADivertedCall(t *testing.T) {
	p := parse(t, `
routes:
  - {number: "1", door: own, mailbox_from: diversion}
  - {number: "2", door: own, mailbox_from: history-info}
  - {number: "3", door: own, mailbox_from: identity}
identities:
  - {identity: "+1212555xxxx", mailbox: "xxxx"}
`)
	q := Question{Trusted: true, Identity: "4001", Diversion: "+1-212-555-4002", History: "%2B12125554003", Forwarding: []string{FromDiversion, FromHistory}}
	for number, mailbox := range map[string]string{"1": "4002", "2": "4003", "3": "4001"} {
		q.Number = number
		ask(t, p, q, "own, mailbox "+mailbox+", default, domain , store ")
		untrusted := q
		untrusted.Trusted = false
		ask(t, p, untrusted, "any, mailbox , default, domain , store ")
	}
	q.Forwarding = []string{FromHistory} // it hands on what an outside caller wrote into the other
	for number, want := range map[string]string{"1": "any, mailbox ", "2": "own, mailbox 4003", "3": "own, mailbox 4001"} {
		q.Number = number
		ask(t, p, q, want+", default, domain , store ")
	}
	ask(t, p, Question{Number: "1", Trusted: true, Identity: "4001", Forwarding: []string{FromDiversion}}, "any, mailbox , default, domain , store ")
}

func TestTheDomainOfACall(t *testing.T) {
	p := parse(t, `
routes:
  - {number: "1", door: any, domain: North}
  - {number: "2", door: any, domain_from: request}
  - {number: "3", door: own, domain_from: identity}
  - {number: "4", door: any}
domains:
  - {name: north, hosts: [north.example.org, "2001:DB8::1"]}
  - {name: South, hosts: [south.example.org, 192.0.2.2], store: west}
  - {hosts: [old.example.org], store: east}
`)
	for host, want := range map[string]string{
		"north.example.org": "domain north, store ", "NORTH.example.org.": "domain north, store ", "north.example.org:5060": "domain north, store ",
		"[2001:db8:0::1]": "domain north, store ", "[2001:db8::1]:5061": "domain north, store ", "south.example.org": "domain south, store west",
		"192.0.2.2": "domain south, store west", "192.0.2.2:5060": "domain south, store west", "[::ffff:192.0.2.2]": "domain south, store west",
		"old.example.org": "domain , store east", "example.org": "", "": "", "north.example.org.evil.example": "", "xnorth.example.org": "", "192.0.2.20": "",
	} {
		fromRequest, fromIdentity := NoDomain.String(), NoDomain.String()
		if want != "" {
			fromRequest, fromIdentity = "any, mailbox , default, "+want, "own, mailbox 4001, default, "+want
		}
		ask(t, p, Question{Number: "2", Host: host}, fromRequest)
		ask(t, p, Question{Number: "3", Trusted: true, Identity: "4001", IdentityHost: host, Host: "north.example.org"}, fromIdentity)
		ask(t, p, Question{Number: "3", Identity: "4001", IdentityHost: host}, NoDomain.String())
		ask(t, p, Question{Number: "1", Host: host}, "any, mailbox , default, domain north, store ")
		ask(t, p, Question{Number: "4", Host: host}, "any, mailbox , default, domain , store east")
	}
}

func TestARedirectAndALineCheckAskForNothing(t *testing.T) {
	p := parse(t, "routes:\n  - {number: \"1\", redirect: \"sip:*98@pbx\"}\n  - {number: \"2\", door: check, language: es-ES, slow: true}\n")
	d, refused := p.Decide(Question{Number: "1", Trusted: true, Identity: "4001"})
	require.Zero(t, refused)
	require.Equal(t, Decision{Route: Route{Number: "1", Redirect: "sip:*98@pbx", Layout: DefaultLayout}}, d)
	d, refused = p.Decide(Question{Number: "2", Trusted: true, Identity: "4001"})
	require.Zero(t, refused)
	require.Equal(t, Decision{Route: Route{Number: "2", Door: mailbox.CheckDoor, Language: "es-ES", Slow: true, Layout: DefaultLayout}, Door: mailbox.CheckDoor}, d)
}

func TestWhyIsToldInSentences(t *testing.T) {
	p := parse(t, `
routes:
  - {number: "*97", door: own, domain_from: request}
  - {number: "*98", door: any, domain: south}
  - {number: "1", door: own}
  - {number: "2", redirect: "sip:*98@pbx"}
  - {number: "3", door: check}
domains:
  - {name: north, hosts: [north.example.org], store: west}
  - {name: south}
identities:
  - {identity: "+1212555xxxx", mailbox: "xxxx"}
`)
	trusted := Question{Peer: "pbx", Trusted: true, Host: "North.example.org:5060", Identity: "+1-212-555-4001"}
	for name, c := range map[string]struct {
		number string
		alter  func(*Question)
		want   []string
	}{
		"an own call": {"%2A97;user=phone", nil, []string{
			`The number "%2A97;user=phone" is read as *97.`, `Route 1 of 5 has the number: "*97".`,
			"The host north.example.org of the Request-URI stands for the domain north.", "The mailboxes of the domain north are in the store west.",
			"It leads to the own door: by rule 1 under identities, the user +12125554001 of the caller's identity has the mailbox 4001."}},
		"an own call without a rule": {"1", func(q *Question) { q.Identity = "4001" }, []string{
			`Route 3 of 5 has the number: "1".`, "It names no domain, so the mailboxes are those of the default one.",
			"It leads to the own door: the user 4001 of the caller's identity is the mailbox's number."}},
		"nobody's own call": {"1", func(q *Question) { q.Identity = "ann" }, []string{
			`Route 3 of 5 has the number: "1".`, "It names no domain, so the mailboxes are those of the default one.",
			`It leads to the own door, but the user "ann" of the caller's identity fits no rule under identities and is no number.`,
			"So the call comes in by the any door, and the caller is asked for the mailbox."}},
		"an own call of a peer that is not believed": {"1", func(q *Question) { q.Trusted = false }, []string{
			`Route 3 of 5 has the number: "1".`, "It names no domain, so the mailboxes are those of the default one.",
			"It leads to the own door, but the peer pbx is not believed about who calls.",
			"So the call comes in by the any door, and the caller is asked for the mailbox."}},
		"an any call": {"*98", nil, []string{
			`Route 2 of 5 has the number: "*98".`, "It belongs to the domain south.", "The mailboxes of the domain south are in the store (default).",
			"It leads to the any door: whoever calls is asked for the mailbox."}},
		"a redirect":   {"2", nil, []string{`Route 4 of 5 has the number: "2".`, "It sends the caller on to sip:*98@pbx."}},
		"a line check": {"3", nil, []string{`Route 5 of 5 has the number: "3".`, "It leads to the check door, which asks for no mailbox."}},
		"no route":     {"4", nil, []string{"None of the 5 routes has the number 4."}},
		"no domain": {"*97", func(q *Question) { q.Host = "elsewhere" }, []string{
			`Route 1 of 5 has the number: "*97".`, `The host "elsewhere" of the Request-URI stands for none of the 2 domains.`}},
	} {
		t.Run(name, func(t *testing.T) {
			q := trusted
			q.Number = c.number
			if c.alter != nil {
				c.alter(&q)
			}
			d, _ := p.Explain(q)
			require.Equal(t, c.want, d.Why)
			d, _ = p.Decide(q)
			require.Empty(t, d.Why)
		})
	}
}

func TestRefusalsTellNoNumber(t *testing.T) {
	require.Equal(t, "no route of the dialplan has the dialled number", NoRoute.String())
	require.Equal(t, "no domain of the dialplan has the host of the call", NoDomain.String())
	require.Equal(t, "none", Refusal(0).String())
}

func BenchmarkDecide(b *testing.B) {
	p := Default()
	q := Question{Number: "%2A99", Trusted: true, Identity: "4001"}
	b.ReportAllocs()
	for b.Loop() {
		p.Decide(q)
	}
}

// A neighbour who dials another tenant's number is asked for the mailbox there: the
// own door of the same extension is not his.
func TestACallerOfOneTenantIsNotTheOwnerInAnother(t *testing.T) {
	p := parse(t, `
routes:
  - {number: "*97", door: own, domain_from: request}
  - {number: "*98", door: own, domain: north}
domains:
  - {name: north, hosts: [north.example.org]}
  - {name: south, hosts: [south.example.org]}
`)
	for _, number := range []string{"*97", "*98"} {
		for identityHost, door := range map[string]mailbox.Door{
			"north.example.org": mailbox.OwnDoor, "South.example.org:5060": mailbox.AnyDoor, "192.0.2.20": mailbox.OwnDoor, "": mailbox.OwnDoor,
		} {
			d, refused := p.Decide(Question{Number: number, Host: "north.example.org", Trusted: true, Identity: "101", IdentityHost: identityHost})
			require.Zero(t, refused)
			require.Equal(t, "north", d.Domain)
			require.Equal(t, door, d.Door, "%s from %q", number, identityHost)
			require.Equal(t, map[string]string{"north.example.org": "north", "South.example.org:5060": "south"}[identityHost], d.Home)
			d, _ = p.Decide(Question{Number: number, Host: "north.example.org", Identity: "101", IdentityHost: identityHost})
			require.Empty(t, d.Home, "who is not believed has no tenant")
		}
	}
}

// What an own door has for owners who cannot show a code is explained where it holds.
func TestHelpIsExplained(t *testing.T) {
	p := parse(t, "routes:\n  - {number: \"*97\", door: own, forgotten: offer, first_use: allow}\n")
	const forgotten, first = "Whoever has forgotten the code is offered a one-time code.", "A mailbox without a code may be given its first one."
	d, refused := p.Explain(Question{Number: "*97", Trusted: true, Identity: "4001"})
	require.Zero(t, refused)
	require.Equal(t, []string{forgotten, first}, d.Why[len(d.Why)-2:])
	d, refused = p.Explain(Question{Number: "*97"})
	require.Zero(t, refused)
	require.NotContains(t, d.Why, forgotten, "the call comes in by the any door")
	require.NotContains(t, d.Why, first)
}
