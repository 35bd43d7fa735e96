package flow

import (
	"hash/maphash"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/dialplan"
	"star97/internal/dtmf"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/prompt"
)

// The whole flow, explored: every event in every state that can be reached with
// codes of one or two digits, at most one key typed ahead and small limits. Those bounds
// make the number of calls finite; they cut off no path of the table.

// node is a call and what an onlooker knows of it.
type node struct {
	state State
	truth witness
}

// witness remembers what the store was asked and said, to judge effects by.
type witness struct {
	asked  pin.PIN // the code of the Verify that is not answered
	right  pin.PIN // the code that the store called right
	wanted pin.PIN // the code of the Change that is not answered
}

// smallLayout keeps every counter low.
func smallLayout(t testing.TB) *Layout {
	plan := dialplan.Default()
	plan.Limits = dialplan.Limits{WrongCodes: 2, SilentRounds: 2, NewCodeRounds: 2}
	l, err := NewLayout(plan, dialplan.DefaultLayout, pin.Policy{MinLen: 2, MaxLen: 3})
	require.NoError(t, err)
	l.maxWaits = 2
	return l
}

var (
	plainBox  = &mailbox.Account{ID: "1", Extension: "4001"}
	mustBox   = &mailbox.Account{ID: "2", Extension: "4002", Flags: mailbox.Flags{MustChange: true}}
	fixedBox  = &mailbox.Account{ID: "3", Extension: "4003", Flags: mailbox.Flags{CannotChange: true}}
	closedBox = &mailbox.Account{ID: "4", Extension: "4004", Flags: mailbox.Flags{Disabled: true}}
)

// scope is one exploration: the times of typing ahead and of the total limit are
// looked at apart, since together they multiply.
type scope struct {
	ahead bool // keys typed ahead and lost keys
	limit bool // the total time
}

// events is everything that can happen to a call.
func (c scope) events(s *State) []Event {
	list := []Event{
		{Kind: Answered}, {Kind: HungUp},
		{Kind: Started, Step: s.saying}, {Kind: Spoken, Step: s.saying}, {Kind: TimedOut, Step: s.timing},
	}
	if c.limit {
		list = append(list, Event{Kind: LimitHit}, Event{Kind: GraceOver})
	}
	if c.ahead {
		list = append(list, Event{Kind: KeysLost})
	}
	for _, d := range []dtmf.Digit{dtmf.Star, dtmf.Pound, 1, 2, 5, 9} {
		if c.mayPress(s, d) {
			list = append(list, Event{Kind: Key, Digit: d})
		}
	}
	for _, box := range []*mailbox.Account{plainBox, mustBox, fixedBox, closedBox} {
		list = append(list, Event{Kind: Found, Step: s.asking, Account: box}, Event{Kind: Verified, Step: s.asking, Account: box})
	}
	for _, code := range []mailbox.Code{mailbox.NotFound, mailbox.WrongPIN, mailbox.Locked, mailbox.OtherChannel, mailbox.Busy, mailbox.Unavailable} {
		list = append(list, Event{Kind: Found, Step: s.asking, Code: code}, Event{Kind: Verified, Step: s.asking, Code: code})
	}
	for _, r := range []mailbox.Result{
		{}, {Outcome: mailbox.Done}, {Outcome: mailbox.Refused},
	} {
		list = append(list, Event{Kind: ChangeDone, Step: s.asking, Result: r})
	}
	for _, code := range mailbox.Codes() {
		list = append(list, Event{Kind: ChangeDone, Step: s.asking, Result: mailbox.Result{Outcome: mailbox.Refused, Reason: code}})
	}
	return list
}

// mayPress keeps the codes short: 1 is the extension and the current code, 11 the
// new one, and 1 a new one that is too short or not the same. An entry of 30 digits
// may get one more.
func (c scope) mayPress(s *State, d dtmf.Digit) bool {
	full := s.entry.Len() == pin.MaxDigits && !s.over
	switch s.at {
	case Extension, AccessCode:
		return d > 9 || d == 1 && (s.entry.Empty() || full)
	case NewCode, Confirm:
		return d > 9 || d == 1 && s.entry.Len() < 2
	case MainMenu:
		return true
	}
	return c.ahead && s.ahead.Empty() && d != 5 && d != 9
}

// starts are both doors, and entries of the most digits.
func starts(l *Layout) (list []State) {
	for _, door := range []mailbox.Door{mailbox.OwnDoor, mailbox.AnyDoor} {
		s := New(l, Start{Door: door})
		list = append(list, s)
		for _, first := range [][]Event{{{Kind: Answered}}, {{Kind: Answered}, {Kind: Key, Digit: dtmf.Pound}}} {
			long := s
			for _, e := range first {
				long, _ = Step(long, e)
			}
			for range pin.MaxDigits {
				long, _ = Step(long, Event{Kind: Key, Digit: 1})
			}
			list = append(list, long)
		}
	}
	return list
}

// normal renumbers the steps, so that calls which differ in their length only are one.
func (c scope) normal(s State) State {
	one := func(n uint32) uint32 { return min(n, 1) }
	s.step, s.saying, s.timing, s.asking = 1, one(s.saying), one(s.timing), one(s.asking)
	s.typing = s.typing && c.limit
	if s.asking == 0 {
		s.awaited = 0
	}
	return s
}

// explore visits every call that can be reached and hands each step to look.
func (c scope) explore(start []State, look func(before node, e Event, after node, out Effects), fresh func(State)) int {
	seed := maphash.MakeSeed()
	seen := map[uint64]bool{}
	var todo []node
	visit := func(n node) {
		n.state = c.normal(n.state)
		if h := maphash.Comparable(seed, n); !seen[h] {
			seen[h] = true
			fresh(n.state)
			todo = append(todo, n)
		}
	}
	for _, s := range start {
		visit(node{state: s})
	}
	for len(todo) > 0 {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, e := range c.events(&n.state) {
			next, out := Step(n.state, e)
			after := node{state: next, truth: n.truth.after(&n.state, e, out)}
			look(n, e, after, out)
			visit(after)
		}
	}
	return len(seen)
}

// after is what the onlooker knows after a step.
func (w witness) after(before *State, e Event, out Effects) witness {
	answered := before.asking != 0 && e.Step == before.asking
	switch {
	case e.Kind == Verified && answered && e.Code == mailbox.OK && before.at == Verifying:
		w.right = w.asked
	case e.Kind == ChangeDone && answered && e.Result.Outcome == mailbox.Done && before.at == Changing:
		w.right = w.wanted
	}
	for _, fx := range out.List[:out.N] {
		switch fx.Kind {
		case Verify:
			w.asked = fx.Code
		case Change:
			w.wanted = fx.Next
		}
	}
	return w
}

type edge struct {
	from StateID
	sig  signal
	to   StateID
}

// TestEveryCall explores all calls. Each keeps the rules at each step, takes the
// roads that the table says and no others, and comes to its end when the caller
// and the store fall silent.
func TestEveryCall(t *testing.T) {
	l := smallLayout(t)
	taken := map[edge]bool{}
	said := map[prompt.ID]bool{}
	var longest time.Duration
	look := func(before node, e Event, after node, out Effects) {
		if sig, to := decide(before.state, e); sig != 0 {
			taken[edge{before.state.at, sig, to}] = true
		}
		if broken := breaks(before, e, after, out); broken != "" {
			t.Fatalf("%s: state %v, event %+v", broken, before.state.at, e)
		}
		for _, id := range out.List[0].Phrase {
			said[id] = true
		}
	}
	fresh := func(s State) {
		if s.at != Ringing {
			longest = max(longest, alone(t, s))
		}
	}
	for _, c := range []scope{{ahead: true}, {limit: true}} {
		t.Logf("%+v: %d calls", c, c.explore(starts(l), look, fresh))
	}
	t.Logf("timers of a call whose caller is silent: %v at most", longest)
	require.Less(t, longest, 2*time.Minute)

	delete(said, "")
	for id := range said {
		require.Contains(t, prompt.Required(), id, "a sentence that no language has to have")
	}
	require.Greater(t, len(said), 25, "the exploration hears too little to prove anything")
	requireTableIsTrue(t, taken)
}

// requireTableIsTrue: the table allows what happened, and all that it allows happened.
func requireTableIsTrue(t *testing.T, taken map[edge]bool) {
	reached := map[StateID]bool{Ringing: true}
	for e := range taken {
		reached[e.to] = true
		r := table[e.from][e.sig]
		require.True(t, slices.Contains(r.to, e.to) || r.do == pass && e.from == e.to,
			"%v on %v leads to %v, which the table does not say", e.from, e.sig, e.to)
	}
	for s := Ringing; s < numStates; s++ {
		require.True(t, reached[s], "state %v was never reached", s)
		for sig := signal(1); sig < numSignals; sig++ {
			for _, to := range table[s][sig].to {
				require.True(t, taken[edge{s, sig, to}], "%v on %v never leads to %v", s, sig, to)
			}
		}
	}
}

// decide is the first decision of a step, before anything typed ahead is used.
func decide(s State, e Event) (signal, StateID) {
	m := machine{State: s}
	m.step++
	sig := m.read(&e)
	if sig == 0 {
		return 0, s.at
	}
	return sig, m.perform(table[s.at][sig].do, &e)
}

// breaks names the first rule that a step breaks, or is empty.
func breaks(before node, e Event, after node, out Effects) string {
	s := &after.state
	count := map[EffectKind]int{}
	for i, fx := range out.List[:out.N] {
		count[fx.Kind]++
		switch {
		case count[fx.Kind] > 1:
			return "an effect is asked for twice in one step"
		case fx.Step == 0:
			return "an effect has no step"
		case fx.Kind == Say && fx.Phrase[0] == "":
			return "a phrase is empty"
		case fx.Kind == Say && says(fx, prompt.Changed) && !(e.Kind == ChangeDone && e.Result.Outcome == mailbox.Done):
			return "success is spoken without proof"
		case fx.Kind == Say && says(fx, prompt.OldCodeWorks) && (before.truth.right.Empty() || disproved(before, e, true)):
			return "the old code is promised without proof"
		case fx.Kind == Say && says(fx, prompt.Unavailable) && disproved(before, e, false):
			return "nothing was changed, it is said, and nobody knows"
		case fx.Kind == Change && fx.Code != before.truth.right:
			return "a change with a code that was not verified"
		case fx.Kind == Change && (fx.Code.Empty() || fx.Next.Empty()):
			return "a change without a code"
		case fx.Kind == Change && before.state.at != Confirm && before.state.at != Announcing:
			return "a change without a confirmation"
		case fx.Kind == End && i != out.N-1:
			return "something is asked for after the end"
		case fx.Kind == End && e.Kind != HungUp && before.state.at != Ringing && (before.state.at != Leaving || e.Kind != Spoken):
			return "the call ends without a last sentence"
		}
	}
	switch {
	case before.state.at == Ended && out.N > 0:
		return "something happens after the end"
	case before.state.at == Ringing && e.Kind != Answered && e.Kind != LimitHit && e.Kind != GraceOver && e.Kind != HungUp && out.N > 0:
		return "something happens before the ACK"
	case s.at != Ringing && s.at != Ended && s.saying == 0 && s.timing == 0:
		return "nothing will ever happen again"
	case (s.at == Leaving || s.at == Ended) && !secretFree(s):
		return "a code outlives its use"
	case s.door == mailbox.AnyDoor && before.truth.right.Empty() && after.truth.right.Empty() && s.account != nil:
		return "the any door knows a mailbox before its code was verified"
	case e.Kind == GraceOver && before.state.at != Ringing && s.at < Leaving && s.at != Changing && s.at != Announcing:
		return "the call goes on when the grace is over"
	case e.Kind == LimitHit && s.at == Leaving && (!before.state.entry.Empty() || before.state.patient):
		return "somebody who is typing is cut off"
	case s.broken && (!s.entry.Empty() || !s.ahead.Empty()):
		return "what a key is missing from is kept"
	case s.at != Confirm && s.at != Changing && !s.first.Empty():
		return "the first entry outlives the confirmation"
	}
	return ""
}

func says(fx Effect, id prompt.ID) bool { return slices.Contains(fx.Phrase[:], id) }

// disproved tells whether it is untrue, or not known, that a change which is under
// way changed nothing and, if still, that the old code still opens the mailbox.
func disproved(before node, e Event, still bool) bool {
	if before.state.at != Changing {
		return false
	}
	if e.Kind != ChangeDone || e.Result.Outcome != mailbox.Refused {
		return true
	}
	switch e.Result.Reason {
	case mailbox.WrongPIN, mailbox.NotFound, mailbox.Ambiguous, mailbox.NoCode, mailbox.Disabled, mailbox.Locked:
		return still
	}
	return false
}

func secretFree(s *State) bool {
	return s.number.Empty() && s.current.Empty() && s.first.Empty() && s.entry.Empty() && s.ahead.Empty()
}

// alone lets sentences end and timers run out, and nothing else happen. It returns
// the time that the timers took.
func alone(t *testing.T, s State) (took time.Duration) {
	var out Effects
	var timer time.Duration
	for steps := 0; s.at != Ended; steps++ {
		if steps == 100 {
			t.Fatalf("state %v never ends", s.at)
		}
		e := Event{Kind: TimedOut, Step: s.timing}
		if s.saying != 0 {
			e = Event{Kind: Spoken, Step: s.saying}
		} else {
			took += timer
		}
		s, out = Step(s, e)
		for _, fx := range out.List[:out.N] {
			if fx.Kind == Timer {
				timer = fx.After
			}
		}
	}
	return took
}
