package flow

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/dialplan"
	"star97/internal/dtmf"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// The reduced alphabet: whole entries count as one event, so that eight events reach
// from the ACK to "changed" and on. Every shipped layout is walked with its own limits
// and the policy of a new installation.
const (
	extensionKeys = "4001#"
	oldKeys       = "739152#"
	wrongKeys     = "268413#"
	newKeys       = "482915#"
	otherKeys     = "590837#"
	simpleKeys    = "111111#"
	chosenKeys    = "604827#"
	oneTimeKeys   = "50718264#"
)

// long tells whether there is time for more: then sequences have ten events, and the
// total time and lost keys are among them, which TestEveryCall looks at else.
var long = os.Getenv("STAR97_LONG") != ""

func deep() int {
	if long {
		return 10
	}
	return 8
}

// TestEverySequenceOfEightEvents: no sequence changes a code without a verified one,
// each can be brought to its end, and all of the rules hold at each step.
func TestEverySequenceOfEightEvents(t *testing.T) {
	t.Parallel()
	plan := dialplan.Default()
	plan.Targets = map[string]string{"messages": "sip:vm-{mailbox}@127.0.0.1", "operator": "sip:0@127.0.0.1"}
	states, steps := 0, 0
	for _, name := range slices.Sorted(maps.Keys(plan.Layouts)) {
		l, err := NewLayout(plan, name, pin.DefaultPolicy())
		require.NoError(t, err)
		x := newExplorer(t, alphabet)
		x.depth = deep()
		var starts []State
		for _, start := range []Start{
			{Door: mailbox.OwnDoor}, {Door: mailbox.AnyDoor}, {Door: mailbox.CheckDoor},
			{Door: mailbox.OwnDoor, Forgotten: true, FirstUse: true},
			{Door: mailbox.OwnDoor, OneTime: true}, {Door: mailbox.AnyDoor, OneTime: true},
		} {
			s, _ := Step(New(l, start), Event{Kind: Answered})
			starts = append(starts, s)
		}
		x.explore(starts...)
		x.report(name)
		states, steps = states+len(x.seen), steps+x.steps
		require.NotZero(t, x.taken[edge{Changing, evDone, Announcing}], "no sequence of %d events changes a code", x.depth)
	}
	t.Logf("sequences of %d events: %d states, %d transitions", deep(), states, steps)
}

// alphabet is what may happen next.
func alphabet(s *State) (list []move) {
	one := func(events ...Event) { list = append(list, events) }
	for _, keys := range entries(s) {
		list = append(list, keyed(keys))
	}
	one(quiet(s))
	one(Event{Kind: HungUp})
	if long {
		one(Event{Kind: KeysLost})
		one(Event{Kind: LimitHit})
		one(Event{Kind: GraceOver})
	}
	if s.asking == 0 {
		return list
	}
	answer := Event{Kind: s.awaited, Step: s.asking}
	switch s.awaited {
	case Found, Verified:
		for _, box := range []*mailbox.Account{plainBox, mustBox, fixedBox, dearBox, newBox, shutBox} {
			answer.Account = box
			one(answer)
		}
		answer.Account = nil
		for _, code := range []mailbox.Code{mailbox.NotFound, mailbox.WrongPIN, mailbox.Locked, mailbox.Throttled, mailbox.Unavailable} {
			answer.Code, answer.Retry = code, 5*time.Minute
			one(answer)
		}
	case ChangeDone:
		for _, r := range []mailbox.Result{mailbox.Proved(), mailbox.Doubt(nil), mailbox.Refuse(mailbox.TooSoon), mailbox.Refuse(mailbox.Trivial), mailbox.Refuse(mailbox.Locked)} {
			answer.Result = r
			one(answer)
		}
	case Chosen:
		one(answer)
		answer.Choice = eightChoice
		one(answer)
	case Transferred:
		one(answer)
		answer.OK = true
		one(answer)
	}
	return list
}

// keyed presses keys one after another.
func keyed(keys string) (m move) {
	for _, k := range keys {
		m = append(m, Event{Kind: Key, Digit: digitOf(k)})
	}
	return m
}

// eightChoice is what the shell chooses.
var eightChoice, _ = pin.Parse(strings.TrimSuffix(chosenKeys, "#"))

// entries are the keys that make a difference where the call is; of the keys that a
// menu does not have, one stands for all.
func entries(s *State) []string {
	switch s.at {
	case FirstMenu, MainMenu:
		list := []string{"7"}
		for key, c := range s.layout.menus[s.menu].keys {
			if c.sig != 0 {
				list = append(list, keyWord(dtmf.Digit(key)))
			}
		}
		return list
	case Extension:
		return []string{extensionKeys, "40", "*", "#"}
	case AccessCode:
		list := []string{oldKeys, wrongKeys, "73", "*", "#"}
		if m := (machine{State: *s}); m.offersHelp() {
			list = append(list, "1#")
		}
		return list
	case OneTimeCode:
		return []string{oneTimeKeys, wrongKeys, "*", "#"}
	case Offering:
		return []string{"1", "*", "#", newKeys}
	case TypeBack:
		return []string{chosenKeys, otherKeys, "60", "*", "#"}
	case NewCode, Confirm:
		return []string{newKeys, otherKeys, simpleKeys, "48", "*", "#"}
	case LineCheck:
		return []string{"1", "*#5"}
	}
	return []string{"2", "*"}
}
