package app

import (
	"cmp"
	"slices"

	"star97/internal/call"
	"star97/internal/config"
	"star97/internal/dialplan"
	"star97/internal/flow"
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

// siteOf is what calls need of the configuration and may be exchanged by a reload.
func siteOf(c config.Config, voice call.Voice, stores *Stores) (*call.Site, error) {
	layouts, err := Layouts(c)
	if err != nil {
		return nil, err
	}
	if problems := Unspoken(c, voice, layouts); len(problems) > 0 {
		return nil, problems[0]
	}
	site := &call.Site{
		Voice: voice, Layouts: layouts, Targets: c.Plan.Targets, OneTime: stores.oneTime, Begins: c.Begins,
		Policy: rulesName(c.Policy), Limit: c.Plan.Timers.Call, TransfersPerHour: c.Plan.Limits.TransfersPerHour,
	}
	if v, ok := voice.(tongues); ok {
		site.Spoken, site.Speaks, site.Prepare = v.Spoken, v.Speaks, v.Prepare
	}
	return site, nil
}
