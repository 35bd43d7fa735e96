package dialplan

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/dialplans"
	"star97/internal/mailbox"
	"star97/internal/script"
)

func parse(t *testing.T, text string) *Plan {
	p, problems := Parse("plan.yaml", []byte(text))
	require.Empty(t, problems)
	return p
}

func TestEmbeddedPlan(t *testing.T) {
	p := Default()
	require.Equal(t, Layout{Main: "main", Menus: map[string]Menu{"main": {Keys: map[string]Choice{
		"1": {Action: DoMessages}, "2": {Action: DoChange}, "0": {Action: DoOperator}, "9": {Action: DoRepeat}, "*": {Action: DoGoodbye},
	}}}}, p.Layouts[DefaultLayout])
	require.Equal(t, Timers{
		FirstDigit: 7 * time.Second, BetweenDigits: 4 * time.Second, Menu: 6 * time.Second,
		Cleared: 20 * time.Second, PleaseWait: 1200 * time.Millisecond, Call: 10 * time.Minute,
		Transfer: 30 * time.Second, LineCheck: time.Minute,
	}, p.Timers)
	require.Equal(t, Limits{WrongCodes: 3, SilentRounds: 4, NewCodeRounds: 3, TransfersPerHour: 20}, p.Limits)
}

// An option that the embedded file does not show is an option nobody finds.
func TestEmbeddedPlanShowsEveryOption(t *testing.T) {
	for _, v := range []any{Plan{}, Route{}, Identity{}, Menu{}, Timers{}, Limits{}} {
		for i := range reflect.TypeOf(v).NumField() {
			require.Contains(t, string(dialplans.Default), reflect.TypeOf(v).Field(i).Tag.Get("yaml"))
		}
	}
}

// The names of scripts are the names of the file, and each has its own timer.
func TestEveryTimerOfScriptsIsNamed(t *testing.T) {
	var timers Timers
	fields := reflect.TypeOf(timers)
	for i := range fields.NumField() {
		reflect.ValueOf(&timers).Elem().Field(i).SetInt(int64(i + 1))
		name := strings.ReplaceAll(fields.Field(i).Tag.Get("yaml"), "_", "-")
		d, ok := timers.Named(name)
		require.Equal(t, slices.Contains(script.Timers, name), ok, name)
		if ok {
			require.EqualValues(t, i+1, d, name)
		}
	}
	for _, name := range script.Timers {
		_, ok := timers.Named(name)
		require.True(t, ok, name)
	}
}

func TestWhatAFileLeavesOutIsAsInTheEmbeddedPlan(t *testing.T) {
	require.Equal(t, Default(), parse(t, ""))
	require.Equal(t, Default(), parse(t, "# only a comment\n"))
	p := parse(t, "timers:\n  menu: 9s\n")
	require.Equal(t, 9*time.Second, p.Timers.Menu)
	require.Equal(t, 7*time.Second, p.Timers.FirstDigit)
	require.Len(t, p.Routes, 3)
}

func TestRoutesOfAFileReplaceTheEmbeddedOnes(t *testing.T) {
	p := parse(t, "routes:\n  - {number: \"972\", door: own, domain: north}\n")
	require.Equal(t, []Route{{Number: "972", Door: mailbox.OwnDoor, Domain: "north"}}, p.Routes)
	_, ok := p.Route("*97")
	require.False(t, ok)
}

func TestRoute(t *testing.T) {
	p := parse(t, `
routes:
  - {number: "*97", door: own}
  - {number: "+12125559701", door: any, domain: north}
  - {number: "+1212555970x", door: any, domain: south}
  - {number: max-pilot, door: any}
`)
	for dialled, want := range map[string]string{
		"*97": "own ", "+12125559701": "any north", "+12125559705": "any south", "max-pilot": "any ",
		"": "none", "*9": "none", "*977": "none", "+1212555970x": "none", "+1212555970*": "none", "ma0-pilot": "none",
		strings.Repeat("9", 5000): "none",
	} {
		r, ok := p.Route(dialled)
		require.Equal(t, want != "none", ok, dialled)
		if ok {
			require.Equal(t, want, fmt.Sprintf("%v %s", r.Door, r.Domain), dialled)
		}
	}
}

func TestMailboxOfAnIdentity(t *testing.T) {
	p := parse(t, `
identities:
  - {identity: "+1212555xxxx", mailbox: "xxxx"}
  - {identity: "8xxxxxx", mailbox: "4xxx"}
  - {identity: reception, mailbox: "4000"}
`)
	for identity, want := range map[string]string{
		"+12125554001": "4001", "8123456": "4456", "reception": "4000", "4001": "4001", "007": "007",
		"+12125554": "", "ann": "", "": "", "40 01": "", "anonymous": "", "+4930123": "",
		strings.Repeat("1", 65): "",
	} {
		got, ok := p.Mailbox(identity)
		require.Equal(t, want != "", ok, identity)
		if ok {
			require.Equal(t, want, got, identity)
		}
	}
}

func TestWhatIsWrongIsSaidWithItsLineAndRemedy(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"unknown key":           {"menu:\n  chnge: \"2\"\n", `plan.yaml:2: The key "chnge" is not known here.`},
		"file too large":        {strings.Repeat("#\n", 1<<20), `plan.yaml: The dialplan is larger than 1048576 bytes.`},
		"no route":              {"routes: []\n", `plan.yaml:1: There are 0 routes. Write 1 to 1000`},
		"route without door":    {"routes:\n  - number: \"*97\"\n", `The route "*97" leads to no door. Add door: own or door: any.`},
		"route without number":  {"routes:\n  - door: own\n", `The number "" cannot be dialled.`},
		"door that is no door":  {"routes:\n  - {number: \"97\", door: front}\n", `plan.yaml:2: `},
		"number with blanks":    {"routes:\n  - number: \"* 97\"\n    door: own\n", `plan.yaml:2: The number "* 97" cannot be dialled.`},
		"number too long":       {"routes:\n  - number: \"" + strings.Repeat("9", 65) + "\"\n    door: own\n", `cannot be dialled`},
		"domain with blanks":    {"routes:\n  - number: \"97\"\n    door: own\n    domain: a b\n", `plan.yaml:4: The domain of route "97" is no name.`},
		"the same number twice": {"routes:\n  - number: \"97\"\n    door: own\n  - number: \"97\"\n    door: any\n", `plan.yaml:4: The route "97" is never taken: "97" stands before it`},
		"hidden by a pattern":   {"routes:\n  - number: \"9x\"\n    door: own\n  - number: \"97\"\n    door: any\n", `plan.yaml:4: The route "97" is never taken: "9x" stands before it`},
		"identity not a number": {"identities:\n  - identity: \"a b\"\n    mailbox: \"1\"\n", `plan.yaml:2: The identity "a b" is no number and no name.`},
		"mailbox not a number":  {"identities:\n  - identity: \"9xxx\"\n    mailbox: ann\n", `plan.yaml:3: The mailbox "ann" is no number.`},
		"mailbox of more x":     {"identities:\n  - identity: \"9xx\"\n    mailbox: xxx\n", `plan.yaml:3: The mailbox "xxx" needs more digits than the x of "9xx" can give.`},
		"a name gives no x":     {"identities:\n  - identity: max\n    mailbox: x\n", `needs more digits`},
		"two keys for one":      {"menu:\n  change: \"2\"\n  repeat: \"2\"\n", `plan.yaml:3: The key 2 is both change and repeat. Give each its own key.`},
		"a key that is none":    {"menu:\n  goodbye: \"**\"\n", `plan.yaml:2: "**" is not one key.`},
		"no key for a change":   {"menu:\n  change: \"\"\n", `No key leads to a new code. Give change a key.`},
		"timer too short":       {"timers:\n  first_digit: 5ms\n", `plan.yaml:2: first_digit is 5ms. Use 100ms to 1m0s.`},
		"timer too long":        {"timers:\n  call: 48h\n", `plan.yaml:2: call is 48h0m0s. Use 1m0s to 1h0m0s.`},
		"timer without unit":    {"timers:\n  menu: soon\n", `plan.yaml:2: `},
		"no try at all":         {"limits:\n  wrong_codes: 0\n", `plan.yaml:2: wrong_codes is 0. Use 1 to 10.`},
		"one silent round":      {"limits:\n  silent_rounds: 1\n", `plan.yaml:2: silent_rounds is 1. Use 2 to 10.`},
		"extension too long":    {"limits:\n  extension_digits: 31\n", `plan.yaml:2: extension_digits is 31. Use 0 to 30.`},
	} {
		t.Run(name, func(t *testing.T) {
			p, problems := Parse("plan.yaml", []byte(c.text))
			require.Nil(t, p)
			require.NotEmpty(t, problems)
			require.Contains(t, problems[0].Error(), c.want)
			require.NotEmpty(t, problems[0].Remedy)
		})
	}
}

func TestEveryProblemIsTold(t *testing.T) {
	_, problems := Parse("plan.yaml", []byte("menu:\n  change: \"22\"\nlimits:\n  wrong_codes: 99\n"))
	require.Len(t, problems, 2)
	require.Equal(t, 2, problems[0].Line)
	require.Equal(t, 4, problems[1].Line)
}

// FuzzParse: a plan that is accepted can be used: its own numbers are routed to the
// first route that fits, rules make digits, and all values are in their ranges.
func FuzzParse(f *testing.F) {
	f.Add(dialplans.Default)
	f.Add([]byte("routes:\n  - {number: \"9x\", door: any, domain: d}\nidentities:\n  - {identity: \"+1xxxx\", mailbox: \"7xx\"}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, problems := Parse("plan.yaml", data)
		if p == nil {
			require.NotEmpty(t, problems)
			return
		}
		for _, r := range p.Routes {
			got, ok := p.Route(strings.ReplaceAll(r.Number, "x", "0"))
			if isPattern(r.Number) {
				require.True(t, ok)
				require.NotZero(t, got.Door)
			}
		}
		for _, id := range p.Identities {
			number, ok := p.Mailbox(strings.ReplaceAll(id.Identity, "x", "0"))
			if isPattern(id.Identity) {
				require.True(t, ok)
				require.True(t, isDigits(number), number)
			}
		}
		require.Empty(t, strings.Trim(p.Menu.Change, "0123456789*#"))
		require.Positive(t, p.Timers.FirstDigit)
		require.Positive(t, p.Limits.WrongCodes)
	})
}

func BenchmarkRoute(b *testing.B) {
	p := Default()
	b.ReportAllocs()
	for b.Loop() {
		p.Route("9700")
	}
}
