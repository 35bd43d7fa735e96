package dialplan

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/dialplans"
)

func TestChoicesAreReadAsTheyAreWritten(t *testing.T) {
	for i, word := range actionWords {
		if Action(i) == 0 {
			continue
		}
		text, c := word, Choice{}
		if Action(i).takesName() {
			require.EqualError(t, c.UnmarshalText([]byte(word)), word+" needs one name after it")
			require.EqualError(t, c.UnmarshalText([]byte(word+" a b")), word+" needs one name after it")
			text += " other"
		} else {
			require.EqualError(t, c.UnmarshalText([]byte(word+" a")), word+" takes no name")
		}
		require.NoError(t, c.UnmarshalText([]byte(text)))
		require.Equal(t, Action(i), c.Action)
		written, err := c.MarshalText()
		require.NoError(t, err)
		require.Equal(t, text, string(written))
	}
	require.ErrorContains(t, new(Choice).UnmarshalText([]byte("fly")), `action "fly" is not known: use one of change, messages, operator,`)
	require.ErrorContains(t, new(Choice).UnmarshalText([]byte(" ")), "a key without an action does nothing")
	require.Equal(t, "action 200", Action(200).String())
}

func TestAChoiceWithoutItsTargetIsNotOffered(t *testing.T) {
	p := parse(t, "targets:\n  messages: sip:*98@pbx\n  helpdesk: sip:1@pbx\n")
	for text, want := range map[string]bool{"messages": true, "operator": false, "transfer helpdesk": true, "transfer other": false, "change": true, "menu main": true} {
		var c Choice
		require.NoError(t, c.UnmarshalText([]byte(text)))
		require.Equal(t, want, p.Offers(c), text)
	}
}

// keysOf lists a layout: the keys that lead somewhere from its beginning, and to what.
func keysOf(l Layout) map[string]string {
	all := map[string]string{}
	var walk func(menu, pressed string)
	walk = func(menu, pressed string) {
		for key, c := range l.Menus[menu].Keys {
			all[pressed+key] = c.String()
			if c.Action == DoMenu {
				walk(c.Name, pressed+key)
			}
		}
	}
	walk(l.First, "first ")
	walk(l.Main, "")
	return all
}

// The keys are those of the menus that callers know: VoiceMailMain of Asterisk (0, 5),
// the vanilla voicemail of FreeSWITCH (5, 6), Unity Connection's phone menu (4, 3, 1),
// option 2 of NetSapiens; and what star97 has of its own.
func TestShippedLayouts(t *testing.T) {
	want := map[string]map[string]string{
		"default":    {"1": "messages", "2": "change", "0": "operator", "9": "repeat", "*": "goodbye"},
		"netsapiens": {"1": "messages", "2": "change", "9": "repeat", "*": "goodbye"},
		"asterisk":   {"0": "menu options", "05": "change", "0*": "back", "1": "messages", "*": "repeat", "#": "goodbye"},
		"freeswitch": {"1": "messages", "5": "menu advanced", "56": "change", "50": "back", "#": "goodbye"},
		"unity": {"1": "messages", "4": "menu setup", "4*": "back", "43": "menu preferences", "431": "change", "43*": "back",
			"*": "goodbye"},
		"attendant": {"first 5": "sign-in", "first 0": "operator", "first 7": "language fr-FR", "first 8": "language es-ES", "first *": "goodbye",
			"1": "messages", "2": "change", "0": "operator", "9": "repeat", "*": "goodbye"},
		"express": {},
	}
	p := Default()
	for name, layout := range p.Layouts {
		require.Equal(t, want[name], keysOf(layout), name)
		require.Equal(t, name == "express", layout.Main == StraightToChange, name)
	}
	require.Equal(t, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(p.Layouts)))
	require.Equal(t, "attendant-welcome", p.Layouts["attendant"].Menus["welcome"].Say)
}

// opening is the comment at the top of a layout's file.
func opening(t *testing.T, name string) string {
	data, err := dialplans.Layouts.ReadFile("layouts/" + name + ".yaml")
	require.NoError(t, err)
	head, _, _ := strings.Cut(string(data), "\n"+"main:")
	head, _, _ = strings.Cut(head, "\n"+"first:")
	require.True(t, strings.HasPrefix(head, "# "+name+": "), "%s begins with its name", name)
	return head
}

var (
	menuLine = regexp.MustCompile(`(?m)^# +(at once|after the code|\S then): +(.*)$`)
	keyWord  = regexp.MustCompile(`(?:^|· )(\S) `)
)

// An administrator reads the comment, a caller hears the menu: they must agree.
func TestTheCommentOfALayoutNamesItsKeys(t *testing.T) {
	for name, layout := range Default().Layouts {
		told := map[string]bool{}
		at := ""
		for _, m := range menuLine.FindAllStringSubmatch(opening(t, name), -1) {
			switch m[1] {
			case "at once":
				at = "first "
			case "after the code":
				at = ""
			default:
				at += m[1][:1]
			}
			for _, key := range keyWord.FindAllStringSubmatch(m[2], -1) {
				told[at+key[1]] = true
			}
		}
		require.ElementsMatch(t, slices.Collect(maps.Keys(keysOf(layout))), slices.Collect(maps.Keys(told)), name)
	}
}

// What a comment shows can be copied.
func TestTheExampleInTheCommentOfALayoutWorks(t *testing.T) {
	for name := range Default().Layouts {
		if name == DefaultLayout {
			continue
		}
		_, example, ok := strings.Cut(opening(t, name), "#   routes:")
		require.True(t, ok, name)
		example, _, _ = strings.Cut(example, "\n#\n")
		p := parse(t, "   routes:"+strings.ReplaceAll(example, "\n#", "\n"))
		for _, r := range p.Routes {
			require.Equal(t, name, r.Layout)
		}
		require.NotZero(t, len(p.Routes))
	}
}

var commentedOut = regexp.MustCompile(`(?m)^(\w+): (?:\[\]|\{\})\n((?:#  .*\n)+)`)

func TestTheExamplesOfTheEmbeddedPlanWork(t *testing.T) {
	text := commentedOut.ReplaceAllStringFunc(string(dialplans.Default), func(s string) string {
		s = strings.Replace(s, ": []\n", ":\n", 1)
		s = strings.Replace(s, ": {}\n", ":\n", 1)
		return strings.ReplaceAll(s, "\n#", "\n")
	})
	p := parse(t, text)
	require.Len(t, p.Domains, 1)
	require.Len(t, p.Identities, 3)
	require.Len(t, p.Targets, 3)
	require.Len(t, p.Layouts, 8)
	ask(t, p, Question{Number: "*97", Trusted: true, Identity: "+12125554001"}, "own, mailbox 4001, default, domain , store ")
}

func TestALayoutOfASiteIsAddedOrTakesThePlaceOfAnother(t *testing.T) {
	p := parse(t, `
layouts:
  express:
    main: main
    menus:
      main:
        keys: {"1": change, "*": goodbye}
  own: {main: change}
`)
	require.Len(t, p.Layouts, 8)
	require.Equal(t, map[string]string{"1": "change", "*": "goodbye"}, keysOf(p.Layouts["express"]))
	require.Equal(t, Layout{Main: StraightToChange}, p.Layouts["own"])
	require.Equal(t, Layout{Main: StraightToChange}, Default().Layouts["express"])
}

func TestALayoutThatCannotBeIsRefused(t *testing.T) {
	layout := func(lines ...string) string {
		return "targets: {helpdesk: \"sip:1@pbx\"}\nlayouts:\n  own:\n    " + strings.Join(lines, "\n    ") + "\n"
	}
	menus := func(lines ...string) string {
		return layout(append([]string{"main: main", "menus:"}, lines...)...)
	}
	const change = `"2": change, "*": goodbye`
	main := `  main: {keys: {` + change + `, "3": menu more}}`
	welcome := `  welcome: {keys: {"5": sign-in, "*": goodbye}}`
	for name, c := range map[string]struct{ text, want string }{
		"no main menu":               {layout("menus: {}"), `The layout has no main menu. Add main: and the name of a menu, or main: change.`},
		"a main menu not there":      {layout("main: top"), `plan.yaml:4: There is no menu "top". Use one of change.`},
		"a first menu not there":     {layout("main: change", "first: top"), `plan.yaml:5: There is no menu "top". Write it under menus, or leave first out.`},
		"a layout without a name":    {"layouts:\n  Own Menu: {main: change}\n", `plan.yaml:2: The layout "Own Menu" is no name.`},
		"a menu of an action's name": {menus(`  main: {keys: {"2": change, "*": goodbye, "3": menu back}}`, `  back: {keys: {"*": goodbye}}`), `The menu "back" cannot have this name.`},
		"no way to a new code":       {menus(`  main: {keys: {"9": repeat, "*": goodbye}}`), `plan.yaml:4: No key leads to a new code.`},
		"no way out":                 {menus(`  main:`, `    keys:`, `      "2": change`), `plan.yaml:7: Nothing leads out of the menu "main".`},
		"no way to the code":         {layout("main: change", "first: top", "menus:", `  top: {keys: {"*": goodbye}}`), `plan.yaml:5: No key before the code leads to it.`},
		"a menu without a key to it": {menus(`  main: {keys: {`+change+`}}`, `  more: {keys: {"*": back}}`), `plan.yaml:7: No key leads to the menu "more". Give one the action`},
		"a key that is none":         {menus(`  main:`, `    keys:`, `      "2": change`, `      "10": goodbye`), `plan.yaml:9: "10" is not one key.`},
		"a star without quotes":      {menus(`  main:`, `    keys:`, `      "2": change`, `      *: goodbye`), `plan.yaml:9: A key that begins with * must stand in quotation marks. Write "*".`},
		"a number sign without them": {menus(`  main:`, `    keys:`, `      "2": change`, `      "*": goodbye`, `      #: repeat`), `plan.yaml:10: A # without quotation marks begins a comment. Write "#" for the key.`},
		"a key that does nothing":    {menus(`  main:`, `    keys:`, `      "2": change`, `      "*": goodbye`, `      "#":`), `plan.yaml:10: The key # does nothing.`},
		"an action that is none":     {menus(`  main:`, `    keys:`, `      "2": alter`), `plan.yaml:8: Action "alter" is not known: use one of change,`},
		"a menu that is not there":   {menus(main), `plan.yaml:6: There is no menu "more".`},
		"a target that is not there": {menus(`  main: {keys: {` + change + `, "3": transfer sales}}`), `There is no target "sales". Write its URI under targets.`},
		"a target of its own action": {menus(`  main: {keys: {` + change + `, "3": transfer operator}}`), `The target "operator" has an action of its own. Write operator alone.`},
		"a language that is none":    {menus(`  main: {keys: {` + change + `, "3": language x}}`), `"x" is no language.`},
		"a sentence that is none":    {menus(`  main:`, `    say: Hello there`, `    keys: {`+change+`}`), `plan.yaml:7: "Hello there" is no sentence.`},
		"back at the top":            {menus(`  main: {keys: {"2": change, "*": back}}`), `No menu is above "main". Write goodbye instead of back.`},
		"a sign-in after the code":   {menus(`  main: {keys: {` + change + `, "3": sign-in}}`), `sign-in stands in a menu after the code.`},
		"a change before the code":   {layout("main: change", "first: welcome", "menus:", `  welcome: {keys: {"5": sign-in, "2": change, "*": goodbye}}`), `change stands in a menu before the code.`},
		"messages before the code":   {layout("main: change", "first: welcome", "menus:", `  welcome: {keys: {"5": sign-in, "1": messages, "*": goodbye}}`), `messages stands in a menu before the code.`},
		"the main menu before":       {layout("first: welcome", "main: main", "menus:", `  welcome: {keys: {"5": sign-in, "3": menu main, "*": goodbye}}`, `  main: {keys: {`+change+`}}`), `The menu "main" is reached before the code and after it.`},
		"the same first and main":    {layout("first: main", "main: main", "menus:", `  main: {keys: {"5": sign-in, `+change+`}}`), `The menu "main" is reached before the code and after it.`},
		"a menu with two parents":    {menus(main[:len(main)-2]+`, "4": menu other}}`, `  more: {keys: {"*": back, "1": menu other}}`, `  other: {keys: {"*": back}}`), `The menu "other" is reached from "main" already, so back would have two meanings.`},
		"five options":               {menus(`  main: {keys: {"1": messages, "2": change, "3": transfer helpdesk, "4": language es-ES, "5": language fr-FR, "*": goodbye}}`), `The menu "main" has 5 options.`},
		"ten sentences": {menus(`  main: {say: hello, keys: {"1": messages, "2": change, "3": transfer helpdesk, "4": language es-ES, "5": operator, "0": operator, "9": repeat, "*": goodbye, "#": goodbye}}`),
			`The menu "main" says 10 sentences. 9 are the most`},
		"too many menus":              {menus(numbered("  m%d: {keys: {\"*\": back}}\n    ", 21)), `There are 21 menus. 20 are the most of one layout.`},
		"too many layouts":            {"layouts:\n" + numbered("  l%d: {main: change}\n", 101), `There are 101 layouts.`},
		"welcome without its sign-in": {layout("main: change", "menus:", welcome), `No key leads to the menu "welcome".`},
	} {
		t.Run(name, func(t *testing.T) { wrong(t, c.text, c.want) })
	}
}

func TestALayoutMayReturnToItsTop(t *testing.T) {
	p := parse(t, `
layouts:
  own:
    first: welcome
    main: main
    menus:
      welcome: {keys: {"5": sign-in, "6": menu languages, "*": goodbye}}
      languages: {keys: {"1": language es-ES, "2": language fr-FR, "0": menu welcome, "*": back}}
      main: {keys: {"4": menu setup, "*": goodbye}}
      setup: {keys: {"3": menu own, "*": back}}
      own: {keys: {"1": change, "0": menu main, "*": back}}
`)
	require.Equal(t, []string{"welcome", "languages"}, p.Layouts["own"].below("welcome"))
	require.Equal(t, []string{"main", "setup", "own"}, p.Layouts["own"].below("main"))
}

// Where a language is all there is to choose before the code, the choice leads to it.
func TestAFirstMenuMayOfferLanguagesAlone(t *testing.T) {
	p := parse(t, `
layouts:
  two:
    main: change
    first: top
    menus:
      top: {say: welcome, keys: {"7": language fr-FR, "8": language es-ES, "*": goodbye}}
`)
	require.Equal(t, "top", p.Layouts["two"].First)
}
