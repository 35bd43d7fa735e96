package sim

import (
	"math/rand/v2"
	"slices"
	"time"

	"star97/internal/config"
	"star97/internal/dialplan"
	"star97/internal/mailbox"
)

// site is what a round's dialplan says.
type site struct {
	layout   string
	language string
	slow     bool
	targets  []string
	limit    time.Duration // of a call; 0: the dialplan's
	tenants  []string

	forgotten, firstUse bool // what its own doors have
	oneTime             bool // nobody can check its codes
}

// layouts are what the shipped dialplan has besides the default one.
var layouts = []string{"asterisk", "attendant", "express", "freeswitch", "netsapiens", "unity"}

// aSite is half of the time the default dialplan.
func aSite(r *rand.Rand) site {
	var s site
	if chance(r, 0.5) {
		s.layout = layouts[r.IntN(len(layouts))]
	}
	if chance(r, 0.2) {
		s.language = []string{"fr-FR", "de-DE"}[r.IntN(2)]
	}
	s.slow = chance(r, 0.1)
	for _, name := range []string{"messages", "operator"} {
		if chance(r, 0.5) {
			s.targets = append(s.targets, name)
		}
	}
	if chance(r, 0.15) {
		s.limit = between(r, 10*time.Second, 90*time.Second)
	}
	return s
}

// settle alters the configuration as the site is.
func (s site) settle(c *config.Config) {
	c.Plan.Targets = map[string]string{}
	for _, name := range s.targets {
		c.Plan.Targets[name] = "sip:" + name + "@192.0.2.50"
	}
	if s.limit > 0 {
		c.Plan.Timers.Call, c.Call.HangupGrace = s.limit, 10*time.Second
	}
	c.Plan.Routes = append(c.Plan.Routes, dialplan.Route{Number: redirected, Redirect: "sip:elsewhere@192.0.2.50"})
	for _, name := range s.tenants {
		c.Plan.Domains = append(c.Plan.Domains, dialplan.Domain{Name: name, Hosts: []string{hostOf(name)}})
	}
	for i := range c.Plan.Routes[:len(c.Plan.Routes)-1] {
		r := &c.Plan.Routes[i]
		r.Layout, r.Language, r.Slow = s.layout, s.language, s.slow
		if r.Door == mailbox.OwnDoor {
			s.help(r)
		}
		if len(s.tenants) > 0 && r.Door != mailbox.CheckDoor {
			r.DomainFrom = dialplan.FromRequest
		}
	}
}

// help is what a route's own door has for owners who cannot show a code.
func (s site) help(r *dialplan.Route) {
	if s.forgotten {
		r.Forgotten = dialplan.ForgottenOffer
	}
	if s.firstUse {
		r.FirstUse = dialplan.FirstUseAllow
	}
}

// someReferrals are what becomes of a caller's transfers.
func someReferrals(r *rand.Rand) (all []referral) {
	for range r.IntN(4) {
		one := referral{status: []int{200, 200, 486, 503, 0}[r.IntN(5)], after: between(r, 0, 40*time.Second), twice: chance(r, 0.2)}
		if chance(r, 0.2) {
			one.answer = []int{403, 501, 603}[r.IntN(3)]
		}
		all = append(all, one)
	}
	return all
}

// choose is the key for what the caller wants of a menu, as far as it was read out.
func (b *brain) choose() byte {
	p := b.phone
	defer clear(b.menu)
	if len(b.menu) > 0 && chance(p.dice, 0.15) {
		keys := make([]byte, 0, len(b.menu))
		for _, k := range b.menu {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		return keys[p.dice.IntN(len(keys))]
	}
	wants := []string{"change", "sign-in", "options", "advanced", "setup", "preferences"}
	if p.plan.changes <= 0 {
		wants = []string{"goodbye", "messages", "back"}
	}
	for _, name := range wants {
		if key, ok := b.menu[name]; ok {
			if name == "change" {
				p.plan.changes--
			}
			return key
		}
	}
	return '2'
}
