package flow

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/dialplan"
	"star97/internal/dtmf"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/prompt"
)

// caller steps one call and keeps what it asked for.
type caller struct {
	t   *testing.T
	s   State
	out []Effect // of the last step
}

func begun(t *testing.T, l *Layout, s Start) *caller {
	c := &caller{t: t, s: New(l, s)}
	return c.do(Event{Kind: Answered})
}

// "One moment" is no exception from barge-in; the key is for what comes after it.
func TestAKeyCutsOneMomentAndIsKept(t *testing.T) {
	l := made(t, "default")
	own := answeredCall(t, l, mailbox.OwnDoor).press("482915#").at(Verifying)
	any := begun(t, l, Start{Door: mailbox.AnyDoor}).press("4001#482915#").at(Finding)
	change := answeredCall(t, l, mailbox.OwnDoor).toMenu().press("2739164#739164#").at(Changing)
	for _, c := range []*caller{own, any, change} {
		state := c.s.at
		c.timer().at(state).says(prompt.PleaseWait)
		c.press("9").at(state)
		require.Equal(t, []EffectKind{Hush}, kinds(c.out))
		require.NotZero(t, c.s.timing, "the next time is told as well")
		require.Empty(t, c.press("9").out, "there is nothing more to cut")
		c.timer().at(state).says(prompt.PleaseWait)
	}
	own.store(Event{Kind: Verified}).at(MainMenu)
	require.Equal(t, prompt.ID("option-change-2"), own.out[0].Phrase[0], "the kept keys have the menu said again")

	change.store(Event{Kind: ChangeDone, Result: mailbox.Result{Outcome: mailbox.Done}}).at(Announcing).says(prompt.Changed)
	require.Empty(t, change.press("*").at(Announcing).out, "this is heard to its end")
	change.spoken().at(Leaving)
}

func answeredCall(t *testing.T, l *Layout, door mailbox.Door) *caller {
	c := begun(t, l, Start{Door: door})
	if door == mailbox.OwnDoor {
		c.store(Event{Kind: Found, Account: plainBox})
	}
	return c
}

func (c *caller) do(e Event) *caller {
	s, out := Step(c.s, e)
	c.s, c.out = s, out.List[:out.N]
	return c
}

func (c *caller) press(keys string) *caller {
	for _, k := range keys {
		c.do(Event{Kind: Key, Digit: digitOf(k)})
	}
	return c
}

func (c *caller) store(e Event) *caller {
	require.NotZero(c.t, c.s.asking, "nothing was asked")
	e.Step = c.s.asking
	return c.do(e)
}

func (c *caller) timer() *caller {
	require.NotZero(c.t, c.s.timing, "no timer runs")
	return c.do(Event{Kind: TimedOut, Step: c.s.timing})
}

func (c *caller) spoken() *caller {
	require.NotZero(c.t, c.s.saying, "nothing is said")
	return c.do(Event{Kind: Spoken, Step: c.s.saying})
}

func (c *caller) says(ids ...prompt.ID) *caller {
	c.t.Helper()
	var want prompt.Phrase
	copy(want[:], ids)
	for _, fx := range c.out {
		if fx.Kind == Say {
			require.Equal(c.t, want, fx.Phrase)
			return c
		}
	}
	require.Fail(c.t, "nothing is said", "wanted %v", ids)
	return c
}

// saysMenu is says with the options of the default menu behind it.
func (c *caller) saysMenu(before ...prompt.ID) *caller {
	c.t.Helper()
	return c.says(append(before, mainMenu...)...)
}

// mainMenu is the default menu of a site without targets.
var mainMenu = []prompt.ID{"option-change-2", "option-repeat-9", "option-goodbye-star"}

func (c *caller) at(s StateID) *caller {
	c.t.Helper()
	require.Equal(c.t, s, c.s.at)
	return c
}

func (c *caller) toMenu() *caller {
	return c.press("739152#").store(Event{Kind: Verified, Account: plainBox}).at(MainMenu)
}

func TestLostKeyVoidsTheEntryAndCountsAsNothing(t *testing.T) {
	c := answeredCall(t, layout(t), mailbox.OwnDoor)
	for range 5 {
		c.press("739").do(Event{Kind: KeysLost}).press("152").at(AccessCode)
		require.NotContains(t, kinds(c.out), Say, "the caller is still typing")
		c.press("#").says(prompt.DigitsLost, prompt.EnterCode).spoken()
	}
	c.press("268413#").store(Event{Kind: Verified, Code: mailbox.WrongPIN}).says(prompt.WrongCode, prompt.EnterCode)
	require.EqualValues(t, 1, c.s.wrong)
}

func TestLostKeyIsAskedForAfterAPauseToo(t *testing.T) {
	c := answeredCall(t, layout(t), mailbox.OwnDoor).press("739").do(Event{Kind: KeysLost})
	c.timer().says(prompt.DigitsLost, prompt.EnterCode)
}

func TestKeysBehindALostMenuKeyChooseNothing(t *testing.T) {
	c := answeredCall(t, layout(t), mailbox.OwnDoor).toMenu().do(Event{Kind: KeysLost})
	c.press("482").at(MainMenu).timer().saysMenu(prompt.DigitsLost).at(MainMenu)
}

func TestOneKeyTooManyTypedAheadVoidsThemAll(t *testing.T) {
	c := answeredCall(t, layout(t), mailbox.OwnDoor).press("739152#").at(Verifying)
	c.press(strings.Repeat("2", pin.MaxKeys+1)).store(Event{Kind: Verified, Account: plainBox})
	c.at(MainMenu).saysMenu(prompt.DigitsLost)
	c.do(Event{Kind: Started, Step: c.s.saying})
	c.press("222").at(MainMenu) // typed in the same breath
	c.timer().press("2").at(NewCode)
}

// A slip in a code typed ahead of everything else costs one try, not all of them.
func TestTheRestOfABreathIsNoTry(t *testing.T) {
	c := answeredCall(t, layout(t), mailbox.OwnDoor).press("268413#").store(Event{Kind: Verified, Code: mailbox.WrongPIN})
	c.says(prompt.WrongCode, prompt.EnterCode).do(Event{Kind: Started, Step: c.s.saying})
	c.press("2482915#482915#").at(AccessCode)
	require.EqualValues(t, 1, c.s.wrong)
	c.timer().toMenu()
}

func TestASentenceHeardToItsEndEndsTheBreath(t *testing.T) {
	c := answeredCall(t, layout(t), mailbox.OwnDoor).press("268413#").store(Event{Kind: Verified, Code: mailbox.WrongPIN})
	c.press("2").spoken().toMenu()
}

func TestKeysTypedAheadAreAllUsedUpToTheMost(t *testing.T) {
	c := answeredCall(t, layout(t), mailbox.OwnDoor).press("739152#")
	ahead := strings.Repeat("9", pin.MaxKeys-1) + "2"
	c.press(ahead).store(Event{Kind: Verified, Account: plainBox}).at(NewCode)
}

func TestKeysBeforeTheACKAreUsedAfterIt(t *testing.T) {
	c := &caller{t: t, s: New(layout(t), Start{Door: mailbox.OwnDoor})}
	c.press("739152#")
	require.Empty(t, c.out)
	c.do(Event{Kind: Answered}).at(Finding)
	require.Equal(t, []EffectKind{Timer, Lookup}, kinds(c.out))
	c.store(Event{Kind: Found, Account: plainBox}).at(Verifying)
}

func TestAHashThatComesLateBelongsToTheEntryBefore(t *testing.T) {
	c := answeredCall(t, layout(t), mailbox.AnyDoor)
	c.press("4001").timer().at(AccessCode).press("#").at(AccessCode)
	require.Empty(t, c.out)
	c.press("#").says(prompt.NoInput, prompt.EnterCode)
}

// The same keys mean the same whether the store was fast, slow or in between.
func TestKeysAroundAChangeMeanTheSameWhateverTheStoreTakes(t *testing.T) {
	l := layout(t)
	const keys = "2*9"
	for before := range len(keys) + 1 {
		c := answeredCall(t, l, mailbox.OwnDoor).toMenu().press("2482915#482915#").press(keys[:before])
		c.store(Event{Kind: ChangeDone, Result: mailbox.Proved()}).says(prompt.Changed)
		for _, k := range keys[before:] {
			require.Empty(t, c.press(string(k)).at(Announcing).out, "it is heard to its end")
		}
		c.spoken().at(MainMenu).saysMenu()
		require.True(t, c.s.ahead.Empty())
	}
	c := answeredCall(t, l, mailbox.OwnDoor).toMenu().press("2482915#482915#")
	c.store(Event{Kind: ChangeDone, Result: mailbox.Proved()}).press("2").do(Event{Kind: KeysLost})
	c.spoken().at(MainMenu).saysMenu(prompt.DigitsLost)
}

func TestExtensionOfFixedLengthEndsAtItsLastDigit(t *testing.T) {
	plan := dialplan.Default()
	plan.Limits.ExtensionDigits = 4
	l, err := NewLayout(plan, dialplan.DefaultLayout, pin.DefaultPolicy())
	require.NoError(t, err)
	c := answeredCall(t, l, mailbox.AnyDoor)
	for range l.limits.SilentRounds - 1 {
		c.press("40#").at(Extension).says(prompt.EnterExtensionLong)
	}
	c.press("40#").at(Leaving).says(prompt.HelpDesk, prompt.Goodbye)
	c = answeredCall(t, l, mailbox.AnyDoor)
	c.press("4001").at(AccessCode).says(prompt.EnterCode)
	c.press("#").at(AccessCode)
	require.Empty(t, c.out, "the # belongs to the extension")
}

func TestNewCodeOfMostDigitsEndsAtItsLast(t *testing.T) {
	c := answeredCall(t, layout(t), mailbox.OwnDoor).toMenu().press("2482915370").at(NewCode)
	c.press("6").at(Confirm).says(prompt.RepeatNewCode)
	c.press("#").at(Confirm)
	require.Empty(t, c.out, "the # belongs to the entry before")
	c.press("4829153706").at(Changing)
}

func TestStaleAnswersAreIgnored(t *testing.T) {
	l := layout(t)
	for name, c := range map[string]*caller{
		"speech": answeredCall(t, l, mailbox.OwnDoor), "timer": answeredCall(t, l, mailbox.OwnDoor).spoken(),
		"store": answeredCall(t, l, mailbox.OwnDoor).press("739152#"),
	} {
		for _, kind := range []EventKind{Spoken, Started, TimedOut, Found, Verified, ChangeDone} {
			for _, step := range []uint32{0, c.s.step + 1, c.s.step - 100} {
				before := c.s
				c.do(Event{Kind: kind, Step: step, Account: plainBox, Result: mailbox.Proved()})
				require.Empty(t, c.out, "%s: %v", name, kind)
				before.step = c.s.step
				require.True(t, before == c.s, "%s: %v changed the state", name, kind)
			}
		}
	}
}

// What the store says of a mailbox makes no difference at the any door before the
// code is right: same effects at each step, to the last.
func TestAnyDoorTellsNothing(t *testing.T) {
	l := layout(t)
	road := func(found, verified mailbox.Code, box *mailbox.Account) (all []Effect) {
		c := &caller{t: t, s: New(l, Start{Door: mailbox.AnyDoor})}
		keep := func() { all = append(all, c.out...) }
		c.do(Event{Kind: Answered})
		keep()
		for range l.limits.WrongCodes {
			if c.s.at == Extension {
				c.press("4001#")
				keep()
				c.store(Event{Kind: Found, Code: found, Account: box})
				keep()
			}
			c.press("739152#")
			keep()
			c.store(Event{Kind: Verified, Code: verified, Account: box})
			keep()
			if c.s.at == AccessCode {
				c.timer() // a breath
			}
		}
		c.spoken()
		keep()
		require.Equal(t, Ended, c.s.at)
		return all
	}
	want := road(mailbox.OK, mailbox.WrongPIN, plainBox)
	for _, found := range []mailbox.Code{mailbox.OK, mailbox.NotFound, mailbox.Ambiguous, mailbox.Locked, mailbox.Disabled} {
		for _, verified := range mailbox.Codes() {
			if verified == mailbox.OK || !isMailboxReason(verified) {
				continue
			}
			for _, box := range []*mailbox.Account{nil, plainBox, mustBox, closedBox} {
				require.True(t, fmt.Sprint(want) == fmt.Sprint(road(found, verified, box)), "%v, %v", found, verified)
			}
		}
	}
}

// The mailbox's own rules hold where they are stricter, and its lengths are spoken.
func TestStricterRulesOfTheMailboxHold(t *testing.T) {
	box := &mailbox.Account{ID: "9", Extension: "4001", Rules: &pin.Policy{MinLen: 8, MaxLen: 16}}
	c := answeredCall(t, layout(t), mailbox.OwnDoor).press("739152#").store(Event{Kind: Verified, Account: box})
	c.press("2482915#").at(NewCode)
	c.says(prompt.RefusedTooShort, prompt.EnterNewCode)
	excluding := &mailbox.Account{ID: "9", Extension: "4001", Rules: &pin.Policy{MinLen: 12, MaxLen: 20}}
	c = answeredCall(t, layout(t), mailbox.OwnDoor).press("739152#").store(Event{Kind: Verified, Account: excluding})
	c.press("2482915736041#").at(Confirm)
}

func TestPrintingACallShowsNoKey(t *testing.T) {
	c := answeredCall(t, layout(t), mailbox.OwnDoor).press("739152#77777777")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q"} {
		require.Equal(t, "call at verifying", fmt.Sprintf(verb, c.s))
	}
}

// Package fmt goes past every method of what an unexported field holds: what it
// prints of a call must not depend on which keys were typed ahead, but for bytes
// that are sealed, nor show how many. The layout, which all calls share, knows no
// call; what is sealed in it stays the same from one to the next and would be
// taken for keys by chance each time.
func TestPrintingWhatHoldsACallShowsNoKey(t *testing.T) {
	type holder struct{ state State }
	print := func(verb, keys string) string {
		s := New(layout(t), Start{Door: mailbox.OwnDoor})
		for _, k := range keys {
			s, _ = Step(s, Event{Kind: Key, Digit: digitOf(k)})
		}
		s.layout = nil
		return fmt.Sprintf(verb, holder{s})
	}
	plain := regexp.MustCompile(`\b7\D+3\D+9\D+1\D+6\b|739164|(?i)07\W*(0x)?03\W*(0x)?09|73\W*(0x)?91|37\W*(0x)?19`)
	numbers := regexp.MustCompile(`\d+`)
	for _, verb := range []string{"%v", "%+v", "%#v", "%d", "%x", "%s", "%q"} {
		// Sealed bytes may look like keys by chance; those of other keys behind them do not as well.
		got, shown := "", 0
		for _, keys := range []string{"739164820517", "739164820518", "739164820519", "739164820520"} {
			if got = print(verb, keys); plain.MatchString(got) {
				shown++
			}
		}
		require.Less(t, shown, 4, "%s: %s", verb, got)
		if verb == "%d" {
			require.Len(t, numbers.FindAllString(print(verb, "739164"), -1), len(numbers.FindAllString(got, -1)))
		}
	}
}

func kinds(list []Effect) (k []EffectKind) {
	for _, fx := range list {
		k = append(k, fx.Kind)
	}
	return k
}

// FuzzCall plays any sequence of events, as wild as bytes are, and holds it to the
// rules; then the caller and the store fall silent, and the call ends.
func FuzzCall(f *testing.F) {
	f.Add([]byte{0, 14, 8, 4, 10, 6, 3, 12, 18, 3, 5, 9, 3, 10, 2, 6, 12})
	f.Add([]byte{1, 14, 5, 1, 1, 2, 12, 18, 19, 20, 21, 13, 15, 16, 17, 22, 23})
	f.Add([]byte{9, 14, 133, 2, 11, 158, 131, 2, 11, 158, 131, 1, 11, 131, 5, 11, 133, 131, 1, 11, 131, 1, 11, 131, 1, 11, 131, 1, 190, 131, 1, 1, 11, 170})
	f.Add([]byte{18, 14, 160, 131, 1, 1, 11, 1, 1, 11, 175, 131})
	f.Add([]byte{37, 14, 4, 11, 150, 131, 1, 11, 158, 131, 2, 11, 150, 131})
	layouts := []*Layout{layout(f), small(f, "tree", "messages", "operator"), made(f, "express")}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 || len(data) > 400 {
			return
		}
		n := node{state: New(layouts[data[0]/3%3], Start{
			Door: mailbox.OwnDoor + mailbox.Door(data[0]%3), Slow: data[0] >= 128,
			Forgotten: data[0]/9%2 == 1, FirstUse: data[0]/18%2 == 1, OneTime: data[0]/36%3 == 1,
		})}
		w := &twin{t: t, state: n.state}
		for _, b := range data[1:] {
			e := wild(&n.state, b)
			next, out := w.step(e)
			after := node{state: next, truth: n.truth.after(&n.state, &next, e, out)}
			require.Empty(t, breaks(n, e, after, out), "state %v, event %+v", n.state.at, e)
			n = after
		}
		w.end()
		newExplorer(t, nil).alone(n.state)
	})
}

// wild makes an event of a byte: keys half of the time, answers to what is open.
func wild(s *State, b byte) Event {
	if b < 128 {
		return Event{Kind: Key, Digit: dtmf.Digit(b % 16)}
	}
	list := scope{ahead: true, limit: true, boxes: []*mailbox.Account{plainBox, mustBox, fixedBox, closedBox, dearBox, lateBox, soonBox, shutBox, newBox, youngBox}}.events(s)
	return list[int(b-128)%len(list)]
}
