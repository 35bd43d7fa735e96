package flow

import (
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/dialplan"
	"star97/internal/dtmf"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

func layout(t testing.TB) *Layout {
	l, err := NewLayout(dialplan.Default(), dialplan.DefaultLayout, pin.DefaultPolicy())
	require.NoError(t, err)
	return l
}

func digitOf(c rune) dtmf.Digit {
	switch c {
	case '*':
		return dtmf.Star
	case '#':
		return dtmf.Pound
	}
	return dtmf.Digit(c - '0')
}

// walk runs one whole change, from the ACK to the BYE, and returns its steps.
func walk(l *Layout, a *mailbox.Account, keys []Event) int {
	s := New(l, Start{Door: mailbox.OwnDoor})
	steps := 0
	do := func(e Event) {
		s, _ = Step(s, e)
		steps++
	}
	do(Event{Kind: Answered})
	do(Event{Kind: Found, Step: s.asking, Account: a})
	for _, k := range keys {
		do(k)
		switch s.at {
		case Verifying:
			do(Event{Kind: Verified, Step: s.asking, Account: a})
		case Changing:
			do(Event{Kind: ChangeDone, Step: s.asking, Result: mailbox.Proved()})
			do(Event{Kind: Spoken, Step: s.saying})
		case Leaving:
			do(Event{Kind: Spoken, Step: s.saying})
		}
	}
	if s.at != Ended {
		panic("the walk did not reach its end but " + s.at.String())
	}
	return steps
}

func walkKeys() (list []Event) {
	for _, c := range "739152#2482916#482916#*" {
		list = append(list, Event{Kind: Key, Digit: digitOf(c)})
	}
	return list
}

func walkAccount() *mailbox.Account {
	return &mailbox.Account{
		ID: "1", Extension: "4001", Numbers: []string{"12125554001"}, Rules: &pin.Policy{MinLen: 6, MaxLen: 8, MaxSameRun: 3},
	}
}

func TestStepAllocatesNothing(t *testing.T) {
	l, a, keys := layout(t), walkAccount(), walkKeys()
	require.Zero(t, testing.AllocsPerRun(100, func() { walk(l, a, keys) }))
	require.Zero(t, testing.AllocsPerRun(100, func() { typeAhead(l, keys) }), "keys that wait")
	named := *a
	named.Name = "Ada Lovelace"
	require.Zero(t, testing.AllocsPerRun(100, func() { helpedWalk(l, &named) }), "a one-time code, and a code that is chosen")
	var out Effects
	require.Zero(t, testing.AllocsPerRun(100, func() {
		s := New(l, Start{Door: mailbox.OwnDoor})
		s.Advance(&Event{Kind: Answered}, &out)
		for i := range keys {
			s.Advance(&keys[i], &out)
		}
	}), "in place")
}

// helpedWalk forgets the code, types a one-time code and three simple new ones, and has
// a code chosen.
func helpedWalk(l *Layout, a *mailbox.Account) {
	s := New(l, Start{Door: mailbox.OwnDoor, Forgotten: true})
	do := func(e Event) { s, _ = Step(s, e) }
	press := func(keys string) {
		for i := range len(keys) {
			do(Event{Kind: Key, Digit: digitOf(rune(keys[i]))})
		}
	}
	do(Event{Kind: Answered})
	do(Event{Kind: Found, Step: s.asking, Account: a})
	for range 2 {
		press("268413#")
		do(Event{Kind: Verified, Step: s.asking, Code: mailbox.WrongPIN})
		do(Event{Kind: Spoken, Step: s.saying})
	}
	press("1#")
	do(Event{Kind: Spoken, Step: s.saying})
	press("50718264#")
	do(Event{Kind: Verified, Step: s.asking, Account: a})
	do(Event{Kind: Spoken, Step: s.saying})
	for range 3 {
		press("111111#")
		do(Event{Kind: Spoken, Step: s.saying})
	}
	press("1")
	do(Event{Kind: Chosen, Step: s.asking, Choice: eightChoice})
	do(Event{Kind: Spoken, Step: s.saying})
	press(chosenKeys)
	do(Event{Kind: ChangeDone, Step: s.asking, Result: mailbox.Proved()})
	if s.at != Announcing {
		panic("the walk did not reach its end but " + s.at.String())
	}
}

// typeAhead presses every key before the ACK.
func typeAhead(l *Layout, keys []Event) {
	s := New(l, Start{Door: mailbox.OwnDoor})
	for _, k := range keys {
		s, _ = Step(s, k)
	}
	if s, _ = Step(s, Event{Kind: Answered}); s.at != Finding {
		panic("the keys were not used but " + s.at.String())
	}
}

// BenchmarkStep reports the mean over all steps of a whole change.
func BenchmarkStep(b *testing.B) {
	l, a, keys := layout(b), walkAccount(), walkKeys()
	b.ReportAllocs()
	steps := 0
	for b.Loop() {
		steps += walk(l, a, keys)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(steps), "ns/step")
}

// BenchmarkStepKey is the commonest step: one more digit of an entry.
func BenchmarkStepKey(b *testing.B) {
	s := atEntry(layout(b))
	e := Event{Kind: Key, Digit: 3}
	b.ReportAllocs()
	for b.Loop() {
		_, _ = Step(s, e)
	}
}

// BenchmarkAdvanceKey is that in place, as calls take it.
func BenchmarkAdvanceKey(b *testing.B) {
	s := atEntry(layout(b))
	e := Event{Kind: Key, Digit: 3}
	var out Effects
	b.ReportAllocs()
	for b.Loop() {
		now := s
		now.Advance(&e, &out)
	}
}

// atEntry is a call whose first digit was typed.
func atEntry(l *Layout) State {
	s, _ := Step(New(l, Start{Door: mailbox.OwnDoor}), Event{Kind: Answered})
	s, _ = Step(s, Event{Kind: Key, Digit: 7})
	return s
}
