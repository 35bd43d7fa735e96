package app

import (
	"cmp"
	"fmt"
	"slices"

	"star97/internal/call"
	"star97/internal/config"
	"star97/internal/dialplan"
	"star97/internal/flow"
	"star97/internal/prompt"
	"star97/internal/strictyaml"
)

// Layouts are the dialplan's layouts made ready for calls, by name. The error says
// what in one of them cannot work.
func Layouts(c config.Config) (map[string]*flow.Layout, error) {
	all := make(map[string]*flow.Layout, len(c.Plan.Layouts))
	for name := range c.Plan.Layouts {
		l, err := flow.NewLayout(c.Plan, name, c.Policy.Policy)
		if err != nil {
			return nil, err
		}
		all[name] = l
	}
	return all, nil
}

// languages are those that a route speaks from its beginning, or offers.
func languages(p *dialplan.Plan) (tags []string) {
	for _, r := range p.Routes {
		tags = append(tags, r.Language)
		for _, m := range p.Layouts[cmp.Or(r.Layout, dialplan.DefaultLayout)].Menus {
			for _, c := range m.Keys {
				if c.Action == dialplan.DoLanguage {
					tags = append(tags, c.Name)
				}
			}
		}
	}
	slices.Sort(tags)
	return slices.Compact(tags)
}

// Unspoken names what the menus of a route say and nobody has recorded in the
// route's language.
func Unspoken(c config.Config, voice call.Voice, layouts map[string]*flow.Layout) (problems []strictyaml.Problem) {
	told := map[string]bool{}
	for _, r := range c.Plan.Routes {
		name, words := cmp.Or(r.Layout, dialplan.DefaultLayout), prompt.Words{Code: r.Words.Code, Extension: r.Words.Extension}
		for _, id := range layouts[name].Sentences() {
			text := fmt.Sprintf("The layout %q says %q, but nobody has recorded it in %s.", name, id, cmp.Or(r.Language, c.Prompts.Language))
			if _, ok := voice.Clip(r.Language, words, id); ok || told[text] {
				continue
			}
			told[text] = true
			problems = append(problems, strictyaml.Problem{File: c.Dialplan, Text: text,
				Remedy: "Use a key that is recorded, or put your own recording into the folder that prompts.folder names."})
		}
	}
	return problems
}

// siteOf is what calls need of the configuration and may be exchanged by a reload.
func siteOf(c config.Config, voice call.Voice) (*call.Site, error) {
	layouts, err := Layouts(c)
	if err != nil {
		return nil, err
	}
	if problems := Unspoken(c, voice, layouts); len(problems) > 0 {
		return nil, problems[0]
	}
	site := &call.Site{
		Voice: voice, Layouts: layouts, Targets: c.Plan.Targets,
		Policy: rulesName(c.Policy), Limit: c.Plan.Timers.Call, TransfersPerHour: c.Plan.Limits.TransfersPerHour,
	}
	if v, ok := voice.(tongues); ok {
		site.Spoken = v.Spoken
	}
	return site, nil
}
