package flow

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"star97/internal/dialplan"
	"star97/internal/dtmf"
	"star97/internal/prompt"
)

// menu is one menu where one road leads to it: a menu that stands before and after
// the sign-in is two. Its whole text is put together once.
type menu struct {
	name     string
	parent   int8 // where back leads; none: to the end of the call
	signedIn bool
	operator bool // one of its keys is the offer of help
	says     prompt.Phrase
	parts    int // of says
	keys     [numKeys]choice
}

// numKeys counts the keys of a menu: 0 to 9, * and #.
const numKeys = int(dtmf.Pound) + 1

// choice is what a key of a menu means. The zero value: the menu does not have it.
type choice struct {
	sig  signal
	menu int8   // evMenu
	name string // evTransfer: the target; evLanguage: its tag
}

// maxMenus bounds the menus of a layout; maxOptions what one can say, since two
// sentences may come before it.
const (
	ofMailbox  = "{mailbox}" // in a target: its number, which is known after the code
	maxMenus   = 64
	maxOptions = prompt.MaxParts - 2
)

// meanings are the signals of the actions. Operators and messages are targets.
var meanings = map[dialplan.Action]signal{
	dialplan.DoChange: evChange, dialplan.DoMessages: evTransfer, dialplan.DoOperator: evTransfer, dialplan.DoTransfer: evTransfer,
	dialplan.DoRepeat: evRepeat, dialplan.DoGoodbye: evGoodbye, dialplan.DoBack: evBack, dialplan.DoSignIn: evSignIn,
	dialplan.DoMenu: evMenu, dialplan.DoLanguage: evLanguage,
}

// plant builds the menus before the sign-in and those after the code.
func (l *Layout) plant(p *dialplan.Plan, from dialplan.Layout) (err error) {
	g := gardener{layout: l, plan: p, from: from.Menus}
	if from.First != "" {
		if l.first, err = g.grow(from.First, none, false); err != nil {
			return err
		}
	}
	if from.Main != dialplan.StraightToChange {
		if l.main, err = g.grow(from.Main, none, true); err != nil {
			return err
		}
	}
	return l.walkable()
}

// gardener grows the tree of menus that a layout's names describe.
type gardener struct {
	layout *Layout
	plan   *dialplan.Plan
	from   map[string]dialplan.Menu
}

// grow returns the place of a menu, which it makes, with all that its keys lead to,
// if it is not there yet.
func (g *gardener) grow(name string, parent int8, signedIn bool) (int8, error) {
	l := g.layout
	if i := slices.IndexFunc(l.menus, func(m menu) bool { return m.name == name && m.signedIn == signedIn }); i >= 0 {
		return int8(i), nil
	}
	from, ok := g.from[name]
	switch {
	case !ok:
		return none, fmt.Errorf("there is no menu %q", name)
	case len(l.menus) == maxMenus:
		return none, fmt.Errorf("there are more than %d menus", maxMenus)
	}
	at := int8(len(l.menus))
	l.menus = append(l.menus, menu{name: name, parent: parent, signedIn: signedIn})
	m := menu{name: name, parent: parent, signedIn: signedIn}
	if from.Say != "" {
		m.says[0], m.parts = prompt.ID(from.Say), 1
	}
	for _, key := range inOrder(from.Keys) {
		c := from.Keys[key]
		if !g.offers(c, signedIn) {
			continue
		}
		if m.parts == maxOptions {
			return none, fmt.Errorf("the menu %q says more than %d sentences", name, maxOptions)
		}
		m.says[m.parts] = optionID(c, key)
		m.parts++
		made, err := g.choice(c, at, signedIn)
		if err != nil {
			return none, fmt.Errorf("key %s of the menu %q: %w", key, name, err)
		}
		m.keys[keyDigit(key)] = made
		m.operator = m.operator || c.Action == dialplan.DoOperator
		l.signIn = l.signIn || c.Action == dialplan.DoSignIn
	}
	l.menus[at] = m
	return at, nil
}

// offers leaves out what has no target, and before the code what needs to know the
// mailbox.
func (g *gardener) offers(c dialplan.Choice, signedIn bool) bool {
	return g.plan.Offers(c) && (signedIn || !strings.Contains(g.plan.Targets[c.Target()], ofMailbox))
}

func (g *gardener) choice(c dialplan.Choice, at int8, signedIn bool) (choice, error) {
	made := choice{sig: meanings[c.Action], name: c.Name}
	switch c.Action {
	case dialplan.DoChange, dialplan.DoMessages:
		if !signedIn {
			return made, fmt.Errorf("%s is only possible after the code", c)
		}
	case dialplan.DoSignIn:
		if signedIn {
			return made, fmt.Errorf("%s is only possible before the code", c)
		}
	case dialplan.DoMenu:
		var err error
		made.menu, err = g.grow(c.Name, at, signedIn)
		return made, err
	}
	if target := c.Target(); target != "" {
		made.name = target
	}
	return made, nil
}

// inOrder sorts keys as they are said: what a caller may want as on the telephone
// (1 to 9, 0, *, #), then to hear it again, help, and the ways out.
func inOrder(keys map[string]dialplan.Choice) []string {
	list := make([]string, 0, len(keys))
	for key := range keys {
		list = append(list, key)
	}
	slices.SortFunc(list, func(a, b string) int { return place(keys[a], a) - place(keys[b], b) })
	return list
}

func place(c dialplan.Choice, key string) int {
	at := int(keyDigit(key))
	if at == 0 {
		at = 9*2 + 1 // after 9, before *
	} else {
		at *= 2
	}
	return 100*slices.Index([]dialplan.Action{dialplan.DoRepeat, dialplan.DoOperator, dialplan.DoBack, dialplan.DoGoodbye}, c.Action) + at
}

// optionID is the sentence that offers a choice: by its action, or by the name of the
// menu or target. A language names itself, in its own recording.
func optionID(c dialplan.Choice, key string) prompt.ID {
	switch c.Action {
	case dialplan.DoMenu, dialplan.DoTransfer:
		return prompt.Option(c.Name, key[0])
	case dialplan.DoLanguage:
		return prompt.ID(c.Name) + "/" + prompt.Option(c.Action.String(), key[0])
	}
	return prompt.Option(c.Action.String(), key[0])
}

// keyDigit is the digit of a key in a dialplan, which has checked it.
func keyDigit(key string) dtmf.Digit {
	d, _ := dtmf.DigitOf(key[0])
	return d
}

// walkable tells whether callers get to where they want and out again.
func (l *Layout) walkable() error {
	if l.first != none && !l.signIn && !l.offers(false, evLanguage) {
		return fmt.Errorf("no key of the first menu leads to the sign-in")
	}
	if l.main != none && !l.offers(true, evChange) {
		return fmt.Errorf("no key leads to a new code")
	}
	return nil
}

// offers tells whether a key of some menu means that.
func (l *Layout) offers(signedIn bool, sig signal) bool {
	return len(l.keysFor(signedIn, sig)) > 0
}

// keysFor are the keys that mean that, with the menu if it is not the first.
func (l *Layout) keysFor(signedIn bool, sig signal) (list []string) {
	for i := range l.menus {
		m := &l.menus[i]
		for key := range m.keys {
			if m.signedIn != signedIn || m.keys[key].sig != sig {
				continue
			}
			word := keyWord(dtmf.Digit(key))
			if m.parent != none {
				word += " in " + m.name
			}
			list = append(list, word)
		}
	}
	return list
}

func keyWord(d dtmf.Digit) string {
	switch d {
	case dtmf.Star:
		return "*"
	case dtmf.Pound:
		return "#"
	}
	return strconv.Itoa(int(d))
}

// choice is what the key that was pressed means in the menu where the call is.
func (m *machine) choice() *choice { return &m.layout.menus[m.menu].keys[m.pressed] }

// inMenu tells whether keys choose from a menu.
func (m *machine) inMenu() bool { return m.at == FirstMenu || m.at == MainMenu }

// goTo says a menu and waits for its keys.
func (m *machine) goTo(menu int8) StateID {
	m.menu, m.silent = menu, 0
	if m.layout.menus[menu].signedIn {
		return m.enter(MainMenu)
	}
	return m.enter(FirstMenu)
}

func (m *machine) sayMenu() StateID { return m.goTo(m.menu) }

// openMenu is what comes after the code.
func (m *machine) openMenu() StateID {
	m.menu = m.layout.main
	switch {
	case m.menu == none:
		return m.openChange()
	case m.account != nil && m.account.Flags.Expiring && m.whyNot() == "":
		m.silent = 0
		return m.enter(MainMenu, prompt.CodeExpiresSoon)
	}
	return m.sayMenu()
}

// menuBack goes one menu back; before the first there is the end of the call.
func (m *machine) menuBack() StateID {
	if back := m.layout.menus[m.menu].parent; back != none {
		return m.goTo(back)
	}
	return m.leave(EndGoodbye, prompt.Goodbye)
}

// speakLanguage takes effect with the next sentence: the menu that led here, this
// one where none did, or the sign-in if the choice of a language is all there is.
func (m *machine) speakLanguage() StateID {
	menu := &m.layout.menus[m.menu]
	m.language, m.chose = m.choice().name, true
	switch {
	case !menu.signedIn && !m.layout.signIn:
		return m.signInFromMenu()
	case menu.parent != none:
		return m.goTo(menu.parent)
	}
	return m.sayMenu()
}

// signInFromMenu greets, unless the first menu has.
func (m *machine) signInFromMenu() StateID {
	if m.layout.greeted {
		return m.signIn()
	}
	return m.signIn(prompt.Welcome)
}
