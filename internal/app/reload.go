package app

import (
	"errors"
	"slices"

	"star97/internal/call"
	"star97/internal/config"
	"star97/internal/dialplan"
	"star97/internal/strictyaml"
)

// reload reads the configuration again and takes over what can be exchanged, for the
// calls that come from now on. A file with any problem changes nothing. The run loop
// calls it.
func (s *service) reload() {
	taken, waiting, err := s.exchange()
	s.count.Reloaded(err == nil)
	if err != nil {
		for _, one := range parts(err) {
			s.Log.Error("the configuration is not taken over; what was in force stays", "problem", one)
		}
		return
	}
	if len(waiting) > 0 {
		s.Log.Warn("these options have changed and need a restart", "options", waiting)
	}
	for _, w := range s.inForce.Load().Warnings() {
		s.Log.Warn(w.Error())
	}
	s.Log.Info("configuration taken over", "options", taken, "numbers", s.numbers())
}

// numbers are those that are answered, for the log.
func (s *service) numbers() (all []string) {
	for _, r := range s.inForce.Load().Plan.Routes {
		all = append(all, r.Number)
	}
	return all
}

// exchange returns the keys that are taken over and those that wait for a restart.
func (s *service) exchange() (taken, waiting []string, err error) {
	if s.Load == nil {
		return nil, nil, errors.New("there is no configuration file to read again; start star97 with --config")
	}
	next, problems := s.Load()
	if len(problems) > 0 {
		return nil, nil, joined(problems)
	}
	before := *s.inForce.Load()
	then, taken, waiting, err := before.Takeover(next)
	if err != nil {
		return nil, nil, err
	}
	voice, problems := s.voiceFor(then, before)
	if len(problems) > 0 {
		return nil, nil, joined(problems)
	}
	site, err := siteOf(then, voice, s.stores)
	if err != nil {
		return nil, nil, err
	}
	// From here on nothing fails but what changes nothing. A call that comes in between
	// has all of the old configuration, and its mailboxes too.
	if err := s.stores.Adopt(overlap(then.Plan, before.Plan)); err != nil {
		return nil, nil, err
	}
	s.count.Allow(namesOf(then, voice, s.stores))
	if err := s.server.Exchange(then.SIP, then.Plan, s.calls.With(site)); err != nil {
		return nil, nil, errors.Join(err, s.stores.Adopt(before.Plan))
	}
	s.stores.remember(then.Policy.History)
	if s.Level != nil {
		_ = s.Level.UnmarshalText([]byte(then.Log.Level)) // config has checked it
	}
	s.roll.Exchange(then.Registrations)
	if v, ok := voice.(Voice); ok && voice != s.Voice {
		s.warmer.take(v)
	}
	s.Voice = voice
	s.inForce.Store(&then)
	return taken, waiting, nil
}

// overlap are the tenants of a dialplan and of the one before, as far as the stores
// need them: a call that began under that looks for its mailbox later. They stay until
// the next reload; what no dialplan names leads nobody to them.
func overlap(then, before *dialplan.Plan) *dialplan.Plan {
	both := &dialplan.Plan{Routes: slices.Concat(then.Routes, before.Routes)}
	known := map[string]bool{}
	add := func(d dialplan.Domain) {
		if !known[d.Name] {
			known[d.Name] = true
			both.Domains = append(both.Domains, d)
		}
	}
	for _, p := range []*dialplan.Plan{then, before} {
		for _, d := range p.Domains {
			add(d)
		}
	}
	if len(both.Domains) == 0 {
		return both
	}
	for _, p := range []*dialplan.Plan{then, before} {
		for _, r := range p.Routes { // without a list every domain is in the default store
			if len(p.Domains) == 0 && r.Domain != "" {
				add(dialplan.Domain{Name: r.Domain})
			}
		}
	}
	return both
}

// voiceFor is the voice of before where it speaks the same: the program's own
// recordings do not change, those in a folder may have.
func (s *service) voiceFor(then, before config.Config) (call.Voice, []strictyaml.Problem) {
	if then.Prompts != before.Prompts || then.Prompts.Folder != "" {
		return LoadVoice(then)
	}
	if v, ok := s.Voice.(Voice); ok {
		return v, v.prepare(then.Plan)
	}
	return s.Voice, nil
}

func joined(problems []strictyaml.Problem) error {
	var all []error
	for _, p := range problems {
		all = append(all, p)
	}
	return errors.Join(all...)
}

func parts(err error) []error {
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		return several.Unwrap()
	}
	return []error{err}
}
