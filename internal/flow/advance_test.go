package flow

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/prompt"
)

// twin is one call that takes each step twice: by Step, and in place, with one Effects for
// all of its steps that nobody has cleaned.
type twin struct {
	t     testing.TB
	state State
	out   Effects
	asked []Effect // copies of what Advance asked for, as a store call in flight has them
	said  []Effect // what Step said of the same
}

// step holds Advance to Step.
func (w *twin) step(e Event) (State, Effects) {
	was := e
	s, out := Step(w.state, e)
	w.out = dirty()
	w.state.Advance(&e, &w.out)
	require.True(w.t, s == w.state, "%v: event %+v", s.at, e)
	require.Equal(w.t, out.N, w.out.N)
	require.True(w.t, slices.Equal(out.List[:out.N], w.out.List[:out.N]), "%v: event %+v", s.at, e)
	require.True(w.t, was == e, "an event is read only")
	w.asked = append(w.asked, w.out.List[:out.N]...)
	w.said = append(w.said, out.List[:out.N]...)
	return s, out
}

// end holds what was kept of every step against what it was when it was asked for.
func (w *twin) end() {
	w.out.Wipe()
	require.True(w.t, slices.Equal(w.said, w.asked), "a later step altered what an earlier one had asked for")
}

// dirty is what another call may have left behind: nothing in it is zero, and it seems to
// be full.
func dirty() (left Effects) {
	left.N = maxEffects
	for i := range left.List {
		left.List[i] = Effect{
			Kind: End, Step: 77, Spell: chosenCode, Language: "tlh", After: time.Hour, Door: mailbox.CheckDoor, Claim: mailbox.ByOneTime,
			Number: chosenCode, Code: chosenCode, Next: chosenCode, Target: "nowhere", Rule: pin.Sequence, End: EndLocked,
		}
		for p := range left.List[i].Phrase {
			left.List[i].Phrase[p] = prompt.Welcome
		}
	}
	return left
}

// Calls run by Advance and everything else is shown of Step: whole random calls go the same
// way by both, whatever the caller's Effects hold, and what a step has asked for stays as it
// was while the call goes on.
func TestAdvanceIsStepInPlace(t *testing.T) {
	left := reflect.ValueOf(dirty().List[0])
	for i := range left.NumField() {
		require.False(t, left.Field(i).IsZero(), "%s is left clean", left.Type().Field(i).Name)
	}
	layouts := []*Layout{layout(t), small(t, "tree", "messages", "operator"), made(t, "express")}
	asked, reached := map[EffectKind]bool{}, map[StateID]bool{}
	for seed := range uint64(400) {
		dice := rand.New(rand.NewPCG(97, seed))
		w := &twin{t: t, state: New(layouts[seed%3], Start{
			Door: mailbox.OwnDoor + mailbox.Door(seed/3%3), Slow: seed%5 == 0,
			Forgotten: seed/9%2 == 1, FirstUse: seed/18%2 == 1, OneTime: seed/36%3 == 1,
		})}
		w.step(Event{Kind: Answered})
		for range 60 {
			for _, e := range randomMove(dice, &w.state) {
				w.step(e)
				reached[w.state.at] = true
			}
		}
		w.end()
		for _, fx := range w.asked {
			asked[fx.Kind] = true
		}
	}
	for kind := Say; kind <= End; kind++ {
		require.True(t, asked[kind], "no call asked for effect %d", kind)
	}
	for at := FirstMenu; at < numStates; at++ {
		require.True(t, reached[at], "no call was at %v", at)
	}
}

// randomMove is mostly what leads a call on, and now and then anything. Where many things
// can happen, every other time it is what leads to the rarer states: an answer that is
// hoped for, a simple code, of which three in a row have one chosen, the same code again.
func randomMove(dice *rand.Rand, s *State) move {
	lead := dice.IntN(2) == 0
	switch {
	case dice.IntN(8) == 0:
		return move{wild(s, byte(dice.UintN(256)))}
	case lead && s.asking != 0:
		return move{{Kind: s.awaited, Step: s.asking, Account: plainBox, Result: mailbox.Proved(), OK: true, Choice: eightChoice}}
	case lead && s.at == NewCode:
		return keyed(simpleKeys)
	case lead && s.at == Confirm:
		return keyed(newKeys)
	}
	all := slices.DeleteFunc(alphabet(s), func(m move) bool { return m[0].Kind == HungUp && dice.IntN(20) > 0 })
	return all[dice.IntN(len(all))]
}

// A copy of an effect is whole: who keeps one, as a store call that outlives its step does,
// shares nothing with the next step.
func TestAnEffectHoldsNoPointer(t *testing.T) {
	var look func(reflect.Type, string)
	look = func(of reflect.Type, name string) {
		switch of.Kind() {
		case reflect.Struct:
			for i := range of.NumField() {
				look(of.Field(i).Type, name+"."+of.Field(i).Name)
			}
		case reflect.Array:
			look(of.Elem(), name+"[]")
		case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Chan, reflect.Func, reflect.Interface, reflect.UnsafePointer:
			require.Fail(t, name+" leads out of the effect", "%v", of)
		}
	}
	look(reflect.TypeFor[Effects](), "Effects")
}
