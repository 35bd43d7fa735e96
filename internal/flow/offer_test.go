package flow

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/dialplan"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/prompt"
)

// limited is the default layout with so many rounds of a new code.
func limited(t *testing.T, rounds int) *Layout {
	plan := dialplan.Default()
	plan.Limits.NewCodeRounds = rounds
	l, err := NewLayout(plan, dialplan.DefaultLayout, pin.DefaultPolicy())
	require.NoError(t, err)
	return l
}

// refuse has a new code refused; keys of the same breath would not count.
func (c *caller) refuse() *caller {
	c.press("111111#")
	if c.s.deaf {
		c.spoken()
	}
	return c
}

// chosen answers the wish for a code.
func (c *caller) chosen(digits string) *caller {
	code, err := pin.Parse(digits)
	require.NoError(c.t, err)
	return c.at(Choosing).store(Event{Kind: Chosen, Choice: code})
}

// The offer is part of the third refusal, or of an earlier one that uses up the rounds.
func TestTheOfferComesOnce(t *testing.T) {
	for rounds := 1; rounds <= 10; rounds++ {
		t.Run(fmt.Sprint(rounds), func(t *testing.T) {
			c := answeredCall(t, limited(t, rounds), mailbox.OwnDoor).toMenu().press("2")
			for range min(offerAt, rounds) {
				c.at(NewCode).refuse()
			}
			c.at(Offering)
			c.press("*").at(NewCode)
			left := 0
			for ; c.s.at == NewCode; left++ {
				c.refuse()
			}
			require.Equal(t, max(1, rounds-offerAt), left, "rounds after the offer")
			c.at(MainMenu).press("2").refuse()
			if rounds > 1 {
				c.refuse()
			}
			require.Equal(t, rounds <= 2, c.s.at == Offering, "a new visit begins anew")
		})
	}
}

// Entries that differ are no refusals: the old code stays, as it did.
func TestThereIsNoOfferForEntriesThatDiffer(t *testing.T) {
	c := answeredCall(t, layout(t), mailbox.OwnDoor).toMenu().press("2")
	for range 3 {
		c.at(NewCode).press("482915#590837#").spoken()
	}
	c.at(MainMenu)
}

func TestAChosenCodeIsSpelledAndTypedBack(t *testing.T) {
	c := answeredCall(t, layout(t), mailbox.OwnDoor).toMenu().press("2").refuse().refuse().refuse().at(Offering).press("1").at(Choosing)
	require.Equal(t, []EffectKind{Timer, Choose}, kinds(c.out))
	c.chosen("604827").at(TypeBack).says(prompt.ChosenCode, prompt.ChosenTypeBack)
	want, _ := pin.Parse("604827")
	require.Equal(t, want, c.out[0].Spell)
	c.press("7").at(TypeBack)
	require.Empty(t, c.out[0].Phrase, "what was typed before it was heard is dropped")
	c.spoken().press("#").says(prompt.ChosenCode, prompt.ChosenTypeBack)
	require.Equal(t, want, c.out[0].Spell, "the same code")
	c.press("604827#").at(Changing)
	for _, fx := range c.out {
		require.True(t, fx.Kind != Change || fx.Next == want && fx.Spell.Empty())
	}
	c.store(Event{Kind: ChangeDone, Result: mailbox.Proved()}).says(prompt.Changed)
}

// The digits are in one effect, sealed, and in no sentence.
func TestAChosenCodeIsNotPrinted(t *testing.T) {
	c := answeredCall(t, layout(t), mailbox.OwnDoor).toMenu().press("2").refuse().refuse().refuse().press("1").chosen("604827")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q"} {
		for _, fx := range c.out {
			require.NotContains(t, fmt.Sprintf(verb, fx), "604827")
			require.NotContains(t, fmt.Sprintf(verb, fx), "digit-")
		}
	}
}

// Whatever the rules of the mailbox are, the code that is drawn keeps them.
func TestChoiceKeepsTheRulesOfTheMailbox(t *testing.T) {
	box := &mailbox.Account{ID: "9", Extension: "4001", Name: "Ada", Numbers: []string{"12125554001"}, Rules: &pin.Policy{MinLen: 8, MaxLen: 9, MinDistinct: 6}}
	c := answeredCall(t, layout(t), mailbox.OwnDoor).press("739152#").store(Event{Kind: Verified, Account: box})
	policy := pin.Stricter(pin.DefaultPolicy(), *box.Rules)
	for range 200 {
		code, err := c.s.Choose(rand.Reader)
		require.NoError(t, err)
		require.Equal(t, 8, code.Len())
		current, _ := pin.Parse("739152")
		require.Equal(t, pin.Pass, policy.Check(code, pin.Context{Extension: "4001", Numbers: box.Numbers, Names: []string{"Ada"}, Current: current}))
	}
	_, err := c.s.Choose(bytes.NewReader(nil))
	require.Error(t, err)
}

// No code to choose, or a shell that does not answer: the caller hears that it did not
// work, and has the old code.
func TestWithoutACodeTheOldOneStays(t *testing.T) {
	for name, end := range map[string]func(*caller) *caller{
		"none":      func(c *caller) *caller { return c.store(Event{Kind: Chosen}) },
		"no answer": func(c *caller) *caller { return c.timer() },
	} {
		t.Run(name, func(t *testing.T) {
			c := answeredCall(t, layout(t), mailbox.OwnDoor).toMenu().press("2").refuse().refuse().refuse().press("1").at(Choosing)
			end(c).at(MainMenu).saysMenu(prompt.Failed, prompt.OldCodeWorks)
			c.do(Event{Kind: Chosen, Step: c.s.step - 1}).at(MainMenu)
		})
	}
}

func TestTheTimeEndsTheOffer(t *testing.T) {
	over := Event{Kind: GraceOver}
	offered := func() *caller {
		return answeredCall(t, layout(t), mailbox.OwnDoor).toMenu().press("2").refuse().refuse().refuse().at(Offering)
	}
	for _, c := range []*caller{offered(), offered().press("1"), offered().press("1").chosen("604827")} {
		c.do(over).at(Leaving).says(prompt.TimeLimit, prompt.Goodbye)
	}
	c := answeredCall(t, layout(t), mailbox.OwnDoor).toMenu().press("2").refuse().refuse().press("11").do(Event{Kind: LimitHit})
	c.press("1111#").at(MainMenu).saysMenu(prompt.RefusedSameRun, prompt.OldCodeWorks)
}
