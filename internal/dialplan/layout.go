package dialplan

import (
	"fmt"
	"slices"
	"strings"
)

// DefaultLayout is the name of the layout of routes that name none.
const DefaultLayout = "default"

// StraightToChange stands as Layout.Main for no menu at all.
const StraightToChange = "change"

// Layout is a tree of menus under a name: what callers hear and press.
type Layout struct {
	First string          `yaml:"first"` // menu before the sign-in; empty: none
	Main  string          `yaml:"main"`  // menu after the code, or StraightToChange
	Menus map[string]Menu `yaml:"menus"`
}

// Menu is a list of keys. A key that it does not have is no choice.
type Menu struct {
	Say  string            `yaml:"say"`  // prompt id said before the options; empty: none
	Keys map[string]Choice `yaml:"keys"` // "0" to "9", "*", "#"
}

// Choice is what a key does.
type Choice struct {
	Action Action
	Name   string // menu, language tag or target; empty for the other actions
}

// Action is what a key of a menu can do.
type Action uint8

// The actions. The zero value is none.
const (
	DoChange   Action = iota + 1 // to the new code; after the sign-in only
	DoMessages                   // transfer to the target "messages"; after the sign-in only
	DoOperator                   // transfer to the target "operator"
	DoRepeat                     // say the menu again
	DoGoodbye                    // end the call
	DoBack                       // to the menu that led here
	DoSignIn                     // ask for the mailbox and its code; before the sign-in only
	DoMenu                       // to the menu of that name
	DoLanguage                   // go on in that language
	DoTransfer                   // transfer to the target of that name
)

var actionWords = [...]string{
	DoChange: "change", DoMessages: "messages", DoOperator: "operator", DoRepeat: "repeat", DoGoodbye: "goodbye",
	DoBack: "back", DoSignIn: "sign-in", DoMenu: "menu", DoLanguage: "language", DoTransfer: "transfer",
}

// takesName tells which actions need a name.
func (a Action) takesName() bool { return a == DoMenu || a == DoLanguage || a == DoTransfer }

// String is the action's word in a dialplan.
func (a Action) String() string {
	if a == 0 || int(a) >= len(actionWords) {
		return fmt.Sprintf("action %d", uint8(a))
	}
	return actionWords[a]
}

// String is the choice as a dialplan has it: "change", "menu options".
func (c Choice) String() string {
	if c.Name == "" {
		return c.Action.String()
	}
	return c.Action.String() + " " + c.Name
}

// MarshalText writes what UnmarshalText reads.
func (c Choice) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads an action and its name.
func (c *Choice) UnmarshalText(text []byte) error {
	words := strings.Fields(string(text))
	if len(words) == 0 {
		return fmt.Errorf("a key without an action does nothing: write one, or leave the key out")
	}
	i := slices.Index(actionWords[:], words[0])
	action := Action(max(i, 0))
	switch {
	case action == 0:
		return fmt.Errorf("action %q is not known: use one of %s", words[0], strings.Join(actionWords[1:], ", "))
	case action.takesName() && len(words) != 2:
		return fmt.Errorf("%s needs one name after it", words[0])
	case !action.takesName() && len(words) != 1:
		return fmt.Errorf("%s takes no name", words[0])
	}
	*c = Choice{Action: action, Name: strings.Join(words[1:], "")}
	return nil
}

// Target is the name of the target that a choice transfers to, empty for other
// actions.
func (c Choice) Target() string {
	switch c.Action {
	case DoMessages:
		return "messages"
	case DoOperator:
		return "operator"
	case DoTransfer:
		return c.Name
	}
	return ""
}

// Offers tells whether a menu has a choice: one without its target is left out, as
// if its key were not there.
func (p *Plan) Offers(c Choice) bool {
	name := c.Target()
	return name == "" || p.Targets[name] != ""
}
