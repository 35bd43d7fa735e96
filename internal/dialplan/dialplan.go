// Package dialplan reads a site's numbers, doors, tenants, layouts, targets, timers
// and limits from YAML, validates them and decides what a call gets: route, door,
// mailbox and domain. Numbers are compared by RFC 3261 section 19.1.4 and RFC 3966
// section 5. It knows no SIP message, no state machine and no recording.
package dialplan

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"star97/internal/mailbox"
)

// Plan is one validated dialplan file. It is read-only after Parse.
type Plan struct {
	Routes     []Route           `yaml:"routes"`
	Domains    []Domain          `yaml:"domains"` // none: only the default tenant ""
	Identities []Identity        `yaml:"identities"`
	Layouts    map[string]Layout `yaml:"layouts"` // by name; DefaultLayout is always there
	Targets    map[string]string `yaml:"targets"` // NAME -> SIP URI of a transfer
	Timers     Timers            `yaml:"timers"`
	Limits     Limits            `yaml:"limits"`
}

// Route leads a dialled number to a door.
type Route struct {
	Number      string       `yaml:"number"`         // digits, *, # and x for any digit; or a name
	Door        mailbox.Door `yaml:"door,omitempty"` // own, any or check
	Layout      string       `yaml:"layout"`         // empty: DefaultLayout
	Domain      string       `yaml:"domain"`         // tenant; empty: the default one
	DomainFrom  string       `yaml:"domain_from"`    // where the tenant's host stands: FromRequest, FromIdentity; empty: nowhere
	Language    string       `yaml:"language"`       // BCP 47 tag; empty: the service's own
	Words       Words        `yaml:"words"`          // what the sentences call things
	Slow        bool         `yaml:"slow"`           // every wait twice as long
	Forgotten   string       `yaml:"forgotten"`      // own door: ForgottenOffer has who has forgotten the code offered a one-time code; empty: no help
	FirstUse    string       `yaml:"first_use"`      // own door: FirstUseAllow lets the owner of a mailbox without a code choose one; empty: an administrator does
	MailboxFrom string       `yaml:"mailbox_from"`   // whose mailbox an own call is for: FromIdentity (or empty), FromDiversion, FromHistory
	Redirect    string       `yaml:"redirect"`       // SIP URI: the caller is sent there with 302, nothing is answered
}

// Where a route may find the host of its tenant, or the owner of the mailbox.
const (
	FromRequest   = "request"      // Request-URI
	FromIdentity  = "identity"     // believed identity
	FromDiversion = "diversion"    // RFC 5806
	FromHistory   = "history-info" // RFC 7044
)

// What a route may say of callers who cannot show a code.
const (
	ForgottenOffer = "offer"
	FirstUseAllow  = "allow"
)

// Words choose between the recordings of a sentence. Empty is the first of each.
type Words struct {
	Code      string `yaml:"code"`      // one of codeWords
	Extension string `yaml:"extension"` // one of extensionWords
}

// What Words may be; the first of each is the default.
var (
	codeWords      = []string{"access-code", "pin", "passcode"}
	extensionWords = []string{"extension", "mailbox", "account"}
)

// Filled is w with the defaults for what is empty.
func (w Words) Filled() Words {
	return Words{Code: cmp.Or(w.Code, codeWords[0]), Extension: cmp.Or(w.Extension, extensionWords[0])}
}

// Domain is a tenant: the hosts that stand for it and the store of its mailboxes.
type Domain struct {
	Name  string   `yaml:"name"`
	Hosts []string `yaml:"hosts"`
	Store string   `yaml:"store"` // name in the configuration's stores; empty: the default one
}

// Identity turns what a telephone system calls a caller into a mailbox number.
type Identity struct {
	Identity string `yaml:"identity"` // "+1212555xxxx"; x is any digit
	Mailbox  string `yaml:"mailbox"`  // "xxxx": the last digits that an x stood for
}

// Timers are the waits of a call, counted from the end of the prompt or the last key.
type Timers struct {
	FirstDigit    time.Duration `yaml:"first_digit"`    // 7s
	BetweenDigits time.Duration `yaml:"between_digits"` // 4s
	Menu          time.Duration `yaml:"menu"`           // 6s
	Cleared       time.Duration `yaml:"cleared"`        // 20s after * cleared an entry
	PleaseWait    time.Duration `yaml:"please_wait"`    // 1.2s after # until "one moment"
	OneTime       time.Duration `yaml:"one_time"`       // 30s for a one-time code to arrive and be typed, before it is asked for again
	Call          time.Duration `yaml:"call"`           // 10m; total; never cuts off somebody who is typing
	Transfer      time.Duration `yaml:"transfer"`       // 30s for the outcome of a transfer
	LineCheck     time.Duration `yaml:"line_check"`     // 60s at the check door
}

// Named is the length of a timer by its name in scripts (script.Timers). The total
// time has none: no script waits for it.
func (t Timers) Named(name string) (time.Duration, bool) {
	switch name {
	case "first-digit":
		return t.FirstDigit, true
	case "between-digits":
		return t.BetweenDigits, true
	case "menu":
		return t.Menu, true
	case "cleared":
		return t.Cleared, true
	case "please-wait":
		return t.PleaseWait, true
	case "one-time":
		return t.OneTime, true
	case "transfer":
		return t.Transfer, true
	case "line-check":
		return t.LineCheck, true
	}
	return 0, false
}

// Limits are counts of a call.
type Limits struct {
	WrongCodes      int `yaml:"wrong_codes"`      // tries per call, 3
	SilentRounds    int `yaml:"silent_rounds"`    // asks without input before goodbye, 4
	NewCodeRounds   int `yaml:"new_code_rounds"`  // rounds of new code before "your old code still works", 3
	ExtensionDigits int `yaml:"extension_digits"` // fixed extension length; 0: variable
	// TransfersPerHour bounds transfers of one mailbox, and of one caller and source
	// before a code was given, 20.
	TransfersPerHour int `yaml:"transfers_per_hour"`
}

// Default is the embedded plan with the shipped layouts. It is the caller's own.
func Default() *Plan {
	p, problems := embedded()
	if len(problems) > 0 {
		panic("the embedded dialplan is wrong: " + problems[0].Error()) // a test reads it
	}
	return p.clone()
}

// clone shares nothing with p.
func (p *Plan) clone() *Plan {
	c := *p
	c.Routes, c.Domains, c.Identities = slices.Clone(p.Routes), slices.Clone(p.Domains), slices.Clone(p.Identities)
	for i, d := range c.Domains {
		c.Domains[i].Hosts = slices.Clone(d.Hosts)
	}
	c.Targets, c.Layouts = maps.Clone(p.Targets), maps.Clone(p.Layouts)
	for name, l := range c.Layouts {
		l.Menus = maps.Clone(l.Menus)
		for name, m := range l.Menus {
			m.Keys = maps.Clone(m.Keys)
			l.Menus[name] = m
		}
		c.Layouts[name] = l
	}
	return &c
}
