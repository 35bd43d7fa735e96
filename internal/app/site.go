package app

import (
	"star97/internal/call"
	"star97/internal/config"
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

// siteOf is what calls need of the configuration and may be exchanged by a reload.
func siteOf(c config.Config, voice call.Voice) (*call.Site, error) {
	layouts, err := Layouts(c)
	if err != nil {
		return nil, err
	}
	return &call.Site{
		Voice: voice, Layouts: layouts, Targets: c.Plan.Targets,
		Limit: c.Plan.Timers.Call, TransfersPerHour: c.Plan.Limits.TransfersPerHour,
	}, nil
}
