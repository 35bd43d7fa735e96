package pin

import (
	"fmt"
	"slices"
)

// Policy is one set of rules for new codes. The zero value accepts any digits.
// A field that is 0 or empty asks for nothing.
type Policy struct {
	MinLen      int       `yaml:"min_length"`   // digits, 4-30 for rules of a site
	MaxLen      int       `yaml:"max_length"`   // digits, MinLen-30
	MaxSameRun  int       `yaml:"max_same_run"` // longest block of equal digits, 0-30; 0: any
	MaxSequence int       `yaml:"max_sequence"` // longest block rising or falling by one, 0-30; 0: any
	OwnNumber   OwnNumber `yaml:"own_number"`   // "equal": not the extension or an own number; "contained": nor holding one; "": any
	Current     bool      `yaml:"not_current"`  // refuse the current code and its reverse
}

// OwnNumber says how a code must differ from the owner's numbers. Either mode
// looks at the numbers read forwards and backwards.
type OwnNumber string

// The modes of OwnNumber, loosest first.
const (
	AnyNumber    OwnNumber = ""
	NotEqual     OwnNumber = "equal"     // refused: the extension or a number as a whole
	NotContained OwnNumber = "contained" // refused too: contains an extension of 3 digits or more, or is the end of a number
)

// Context is what a code is judged against. Extension and Numbers are digits only.
type Context struct {
	Extension string
	Numbers   []string
	Current   PIN // empty: not known
}

// DefaultPolicy is the preset named "default".
func DefaultPolicy() Policy {
	p, _ := Preset("default")
	return p
}

// presets are named policies. A preset of a foreign system is listed when every rule that it needs is a row of the table.
var presets = []struct {
	name   string
	policy Policy
}{
	{"default", Policy{MinLen: 6, MaxLen: 10, MaxSameRun: 2, MaxSequence: 3, OwnNumber: NotContained, Current: true}},
	{"broadworks-6-10", Policy{MinLen: 6, MaxLen: 10, MaxSameRun: 5, MaxSequence: 4, OwnNumber: NotEqual, Current: true}},
	{"netsapiens-default", Policy{MinLen: 4, MaxLen: 10}},
}

// Preset returns a named policy.
func Preset(name string) (Policy, bool) {
	for _, p := range presets {
		if p.name == name {
			return p.policy, true
		}
	}
	return Policy{}, false
}

// Presets lists the names that Preset knows.
func Presets() []string {
	names := make([]string, len(presets))
	for i, p := range presets {
		names[i] = p.name
	}
	return names
}

// Validate tells the first field that is out of its range or contradicts another.
func (p Policy) Validate() error {
	for _, f := range []struct {
		name  string
		value int
	}{
		{"min_length", p.MinLen}, {"max_length", p.MaxLen},
		{"max_same_run", p.MaxSameRun}, {"max_sequence", p.MaxSequence},
	} {
		if f.value < 0 || f.value > MaxDigits {
			return fmt.Errorf("%s is %d: use 1 to %d, or 0 for no rule", f.name, f.value, MaxDigits)
		}
	}
	if p.MaxLen > 0 && p.MinLen > p.MaxLen {
		return fmt.Errorf("min_length %d is greater than max_length %d: no code could pass", p.MinLen, p.MaxLen)
	}
	if !slices.Contains(ownNumberModes, p.OwnNumber) {
		return fmt.Errorf("own_number is %q: use %q, %q or leave it empty", p.OwnNumber, NotEqual, NotContained)
	}
	return nil
}

var ownNumberModes = []OwnNumber{AnyNumber, NotEqual, NotContained}

// Stricter is the policy that accepts what both accept. If they exclude each
// other, Validate says so and Generate finds nothing. It allocates nothing.
func Stricter(a, b Policy) Policy {
	for i := range rules {
		a = rules[i].tighten(a, b)
	}
	return a
}

// Check returns the first rule, in the order of Rules, that code breaks, or Pass.
// It allocates nothing.
func (p Policy) Check(code PIN, c Context) Rule {
	f := look(&code, &c)
	for i := range rules {
		if rules[i].broken(p, f) {
			return rules[i].id
		}
	}
	return Pass
}
