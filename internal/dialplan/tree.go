package dialplan

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Limits of a layout.
const (
	maxLayouts = 100
	maxMenus   = 20 // of one layout
	maxOptions = 4  // of one menu, besides repeat, back, operator and goodbye
	// maxSentences of one menu: what a phrase holds beside "there was no input" and
	// the like, prompt.MaxParts less two.
	maxSentences = 9
)

// below are the menus that keys reach from root, root itself first; none where there
// is no such menu.
func (l Layout) below(root string) (names []string) {
	if _, ok := l.Menus[root]; !ok {
		return nil
	}
	names = append(names, root)
	for i := 0; i < len(names); i++ {
		keys := l.Menus[names[i]].Keys
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			to := keys[key].Name
			if _, ok := l.Menus[to]; ok && keys[key].Action == DoMenu && !slices.Contains(names, to) {
				names = append(names, to)
			}
		}
	}
	return names
}

func (c *checker) layouts(layouts map[string]Layout, targets map[string]string) {
	if len(layouts) > maxLayouts {
		c.add("$.layouts", fmt.Sprintf("There are %d layouts.", len(layouts)), fmt.Sprintf("%d are the most.", maxLayouts))
		return
	}
	for _, name := range slices.Sorted(maps.Keys(layouts)) {
		at := "$.layouts." + quoted(name)
		if !nameShape.MatchString(name) {
			c.add(at, fmt.Sprintf("The layout %q is no name.", name), "Use small letters, digits and hyphens, at most 32.")
		}
		if !c.file.Spoiled(at) {
			(&gardener{c, at, layouts[name], targets}).check()
		}
	}
}

// gardener checks one layout: two trees of menus, that of First before the code and
// that of Main after it. In a tree each menu has one parent, to which back leads.
type gardener struct {
	*checker
	at string
	Layout
	targets map[string]string
}

func (g *gardener) menu(name, key string) string {
	at := g.at + ".menus." + quoted(name)
	if key != "" {
		at += ".keys." + quoted(key)
	}
	return at
}

func (g *gardener) check() {
	if len(g.Menus) > maxMenus {
		g.add(g.at+".menus", fmt.Sprintf("There are %d menus.", len(g.Menus)), fmt.Sprintf("%d are the most of one layout.", maxMenus))
		return
	}
	g.roots()
	before, after := g.below(g.First), g.below(g.Main)
	parents := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(g.Menus)) {
		if isWord(name) || !nameShape.MatchString(name) {
			g.add(g.menu(name, ""), fmt.Sprintf("The menu %q cannot have this name.", name), "Use small letters, digits and hyphens, at most 32, and no action's word.")
		}
		isBefore, isAfter := slices.Contains(before, name), slices.Contains(after, name)
		switch {
		case isBefore && isAfter:
			g.add(g.menu(name, ""), fmt.Sprintf("The menu %q is reached before the code and after it.", name), "Write one for each.")
		case !isBefore && !isAfter:
			g.add(g.menu(name, ""), fmt.Sprintf("No key leads to the menu %q.", name), fmt.Sprintf("Give one the action `menu %s`, or remove it.", name))
		}
		g.size(name)
		g.keys(name, isBefore, parents)
	}
	g.ends(before, after)
}

func isWord(name string) bool { return slices.Contains(actionWords[1:], name) }

// roots checks that the two trees begin somewhere.
func (g *gardener) roots() {
	names := slices.Sorted(maps.Keys(g.Menus))
	_, first := g.Menus[g.First]
	_, main := g.Menus[g.Main]
	switch {
	case g.Main == "":
		g.add(g.at, "The layout has no main menu.", "Add main: and the name of a menu, or main: change.")
	case !main && g.Main != StraightToChange:
		g.add(g.at+".main", fmt.Sprintf("There is no menu %q.", g.Main), "Use one of "+list(append(names, StraightToChange))+".")
	}
	if g.First != "" && !first {
		g.add(g.at+".first", fmt.Sprintf("There is no menu %q.", g.First), "Write it under menus, or leave first out.")
	}
}

func (g *gardener) size(name string) {
	m, options := g.Menus[name], 0
	sentences := len(m.Keys)
	if m.Say != "" {
		sentences++
	}
	for _, choice := range m.Keys {
		switch choice.Action {
		case DoRepeat, DoBack, DoOperator, DoGoodbye:
		default:
			options++
		}
	}
	switch {
	case options > maxOptions:
		g.add(g.menu(name, ""), fmt.Sprintf("The menu %q has %d options.", name, options), fmt.Sprintf("Nobody keeps more than %d in mind (besides repeat, back, operator and goodbye): make a second menu.", maxOptions))
	case sentences > maxSentences:
		g.add(g.menu(name, ""), fmt.Sprintf("The menu %q says %d sentences.", name, sentences), fmt.Sprintf("%d are the most, one for each key and say: leave one out.", maxSentences))
	}
	if m.Say != "" && !nameShape.MatchString(m.Say) {
		g.add(g.menu(name, "")+".say", fmt.Sprintf("%q is no sentence.", m.Say), "Write the id of one in the manifests of the prompts.")
	}
}

// keys checks each key of a menu, and that back has one meaning.
func (g *gardener) keys(name string, before bool, parents map[string]string) {
	m := g.Menus[name]
	leaves := false
	for _, key := range slices.Sorted(maps.Keys(m.Keys)) {
		choice, at := m.Keys[key], g.menu(name, key)
		if len(key) != 1 || strings.Trim(key, digits+"*#") != "" {
			g.add(at, fmt.Sprintf("%q is not one key.", key), "Use one of 0-9 * #, quoted.")
		}
		leaves = leaves || choice.Action == DoGoodbye || choice.Action == DoBack
		g.choice(at, key, choice, before)
		switch {
		case choice.Action == DoBack && g.isRoot(name):
			g.add(at, fmt.Sprintf("No menu is above %q.", name), "Write goodbye instead of back.")
		case choice.Action == DoMenu && !g.isRoot(choice.Name):
			if other, ok := parents[choice.Name]; ok && other != name {
				g.add(at, fmt.Sprintf("The menu %q is reached from %q already, so back would have two meanings.", choice.Name, other), "Write a second menu.")
			}
			parents[choice.Name] = name
		}
	}
	if !leaves {
		g.add(g.menu(name, ""), fmt.Sprintf("Nothing leads out of the menu %q.", name), "Add goodbye, or back in a menu below another.")
	}
}

func (g *gardener) isRoot(name string) bool { return name == g.First || name == g.Main }

// choice checks what one key does.
func (g *gardener) choice(at, key string, choice Choice, before bool) {
	switch _, isMenu := g.Menus[choice.Name]; choice.Action {
	case 0:
		g.add(at, fmt.Sprintf("The key %s does nothing.", key), "Write an action, or leave the key out.")
	case DoChange, DoMessages:
		if before {
			g.add(at, fmt.Sprintf("%s stands in a menu before the code.", choice), "It is for menus after the code.")
		}
	case DoSignIn:
		if !before {
			g.add(at, "sign-in stands in a menu after the code.", "It is for menus before the code.")
		}
	case DoMenu:
		if !isMenu {
			g.add(at, fmt.Sprintf("There is no menu %q.", choice.Name), "Write it under menus of this layout.")
		}
	case DoLanguage:
		if !isTag(choice.Name) {
			g.add(at, fmt.Sprintf("%q is no language.", choice.Name), "Write a tag like en-US that has a folder of prompts.")
		}
	case DoTransfer:
		switch {
		case isWord(choice.Name):
			g.add(at, fmt.Sprintf("The target %q has an action of its own.", choice.Name), fmt.Sprintf("Write %s alone.", choice.Name))
		case g.targets[choice.Name] == "":
			g.add(at, fmt.Sprintf("There is no target %q.", choice.Name), "Write its URI under targets.")
		}
	}
}

// ends checks that callers come to what they called for.
func (g *gardener) ends(before, after []string) {
	has := func(menus []string, action Action) bool {
		return slices.ContainsFunc(menus, func(name string) bool {
			for _, choice := range g.Menus[name].Keys {
				if choice.Action == action {
					return true
				}
			}
			return false
		})
	}
	if len(before) > 0 && !has(before, DoSignIn) && !has(before, DoLanguage) { // who chooses nothing but a language is asked for the code then
		g.add(g.at+".first", "No key before the code leads to it.", "Give one of the menus the action sign-in, or that of a language.")
	}
	if len(after) > 0 && !has(after, DoChange) {
		g.add(g.at+".main", "No key leads to a new code.", "Give one of the menus the action change.")
	}
}
