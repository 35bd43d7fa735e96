package dialplan

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"star97/internal/mailbox"
)

// mailboxMark stands in a target for the number of the verified mailbox.
const mailboxMark = "{mailbox}"

const (
	maxTargets = 100
	maxURI     = 256
)

// uriShape is a SIP URI as RFC 3261 section 25.1 has it, without password and
// headers. User and parameters may hold any sign that needs no escape, or escapes.
var uriShape = regexp.MustCompile(`^(?i:sips?):(?:(?:[A-Za-z0-9\-_.!~*'()&=+$,;?/]|%[0-9A-Fa-f]{2}|\{mailbox\})+@)?` +
	`([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:;[A-Za-z0-9\-_.!~*'()\[\]/:&+$%=]+)*$`)

// targets checks the targets, and that none needs a mailbox where none is known.
func (c *checker) targets(p *Plan) {
	if len(p.Targets) > maxTargets {
		c.add("$.targets", fmt.Sprintf("There are %d targets.", len(p.Targets)), fmt.Sprintf("%d are the most.", maxTargets))
		return
	}
	early := p.early()
	for _, name := range slices.Sorted(maps.Keys(p.Targets)) {
		at := "$.targets." + quoted(name)
		if !nameShape.MatchString(name) {
			c.add(at, fmt.Sprintf("The target %q is no name.", name), "Use small letters, digits and hyphens, at most 32.")
		}
		c.uri(at, p.Targets[name], true)
		if layout := early[name]; layout != "" && strings.Contains(p.Targets[name], mailboxMark) {
			c.add(at, fmt.Sprintf("The target %q needs the number of the mailbox, but the layout %q leads there before the code.", name, layout),
				"Write a URI without "+mailboxMark+", or take the key out of that layout's first menu.")
		}
	}
}

// uri checks a SIP URI that callers are sent to.
func (c *checker) uri(at, uri string, marked bool) {
	switch {
	case len(uri) > maxURI || !uriShape.MatchString(uri):
		c.add(at, fmt.Sprintf("%q is no SIP URI.", uri), "Write it like sip:*98@pbx.example.org, at most 256 signs.")
	case strings.Count(uri, mailboxMark) > 1 || !marked && strings.Contains(uri, mailboxMark):
		c.add(at, fmt.Sprintf("%q cannot have %s here.", uri, mailboxMark), "Only a target can, once.")
	}
}

// early are the targets to which choices before the code lead in layouts that are in
// use, each with the name of one.
func (p *Plan) early() map[string]string {
	looked, found := map[string]bool{}, map[string]string{}
	for _, r := range p.Routes {
		name := r.layout()
		if looked[name] || r.Redirect != "" || r.Door == mailbox.CheckDoor {
			continue
		}
		looked[name] = true
		l := p.Layouts[name]
		for _, menu := range l.below(l.First) {
			for _, choice := range l.Menus[menu].Keys {
				found[choice.Target()] = name
			}
		}
	}
	return found
}

// quoted is a key of a YAML path, whatever its signs.
func quoted(key string) string { return "'" + key + "'" }
