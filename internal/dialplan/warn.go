package dialplan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"star97/internal/mailbox"
)

// Warning is a sentence about what works and is perhaps not meant.
type Warning struct {
	Path string // of what it is about, as in "$.routes[0]"
	Text string
}

// Warnings are those about a plan.
func (p *Plan) Warnings() (all []Warning) {
	offered := map[string]bool{}
	for i, r := range p.Routes {
		if r.Redirect != "" || r.Door == mailbox.CheckDoor {
			continue
		}
		for _, m := range p.Layouts[r.layout()].Menus {
			for _, choice := range m.Keys {
				offered[choice.Target()] = true
			}
		}
		if r.Door == mailbox.OwnDoor && (r.MailboxFrom == FromDiversion || r.MailboxFrom == FromHistory) {
			all = append(all, Warning{fmt.Sprintf("$.routes[%d].mailbox_from", i), fmt.Sprintf("The route %q of the dialplan takes whoever was forwarded for the owner of the mailbox that forwarded, until the code is asked for, and callers from outside arrive this way: use door: any, unless only owners are forwarded there.", r.Number)})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Targets)) {
		if !offered[name] {
			all = append(all, Warning{"$.targets." + quoted(name), fmt.Sprintf("The target %q of the dialplan is on no key of a layout in use: correct its name, name a layout that has the key at a route, or remove it.", name)})
		}
	}
	return all
}

// Way is an address that a plan sends callers to.
type Way struct {
	Name string // what says so: `The target "operator"`
	Path string // where that stands
	URI  string
}

// Ways are the redirects and the targets, in this order.
func (p *Plan) Ways() (all []Way) {
	for i, r := range p.Routes {
		if r.Redirect != "" {
			all = append(all, Way{fmt.Sprintf("The route %q", r.Number), fmt.Sprintf("$.routes[%d].redirect", i), r.Redirect})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Targets)) {
		all = append(all, Way{fmt.Sprintf("The target %q", name), "$.targets." + quoted(name), p.Targets[name]})
	}
	return all
}

// Leads tells which route has the number that a SIP URI names, if one has.
func (p *Plan) Leads(uri string) (number string, ok bool) {
	user, _ := parts(uri)
	r, _, ok := p.routeOf(User(user))
	return r.Number, ok
}

// Host is the host of a SIP URI as domains have it.
func Host(uri string) string {
	_, host := parts(uri)
	return host
}

// parts are the user and the host of a SIP URI, empty what it lacks.
func parts(uri string) (user, host string) {
	_, rest, _ := strings.Cut(uri, ":")
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		user, rest = rest[:i], rest[i+1:]
	}
	rest, _, _ = strings.Cut(rest, ";")
	return user, hostOf(rest)
}
