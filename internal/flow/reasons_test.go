package flow

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/mailbox"
	"star97/internal/prompt"
)

// What an owner hears when the store says before or after the code why it does not
// serve the mailbox.
func TestAnOwnerHearsWhyTheMailboxCannotBeUsed(t *testing.T) {
	l := layout(t)
	for code, want := range map[mailbox.Code][]prompt.ID{
		mailbox.Locked:         {prompt.Locked, prompt.Goodbye},
		mailbox.NoCode:         {prompt.NoCodeYet, prompt.HelpDesk, prompt.Goodbye},
		mailbox.Disabled:       {prompt.MailboxDisabled, prompt.HelpDesk, prompt.Goodbye},
		mailbox.CannotChange:   {prompt.CannotChange, prompt.HelpDesk, prompt.Goodbye},
		mailbox.OtherChannel:   {prompt.ManagedElsewhere, prompt.Goodbye},
		mailbox.TooSoon:        {prompt.TooSoon, prompt.Goodbye},
		mailbox.Busy:           {prompt.Busy, prompt.Goodbye},
		mailbox.Throttled:      {prompt.Busy, prompt.Goodbye},
		mailbox.Unavailable:    {prompt.Unavailable, prompt.Goodbye},
		mailbox.ServiceRefused: {prompt.Unavailable, prompt.Goodbye},
	} {
		answeredCall(t, l, mailbox.OwnDoor).press("739152#").store(Event{Kind: Verified, Code: code}).says(want...).at(Leaving)
		c := &caller{t: t, s: New(l, Start{Door: mailbox.OwnDoor})}
		c.do(Event{Kind: Answered}).store(Event{Kind: Found, Code: code}).says(want...).at(Leaving)
	}
	for _, code := range []mailbox.Code{mailbox.NotFound, mailbox.Ambiguous} {
		c := answeredCall(t, l, mailbox.OwnDoor).press("739152#").store(Event{Kind: Verified, Code: code})
		c.says(prompt.Failed, prompt.HelpDesk, prompt.Goodbye)
	}
}

// Every reason of a change that was refused for good. Only where the mailbox is as
// it was is the old code promised.
func TestAFailedChangeIsToldAsItIs(t *testing.T) {
	l := layout(t)
	still := func(why prompt.ID) []prompt.ID { return append([]prompt.ID{why, prompt.OldCodeWorks}, mainMenu...) }
	told := map[mailbox.Code][]prompt.ID{
		mailbox.WrongPIN:       {prompt.Failed, prompt.HelpDesk, prompt.Goodbye},
		mailbox.NotFound:       {prompt.Failed, prompt.HelpDesk, prompt.Goodbye},
		mailbox.Ambiguous:      {prompt.Failed, prompt.HelpDesk, prompt.Goodbye},
		mailbox.NoCode:         {prompt.Failed, prompt.NoCodeYet, prompt.Goodbye},
		mailbox.Disabled:       {prompt.MailboxDisabled, prompt.HelpDesk, prompt.Goodbye},
		mailbox.Locked:         {prompt.Locked, prompt.Goodbye},
		mailbox.OtherChannel:   still(prompt.ManagedElsewhere),
		mailbox.CannotChange:   still(prompt.CannotChange),
		mailbox.TooSoon:        still(prompt.TooSoon),
		mailbox.ServiceRefused: still(prompt.Unavailable),
		mailbox.Throttled:      still(prompt.Busy),
		mailbox.Unavailable:    still(prompt.Unavailable),
		mailbox.OutcomeUnknown: still(prompt.Unavailable),
		mailbox.Busy:           still(prompt.Busy),
		mailbox.Exists:         still(prompt.Failed),
	}
	for _, code := range mailbox.Codes() {
		if code == mailbox.OK || isCodeRefusal(code) {
			continue
		}
		require.Contains(t, told, code)
		c := answeredCall(t, l, mailbox.OwnDoor).toMenu().press("2482915#482915#").at(Changing)
		c.store(Event{Kind: ChangeDone, Result: mailbox.Result{Outcome: mailbox.Refused, Reason: code}}).says(told[code]...)
	}
}

// A lock says how long it lasts: the shortest sentence that is not too short. A
// limit of the caller's is no lock of the mailbox, and no crowd of callers.
func TestTheOwnDoorSaysWhenToCallAgain(t *testing.T) {
	l := layout(t)
	for retry, want := range map[time.Duration]prompt.ID{
		time.Second: prompt.RetryOneMinute, time.Minute: prompt.RetryOneMinute,
		time.Minute + 1: prompt.RetryTenMinutes, 10 * time.Minute: prompt.RetryTenMinutes,
		10*time.Minute + 1: prompt.RetryOneHour, time.Hour: prompt.RetryOneHour,
		time.Hour + 1: prompt.RetryOneDay, 24 * time.Hour: prompt.RetryOneDay, 24*time.Hour + 1: prompt.HelpDesk,
	} {
		c := answeredCall(t, l, mailbox.OwnDoor).press("739152#")
		c.store(Event{Kind: Verified, Code: mailbox.Locked, Retry: retry}).says(prompt.Locked, want, prompt.Goodbye)
		c = answeredCall(t, l, mailbox.OwnDoor).press("739152#")
		c.store(Event{Kind: Verified, Code: mailbox.Throttled, Retry: retry}).says(prompt.TooManyTries, want, prompt.Goodbye)
		c = answeredCall(t, l, mailbox.OwnDoor).toMenu().press("2482915#482915#")
		c.store(Event{Kind: ChangeDone, Result: mailbox.Refuse(mailbox.Locked), Retry: retry}).says(prompt.Locked, want, prompt.Goodbye)
		c = answeredCall(t, l, mailbox.OwnDoor).toMenu().press("2482915#482915#")
		c.store(Event{Kind: ChangeDone, Result: mailbox.Refuse(mailbox.Throttled), Retry: retry}).saysMenu(prompt.TooManyTries, prompt.OldCodeWorks)
	}
}

// The any door never says when, before the code is verified or after.
func TestTheAnyDoorNeverSaysWhenToCallAgain(t *testing.T) {
	l := layout(t)
	const retry = 5 * time.Minute
	verifying := func() *caller {
		return answeredCall(t, l, mailbox.AnyDoor).press("4001#").store(Event{Kind: Found}).press("739152#").at(Verifying)
	}
	verifying().store(Event{Kind: Verified, Code: mailbox.Locked, Retry: retry}).says(prompt.WrongCode, prompt.EnterCode)
	verifying().store(Event{Kind: Verified, Code: mailbox.Throttled, Retry: retry}).says(prompt.Unavailable, prompt.Goodbye)
	c := verifying().store(Event{Kind: Verified, Account: plainBox}).press("2482915#482915#").at(Changing)
	c.store(Event{Kind: ChangeDone, Result: mailbox.Refuse(mailbox.Locked), Retry: retry}).says(prompt.Locked, prompt.Goodbye)
	require.Equal(t, EndLocked, c.s.end)
}

func TestEachEndIsListedOnceWithItsWord(t *testing.T) {
	words := map[string]bool{}
	for _, e := range EndReasons() {
		words[e.String()] = true
	}
	require.Len(t, words, int(numEnds))
	require.True(t, words["none"])
	require.True(t, words[EndTransferred.String()])
}
