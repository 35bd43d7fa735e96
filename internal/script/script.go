// Package script reads the small language of calls: one step a line, a verb and
// its words. star97 call runs such files against a real server, the scenario
// tests run them against Step alone and over real RTP. It executes nothing.
//
// A file is UTF-8 text. Words are separated by blanks; a word with blanks in it
// stands in double quotes, where \" and \\ are a quote and a backslash. A line
// whose first sign is # is a comment, and so is the rest of a line from a word
// that begins with //. Empty lines mean nothing.
//
//	file  = { line }
//	line  = given | store | transfer | press | hear | hear-not | wait | silence | hangup | end | expect
//
//	What holds before the call (scenario tests only; a real server has its own facts):
//	given door own|any|check        default own
//	given layout NAME               of the dialplan's layouts; absent: default
//	given target NAME...            the dialplan has these targets of transfers
//	given language TAG              of the route (BCP 47); absent: the default one
//	given slow                      the route gives the caller twice the time
//	given forgotten                 the route offers help to who has forgotten the code
//	given first-use                 the route lets the owner choose a first code
//	given one-time                  the store of the mailbox is checked by one-time codes
//	given mailbox EXTENSION FLAG... the mailbox behind {ext}; flags: must-change expired
//	                                expiring too-soon cannot-change disabled locked no-code
//	                                slow absent
//	given mailbox-language TAG      of its owner
//	given caller NUMBER             asserted identity; absent: the mailbox itself
//	given domain NAME
//
//	What the store answers next (scenario tests only), queued per operation, one
//	line for one answer; with nothing queued it tells the truth at once:
//	store lookup|verify|change ok
//	store lookup|verify|change slow DURATION   the truth, but so late
//	store lookup|verify|change dead            no answer at all: the deadline passes
//	store lookup|verify WORD                   a reason's word: wrong locked not-found
//	                                           disabled no-code cannot-change other-channel
//	                                           unavailable busy throttled service-refused
//	store change unknown                       nobody can say what is in force
//	store change refused WORD                  proved unchanged: any reason's word, as
//	                                           too-soon cannot-change other-channel in-history
//	                                           trivial too-short too-long policy-other
//	                                           not-found disabled no-code
//
//	What becomes of the next transfer (scenario tests only), queued likewise; with
//	nothing queued the caller is connected at once:
//	transfer ok|fails              the caller is connected, or is not
//	transfer slow DURATION         connected, but so late
//	transfer silent                nobody ever says
//
//	What the caller does:
//	press KEYS...         0-9 * # A-D, and {old} the code in force, {new} a code that
//	                      will be accepted, {other} one more of those, {wrong} a code
//	                      that is not {old}, {ext} the mailbox's number, {one-time} the
//	                      one-time code that was sent last, {chosen} the code that was
//	                      spelled last. Words are joined.
//	wait DURATION|TIMER   does nothing for so long; pause is the same
//	silence DURATION|TIMER  does nothing, and no sentence may begin meanwhile
//	hangup                BYE from the caller
//
//	What the caller must hear, and how it must end:
//	hear ID...            each sentence is heard to its end, in this order; others may
//	                      come between; the wait for each is bounded by the runner;
//	                      TAG/ID is the recording of that language
//	hear-not ID...        none of these was heard in the call so far
//	end WORD              the service ends the call for this reason
//	expect changed|unchanged      which code is in force afterwards
//	expect verifies|changes N     how often the store was asked
//	expect transfers N            how often a transfer was asked for
//	expect sends N                how many one-time codes went out
//
// A TIMER is the name of one of the flow's timers (first-digit, between-digits,
// menu, cleared, please-wait, one-time, transfer, line-check): the line lasts as long as that timer and a little
// more, whatever the dialplan says it is. DURATION is Go's: 250ms, 3s.
package script

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"star97/internal/strictyaml"
)

// Limits of a file. What exceeds them is an error, never cut off.
const (
	MaxFileBytes = 64 << 10
	MaxLineBytes = 1 << 10
	MaxLines     = 2000
	MaxProblems  = 20 // reported at once
)

// Line is one step: "press 4001#", "hear enter-code", "store verify wrong".
type Line struct {
	Number int    // 1-based line in the file
	Verb   string // one of Verbs; pause has become wait
	Args   []string
}

// String is the line as it could be written again. Placeholders stay unfilled.
func (l Line) String() string {
	words := []string{l.Verb}
	for _, a := range l.Args {
		words = append(words, quote(a))
	}
	return strings.Join(words, " ")
}

// Parse reads a whole file. The error joins strictyaml.Problem values, each with
// file, line and remedy; lines are nil then.
func Parse(name string, data []byte) ([]Line, error) {
	if len(data) > MaxFileBytes {
		return nil, problem(name, 0, fmt.Sprintf("The script is larger than %d bytes.", MaxFileBytes), "Split it into several calls.")
	}
	var lines []Line
	var errs []error
	for i, text := range strings.Split(string(data), "\n") {
		line, ok, err := parseLine(name, i+1, strings.TrimSuffix(text, "\r"))
		switch {
		case err != nil:
			errs = append(errs, err)
		case ok:
			lines = append(lines, line)
		}
		if len(errs) == MaxProblems {
			break
		}
		if len(lines) > MaxLines {
			errs = append(errs, problem(name, i+1, fmt.Sprintf("The script has more than %d steps.", MaxLines), "Split it into several calls."))
			break
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return lines, nil
}

func parseLine(name string, number int, text string) (Line, bool, error) {
	if len(text) > MaxLineBytes {
		return Line{}, false, problem(name, number, fmt.Sprintf("The line is longer than %d bytes.", MaxLineBytes), "Go on in a second line: keys of two lines follow each other.")
	}
	words, err := split(text)
	if err != nil {
		return Line{}, false, problem(name, number, sentence(err), `Close it with " before the line ends.`)
	}
	if len(words) == 0 {
		return Line{}, false, nil
	}
	line := Line{Number: number, Verb: words[0], Args: words[1:]}
	v, known := verbs[line.Verb]
	if !known {
		return Line{}, false, problem(name, number, fmt.Sprintf("There is no verb %s.", Told(line.Verb)), "The verbs are "+strings.Join(Verbs(), ", ")+".")
	}
	if err := v.check(line.Args); err != nil {
		return Line{}, false, problem(name, number, sentence(err), "Write it as: "+v.usage+".")
	}
	if v.same != "" {
		line.Verb = v.same
	}
	return line, true, nil
}

func problem(name string, line int, text, remedy string) error {
	return strictyaml.Problem{File: name, Line: line, Text: text, Remedy: remedy}
}

// sentence writes an error as one.
func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

var errOpenQuote = errors.New("a quoted word has no end")

// split cuts one line into words; comments are gone.
func split(text string) ([]string, error) {
	var words []string
	for rest := strings.TrimLeft(text, blanks); rest != ""; rest = strings.TrimLeft(rest, blanks) {
		if len(words) == 0 && rest[0] == '#' || strings.HasPrefix(rest, "//") {
			break
		}
		if rest[0] != '"' {
			n := strings.IndexAny(rest, blanks)
			if n < 0 {
				n = len(rest)
			}
			words, rest = append(words, rest[:n]), rest[n:]
			continue
		}
		word, n := unquote(rest)
		if n == 0 {
			return nil, errOpenQuote
		}
		words, rest = append(words, word), rest[n:]
	}
	return words, nil
}

const blanks = " \t"

// unquote reads the quoted word at the start of s and how long it was there; 0: it has no end.
func unquote(s string) (string, int) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), i + 1
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
		}
		b.WriteByte(s[i])
	}
	return "", 0
}

func quote(word string) string {
	if word != "" && !strings.ContainsAny(word, blanks) && word[0] != '"' && word[0] != '#' && !strings.HasPrefix(word, "//") {
		return word
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(word) + `"`
}

// Verbs lists every verb, sorted.
func Verbs() []string {
	var list []string
	for v := range verbs {
		list = append(list, v)
	}
	slices.Sort(list)
	return list
}

// Wait reads the argument of wait and silence: a duration, or a timer's name
// which timer answers with its length.
func Wait(arg string, timer func(name string) (time.Duration, bool)) (time.Duration, error) {
	if d, err := time.ParseDuration(arg); err == nil {
		return d, nil
	}
	if d, ok := timer(arg); ok {
		return d, nil
	}
	return 0, fmt.Errorf("there is no timer %s", Told(arg))
}
