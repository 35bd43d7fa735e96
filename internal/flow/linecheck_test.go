package flow

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/dtmf"
	"star97/internal/mailbox"
	"star97/internal/prompt"
)

func checking(t *testing.T) *caller {
	l := layout(t)
	c := begun(t, l, Start{Door: mailbox.CheckDoor}).at(LineCheck).says(prompt.LineCheck)
	require.Equal(t, []EffectKind{Say, Limit}, kinds(c.out))
	require.Equal(t, l.timers.LineCheck, c.out[1].After)
	return c
}

func TestALineCheckCountsEveryKey(t *testing.T) {
	for keys, want := range map[string]prompt.ID{
		"1": "line-heard-1", "*#0": "line-heard-3", "111": "line-heard-3", "123456789012": "line-heard-12", "1234567890123": "line-heard-many",
		strings.Repeat("1", 300): "line-heard-many",
	} {
		c := checking(t).press(keys).timer().says(want).spoken()
		c.timer().says("line-heard-0")
	}
	c := checking(t)
	for d := dtmf.Digit(12); d < 16; d++ {
		c.do(Event{Kind: Key, Digit: d})
	}
	c.timer().says("line-heard-4")
	c = &caller{t: t, s: New(layout(t), Start{Door: mailbox.CheckDoor})}
	c.press("12").do(Event{Kind: Answered}).at(LineCheck).timer().says("line-heard-2")
}

func TestALineCheckTellsOfKeysThatWereLost(t *testing.T) {
	c := checking(t).press("12").do(Event{Kind: KeysLost}).press("3").timer().says(prompt.DigitsLost, "line-heard-3")
	c.spoken().press("1").timer().says("line-heard-1")
	checking(t).do(Event{Kind: KeysLost}).do(Event{Kind: LimitHit}).timer().says(prompt.DigitsLost, "line-heard-0", prompt.Goodbye)
}

func TestALineCheckEnds(t *testing.T) {
	c := checking(t).do(Event{Kind: LimitHit}).at(Leaving).says(prompt.Goodbye).spoken().at(Ended)
	require.Equal(t, EndGoodbye, c.s.end)
	c = checking(t).press("12").do(Event{Kind: LimitHit}).at(LineCheck)
	c.timer().at(Leaving).says("line-heard-2", prompt.Goodbye)
	checking(t).press("12").do(Event{Kind: GraceOver}).at(Leaving).says(prompt.TimeLimit, prompt.Goodbye)
}
