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
	l, err := NewLayout(dialplan.Default(), pin.DefaultPolicy())
	require.NoError(t, err)
	return l
}

func TestGoodPathRough(t *testing.T) {
	s := New(layout(t), mailbox.OwnDoor)
	var log []Effect
	do := func(e Event) {
		var fx Effects
		if e.Kind == Spoken {
			e.Step = s.saying
		}
		if e.Kind == Found || e.Kind == Verified || e.Kind == ChangeDone {
			e.Step = s.asking
		}
		s, fx = Step(s, e)
		for _, x := range fx.List[:fx.N] {
			t.Log(s.at, x.Kind, x.Phrase, x.After, x.End)
			log = append(log, x)
		}
	}
	keys := func(k string) {
		for _, c := range k {
			do(Event{Kind: Key, Digit: digitOf(c)})
		}
	}
	do(Event{Kind: Answered})
	do(Event{Kind: Found, Account: &mailbox.Account{Extension: "4001"}})
	keys("739152#")
	require.Equal(t, Verifying, s.at)
	do(Event{Kind: Verified})
	require.Equal(t, MainMenu, s.at)
	keys("2482916#482916#")
	require.Equal(t, Changing, s.at)
	do(Event{Kind: ChangeDone, Result: mailbox.Proved()})
	do(Event{Kind: Spoken})
	keys("*")
	do(Event{Kind: Spoken})
	require.Equal(t, Ended, s.at)
	require.Positive(t, len(log))
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
