package flow

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/prompt"
)

func TestStarGivesMoreTime(t *testing.T) {
	l := layout(t)
	c := answeredCall(t, l, mailbox.OwnDoor).press("73*").says(prompt.Cleared).spoken()
	require.Equal(t, l.timers.Cleared, c.out[0].After)
}

func TestTimersStartAtTheEndOfTheSentence(t *testing.T) {
	l := layout(t)
	c := answeredCall(t, l, mailbox.OwnDoor)
	require.Zero(t, c.s.timing, "a timer runs while the sentence is said")
	c.spoken()
	require.Equal(t, l.timers.FirstDigit, c.out[0].After)
	c.press("7")
	require.Equal(t, l.timers.BetweenDigits, c.out[0].After)
	c.press("39152#").store(Event{Kind: Verified, Account: plainBox}).spoken()
	require.Equal(t, l.timers.Menu, c.out[0].After)
}

// A pause says nothing of a code that is too short to be one: it costs no round,
// is no refusal in the records, and the # behind it is not missed.
func TestAPauseInAShortNewCodeCostsNoRound(t *testing.T) {
	for _, first := range []string{"", "482915#"} {
		c := answeredCall(t, layout(t), mailbox.OwnDoor).toMenu().press("2" + first)
		at := c.s.at
		for i := range 3 {
			c.press("48291").timer().at(at)
			require.Zero(t, c.s.rounds)
			require.EqualValues(t, i+1, c.s.silent)
			require.NotContains(t, kinds(c.out), Note)
			require.Empty(t, c.press("#").out, "it belongs to what the pause ended")
		}
		c.press("48291").timer().at(Leaving).says(prompt.RefusedTooShort, prompt.OldCodeWorks, prompt.Goodbye)
	}
	c := answeredCall(t, layout(t), mailbox.OwnDoor).toMenu().press("248291#").at(NewCode)
	require.Contains(t, kinds(c.out), Note, "who says that it is complete is told that it is not")
	require.EqualValues(t, 1, c.s.rounds)
}

// Who goes back has pressed a key: the ladder of silence begins anew.
func TestGoingBackEndsTheSilence(t *testing.T) {
	c := answeredCall(t, layout(t), mailbox.OwnDoor).toMenu().press("2").spoken().timer().spoken().timer()
	c.press("*").at(MainMenu).spoken().timer().saysMenu(prompt.NoInput)
	c = answeredCall(t, layout(t), mailbox.OwnDoor).toMenu().press("2482915#").spoken().timer().spoken().timer()
	c.press("*").at(NewCode).spoken().timer()
	require.EqualValues(t, 1, c.s.silent)
}

func TestTotalTime(t *testing.T) {
	l := layout(t)
	t.Run("who types is not cut off, and is not asked again", func(t *testing.T) {
		c := answeredCall(t, l, mailbox.OwnDoor).press("73").do(Event{Kind: LimitHit}).at(AccessCode)
		c.press("9152#").store(Event{Kind: Verified, Account: plainBox}).at(MainMenu)
		c.do(Event{Kind: LimitHit}).at(MainMenu).press("2").spoken().timer().says(prompt.TimeLimit, prompt.Goodbye)
	})
	t.Run("who does not type hears why", func(t *testing.T) {
		c := answeredCall(t, l, mailbox.OwnDoor).do(Event{Kind: LimitHit}).says(prompt.TimeLimit, prompt.Goodbye).spoken().at(Ended)
		require.Equal(t, EndTimeLimit, c.s.end)
	})
	t.Run("a change under way is finished and announced", func(t *testing.T) {
		c := answeredCall(t, l, mailbox.OwnDoor).toMenu().press("2482915#482915#").at(Changing)
		c.do(Event{Kind: LimitHit}).do(Event{Kind: LimitHit}).at(Changing)
		c.store(Event{Kind: ChangeDone, Result: mailbox.Proved()}).says(prompt.Changed)
		c.do(Event{Kind: LimitHit}).at(Announcing)
	})
	t.Run("who has begun an entry has the time between digits", func(t *testing.T) {
		c := answeredCall(t, l, mailbox.OwnDoor).press("739")
		for range 3 {
			require.Empty(t, c.do(Event{Kind: LimitHit}).at(AccessCode).out)
		}
		c.press("152#").at(Verifying)
	})
	t.Run("who cleared an entry has the time that was promised", func(t *testing.T) {
		c := answeredCall(t, l, mailbox.OwnDoor).press("739*").do(Event{Kind: LimitHit}).spoken()
		for range 3 {
			require.Empty(t, c.do(Event{Kind: LimitHit}).at(AccessCode).out)
		}
		c.timer().says(prompt.TimeLimit, prompt.Goodbye)
	})
	t.Run("the last sentence is said to its end", func(t *testing.T) {
		c := answeredCall(t, l, mailbox.OwnDoor).toMenu().press("2482915#482915#").do(Event{Kind: LimitHit})
		c.store(Event{Kind: ChangeDone, Result: mailbox.Doubt(nil)}).says(prompt.Unconfirmed, prompt.Goodbye)
		for range 3 {
			require.Empty(t, c.do(Event{Kind: LimitHit}).at(Leaving).out)
		}
		c.spoken().at(Ended)
		require.Equal(t, EndUnconfirmed, c.s.end)
	})
}

// When the grace is over too, the call ends with a reason, whoever is typing; what
// became of a change comes first.
func TestGraceOver(t *testing.T) {
	l := layout(t)
	over := Event{Kind: GraceOver}
	for name, c := range map[string]*caller{
		"extension":   answeredCall(t, l, mailbox.AnyDoor).press("40"),
		"access code": answeredCall(t, l, mailbox.OwnDoor).press("739"),
		"cleared":     answeredCall(t, l, mailbox.OwnDoor).press("739*"),
		"finding":     answeredCall(t, l, mailbox.AnyDoor).press("4001#739152#").at(Finding),
		"verifying":   answeredCall(t, l, mailbox.OwnDoor).press("739152#").at(Verifying),
		"menu":        answeredCall(t, l, mailbox.OwnDoor).toMenu().press("5"),
		"new code":    answeredCall(t, l, mailbox.OwnDoor).toMenu().press("2482"),
		"confirm":     answeredCall(t, l, mailbox.OwnDoor).toMenu().press("2482915#482").at(Confirm),
	} {
		t.Run(name, func(t *testing.T) {
			c.do(over).at(Leaving).says(prompt.TimeLimit, prompt.Goodbye)
			require.Empty(t, c.do(over).out, "said once")
			c.spoken().at(Ended)
			require.Equal(t, EndTimeLimit, c.s.end)
		})
	}
	changing := func() *caller {
		return answeredCall(t, l, mailbox.OwnDoor).toMenu().press("2482915#482915#").do(over).do(over).at(Changing)
	}
	for name, r := range map[string]struct {
		result mailbox.Result
		says   []prompt.ID
	}{
		"changed":  {mailbox.Proved(), []prompt.ID{prompt.Changed, prompt.TimeLimit, prompt.Goodbye}},
		"refused":  {mailbox.Refuse(mailbox.Trivial), []prompt.ID{prompt.RefusedTooSimple, prompt.OldCodeWorks, prompt.Goodbye}},
		"too soon": {mailbox.Refuse(mailbox.TooSoon), []prompt.ID{prompt.TooSoon, prompt.OldCodeWorks, prompt.Goodbye}},
		"unknown":  {mailbox.Doubt(nil), []prompt.ID{prompt.Unconfirmed, prompt.Goodbye}},
	} {
		t.Run("a change under way: "+name, func(t *testing.T) {
			changing().store(Event{Kind: ChangeDone, Result: r.result}).at(Leaving).says(r.says...).spoken().at(Ended)
		})
	}
	t.Run("a change without an answer", func(t *testing.T) {
		changing().timer().at(Leaving).says(prompt.Unconfirmed, prompt.Goodbye)
	})
	t.Run("changed is heard to its end", func(t *testing.T) {
		c := answeredCall(t, l, mailbox.OwnDoor).toMenu().press("2482915#482915#")
		c.store(Event{Kind: ChangeDone, Result: mailbox.Proved()}).says(prompt.Changed).do(over).at(Announcing)
		require.Empty(t, c.out)
		c.spoken().at(Leaving).says(prompt.TimeLimit, prompt.Goodbye)
	})
	t.Run("before the ACK nothing is said", func(t *testing.T) {
		c := &caller{t: t, s: New(l, Start{Door: mailbox.OwnDoor})}
		require.Equal(t, []EffectKind{End}, kinds(c.do(over).at(Ended).out))
	})
}

func TestAWrongExtensionIsNotAskedAgainWhenTheTimeIsUp(t *testing.T) {
	c := answeredCall(t, layout(t), mailbox.AnyDoor).press(strings.Repeat("4", pin.MaxDigits+1))
	c.do(Event{Kind: LimitHit}).at(Extension).press("#").says(prompt.TimeLimit, prompt.Goodbye)
}
