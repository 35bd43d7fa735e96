package flow

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/dialplan"
	"star97/internal/dtmf"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// The whole flow, explored: every sequence of events of any length, with codes of one
// or two digits, at most one key typed ahead and small limits. Those bounds make the
// number of calls finite; they cut off no road of the table.

// small is a layout with every counter low.
func small(t testing.TB, name string, targets ...string) *Layout {
	plan := dialplan.Default()
	plan.Limits = dialplan.Limits{WrongCodes: 2, SilentRounds: 2, NewCodeRounds: 2}
	plan.Layouts = map[string]dialplan.Layout{
		"plain":   plan.Layouts[dialplan.DefaultLayout],
		"express": plan.Layouts["express"],
		"tree": {First: "door", Main: "main", Menus: map[string]dialplan.Menu{
			"door": {Say: "attendant-welcome", Keys: map[string]dialplan.Choice{
				"5": {Action: dialplan.DoSignIn}, "0": {Action: dialplan.DoOperator}, "9": {Action: dialplan.DoRepeat},
				"3": {Action: dialplan.DoMenu, Name: "preferences"}, "*": {Action: dialplan.DoGoodbye},
			}},
			"preferences": {Keys: map[string]dialplan.Choice{"8": {Action: dialplan.DoLanguage, Name: "es-ES"}, "*": {Action: dialplan.DoBack}}},
			"main": {Keys: map[string]dialplan.Choice{
				"1": {Action: dialplan.DoMessages}, "0": {Action: dialplan.DoMenu, Name: "options"}, "8": {Action: dialplan.DoLanguage, Name: "es-ES"},
				"*": {Action: dialplan.DoBack},
			}},
			"options": {Keys: map[string]dialplan.Choice{"2": {Action: dialplan.DoChange}, "*": {Action: dialplan.DoBack}}},
		}},
		"languages": {First: "door", Main: dialplan.StraightToChange, Menus: map[string]dialplan.Menu{
			"door": {Say: "welcome", Keys: map[string]dialplan.Choice{"8": {Action: dialplan.DoLanguage, Name: "es-ES"}, "*": {Action: dialplan.DoBack}}},
		}},
	}
	plan.Targets = map[string]string{}
	for _, target := range targets {
		plan.Targets[target] = "sip:" + target + "@127.0.0.1"
	}
	l, err := NewLayout(plan, name, pin.Policy{MinLen: 2, MaxLen: 3})
	require.NoError(t, err)
	l.maxWaits = 2
	return l
}

var (
	plainBox  = &mailbox.Account{ID: "1", Extension: "4001"}
	mustBox   = &mailbox.Account{ID: "2", Extension: "4002", Flags: mailbox.Flags{MustChange: true}}
	fixedBox  = &mailbox.Account{ID: "3", Extension: "4003", Flags: mailbox.Flags{CannotChange: true}}
	closedBox = &mailbox.Account{ID: "4", Extension: "4004", Flags: mailbox.Flags{Disabled: true}}
	lateBox   = &mailbox.Account{ID: "6", Extension: "4006", Flags: mailbox.Flags{Expired: true}}
	soonBox   = &mailbox.Account{ID: "7", Extension: "4007", Flags: mailbox.Flags{Expiring: true}}
	shutBox   = &mailbox.Account{ID: "8", Extension: "4008", Flags: mailbox.Flags{Locked: true}}
	newBox    = &mailbox.Account{ID: "9", Extension: "4009", Flags: mailbox.Flags{NoCode: true}}
	youngBox  = &mailbox.Account{ID: "10", Extension: "4010", Flags: mailbox.Flags{MustChange: true, TooSoon: true}}
	dearBox   = &mailbox.Account{ID: "5", Extension: "4005", Language: "fr-FR", Flags: mailbox.Flags{Slow: true}}
)

// scope is what one exploration looks at: typing ahead, the total time and what only
// a tree of menus has are looked at apart, since together they multiply.
type scope struct {
	layout *Layout
	ahead  bool // keys typed ahead and lost keys
	limit  bool // the total time
	start  Start
	boxes  []*mailbox.Account
}

// moves is everything that can happen to a call, one event each.
func (c scope) moves(s *State) (list []move) {
	for _, e := range c.events(s) {
		list = append(list, move{e})
	}
	return list
}

func (c scope) events(s *State) []Event {
	list := []Event{{Kind: Answered}, {Kind: HungUp}, {Kind: Started, Step: s.saying}, {Kind: Spoken, Step: s.saying}, {Kind: TimedOut, Step: s.timing}}
	if c.limit {
		list = append(list, Event{Kind: LimitHit}, Event{Kind: GraceOver})
	}
	if c.ahead {
		list = append(list, Event{Kind: KeysLost})
	}
	for _, d := range []dtmf.Digit{dtmf.Star, dtmf.Pound, 0, 1, 2, 3, 5, 8, 9} {
		if c.mayPress(s, d) {
			list = append(list, Event{Kind: Key, Digit: d})
		}
	}
	if s.asking == 0 { // each answer is late: one stands for all
		return append(list, Event{Kind: Found, Code: mailbox.OK, Account: plainBox})
	}
	return append(list, c.answers(s)...)
}

// answers are all that the store, or the exchange, may say.
func (c scope) answers(s *State) (list []Event) {
	for _, kind := range []EventKind{Found, Verified} {
		for _, box := range c.boxes {
			list = append(list, Event{Kind: kind, Step: s.asking, Account: box})
		}
		for _, code := range []mailbox.Code{mailbox.NotFound, mailbox.NoCode, mailbox.WrongPIN, mailbox.Locked, mailbox.OtherChannel, mailbox.Busy, mailbox.Unavailable} {
			list = append(list, Event{Kind: kind, Step: s.asking, Code: code})
		}
	}
	for _, r := range []mailbox.Result{{}, {Outcome: mailbox.Done}, {Outcome: mailbox.Refused}} {
		list = append(list, Event{Kind: ChangeDone, Step: s.asking, Result: r})
	}
	for _, code := range mailbox.Codes() {
		list = append(list, Event{Kind: ChangeDone, Step: s.asking, Result: mailbox.Result{Outcome: mailbox.Refused, Reason: code}})
	}
	list = append(list, Event{Kind: Chosen, Step: s.asking}, Event{Kind: Chosen, Step: s.asking, Choice: chosenCode})
	return append(list, Event{Kind: Transferred, Step: s.asking, OK: true}, Event{Kind: Transferred, Step: s.asking})
}

// chosenCode is what the shell chooses.
var chosenCode, _ = pin.Parse("11")

// mayPress keeps the codes short: 1 is the extension, the current code and the one-time
// code, 11 the new one, and 1 a new one that is too short or not the same. An entry of
// 30 digits may get one more. Of the keys that a menu does not have, one stands for all.
func (c scope) mayPress(s *State, d dtmf.Digit) bool {
	full := s.entry.Len() == pin.MaxDigits && !s.over
	switch s.at {
	case Extension, AccessCode, OneTimeCode:
		return d > 9 || d == 1 && (s.entry.Empty() || full)
	case Offering:
		return d > 9 || d == 1 || d == 2
	case NewCode, Confirm, TypeBack:
		return d > 9 || d == 1 && s.entry.Len() < 2
	case FirstMenu, MainMenu:
		return d == dtmf.Pound || d == 1 || s.layout.menus[s.menu].keys[d].sig != 0
	case LineCheck:
		return d == 1 && s.heard < 3
	case Leaving, Ended:
		return d == 1
	}
	return c.ahead && s.ahead.Empty() && (d > 9 || d == 1 || d == 2)
}

// starts are all doors, and entries of the most digits.
func starts(l *Layout, start Start) (list []State) {
	for _, start.Door = range []mailbox.Door{mailbox.OwnDoor, mailbox.AnyDoor, mailbox.CheckDoor} {
		s := New(l, start)
		list = append(list, s)
		for _, first := range []string{"", "#"} {
			long, _ := Step(s, Event{Kind: Answered})
			for _, c := range first {
				long, _ = Step(long, Event{Kind: Key, Digit: digitOf(c)})
			}
			if m := (machine{State: long}); !m.collects() {
				continue
			}
			for range pin.MaxDigits {
				long, _ = Step(long, Event{Kind: Key, Digit: 1})
			}
			list = append(list, long)
		}
	}
	return list
}

// TestEveryCall explores all calls. Each keeps the rules at each step, takes the
// roads that the table says and no others, and comes to its end when the caller
// and the store fall silent.
func TestEveryCall(t *testing.T) {
	t.Parallel()
	all := []*mailbox.Account{plainBox, mustBox, fixedBox, closedBox}
	plain := small(t, "plain")
	tree := small(t, "tree", "messages", "operator")
	tree.limits = dialplan.Limits{WrongCodes: 1, SilentRounds: 2, NewCodeRounds: 1}
	few := small(t, "express")
	few.limits = tree.limits
	taken := map[edge]bool{}
	for name, c := range map[string]scope{
		"typing ahead":          {layout: plain, ahead: true, boxes: all},
		"the total time":        {layout: plain, limit: true, boxes: []*mailbox.Account{plainBox, mustBox}},
		"no menu":               {layout: small(t, "express"), boxes: all},
		"a language first":      {layout: small(t, "languages"), boxes: all},
		"menus, typing ahead":   {layout: tree, ahead: true, boxes: []*mailbox.Account{plainBox}},
		"menus, the total time": {layout: tree, limit: true, boxes: []*mailbox.Account{plainBox}},
		"menus, a dear mailbox": {layout: tree, boxes: []*mailbox.Account{dearBox, fixedBox, mustBox}},
		"states of a mailbox":   {layout: plain, boxes: []*mailbox.Account{lateBox, soonBox, shutBox, newBox, youngBox}},
		"forgotten":             {layout: plain, start: Start{Forgotten: true}, boxes: []*mailbox.Account{plainBox, fixedBox, dearBox}},
		"first use, ahead":      {layout: few, ahead: true, start: Start{FirstUse: true}, boxes: []*mailbox.Account{newBox}},
		"first use, menus":      {layout: tree, start: Start{FirstUse: true, OneTime: true}, boxes: []*mailbox.Account{newBox, plainBox}},
		"one-time, a language":  {layout: small(t, "languages"), start: Start{OneTime: true}, boxes: []*mailbox.Account{plainBox}},
		"one-time, ahead":       {layout: few, ahead: true, start: Start{OneTime: true}, boxes: []*mailbox.Account{plainBox, shutBox}},
		"one-time, time":        {layout: few, limit: true, start: Start{OneTime: true}, boxes: []*mailbox.Account{plainBox, fixedBox}},
	} {
		x := newExplorer(t, c.moves)
		x.normal = func(s State) State {
			s = renumbered(s)
			s.typing = s.typing && c.limit
			return s
		}
		x.explore(starts(c.layout, c.start)...)
		x.report(name)
		maps.Copy(taken, x.taken)
	}
	requireTableIsTrue(t, taken)
}
