package pin

import (
	"fmt"
	"slices"
)

// Policy is one set of rules for new codes. The zero value accepts any digits.
// A field that is 0, false or empty asks for nothing.
type Policy struct {
	MinLen         int       `yaml:"min_length"`          // digits, 4-30 for rules of a site
	MaxLen         int       `yaml:"max_length"`          // digits, MinLen-30
	MaxSameRun     int       `yaml:"max_same_run"`        // longest block of equal digits, 0-30; 0: any
	WholeSameRun   bool      `yaml:"not_all_same"`        // refuse a code of equal digits only
	MaxSequence    int       `yaml:"max_sequence"`        // longest block rising or falling by one, 0-30; 0: any
	WholeSequence  bool      `yaml:"not_whole_sequence"`  // refuse a code that rises or falls by one from end to end
	Wrap           bool      `yaml:"wrap"`                // 9 and 0 are neighbours too for max_sequence: 8901 is a block of four
	ConstantStep   bool      `yaml:"not_constant_step"`   // refuse one difference all along, over 9-0 too: 246802, 963074
	RepeatBlock    bool      `yaml:"not_repeated"`        // refuse a shorter block over and over: 121212, 123123
	ReturningGroup bool      `yaml:"not_returning_group"` // refuse three or more digits that come twice: 408510408
	MinDistinct    int       `yaml:"min_distinct"`        // different digits, 0-10; 0: any
	KeypadLine     bool      `yaml:"not_keypad_lines"`    // refuse what lines of three or more keys make up: 147258, 159753
	OwnNumber      OwnNumber `yaml:"own_number"`          // "equal": not the extension or an own number; "contained": nor holding one; "": any
	Current        bool      `yaml:"not_current"`         // refuse the current code and its reverse
	NearCurrent    bool      `yaml:"not_near_current"`    // refuse the current code plus or minus 1, or with one digit before or behind
	DateLike       bool      `yaml:"not_date"`            // refuse dates and years: DDMMYY, MMDDYY, YYMMDD, YYYYMM, DDMM, MMDD, 19xx, 20xx
	Name           bool      `yaml:"not_name"`            // refuse the owner's name spelled on the keypad
	Blocklist      int       `yaml:"blocklist"`           // how many of the likeliest codes of a length are refused, 0-50000; no more than a tenth of all
	History        int       `yaml:"history"`             // latest codes not to be used again, read either way, 0-24; by the stores of our own
	Listed         *List     `yaml:"-"`                   // codes that a site refuses as well; nil: none
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
	Names     []string // of the owner, of one word or several
	Current   PIN      // empty: not known
}

const (
	maxHistory   = 24    // each code in it costs two slow hashes
	maxBlocklist = 50000 // of six-digit codes, a twentieth
)

// Validate tells the first field that is out of its range or contradicts another.
func (p Policy) Validate() error {
	for _, f := range []struct {
		name       string
		value, max int
	}{
		{"min_length", p.MinLen, MaxDigits}, {"max_length", p.MaxLen, MaxDigits},
		{"max_same_run", p.MaxSameRun, MaxDigits}, {"max_sequence", p.MaxSequence, MaxDigits},
		{"min_distinct", p.MinDistinct, 10}, {"history", p.History, maxHistory}, {"blocklist", p.Blocklist, maxBlocklist},
	} {
		if f.value < 0 || f.value > f.max {
			return fmt.Errorf("%s is %d: use 1 to %d, or 0 for no rule", f.name, f.value, f.max)
		}
	}
	switch {
	case p.MaxLen > 0 && p.MinLen > p.MaxLen:
		return fmt.Errorf("min_length %d is greater than max_length %d: no code could pass", p.MinLen, p.MaxLen)
	case p.MaxLen > 0 && p.MinDistinct > p.MaxLen:
		return fmt.Errorf("min_distinct %d is greater than max_length %d: no code could pass", p.MinDistinct, p.MaxLen)
	case p.Wrap && p.MaxSequence == 0:
		return fmt.Errorf("wrap says what a sequence is, and max_sequence allows any: give max_sequence, or leave wrap out")
	case !slices.Contains(ownNumberModes, p.OwnNumber):
		return fmt.Errorf("own_number is %q: use %q, %q or leave it empty", p.OwnNumber, NotEqual, NotContained)
	}
	return nil
}

var ownNumberModes = []OwnNumber{AnyNumber, NotEqual, NotContained}

// Stricter is the policy that refuses what either refuses, and next to nothing
// else: a wrap of one holds for the shorter sequence of the other too, and of two
// lists of a site's own the first counts. If they exclude each other, Validate says
// so and Generate finds nothing. It allocates nothing.
func Stricter(a, b Policy) Policy {
	for i := range rules {
		a = rules[i].tighten(a, b)
	}
	return a
}

// Check returns the first rule, in the order of Rules, that code breaks, or Pass.
// It allocates nothing, but where a rule needs the ranked list of a length for the
// first time: Prepare.
func (p Policy) Check(code PIN, c Context) Rule {
	f := look(&p, &code, &c)
	for i := range rules {
		if rules[i].broken(p, f) {
			return rules[i].id
		}
	}
	return Pass
}

// Broken lists every rule that code breaks, in the order of Rules.
func (p Policy) Broken(code PIN, c Context) (all []Rule) {
	f := look(&p, &code, &c)
	for i := range rules {
		if rules[i].broken(p, f) {
			all = append(all, rules[i].id)
		}
	}
	return all
}
