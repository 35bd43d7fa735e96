package app

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"star97/internal/call"
	"star97/internal/config"
	"star97/internal/dialplan"
	"star97/internal/flow"
	"star97/internal/prompt"
	"star97/internal/strictyaml"
)

// Unspoken names what the menus of a route say and nobody has recorded in the
// route's language.
func Unspoken(c config.Config, voice call.Voice, layouts map[string]*flow.Layout) (problems []strictyaml.Problem) {
	told := map[string]bool{}
	var file *strictyaml.File // read once there is a problem
	for i, r := range c.Plan.Routes {
		name, words := cmp.Or(r.Layout, dialplan.DefaultLayout), prompt.Words{Code: r.Words.Code, Extension: r.Words.Extension}
		recorded := func(id prompt.ID) bool { _, ok := voice.Clip(r.Language, words, id); return ok }
		for _, id := range layouts[name].Sentences() {
			text := fmt.Sprintf("The layout %q says %q, but nobody has recorded it in %s.", name, id, cmp.Or(r.Language, c.Prompts.Language))
			if recorded(id) || told[text] {
				continue
			}
			told[text] = true
			if file == nil {
				file = planFile(c.Dialplan)
			}
			path, remedy := saidAt(c.Plan.Layouts[name], id, recorded)
			if path = fmt.Sprintf("$.layouts.'%s'.%s", name, path); file.Line(path) == 0 {
				path = fmt.Sprintf("$.routes[%d]", i) // it has chosen a layout of star97 itself
			}
			problems = append(problems, file.Problem(path, text, remedy+", or put your own recording into the folder that prompts.folder names."))
		}
	}
	return problems
}

// planFile is a dialplan for the sake of its lines; what cannot be read has none.
func planFile(name string) *strictyaml.File {
	if data, err := os.ReadFile(name); err == nil {
		if file, problem := strictyaml.Decode(name, data, new(dialplan.Plan)); problem == nil {
			return file
		}
	}
	none, _ := strictyaml.Decode(name, nil, new(dialplan.Plan))
	return none
}

// saidAt is where in a layout a sentence has its place, and what may stand there
// instead.
func saidAt(l dialplan.Layout, id prompt.ID, recorded func(prompt.ID) bool) (path, remedy string) {
	for _, menu := range slices.Sorted(maps.Keys(l.Menus)) {
		m := l.Menus[menu]
		if m.Say == string(id) {
			return fmt.Sprintf("menus.'%s'.say", menu), "Write attendant-welcome, welcome or the id of another sentence in the manifests of the prompts"
		}
		for key, c := range m.Keys {
			option := optionOf(c)
			if option(key) != id {
				continue
			}
			path = fmt.Sprintf("menus.'%s'.keys.'%s'", menu, key)
			if keys := recordedKeys(option, recorded); len(keys) > 0 {
				return path, fmt.Sprintf("%s is recorded with %s: use such a key", c, strings.Join(keys, " and "))
			}
			return path, fmt.Sprintf("%s is recorded with no key: use another action", c)
		}
	}
	return "main", "Use a key that is recorded"
}

// optionOf gives the sentence that offers a choice under a key, as package flow
// composes it.
func optionOf(c dialplan.Choice) func(key string) prompt.ID {
	name, of := cmp.Or(c.Name, c.Action.String()), prompt.ID("")
	if c.Action == dialplan.DoLanguage {
		name, of = c.Action.String(), prompt.ID(c.Name)+"/"
	}
	return func(key string) prompt.ID { return of + prompt.Option(name, key[0]) }
}

func recordedKeys(option func(key string) prompt.ID, recorded func(prompt.ID) bool) (keys []string) {
	for _, key := range strings.Split("1234567890*#", "") {
		if recorded(option(key)) {
			keys = append(keys, key)
		}
	}
	return keys
}
