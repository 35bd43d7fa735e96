package flow

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/dialplan"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/prompt"
)

// made is a layout of a plan that has these targets.
func made(t testing.TB, name string, targets ...string) *Layout {
	plan := dialplan.Default()
	plan.Targets = map[string]string{}
	for _, target := range targets {
		name, uri, _ := strings.Cut(target, "=")
		plan.Targets[name] = uri
	}
	l, err := NewLayout(plan, name, pin.DefaultPolicy())
	require.NoError(t, err)
	return l
}

// keysOf is a menu in a test: "1 change", "9 repeat".
func keysOf(t *testing.T, lines ...string) map[string]dialplan.Choice {
	keys := map[string]dialplan.Choice{}
	for _, line := range lines {
		key, action, _ := strings.Cut(line, " ")
		var c dialplan.Choice
		require.NoError(t, c.UnmarshalText([]byte(action)))
		keys[key] = c
	}
	return keys
}

// What a caller may want comes in the order of the telephone, then to hear it again,
// help and the ways out; what has no target is not said.
func TestMenusAreSaidInOrder(t *testing.T) {
	all := []string{"messages=sip:5000@pbx", "operator=sip:0@pbx"}
	for _, c := range []struct {
		layout  string
		targets []string
		menu    string
		says    string
	}{
		{"default", nil, "main", "option-change-2 option-repeat-9 option-goodbye-star"},
		{"default", all, "main", "option-messages-1 option-change-2 option-repeat-9 option-operator-0 option-goodbye-star"},
		{"netsapiens", all, "main", "option-messages-1 option-change-2 option-repeat-9 option-goodbye-star"},
		{"asterisk", all, "main", "option-messages-1 option-options-0 option-repeat-star option-goodbye-pound"},
		{"asterisk", all, "options", "option-change-5 option-back-star"},
		{"freeswitch", nil, "main", "option-advanced-5 option-goodbye-pound"},
		{"freeswitch", nil, "advanced", "option-change-6 option-back-0"},
		{"unity", all, "main", "option-messages-1 option-setup-4 option-goodbye-star"},
		{"unity", all, "preferences", "option-change-1 option-back-star"},
		{"attendant", all, "welcome", "attendant-welcome option-sign-in-5 fr-FR/option-language-7 es-ES/option-language-8 option-operator-0 option-goodbye-star"},
		{"attendant", []string{"operator=sip:{mailbox}@pbx"}, "welcome", "attendant-welcome option-sign-in-5 fr-FR/option-language-7 es-ES/option-language-8 option-goodbye-star"},
		{"attendant", []string{"operator=sip:{mailbox}@pbx"}, "main", "option-change-2 option-repeat-9 option-operator-0 option-goodbye-star"},
	} {
		l := made(t, c.layout, c.targets...)
		i := slices.IndexFunc(l.menus, func(m menu) bool { return m.name == c.menu })
		require.Equal(t, c.says, l.menus[i].says.String(), "%s %v", c.layout, c.targets)
	}
}

func TestLayoutsThatCannotWork(t *testing.T) {
	menus := func(lines ...string) map[string]dialplan.Menu {
		return map[string]dialplan.Menu{"main": {Keys: keysOf(t, lines...)}}
	}
	for want, l := range map[string]dialplan.Layout{
		`there is no menu "main"`:                                            {Main: "main"},
		`there is no menu "door"`:                                            {First: "door", Main: "main", Menus: menus("2 change")},
		`key 5 of the menu "main": there is no menu "deep"`:                  {Main: "main", Menus: menus("2 change", "5 menu deep")},
		`key 5 of the menu "main": sign-in is only possible before the code`: {Main: "main", Menus: menus("2 change", "5 sign-in")},
		`key 2 of the menu "main": change is only possible after the code`:   {First: "main", Main: "change", Menus: menus("2 change")},
		`no key of the first menu leads to the sign-in`:                      {First: "main", Main: "change", Menus: menus("* goodbye")},
		`no key leads to a new code`:                                         {Main: "main", Menus: menus("* goodbye")},
		`the menu "main" says more than 9 sentences`: {Main: "main", Menus: menus("0 repeat", "1 repeat", "2 change", "3 repeat", "4 repeat", "5 repeat",
			"6 repeat", "7 repeat", "8 repeat", "9 repeat")},
	} {
		plan := dialplan.Default()
		plan.Layouts = map[string]dialplan.Layout{"mine": l}
		_, err := NewLayout(plan, "mine", pin.DefaultPolicy())
		require.EqualError(t, err, `the layout "mine": `+want)
		_, err = NewLayout(plan, "yours", pin.DefaultPolicy())
		require.EqualError(t, err, `the dialplan has no layout "yours"; it has mine`)
	}
}

// Every sentence of the shipped layouts is one that each language has.
func TestTheShippedLayoutsSayWhatIsRecorded(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(dialplan.Default().Layouts)) {
		l := made(t, name, "messages=sip:5000@pbx", "operator=sip:0@pbx")
		list := l.Sentences()
		require.Equal(t, name == "express", len(list) == 0)
		for _, id := range list {
			if _, plain, ok := strings.Cut(string(id), "/"); ok {
				id = prompt.ID(plain)
			}
			require.True(t, sayable[id], "%s: %s", name, id)
		}
	}
	require.Equal(t, []prompt.ID{"option-change-2", "option-goodbye-star", "option-repeat-9"}, made(t, "default").Sentences())
}

// Who was greeted by the first menu is not greeted again.
func TestOneWelcome(t *testing.T) {
	plan := dialplan.Default()
	for say, want := range map[string][]prompt.ID{
		"welcome": {prompt.EnterExtension}, "attendant-welcome": {prompt.Welcome, prompt.EnterExtension}, "": {prompt.Welcome, prompt.EnterExtension},
	} {
		plan.Layouts = map[string]dialplan.Layout{"mine": {First: "door", Main: "change", Menus: map[string]dialplan.Menu{
			"door": {Say: say, Keys: keysOf(t, "5 sign-in", "* goodbye")},
		}}}
		l, err := NewLayout(plan, "mine", pin.DefaultPolicy())
		require.NoError(t, err)
		c := begun(t, l, Start{Door: mailbox.AnyDoor})
		c.press("5").says(want...)
	}
}

// A first menu that offers nothing but languages leads on with the choice of one.
func TestALanguageIsAllThereIsToChoose(t *testing.T) {
	plan := dialplan.Default()
	plan.Layouts = map[string]dialplan.Layout{"mine": {First: "door", Main: "change", Menus: map[string]dialplan.Menu{
		"door": {Say: "welcome", Keys: keysOf(t, "7 language fr-FR", "8 language es-ES", "* goodbye")},
	}}}
	l, err := NewLayout(plan, "mine", pin.DefaultPolicy())
	require.NoError(t, err)
	c := begun(t, l, Start{Door: mailbox.AnyDoor, Language: "de-DE"})
	require.Equal(t, "de-DE", c.out[0].Language)
	c.press("8").at(Extension).says(prompt.EnterExtension)
	require.Equal(t, "es-ES", c.out[0].Language)
	require.Equal(t, "es-ES", c.s.Language())
	c = begun(t, l, Start{Door: mailbox.OwnDoor}).press("7").at(AccessCode).says(prompt.EnterCode)
	require.Equal(t, "fr-FR", c.out[0].Language)
	require.Equal(t, []EffectKind{Say, Lookup}, kinds(c.out))
}

// The menu that led to the choice of a language is said in it; a chosen language
// stays, whatever the mailbox's is.
func TestALanguageOfAMenuBelow(t *testing.T) {
	l := small(t, "tree", "messages", "operator")
	c := begun(t, l, Start{Door: mailbox.AnyDoor}).press("3").at(FirstMenu).says("es-ES/option-language-8", "option-back-star")
	c.press("*").at(FirstMenu).press("38").at(FirstMenu)
	require.Equal(t, "attendant-welcome", string(c.out[0].Phrase[0]))
	require.Equal(t, "es-ES", c.out[0].Language)
	c.press("51#").store(Event{Kind: Found}).press("1#").store(Event{Kind: Verified, Account: dearBox}).at(MainMenu)
	require.Equal(t, "es-ES", c.out[0].Language)
}

// Nothing of a mailbox takes effect before its code is right: neither door speaks its
// language or keeps its pace.
func TestLanguageAndPaceOfAMailboxComeWithItsCode(t *testing.T) {
	l := layout(t)
	for _, door := range []mailbox.Door{mailbox.OwnDoor, mailbox.AnyDoor} {
		c := begun(t, l, Start{Door: door, Language: "de-DE"})
		if door == mailbox.AnyDoor {
			c.press("4005#")
		}
		c.store(Event{Kind: Found, Account: dearBox}).press("268413#").store(Event{Kind: Verified, Code: mailbox.WrongPIN, Account: dearBox})
		require.Equal(t, "de-DE", c.out[0].Language)
		c.spoken()
		require.Equal(t, l.timers.FirstDigit, c.out[0].After)
		c.press("739152#").store(Event{Kind: Verified, Account: dearBox}).at(MainMenu)
		require.Equal(t, "fr-FR", c.out[0].Language)
		c.spoken()
		require.Equal(t, 2*l.timers.Menu, c.out[0].After)
	}
}

func TestTheSlowHaveTwiceTheTime(t *testing.T) {
	l := layout(t)
	c := begun(t, l, Start{Door: mailbox.OwnDoor, Slow: true}).store(Event{Kind: Found, Account: plainBox}).spoken()
	require.Equal(t, 2*l.timers.FirstDigit, c.out[0].After)
	c.timer().says(prompt.TakeYourTime, prompt.EnterCode).press("7")
	require.Equal(t, 2*l.timers.BetweenDigits, c.out[1].After)
	c.press("*").spoken()
	require.Equal(t, 2*l.timers.Cleared, c.out[0].After)
	c.timer().says(prompt.NoInput, prompt.EnterCodeLong).press("739152#")
	require.Equal(t, l.timers.PleaseWait, c.out[0].After, "the service's own time is not the caller's")
	c.store(Event{Kind: Verified, Account: plainBox}).spoken()
	require.Equal(t, 2*l.timers.Menu, c.out[0].After)
	c.press("5").says(prompt.InvalidKey, "option-change-2", "option-repeat-9", "option-goodbye-star")
}
