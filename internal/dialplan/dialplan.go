// Package dialplan reads a site's numbers, doors, keys, lengths and timers from
// YAML, validates them and answers which route a dialled number takes. It knows
// no SIP message and no state machine.
package dialplan

import (
	"fmt"
	"time"

	"star97/dialplans"
	"star97/internal/mailbox"
	"star97/internal/strictyaml"
)

// Plan is one validated dialplan file. It is read-only after Parse.
type Plan struct {
	Routes     []Route    `yaml:"routes"`
	Identities []Identity `yaml:"identities"`
	Menu       Menu       `yaml:"menu"`
	Timers     Timers     `yaml:"timers"`
	Limits     Limits     `yaml:"limits"`
}

// Route leads a dialled number to a door.
type Route struct {
	Number string       `yaml:"number"` // as compared: unescaped, without user parameters; "*97"; x is any digit
	Door   mailbox.Door `yaml:"door"`
	Domain string       `yaml:"domain"` // tenant; empty: the default one
}

// Identity turns what a telephone system calls a caller into a mailbox number.
type Identity struct {
	Identity string `yaml:"identity"` // "+1212555xxxx"; x is any digit
	Mailbox  string `yaml:"mailbox"`  // "xxxx": the last digits that an x stood for
}

// Menu says which key of the main menu does what. An empty key offers nothing.
type Menu struct {
	Change  string `yaml:"change"`
	Repeat  string `yaml:"repeat"`
	Goodbye string `yaml:"goodbye"`
}

// Timers are the waits of a call, counted from the end of the prompt or the last key.
type Timers struct {
	FirstDigit    time.Duration `yaml:"first_digit"`    // 7s
	BetweenDigits time.Duration `yaml:"between_digits"` // 4s
	Menu          time.Duration `yaml:"menu"`           // 6s
	Cleared       time.Duration `yaml:"cleared"`        // 20s after * cleared an entry
	PleaseWait    time.Duration `yaml:"please_wait"`    // 1.2s after # until "one moment"
	Call          time.Duration `yaml:"call"`           // 10m; total; never cuts off somebody who is typing
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
	}
	return 0, false
}

// Limits are counts of a call.
type Limits struct {
	WrongCodes      int `yaml:"wrong_codes"`      // tries per call, 3
	SilentRounds    int `yaml:"silent_rounds"`    // asks without input before goodbye, 4
	NewCodeRounds   int `yaml:"new_code_rounds"`  // rounds of new code before "your old code still works", 3
	ExtensionDigits int `yaml:"extension_digits"` // fixed extension length; 0: variable
}

// Default is the embedded plan.
func Default() *Plan {
	p, problems := read(new(Plan), "default.yaml", dialplans.Default)
	if len(problems) > 0 {
		panic("the embedded dialplan is wrong: " + problems[0].Error()) // a test reads it
	}
	return p
}

// Parse reads a plan; what the file leaves out is as in the embedded one. The plan
// is nil if there is any problem.
func Parse(name string, data []byte) (*Plan, []strictyaml.Problem) {
	return read(Default(), name, data)
}

// read lays a file over a plan. A list in the file replaces the plan's.
func read(p *Plan, name string, data []byte) (*Plan, []strictyaml.Problem) {
	if len(data) > maxFileBytes {
		return nil, []strictyaml.Problem{{File: name, Text: fmt.Sprintf("The dialplan is larger than %d bytes.", maxFileBytes), Remedy: "Use patterns with x instead of one line for each number."}}
	}
	file, problem := strictyaml.Decode(name, data, p)
	if problem != nil {
		return nil, []strictyaml.Problem{*problem}
	}
	if problems := p.check(file); len(problems) > 0 {
		return nil, problems
	}
	return p, nil
}

// Route is the first route that a dialled number fits: unescaped, without user
// parameters.
func (p *Plan) Route(dialled string) (Route, bool) {
	for _, r := range p.Routes {
		if _, ok := match(r.Number, dialled); ok {
			return r, true
		}
	}
	return Route{}, false
}

// Mailbox is the number of the mailbox that an identity stands for: a caller's
// user part, or a number. False: nobody's.
func (p *Plan) Mailbox(identity string) (string, bool) {
	for _, rule := range p.Identities {
		if digits, ok := match(rule.Identity, identity); ok {
			return fill(rule.Mailbox, digits), true
		}
	}
	return identity, isDigits(identity)
}
