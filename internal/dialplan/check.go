package dialplan

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"star97/internal/mailbox"
	"star97/internal/strictyaml"
)

// Limits of a file.
const (
	maxFileBytes  = 1 << 20
	maxRoutes     = 1000
	maxIdentities = 1000
	maxDomains    = 1000
	maxHosts      = 20  // of one domain
	maxHost       = 255 // RFC 1035 section 2.3.4
	maxTag        = 35  // RFC 5646 section 4.4.1
)

var (
	// hostShape is what a host in a SIP URI can be, RFC 3261 section 25.1, and "_".
	hostShape = regexp.MustCompile(`^[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?$`)
	// tagShape is RFC 5646 section 2.1 as far as languages of prompts need it.
	tagShape = regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)
	// nameShape is a name that can be part of a prompt's id.
	nameShape = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
)

// checker gathers what is wrong with a plan.
type checker struct {
	file     *strictyaml.File
	problems []strictyaml.Problem
}

func (c *checker) add(path, text, remedy string) {
	c.problems = append(c.problems, c.file.Problem(path, text, remedy))
}

// check tells what is wrong with a plan, in the order of the file. Written are the
// layouts that stand in this file.
func (p *Plan) check(file *strictyaml.File, written map[string]Layout) []strictyaml.Problem {
	c := &checker{file: file}
	c.routes(p)
	c.domains(p.Domains)
	c.identities(p.Identities)
	c.targets(p)
	c.layouts(written, p.Targets)
	c.timers(p.Timers)
	c.limits(p.Limits)
	slices.SortStableFunc(c.problems, func(a, b strictyaml.Problem) int { return a.Line - b.Line })
	return c.problems
}

func (c *checker) routes(p *Plan) {
	if len(p.Routes) == 0 || len(p.Routes) > maxRoutes {
		c.add("$.routes", fmt.Sprintf("There are %d routes.", len(p.Routes)), fmt.Sprintf("Write 1 to %d, or leave routes out to get those of star97 itself.", maxRoutes))
		return
	}
	for i, r := range p.Routes {
		at := fmt.Sprintf("$.routes[%d]", i)
		if !isNumber(r.Number) {
			c.add(at+".number", fmt.Sprintf("The number %q cannot be dialled.", r.Number), "Use digits, * and #, or a name of letters, digits, dots and hyphens, at most 64 signs; quote it.")
		}
		if first, hidden := hiddenBy(p.Routes[:i], r.Number); hidden {
			c.add(at+".number", fmt.Sprintf("The route %q is never taken: %q stands before it and fits the same numbers.", r.Number, first),
				"Move it before that one, or remove one of both.")
		}
		if c.uses(at, r) {
			c.ways(at, r, p)
			c.speech(at, r)
		}
	}
}

// hiddenBy finds an earlier route that takes every number of a later one.
func hiddenBy(earlier []Route, number string) (string, bool) {
	for _, r := range earlier {
		if r.Number == number || isNumber(r.Number) && covers(r.Number, number) {
			return r.Number, true
		}
	}
	return "", false
}

// covers tells whether pattern fits all that narrow fits.
func covers(pattern, narrow string) bool {
	if !isPattern(pattern) || !isPattern(narrow) {
		return false
	}
	_, ok := match(pattern, strings.ReplaceAll(narrow, "x", "0"))
	for i := range narrow {
		ok = ok && (narrow[i] != anyDigit || pattern[i] == anyDigit)
	}
	return ok
}

// uses refuses options that have no use at what a route leads to; false if the
// others need no look.
func (c *checker) uses(at string, r Route) bool {
	asked := []struct {
		key     string
		written bool
	}{
		{"layout", r.Layout != ""}, {"domain", r.Domain != ""}, {"domain_from", r.DomainFrom != ""}, {"words", r.Words != Words{}},
		{"mailbox_from", r.MailboxFrom != ""}, {"language", r.Language != ""}, {"slow", r.Slow}, {"door", r.Door != 0},
		{"forgotten", r.Forgotten != ""}, {"first_use", r.FirstUse != ""},
	}
	idle := func(where string, keys ...string) {
		for _, o := range asked {
			if o.written && slices.Contains(keys, o.key) {
				c.add(at+"."+o.key, fmt.Sprintf("%s has no use at %s, as route %q is.", o.key, where, r.Number), "Remove it.")
			}
		}
	}
	switch {
	case r.Redirect != "":
		idle("a redirect", "layout", "domain", "domain_from", "words", "mailbox_from", "language", "slow", "door", "forgotten", "first_use")
		c.uri(at+".redirect", r.Redirect, false)
		return false
	case r.Door == 0:
		c.add(at, fmt.Sprintf("The route %q leads to no door.", r.Number), "Add door: own, door: any or door: check.")
		return false
	case r.Door == mailbox.CheckDoor:
		idle("the check door", "layout", "domain", "domain_from", "words", "mailbox_from", "forgotten", "first_use")
	case r.Door == mailbox.AnyDoor:
		idle("the any door", "mailbox_from", "forgotten", "first_use")
	}
	return true
}

// ways checks what of a route names something else of the plan.
func (c *checker) ways(at string, r Route, p *Plan) {
	if _, ok := p.Layouts[r.Layout]; r.Layout != "" && !ok && !c.file.Spoiled("$.layouts."+quoted(r.Layout)) {
		c.add(at+".layout", fmt.Sprintf("There is no layout %q.", r.Layout), "Use one of "+list(slices.Sorted(maps.Keys(p.Layouts)))+", or write it under layouts.")
	}
	switch {
	case r.Domain != "" && r.DomainFrom != "":
		c.add(at+".domain_from", fmt.Sprintf("The route %q has a domain and domain_from.", r.Number), "Remove one of both.")
	case r.Domain != "" && (!hostShape.MatchString(r.Domain) || len(r.Domain) > maxHost):
		c.add(at+".domain", fmt.Sprintf("The domain of route %q is no name.", r.Number), "Write the tenant's name with letters, digits, dots and hyphens, at most 255.")
	case c.file.Spoiled("$.domains"): // what is listed there is not known
	case r.Domain != "" && len(p.Domains) > 0 && !slices.ContainsFunc(p.Domains, func(d Domain) bool { return d.Name == r.Domain }):
		c.add(at+".domain", fmt.Sprintf("There is no domain %q under domains.", r.Domain), "Add it there, or correct the name.")
	case r.DomainFrom != "" && !slices.ContainsFunc(p.Domains, func(d Domain) bool { return len(d.Hosts) > 0 }):
		c.add(at+".domain_from", fmt.Sprintf("The route %q looks for a host, but no domain has hosts.", r.Number), "List them under domains.")
	}
	c.oneOf(at+".domain_from", r.DomainFrom, FromRequest, FromIdentity)
	c.oneOf(at+".mailbox_from", r.MailboxFrom, FromIdentity, FromDiversion, FromHistory)
	c.oneOf(at+".forgotten", r.Forgotten, ForgottenOffer)
	c.oneOf(at+".first_use", r.FirstUse, FirstUseAllow)
	if r.FirstUse != "" && r.MailboxFrom != "" && r.MailboxFrom != FromIdentity {
		c.add(at+".first_use", fmt.Sprintf("The route %q takes whoever was forwarded for the owner, and would let a stranger choose the first code.", r.Number), "Remove first_use, or mailbox_from.")
	}
}

func (c *checker) speech(at string, r Route) {
	if r.Language != "" && !isTag(r.Language) {
		c.add(at+".language", fmt.Sprintf("%q is no language.", r.Language), "Write a tag like en-US that has a folder of prompts.")
	}
	c.oneOf(at+".words.code", r.Words.Code, codeWords...)
	c.oneOf(at+".words.extension", r.Words.Extension, extensionWords...)
}

// oneOf refuses other words than those; none at all is fine.
func (c *checker) oneOf(at, word string, words ...string) {
	if word != "" && !slices.Contains(words, word) {
		c.add(at, fmt.Sprintf("%s is %q.", at[strings.LastIndexByte(at, '.')+1:], word), "Use "+list(words)+".")
	}
}

func list(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

func isTag(s string) bool { return len(s) <= maxTag && tagShape.MatchString(s) }

func (c *checker) domains(domains []Domain) {
	if len(domains) > maxDomains {
		c.add("$.domains", fmt.Sprintf("There are %d domains.", len(domains)), fmt.Sprintf("%d are the most; run a second service for the others.", maxDomains))
		return
	}
	names, hosts := map[string]bool{}, map[string]string{}
	for i, d := range domains {
		at := fmt.Sprintf("$.domains[%d]", i)
		switch {
		case d.Name != "" && (!hostShape.MatchString(d.Name) || len(d.Name) > maxHost):
			c.add(at+".name", fmt.Sprintf("The domain %q is no name.", d.Name), "Use letters, digits, dots and hyphens, at most 255.")
		case names[d.Name]:
			c.add(at+".name", fmt.Sprintf("The domain %q stands here a second time.", d.Name), "List all its hosts in one place.")
		case len(d.Hosts) > maxHosts:
			c.add(at+".hosts", fmt.Sprintf("The domain %q has %d hosts.", d.Name, len(d.Hosts)), fmt.Sprintf("%d are the most.", maxHosts))
		}
		names[d.Name] = true
		for j, h := range d.Hosts {
			at := fmt.Sprintf("%s.hosts[%d]", at, j)
			if other, taken := hosts[h]; taken {
				c.add(at, fmt.Sprintf("The host %q stands for %q already.", h, other), "A host stands for one domain; remove one of both.")
			}
			hosts[h] = d.Name
			if !isHost(h) {
				c.add(at, fmt.Sprintf("%q is no host.", h), "Write a name like pbx.example.org or an IP address.")
			}
		}
	}
}

func isHost(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil || len(s) <= maxHost && hostShape.MatchString(s)
}

func (c *checker) identities(rules []Identity) {
	if len(rules) > maxIdentities {
		c.add("$.identities", fmt.Sprintf("There are %d rules for identities.", len(rules)), fmt.Sprintf("Use patterns with x: %d rules are the most.", maxIdentities))
	}
	for i, r := range rules {
		at := fmt.Sprintf("$.identities[%d]", i)
		switch {
		case !isNumber(r.Identity):
			c.add(at+".identity", fmt.Sprintf("The identity %q is no number and no name.", r.Identity), "Use digits, + and x for any digit, or a name; quote it.")
		case strings.Trim(r.Mailbox, digits+"x") != "" || r.Mailbox == "" || len(r.Mailbox) > maxMailbox:
			c.add(at+".mailbox", fmt.Sprintf("The mailbox %q is no number.", r.Mailbox), "Use digits and x, at most 32, for example \"xxxx\".")
		case strings.Count(r.Mailbox, "x") > xs(r.Identity):
			c.add(at+".mailbox", fmt.Sprintf("The mailbox %q needs more digits than the x of %q can give.", r.Mailbox, r.Identity), "Write at most as many x in mailbox as in identity.")
		}
	}
}

func xs(identity string) int {
	if !isPattern(identity) {
		return 0
	}
	return strings.Count(identity, "x")
}

// isNumber tells what can be dialled: a pattern, or the user part of an address.
func isNumber(s string) bool {
	return s != "" && len(s) <= maxNumber && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz"+digits+"*#+.-_") == ""
}
