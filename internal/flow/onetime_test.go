package flow

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/dialplan"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/prompt"
)

// newCodeAsk asks for a code by the default rules.
var newCodeAsk, _ = prompt.NewCodeAsk(pin.DefaultPolicy().MinLen, pin.DefaultPolicy().MaxLen)

func helped(t *testing.T, l *Layout, box *mailbox.Account) *caller {
	return begun(t, l, Start{Door: mailbox.OwnDoor, Forgotten: true}).store(Event{Kind: Found, Account: box})
}

func (c *caller) wrongCode() *caller {
	return c.press("268413#").store(Event{Kind: Verified, Code: mailbox.WrongPIN}).spoken()
}

// With fewer tries the offer comes before the last; with one there is no room for it.
func TestHelpIsOfferedBeforeTheLastTry(t *testing.T) {
	for tries := 1; tries <= 10; tries++ {
		plan := dialplan.Default()
		plan.Limits.WrongCodes = tries
		l, err := NewLayout(plan, dialplan.DefaultLayout, pin.DefaultPolicy())
		require.NoError(t, err)
		c := helped(t, l, plainBox)
		for n := 1; n < tries; n++ {
			c.press("268413#").store(Event{Kind: Verified, Code: mailbox.WrongPIN})
			if n >= min(forgottenAfter, tries-1) {
				c.says(prompt.WrongCode, prompt.ForgottenOffer, prompt.EnterCode)
			} else {
				c.says(prompt.WrongCode, prompt.EnterCode)
			}
			c.spoken()
		}
		c.wrongCode().at(Ended)
		require.Equal(t, EndWrongCodes, c.s.end)
	}
}

// Only 1 is the wish for help: 11 and 01 are codes, and 1 is one before the offer.
func TestOnlyTheOneIsTheWish(t *testing.T) {
	c := helped(t, layout(t), plainBox)
	c.press("1#").at(Verifying).store(Event{Kind: Verified, Code: mailbox.WrongPIN}).spoken().wrongCode().at(AccessCode)
	for _, keys := range []string{"11#", "01#", "10#"} {
		one := &caller{t: t, s: c.s}
		one.press(keys).at(Verifying)
	}
	c.press("1#").at(OneTimeCode).says(prompt.OneTimeSent, prompt.EnterOneTime)
	require.Equal(t, Send, c.out[len(c.out)-1].Kind)
	require.Equal(t, mailbox.ByOneTime, c.out[len(c.out)-1].Claim)
}

// A try at a one-time code is none at the code, nor the other way round.
func TestTriesAreCountedApart(t *testing.T) {
	c := helped(t, layout(t), plainBox).wrongCode().wrongCode().press("1#").spoken()
	for range 2 {
		c.press("12345678#").store(Event{Kind: Verified, Code: mailbox.WrongPIN}).spoken().at(OneTimeCode)
	}
	c.press("*").at(AccessCode).spoken()
	require.EqualValues(t, 2, c.s.wrong)
	c.press("739152#").store(Event{Kind: Verified, Account: plainBox}).at(MainMenu)

	c = helped(t, layout(t), plainBox).wrongCode().wrongCode().press("1#").spoken()
	for range 2 {
		c.press("12345678#").store(Event{Kind: Verified, Code: mailbox.WrongPIN}).spoken()
	}
	c.press("*1#").spoken().press("12345678#").store(Event{Kind: Verified, Code: mailbox.WrongPIN})
	c.says(prompt.OneTimeOver, prompt.HelpDesk, prompt.Goodbye)
}

// The change carries what was typed, and what it was; after it the new code is the
// current one.
func TestAOneTimeCodeStandsForTheCodeOnce(t *testing.T) {
	once, _ := pin.Parse("50718264")
	fresh, _ := pin.Parse("482915")
	c := helped(t, layout(t), plainBox).wrongCode().wrongCode().press("1#").spoken().press("50718264#")
	ask := c.out[len(c.out)-1]
	require.Equal(t, []any{Verify, mailbox.ByOneTime, once}, []any{ask.Kind, ask.Claim, ask.Code})
	c.store(Event{Kind: Verified, Account: plainBox}).at(NewCode).says(newCodeAsk)
	c.spoken().press("482915#482915#").at(Changing)
	ask = c.out[len(c.out)-1]
	require.Equal(t, []any{Change, mailbox.ByOneTime, once, fresh}, []any{ask.Kind, ask.Claim, ask.Code, ask.Next})
	c.store(Event{Kind: ChangeDone, Result: mailbox.Proved()}).spoken().at(MainMenu).press("2590837#590837#")
	ask = c.out[len(c.out)-1]
	require.Equal(t, []any{Change, mailbox.ByCode, fresh}, []any{ask.Kind, ask.Claim, ask.Code})
}

// A first code is judged without a current one, and with a one-time code as well.
func TestWhatStandsForTheCodeIsNoCurrentCode(t *testing.T) {
	c := helped(t, layout(t), plainBox).wrongCode().wrongCode().press("1#").spoken().press("482915#")
	c.store(Event{Kind: Verified, Account: plainBox}).spoken().press("482915#").at(Confirm)
}

// Whatever becomes of a change by another claim, the old code is promised to nobody.
func TestNoOldCodeIsPromisedToWhoHasShownNone(t *testing.T) {
	first := func() *caller {
		c := begun(t, layout(t), Start{Door: mailbox.OwnDoor, FirstUse: true})
		return c.store(Event{Kind: Found, Account: newBox}).at(NewCode).says(prompt.FirstUse, newCodeAsk).spoken()
	}
	for _, code := range mailbox.Codes() {
		c := first().press("482915#482915#").at(Changing)
		ask := c.out[len(c.out)-1]
		require.Equal(t, mailbox.ByFirstUse, ask.Claim)
		require.True(t, ask.Code.Empty())
		c.store(Event{Kind: ChangeDone, Result: mailbox.Result{Outcome: mailbox.Refused, Reason: code}})
		require.NotContains(t, fmt.Sprint(c.out[0].Phrase), string(prompt.OldCodeWorks), "%v", code)
		require.True(t, c.s.at == Leaving || isCodeRefusal(code) && c.s.at == NewCode, "%v", code)
	}
	c := first()
	for range 3 {
		c.press("482915#590837#").spoken()
	}
	c.at(Ended)
	require.Equal(t, EndNotChanged, c.s.end)
}

// Only at the own door, only where the route says so, only for a mailbox that is open.
func TestWhoMayChooseAFirstCode(t *testing.T) {
	l := layout(t)
	flags := func(f mailbox.Flags) *mailbox.Account {
		f.NoCode = true
		return &mailbox.Account{ID: "9", Extension: "4009", Flags: f}
	}
	for name, c := range map[string]struct {
		start Start
		box   *mailbox.Account
		says  []prompt.ID
	}{
		"not here":       {Start{Door: mailbox.OwnDoor}, newBox, []prompt.ID{prompt.NoCodeYet, prompt.HelpDesk, prompt.Goodbye}},
		"disabled":       {Start{Door: mailbox.OwnDoor, FirstUse: true}, flags(mailbox.Flags{Disabled: true}), []prompt.ID{prompt.MailboxDisabled, prompt.HelpDesk, prompt.Goodbye}},
		"locked":         {Start{Door: mailbox.OwnDoor, FirstUse: true}, flags(mailbox.Flags{Locked: true}), []prompt.ID{prompt.LockedByAdministrator, prompt.HelpDesk, prompt.Goodbye}},
		"may not change": {Start{Door: mailbox.OwnDoor, FirstUse: true}, flags(mailbox.Flags{CannotChange: true}), []prompt.ID{prompt.NoCodeYet, prompt.HelpDesk, prompt.Goodbye}},
	} {
		t.Run(name, func(t *testing.T) {
			begun(t, l, c.start).store(Event{Kind: Found, Account: c.box}).says(c.says...).at(Leaving)
		})
	}
	known := begun(t, l, Start{Door: mailbox.OwnDoor, FirstUse: true}).store(Event{Kind: Found, Account: plainBox})
	known.press("739152#").store(Event{Kind: Verified, Code: mailbox.NoCode}).says(prompt.FirstUse, newCodeAsk)
	any := begun(t, l, Start{Door: mailbox.AnyDoor, FirstUse: true}).press("4009#").store(Event{Kind: Found, Account: newBox})
	any.press("739152#").store(Event{Kind: Verified, Code: mailbox.NoCode}).says(prompt.WrongCode, prompt.EnterCode)
}

// Whom wrong codes have locked out hears how long, and of the help.
func TestALockedOutOwnerIsOfferedHelp(t *testing.T) {
	c := helped(t, layout(t), plainBox).press("739152#").store(Event{Kind: Verified, Code: mailbox.Locked, Retry: 8 * time.Minute})
	c.says(prompt.Locked, prompt.RetryTenMinutes, prompt.ForgottenOffer, prompt.EnterCode).spoken().press("1#").at(OneTimeCode)
	c = helped(t, layout(t), plainBox).press("739152#").store(Event{Kind: Verified, Code: mailbox.Locked}).spoken()
	c.press("739152#").store(Event{Kind: Verified, Code: mailbox.Locked}).says(prompt.Locked, prompt.Goodbye)
	c = helped(t, layout(t), plainBox).press("739152#").store(Event{Kind: Verified, Code: mailbox.Locked, Retry: Never})
	c.says(prompt.Locked, prompt.HelpDesk, prompt.Goodbye)
	c = helped(t, layout(t), fixedBox).press("739152#").store(Event{Kind: Verified, Code: mailbox.Locked})
	c.says(prompt.Locked, prompt.Goodbye)
	c = helped(t, layout(t), plainBox).wrongCode().wrongCode().press("1#").spoken().press("12345678#")
	c.store(Event{Kind: Verified, Code: mailbox.Locked}).says(prompt.Locked, prompt.Goodbye)
}

// A store that is checked by one-time codes: sent when the mailbox is found, and where
// somebody has typed one already, when that was wrong.
func TestWhenAOneTimeCodeIsSent(t *testing.T) {
	for _, door := range []mailbox.Door{mailbox.OwnDoor, mailbox.AnyDoor} {
		named := func() *caller {
			c := begun(t, layout(t), Start{Door: door, OneTime: true})
			if door == mailbox.AnyDoor {
				c.says(prompt.Welcome, prompt.EnterExtension).press("4001#").says(prompt.OneTimeSent, prompt.EnterOneTime)
			} else {
				c.says(prompt.Welcome, prompt.OneTimeSent, prompt.EnterOneTime)
			}
			return c.at(OneTimeCode)
		}
		c := named().store(Event{Kind: Found, Account: plainBox}).at(OneTimeCode)
		require.Equal(t, []EffectKind{Send}, kinds(c.out))
		require.Equal(t, door, c.out[0].Door)

		c = named().press("50718264#").at(Finding).store(Event{Kind: Found, Account: plainBox}).at(Verifying)
		require.Equal(t, []EffectKind{Verify}, kinds(c.out), "it may be one of an earlier call")
		c.store(Event{Kind: Verified, Code: mailbox.WrongPIN}).says(prompt.WrongOneTime, prompt.OneTimeSent, prompt.EnterOneTime)
		require.Contains(t, kinds(c.out), Send)
		c.spoken().press("12345678#").store(Event{Kind: Verified, Code: mailbox.WrongPIN}).says(prompt.WrongOneTime, prompt.EnterOneTime)
		require.NotContains(t, kinds(c.out), Send, "one is enough")
	}
}

// The time for a mail to come.
func TestAOneTimeCodeIsWaitedForLonger(t *testing.T) {
	l := layout(t)
	c := begun(t, l, Start{Door: mailbox.OwnDoor, OneTime: true}).store(Event{Kind: Found, Account: plainBox}).spoken()
	require.Equal(t, l.timers.OneTime, c.out[0].After)
}

// What the store says of a mailbox makes no difference at the any door here either.
func TestAnyDoorTellsNothingByOneTimeCodes(t *testing.T) {
	road := func(found, verified mailbox.Code, box *mailbox.Account) (all []Effect) {
		c := &caller{t: t, s: New(layout(t), Start{Door: mailbox.AnyDoor, OneTime: true, Forgotten: true, FirstUse: true})}
		keep := func() { all = append(all, c.out...) }
		c.do(Event{Kind: Answered}).press("4001#")
		keep()
		c.store(Event{Kind: Found, Code: found, Account: box})
		keep()
		for c.s.at == OneTimeCode {
			c.press("12345678#")
			keep()
			c.store(Event{Kind: Verified, Code: verified, Account: box})
			keep()
			if c.s.at == OneTimeCode {
				c.timer() // a breath
			}
		}
		c.spoken().at(Ended)
		return append(all, c.out...)
	}
	want := fmt.Sprint(road(mailbox.OK, mailbox.WrongPIN, plainBox))
	for _, found := range []mailbox.Code{mailbox.OK, mailbox.NotFound, mailbox.Ambiguous, mailbox.Locked, mailbox.NoCode} {
		for _, verified := range []mailbox.Code{mailbox.WrongPIN, mailbox.Locked, mailbox.NoCode, mailbox.Disabled, mailbox.NotFound, mailbox.CannotChange} {
			for _, box := range []*mailbox.Account{nil, plainBox, mustBox, closedBox, shutBox, newBox, lateBox} {
				require.Equal(t, want, fmt.Sprint(road(found, verified, box)), "%v, %v", found, verified)
			}
		}
	}
	for _, box := range []*mailbox.Account{closedBox, shutBox, newBox} {
		require.Equal(t, want, fmt.Sprint(road(mailbox.OK, mailbox.OK, box)), "whatever its store thinks of the code")
	}
}

// A code that is too old, or soon will be, is told of once it was shown.
func TestTheAgeOfACode(t *testing.T) {
	both := &mailbox.Account{ID: "6", Extension: "4006", Flags: mailbox.Flags{Expired: true, MustChange: true}}
	stuck := &mailbox.Account{ID: "6", Extension: "4006", Flags: mailbox.Flags{Expired: true, Expiring: true, CannotChange: true}}
	young := &mailbox.Account{ID: "6", Extension: "4006", Flags: mailbox.Flags{TooSoon: true}}
	for _, door := range []mailbox.Door{mailbox.OwnDoor, mailbox.AnyDoor} {
		sign := func(box *mailbox.Account) *caller {
			c := begun(t, layout(t), Start{Door: door})
			if door == mailbox.AnyDoor {
				c.press("4006#")
			}
			return c.store(Event{Kind: Found, Account: box}).at(AccessCode).press("739152#").store(Event{Kind: Verified, Account: box})
		}
		sign(lateBox).at(NewCode).says(prompt.CodeExpired, newCodeAsk).spoken().press("*").says(prompt.Cancelled, prompt.Goodbye)
		sign(both).at(NewCode).says(prompt.MustChange, newCodeAsk)
		sign(stuck).at(MainMenu).saysMenu()
		sign(young).at(MainMenu).spoken().press("2").at(MainMenu).saysMenu(prompt.TooSoon)
		c := sign(soonBox).at(MainMenu).saysMenu(prompt.CodeExpiresSoon).spoken().press("9").saysMenu()
		c.press("2482915#482915#").store(Event{Kind: ChangeDone, Result: mailbox.Proved()}).spoken().saysMenu()
	}
	express := made(t, "express")
	c := begun(t, express, Start{Door: mailbox.OwnDoor}).store(Event{Kind: Found, Account: soonBox}).press("739152#")
	c.store(Event{Kind: Verified, Account: soonBox}).at(NewCode).says(newCodeAsk)
	c = begun(t, express, Start{Door: mailbox.OwnDoor}).store(Event{Kind: Found, Account: young}).press("739152#")
	c.store(Event{Kind: Verified, Account: young}).at(Leaving).says(prompt.TooSoon, prompt.Goodbye)
}
