package dialplan

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// wrong holds a text to the first problem that Parse tells of it.
func wrong(t *testing.T, text, want string) {
	t.Helper()
	p, problems := Parse("plan.yaml", []byte(text))
	require.Nil(t, p)
	require.NotEmpty(t, problems)
	require.Contains(t, problems[0].Error(), want)
	require.NotEmpty(t, problems[0].Remedy)
}

func TestWhatIsWrongIsSaidWithItsLineAndRemedy(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"unknown key":           {"timers:\n  chnge: 2s\n", `plan.yaml:2: The key "chnge" is not known here.`},
		"file too large":        {strings.Repeat("#\n", 1<<20), `plan.yaml: The dialplan is larger than 1048576 bytes.`},
		"identity not a number": {"identities:\n  - identity: \"a b\"\n    mailbox: \"1\"\n", `plan.yaml:2: The identity "a b" is no number and no name.`},
		"rule without mailbox":  {"identities:\n  - identity: \"1\"\n    mailbox: \"1\"\n  - identity: \"9xxx\"\n", `plan.yaml:4: The mailbox "" is no number.`},
		"unquoted plus":         {"routes:\n  - number: +12125550100\n    door: any\n", `plan.yaml:2: Without quotation marks this is the number 12125550100. Write "+12125550100".`},
		"unquoted number sign":  {"routes:\n  - {number: \"#\", door: own}\n  - number: #97\n    door: any\n", `plan.yaml:3: A # without quotation marks begins a comment. Write "#97" for the number.`},
		"number sign in braces": {"identities:\n  - {identity: #9xx, mailbox: xx}\n", `plan.yaml:2: A # without quotation marks begins a comment. Write "#9xx" for the number.`},
		"mailbox not a number":  {"identities:\n  - identity: \"9xxx\"\n    mailbox: ann\n", `plan.yaml:3: The mailbox "ann" is no number.`},
		"mailbox too long":      {"identities:\n  - identity: ann\n    mailbox: \"" + strings.Repeat("4", 33) + "\"\n", `plan.yaml:3: The mailbox "444`},
		"mailbox of more x":     {"identities:\n  - identity: \"9xx\"\n    mailbox: xxx\n", `plan.yaml:3: The mailbox "xxx" needs more digits than the x of "9xx" can give.`},
		"a name gives no x":     {"identities:\n  - identity: max\n    mailbox: x\n", `needs more digits`},
		"too many identities":   {"identities:\n" + strings.Repeat("  - {identity: \"9xx\", mailbox: xx}\n", 1001), `There are 1001 rules for identities.`},
		"timer too short":       {"timers:\n  first_digit: 5ms\n", `plan.yaml:2: first_digit is 5ms. Use 100ms to 1m0s.`},
		"timer too long":        {"timers:\n  call: 48h\n", `plan.yaml:2: call is 48h0m0s. Use 1m0s to 1h0m0s.`},
		"transfer too long":     {"timers:\n  transfer: 3m\n", `plan.yaml:2: transfer is 3m0s. Use 100ms to 2m0s.`},
		"line check too long":   {"timers:\n  line_check: 2h\n", `plan.yaml:2: line_check is 2h0m0s. Use 100ms to 1h0m0s.`},
		"timer without unit":    {"timers:\n  menu: soon\n", `plan.yaml:2: `},
		"no try at all":         {"limits:\n  wrong_codes: 0\n", `plan.yaml:2: wrong_codes is 0. Use 1 to 10.`},
		"one silent round":      {"limits:\n  silent_rounds: 1\n", `plan.yaml:2: silent_rounds is 1. Use 2 to 10.`},
		"extension too long":    {"limits:\n  extension_digits: 31\n", `plan.yaml:2: extension_digits is 31. Use 0 to 30.`},
		"no transfers at all":   {"limits:\n  transfers_per_hour: 0\n", `plan.yaml:2: transfers_per_hour is 0. Use 1 to 1000.`},
	} {
		t.Run(name, func(t *testing.T) { wrong(t, c.text, c.want) })
	}
}

func TestARouteThatCannotBeIsRefused(t *testing.T) {
	const domains = "domains:\n  - name: north\n    hosts: [north.example.org]\n"
	route := func(lines ...string) string {
		return "routes:\n  - number: \"97\"\n    " + strings.Join(lines, "\n    ") + "\n"
	}
	for name, c := range map[string]struct{ text, want string }{
		"no route":                   {"routes: []\n", `plan.yaml:1: There are 0 routes. Write 1 to 1000`},
		"too many routes":            {"routes:\n" + strings.Repeat("  - number: a\n", 1001), `There are 1001 routes.`},
		"help at the any door":       {route("door: any", "forgotten: offer"), `plan.yaml:4: forgotten has no use at the any door, as route "97" is. Remove it.`},
		"first code at the any door": {route("door: any", "first_use: allow"), `plan.yaml:4: first_use has no use at the any door, as route "97" is. Remove it.`},
		"help of another kind":       {route("door: own", "forgotten: maybe"), `plan.yaml:4: forgotten is "maybe". Use offer.`},
		"first use of another kind":  {route("door: own", "first_use: digest"), `plan.yaml:4: first_use is "digest". Use allow.`},
		"first use of the forwarded": {route("door: own", "mailbox_from: diversion", "first_use: allow"), `plan.yaml:5: The route "97" takes whoever was forwarded for the owner, and would let a stranger choose the first code. Remove first_use, or mailbox_from.`},
		"without door":               {"routes:\n  - number: \"*97\"\n", `The route "*97" leads to no door. Add door: own, door: any or door: check.`},
		"without number":             {"routes:\n  - door: own\n", `The number "" cannot be dialled.`},
		"a door that is no door":     {"routes:\n  - {number: \"97\", door: front}\n", `plan.yaml:2: Door "front" is not known: use own, any or check.`},
		"number with blanks":         {"routes:\n  - number: \"* 97\"\n    door: own\n", `plan.yaml:2: The number "* 97" cannot be dialled.`},
		"number too long":            {"routes:\n  - number: \"" + strings.Repeat("9", 65) + "\"\n    door: own\n", `cannot be dialled`},
		"the same number twice":      {"routes:\n  - number: \"97\"\n    door: own\n  - number: \"9-7\"\n    door: any\n", `plan.yaml:4: The route "97" is never taken: "97" stands before it`},
		"the same name twice":        {"routes:\n  - number: Pilot\n    door: own\n  - number: pilot\n    door: any\n", `plan.yaml:4: The route "pilot" is never taken`},
		"hidden by a pattern":        {"routes:\n  - number: \"9X\"\n    door: own\n  - number: \"97\"\n    door: any\n", `plan.yaml:4: The route "97" is never taken: "9x" stands before it`},
		"a layout that is not there": {route("door: any", "layout: meridian"), `plan.yaml:4: There is no layout "meridian". Use one of asterisk, attendant, default, express, freeswitch, netsapiens or unity,`},
		"domain with blanks":         {route("door: own", "domain: a b"), `plan.yaml:4: The domain of route "97" is no name.`},
		"domain not in the list":     {route("door: own", "domain: south") + domains, `plan.yaml:4: There is no domain "south" under domains.`},
		"two ways to a domain":       {route("door: own", "domain: north", "domain_from: request") + domains, `plan.yaml:5: The route "97" has a domain and domain_from.`},
		"a host without domains":     {route("door: own", "domain_from: request"), `plan.yaml:4: The route "97" looks for a host, but no domain has hosts.`},
		"a host from elsewhere":      {route("door: own", "domain_from: contact") + domains, `plan.yaml:4: domain_from is "contact". Use request or identity.`},
		"a mailbox from elsewhere":   {route("door: own", "mailbox_from: contact"), `plan.yaml:4: mailbox_from is "contact". Use identity, diversion or history-info.`},
		"a language with blanks":     {route("door: any", "language: British English"), `plan.yaml:4: "British English" is no language.`},
		"a word that nobody says":    {route("door: any", "words: {code: secret}"), `plan.yaml:4: code is "secret". Use access-code, pin or passcode.`},
		"another of those":           {route("door: any", "words: {extension: phone}"), `plan.yaml:4: extension is "phone". Use extension, mailbox or account.`},
		"an owner at the any door":   {route("door: any", "mailbox_from: diversion"), `plan.yaml:4: mailbox_from has no use at the any door, as route "97" is. Remove it.`},
		"a layout at a line check":   {route("door: check", "layout: express"), `plan.yaml:4: layout has no use at the check door`},
		"a domain at a line check":   {route("door: check", "domain: north"), `plan.yaml:4: domain has no use at the check door`},
		"a door beside a redirect":   {route("door: any", "redirect: sip:a@b"), `plan.yaml:3: door has no use at a redirect`},
		"a redirect to nowhere":      {route("redirect: \"*98\""), `plan.yaml:3: "*98" is no SIP URI.`},
		"a redirect to a mailbox":    {route("redirect: sip:{mailbox}@b"), `plan.yaml:3: "sip:{mailbox}@b" cannot have {mailbox} here. Only a target can, once.`},
	} {
		t.Run(name, func(t *testing.T) { wrong(t, c.text, c.want) })
	}
}

func TestADomainThatCannotBeIsRefused(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"a name with blanks":       {"domains:\n  - name: a b\n", `plan.yaml:2: The domain "a b" is no name.`},
		"a domain twice":           {"domains:\n  - name: north\n  - name: North\n", `plan.yaml:3: The domain "north" stands here a second time.`},
		"the default domain twice": {"domains:\n  - hosts: [a]\n  - hosts: [b]\n", `The domain "" stands here a second time.`},
		"a host of two domains":    {"domains:\n  - {name: a, hosts: [pbx.example.org]}\n  - {name: b, hosts: [\"PBX.example.org.:5060\"]}\n", `plan.yaml:3: The host "pbx.example.org" stands for "a" already.`},
		"a host twice":             {"domains:\n  - {name: a, hosts: [\"::1\", \"[0:0::1]\"]}\n", `The host "::1" stands for "a" already.`},
		"an address for a host":    {"domains:\n  - {name: a, hosts: [\"sip:pbx@example.org\"]}\n", `is no host. Write a name like pbx.example.org or an IP address.`},
		"an empty host":            {"domains:\n  - {name: a, hosts: [\"\"]}\n", `plan.yaml:2: "" is no host.`},
		"too many hosts":           {"domains:\n  - {name: a, hosts: [" + strings.Repeat("x, ", 21) + "]}\n", `The domain "a" has 21 hosts. 20 are the most.`},
		"too many domains":         {"domains:\n" + strings.Repeat("  - name: a\n", 1001), `There are 1001 domains.`},
	} {
		t.Run(name, func(t *testing.T) { wrong(t, c.text, c.want) })
	}
}

func TestATargetThatCannotBeIsRefused(t *testing.T) {
	targets := func(line string) string { return "targets:\n  messages: sip:*98@pbx\n  " + line + "\n" }
	for name, c := range map[string]struct{ text, want string }{
		"a number alone":         {targets("operator: \"0\""), `plan.yaml:3: "0" is no SIP URI. Write it like sip:*98@pbx.example.org`},
		"another scheme":         {targets("operator: tel:+1212"), `plan.yaml:3: "tel:+1212" is no SIP URI.`},
		"a blank":                {targets("operator: sip:a b@pbx"), `is no SIP URI`},
		"brackets":               {targets("operator: <sip:0@pbx>"), `is no SIP URI`},
		"headers":                {targets("operator: sip:0@pbx?Replaces=x"), `is no SIP URI`},
		"a password":             {targets("operator: sip:0:secret@pbx"), `is no SIP URI`},
		"half an escape":         {targets("operator: sip:%2@pbx"), `is no SIP URI`},
		"a line end":             {targets(`operator: "sip:0@pbx\r\nX: y"`), `is no SIP URI`},
		"nothing":                {targets("operator: \"\""), `plan.yaml:3: "" is no SIP URI.`},
		"too long":               {targets("operator: sip:0@" + strings.Repeat("x", 260)), `is no SIP URI`},
		"a mailbox as the host":  {targets("operator: sip:0@{mailbox}"), `is no SIP URI`},
		"another mark":           {targets("operator: sip:{extension}@pbx"), `is no SIP URI`},
		"the mailbox twice":      {targets("operator: sip:{mailbox}{mailbox}@pbx"), `cannot have {mailbox} here. Only a target can, once.`},
		"a name with blanks":     {targets("the boss: sip:1@pbx"), `plan.yaml:3: The target "the boss" is no name.`},
		"too many":               {"targets:\n" + numbered("  t%d: sip:0@pbx\n", 101), `There are 101 targets.`},
		"a mailbox nobody knows": {targets("operator: sip:{mailbox}@pbx") + "routes:\n  - {number: \"1\", door: any, layout: attendant}\n", `plan.yaml:3: The target "operator" needs the number of the mailbox, but the layout "attendant" leads there before the code.`},
	} {
		t.Run(name, func(t *testing.T) { wrong(t, c.text, c.want) })
	}
}

// numbered is a line n times, each with its number.
func numbered(line string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, line, i)
	}
	return b.String()
}

func TestTargets(t *testing.T) {
	p := parse(t, `
targets:
  messages: sip:*98{mailbox}@pbx.example.org
  operator: sips:0@[2001:db8::1]:5061;transport=tcp
  helpdesk: sip:+1-212-555-0100;phone-context=example.org@192.0.2.1:5060;user=phone
  pilot: SIP:pbx.example.org
  escaped: sip:%2A98@pbx
`)
	require.Len(t, p.Targets, 5)
	require.Empty(t, Default().Targets, "nobody is sent anywhere unless a site says where")
}

func TestEveryProblemIsToldInTheOrderOfTheFile(t *testing.T) {
	_, problems := Parse("plan.yaml", []byte("timers:\n  menu: 1h\ntargets:\n  a: b\nlimits:\n  wrong_codes: 99\nroutes:\n  - number: \"1\"\n"))
	var lines []int
	for _, p := range problems {
		lines = append(lines, p.Line)
	}
	require.Equal(t, []int{2, 4, 6, 8}, lines)
}
