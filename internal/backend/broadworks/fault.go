package broadworks

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"star97/internal/backend/adapter"
	"star97/internal/mailbox"
)

// Meaning says what an error of the system means. It fits an error that has Number, or
// any where that is 0, and Words, or any where they are empty.
type Meaning struct {
	Number int    `yaml:"number"` // as in [Error 4962], or of errorCode; 0: any
	Words  string `yaml:"words"`  // as they stand in summaryEnglish, whatever case
	// session (sign in anew), wrong-pin, not-found, locked, disabled, too-short, too-long, not-digits, trivial,
	// in-history, too-soon, cannot-change, policy-other, service-refused, throttled, unavailable
	Means string `yaml:"means"`
}

// session is what an error can mean besides a mailbox.Code.
const session = "session"

// meanings are the codes that Meaning.Means can name.
var meanings = []mailbox.Code{
	mailbox.WrongPIN, mailbox.NotFound, mailbox.Locked, mailbox.Disabled, mailbox.TooShort, mailbox.TooLong,
	mailbox.NotDigits, mailbox.Trivial, mailbox.InHistory, mailbox.TooSoon, mailbox.CannotChange, mailbox.PolicyOther,
	mailbox.ServiceRefused, mailbox.Throttled, mailbox.Unavailable,
}

func (m Meaning) validate() error {
	switch {
	case m.Number < 0:
		return fmt.Errorf("number is %d: use the number in the brackets, or 0 for any", m.Number)
	case m.Number == 0 && strings.TrimSpace(m.Words) == "":
		return errors.New("words are empty, and number is 0: write one of them")
	}
	_, err := adapter.Meaning(m.Means, meanings, session)
	return err
}

func (m Meaning) fits(number int, says string) bool {
	return (m.Number == 0 || m.Number == number) && strings.Contains(says, strings.ToLower(m.Words))
}

// defaultErrors are numbers that were seen with these words, and guesses for words.
func defaultErrors() []Meaning {
	return []Meaning{
		{4962, "", "wrong-pin"}, // Invalid password
		{4008, "", "not-found"}, // User not found
		{5202, "", "locked"},    // Account is disabled
		{5404, "", "session"},   // Unauthorized transaction: also to who is not signed in
		{6004, "", "unavailable"},
		{0, "session", "session"},
		{0, "not logged in", "session"},
		{0, "unauthorized", "session"},
		{0, "not found", "not-found"},
		{0, "previous", "in-history"},
		{0, "old passcode", "in-history"},
		{0, "repeated", "trivial"},
		{0, "pattern", "trivial"},
		{0, "sequence", "trivial"},
		{0, "contiguous", "trivial"},
		{0, "phone number", "trivial"},
		{0, "extension", "trivial"},
		{0, "too short", "too-short"},
		{0, "at least", "too-short"},
		{0, "minimum", "too-short"},
		{0, "too long", "too-long"},
		{0, "at most", "too-long"},
		{0, "maximum", "too-long"},
		{0, "numeric", "not-digits"},
		{0, "only digits", "not-digits"},
		{0, "disabled", "locked"},
		{0, "locked", "locked"},
		{0, "invalid pass", "wrong-pin"},
		{0, "incorrect pass", "wrong-pin"},
	}
}

// fault is an ErrorResponse. It keeps none of its words, which can quote what was asked.
type fault struct {
	number int    // 0: it has none
	class  string // Error, Warning or Info
	means  string // of the table; empty where nothing fits
}

// bracket is how a summary begins: [Error 4962].
var bracket = regexp.MustCompile(`^\s*\[[A-Za-z]+ ([0-9]{1,9})\]`)

// faultOf reads an ErrorResponse by the table. The number in the brackets is what
// administrators see; the element errorCode is left out by many servers.
func (o *Options) faultOf(n *node) fault {
	f := fault{class: n.class}
	if !slices.Contains([]string{"Error", "Warning", "Info"}, f.class) {
		f.class = "Error"
	}
	says := n.of("summaryEnglish")
	if found := bracket.FindStringSubmatch(says); found != nil {
		f.number, _ = strconv.Atoi(found[1]) // digits are a number
	} else if number, ok := n.number("errorCode"); ok && number > 0 {
		f.number = number
	}
	says = strings.ToLower(says)
	for _, m := range o.Errors {
		if m.fits(f.number, says) {
			f.means = m.Means
			break
		}
	}
	return f
}

// longestTold is the largest number of an error that stands in a log.
const longestTold = 9999

// Error tells the number, so that Options.Errors can be written.
func (f fault) Error() string {
	switch {
	case f.number == 0:
		return "the system answers with an error without a number"
	case f.number > longestTold: // it could be what was refused
		return "the system answers with an error whose number is too long to be told"
	}
	return "the system answers with error " + strconv.Itoa(f.number)
}

// code is what f means where only some meanings make sense, and other for the rest.
func (f fault) code(other mailbox.Code, some ...mailbox.Code) mailbox.Code {
	c, err := adapter.Meaning(f.means, meanings)
	if err == nil && (slices.Contains(some, c) || slices.Contains(always, c)) {
		return c
	}
	return other
}

// always are meanings that make sense whatever was asked.
var always = []mailbox.Code{mailbox.ServiceRefused, mailbox.Throttled, mailbox.Unavailable}
