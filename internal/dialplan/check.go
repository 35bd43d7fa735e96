package dialplan

import (
	"fmt"
	"strings"
	"time"

	"star97/internal/pin"
	"star97/internal/strictyaml"
)

// Limits of a file.
const (
	maxFileBytes  = 1 << 20
	maxRoutes     = 1000
	maxIdentities = 1000
	maxDomain     = 255 // RFC 1035 section 2.3.4
)

// checker gathers what is wrong with a plan.
type checker struct {
	file     *strictyaml.File
	problems []strictyaml.Problem
}

func (c *checker) add(path, text, remedy string) {
	c.problems = append(c.problems, c.file.Problem(path, text, remedy))
}

func (p *Plan) check(file *strictyaml.File) []strictyaml.Problem {
	c := &checker{file: file}
	c.routes(p.Routes)
	c.identities(p.Identities)
	c.menu(p.Menu)
	c.timers(p.Timers)
	c.limits(p.Limits)
	return c.problems
}

func (c *checker) routes(routes []Route) {
	if len(routes) == 0 || len(routes) > maxRoutes {
		c.add("$.routes", fmt.Sprintf("There are %d routes.", len(routes)), fmt.Sprintf("Write 1 to %d, or leave routes out to get *97 and *98.", maxRoutes))
		return
	}
	for i, r := range routes {
		at := fmt.Sprintf("$.routes[%d]", i)
		switch {
		case !isNumber(r.Number):
			c.add(at+".number", fmt.Sprintf("The number %q cannot be dialled.", r.Number), "Use digits, * and #, or a name of letters, digits, dots and hyphens, at most 64 signs; quote it.")
		case r.Door == 0:
			c.add(at, fmt.Sprintf("The route %q leads to no door.", r.Number), "Add door: own or door: any.")
		case len(r.Domain) > maxDomain || strings.ContainsAny(r.Domain, " \t\r\n"):
			c.add(at+".domain", fmt.Sprintf("The domain of route %q is no name.", r.Number), "Write the tenant's name without blanks.")
		}
		if first, hidden := hiddenBy(routes[:i], r.Number); hidden {
			c.add(at+".number", fmt.Sprintf("The route %q is never taken: %q stands before it and fits the same numbers.", r.Number, first),
				"Move it before that one, or remove one of both.")
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

func (c *checker) identities(rules []Identity) {
	if len(rules) > maxIdentities {
		c.add("$.identities", fmt.Sprintf("There are %d rules for identities.", len(rules)), fmt.Sprintf("Use patterns with x: %d rules are the most.", maxIdentities))
	}
	for i, r := range rules {
		at := fmt.Sprintf("$.identities[%d]", i)
		switch {
		case !isNumber(r.Identity):
			c.add(at+".identity", fmt.Sprintf("The identity %q is no number and no name.", r.Identity), "Use digits, + and x for any digit, or a name; quote it.")
		case strings.Trim(r.Mailbox, "0123456789x") != "" || r.Mailbox == "" || len(r.Mailbox) > pin.MaxDigits:
			c.add(at+".mailbox", fmt.Sprintf("The mailbox %q is no number.", r.Mailbox), "Use digits and x, at most 30, for example \"xxxx\".")
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
	return s != "" && len(s) <= maxNumber && strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789*#+.-_") == ""
}

func (c *checker) menu(m Menu) {
	used := map[string]string{}
	for _, k := range []struct{ name, key string }{{"change", m.Change}, {"repeat", m.Repeat}, {"goodbye", m.Goodbye}} {
		at := "$.menu." + k.name
		if other := used[k.key]; k.key != "" && other != "" {
			c.add(at, fmt.Sprintf("The key %s is both %s and %s.", k.key, other, k.name), "Give each its own key.")
		}
		used[k.key] = k.name
		if len(k.key) > 1 || strings.Trim(k.key, "0123456789*#") != "" {
			c.add(at, fmt.Sprintf("%q is not one key.", k.key), "Use one of 0-9 * #, quoted, or \"\" for none.")
		}
	}
	if m.Change == "" {
		c.add("$.menu", "No key leads to a new code.", "Give change a key.")
	}
}

func (c *checker) timers(t Timers) {
	const most = time.Minute
	for _, d := range []struct {
		name   string
		is     time.Duration
		lo, hi time.Duration
	}{
		{"first_digit", t.FirstDigit, minTimer, most}, {"between_digits", t.BetweenDigits, minTimer, most},
		{"menu", t.Menu, minTimer, most}, {"cleared", t.Cleared, minTimer, most},
		{"please_wait", t.PleaseWait, minTimer, 10 * time.Second}, {"call", t.Call, time.Minute, time.Hour},
	} {
		if d.is < d.lo || d.is > d.hi {
			c.add("$.timers."+d.name, fmt.Sprintf("%s is %v.", d.name, d.is), fmt.Sprintf("Use %v to %v.", d.lo, d.hi))
		}
	}
}

// minTimer is far below what people need; tests of a site may want it.
const minTimer = 100 * time.Millisecond

func (c *checker) limits(l Limits) {
	for _, n := range []struct {
		name       string
		is, lo, hi int
	}{
		{"wrong_codes", l.WrongCodes, 1, 10}, {"silent_rounds", l.SilentRounds, 2, 10},
		{"new_code_rounds", l.NewCodeRounds, 1, 10}, {"extension_digits", l.ExtensionDigits, 0, pin.MaxDigits},
	} {
		if n.is < n.lo || n.is > n.hi {
			c.add("$.limits."+n.name, fmt.Sprintf("%s is %d.", n.name, n.is), fmt.Sprintf("Use %d to %d.", n.lo, n.hi))
		}
	}
}
