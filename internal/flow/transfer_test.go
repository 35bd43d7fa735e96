package flow

import (
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/mailbox"
	"star97/internal/prompt"
)

// connecting is a call that has asked for a transfer to the messages.
func connecting(t *testing.T) *caller {
	l := made(t, "default", "messages=sip:5000@pbx", "operator=sip:0@pbx")
	c := answeredCall(t, l, mailbox.OwnDoor).toMenu().press("1").at(Transferring).says(prompt.Transferring)
	require.Equal(t, []EffectKind{Say}, kinds(c.out))
	c.spoken().at(Transferring)
	require.Equal(t, []EffectKind{Timer, Transfer}, kinds(c.out))
	require.Equal(t, l.timers.Transfer, c.out[0].After)
	require.Equal(t, "messages", c.out[1].Target)
	return c
}

func transferred(c *caller, ok bool) *caller { return c.store(Event{Kind: Transferred, OK: ok}) }

func TestATransferThatSucceedsEndsTheCall(t *testing.T) {
	c := transferred(connecting(t), true).at(Ended)
	require.Equal(t, []EffectKind{End}, kinds(c.out))
	require.Equal(t, EndTransferred, c.s.end)
}

func TestATransferThatFailsLeadsBack(t *testing.T) {
	again := []prompt.ID{prompt.TransferFailed, "option-messages-1", "option-change-2", "option-repeat-9", "option-operator-0", "option-goodbye-star"}
	c := transferred(connecting(t), false).at(MainMenu).says(again...)
	c.spoken().press("0").at(Transferring).spoken()
	require.Equal(t, "operator", c.out[1].Target)
	c = connecting(t)
	step := c.s.asking
	c.timer().at(MainMenu).says(again...)
	require.Empty(t, c.do(Event{Kind: Transferred, Step: step, OK: true}).out, "it was not waited for any more")
	c.at(MainMenu)
}

// Keys of a caller who waited were meant for whoever would answer.
func TestKeysWhileTransferringChooseNothing(t *testing.T) {
	c := connecting(t).press("2*")
	require.Empty(t, c.out)
	transferred(c, false).at(MainMenu).press("2").at(MainMenu)
	c.timer().press("2").at(NewCode)
	transferred(connecting(t).do(Event{Kind: KeysLost}), false).at(MainMenu)
}

// A key stops every sentence but the last ones; it chooses nothing here.
func TestAKeyCutsTheWordOnATransferWhichBeginsThen(t *testing.T) {
	l := made(t, "default", "messages=sip:5000@pbx")
	c := answeredCall(t, l, mailbox.OwnDoor).toMenu().press("1").at(Transferring).says(prompt.Transferring)
	step := c.s.saying
	c.press("2").at(Transferring)
	require.Equal(t, []EffectKind{Hush, Timer, Transfer}, kinds(c.out))
	require.Equal(t, "messages", c.out[2].Target)
	require.Empty(t, c.do(Event{Kind: Spoken, Step: step}).press("3").out, "once")
	transferred(c, false).at(MainMenu).says(prompt.TransferFailed, "option-messages-1", "option-change-2", "option-repeat-9", "option-goodbye-star")
}

func TestHangingUpWhileTransferring(t *testing.T) {
	c := connecting(t).do(Event{Kind: HungUp}).at(Ended)
	require.Equal(t, EndTransferred, c.s.end, "the exchange has taken the caller over")
	l := made(t, "default", "messages=sip:5000@pbx")
	c = answeredCall(t, l, mailbox.OwnDoor).toMenu().press("1").do(Event{Kind: HungUp})
	require.Equal(t, EndHungUp, c.s.end, "nothing was asked for yet")
}

func TestTheTimeIsUpWhileTransferring(t *testing.T) {
	c := connecting(t).do(Event{Kind: LimitHit}).at(Transferring)
	require.Empty(t, c.out)
	transferred(c, false).at(MainMenu).spoken().timer().says(prompt.TimeLimit, prompt.Goodbye)
	connecting(t).do(Event{Kind: GraceOver}).at(Leaving).says(prompt.TimeLimit, prompt.Goodbye)
}

// The operator is there for those who have no code, too.
func TestATransferBeforeTheCode(t *testing.T) {
	l := made(t, "attendant", "operator=sip:0@pbx")
	c := begun(t, l, Start{Door: mailbox.AnyDoor}).press("0").at(Transferring).spoken()
	require.Equal(t, "operator", c.out[1].Target)
	transferred(c, false).at(FirstMenu)
	require.Equal(t, prompt.TransferFailed, c.out[0].Phrase[0])
	c.spoken().press("5").at(Extension)
}
