package script

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// verb is how one verb's words are checked.
type verb struct {
	usage string
	check func(args []string) error
	same  string // the verb this one is another name for
}

var verbs = map[string]verb{
	"given": {usage: "given door own|any|check, given layout NAME, given target NAME..., given language TAG, given slow|forgotten|first-use|one-time, " +
		"given mailbox EXTENSION FLAG..., given mailbox-language TAG, given caller NUMBER, given domain NAME", check: checkGiven},
	"store":    {usage: "store lookup|verify|change ok|slow DURATION|dead|WORD, store change unknown|refused WORD", check: checkStore},
	"transfer": {usage: "transfer ok|fails|silent|slow DURATION", check: checkTransfer},
	"press":    {usage: "press KEYS..., where a key is 0-9 * # A-D or {old} {new} {other} {wrong} {ext} {one-time} {chosen}", check: checkPress},
	"hear":     {usage: "hear ID...", check: checkIDs},
	"hear-not": {usage: "hear-not ID...", check: checkIDs},
	"wait":     {usage: "wait DURATION|TIMER", check: checkWait},
	"pause":    {usage: "pause DURATION|TIMER", check: checkWait, same: "wait"},
	"silence":  {usage: "silence DURATION|TIMER", check: checkWait},
	"hangup":   {usage: "hangup", check: func(a []string) error { return count(a, 0) }},
	"end":      {usage: "end WORD", check: checkEnd},
	"expect":   {usage: "expect changed|unchanged, expect verifies|changes|transfers|sends N", check: checkExpect},
}

// facts are those without a value.
var facts = []string{"slow", "forgotten", "first-use", "one-time"}

// The closed sets of the language. Timers are those that dialplan.Timers.Named knows.
var (
	Placeholders  = []string{"old", "new", "other", "wrong", "ext", "one-time", "chosen"}
	MailboxFlags  = []string{"must-change", "expired", "expiring", "too-soon", "cannot-change", "disabled", "locked", "no-code", "slow", "absent"}
	Timers        = []string{"first-digit", "between-digits", "menu", "cleared", "please-wait", "one-time", "transfer", "line-check"}
	AskReasons    = []string{"wrong", "locked", "not-found", "disabled", "no-code", "cannot-change", "other-channel", "unavailable", "busy", "throttled", "service-refused"}
	RefuseReasons = []string{"too-soon", "cannot-change", "other-channel", "in-history", "trivial", "too-short", "too-long", "not-digits",
		"policy-other", "locked", "not-found", "disabled", "no-code", "unavailable", "busy", "throttled", "service-refused", "wrong"}
)

// Told quotes a word of a script for an error, unless it may be a code in the wrong
// place.
func Told(word string) string {
	digits := 0
	for _, c := range word {
		if digits++; c < '0' || c > '9' {
			digits = 0
		}
		if digits == shortestCode {
			return "a word with digits"
		}
	}
	return strconv.Quote(word)
}

// shortestCode is how many digits a code has at the least, anywhere.
const shortestCode = 4

// Keys joins the words of a press and fills in its placeholders by value, which
// says false for a name it does not know. What it returns holds codes: a secret.
func Keys(args []string, value func(name string) (digits string, ok bool)) (string, error) {
	var b strings.Builder
	for rest := strings.Join(args, ""); rest != ""; {
		if rest[0] != '{' {
			if !isKey(rest[0]) {
				return "", fmt.Errorf("%q is not a key of a telephone", rest[:1])
			}
			b.WriteByte(rest[0])
			rest = rest[1:]
			continue
		}
		name, after, closed := strings.Cut(rest[1:], "}")
		if !closed || !slices.Contains(Placeholders, name) {
			return "", errors.New("after { must come one of " + strings.Join(Placeholders, ", ") + " and }")
		}
		digits, ok := value(name)
		if !ok {
			return "", fmt.Errorf("nobody said what {%s} is", name)
		}
		b.WriteString(digits)
		rest = after
	}
	return b.String(), nil
}

func isKey(c byte) bool {
	return c >= '0' && c <= '9' || c == '*' || c == '#' || c >= 'A' && c <= 'D'
}

func checkPress(args []string) error {
	if len(args) == 0 {
		return errors.New("press needs at least one key")
	}
	_, err := Keys(args, func(string) (string, bool) { return "0", true })
	return err
}

func checkGiven(args []string) error {
	if len(args) == 1 && slices.Contains(facts, args[0]) {
		return nil
	}
	if len(args) < 2 {
		return errors.New("given needs a fact and its value")
	}
	switch args[0] {
	case "door":
		return oneOf("door", args[1:], "own", "any", "check")
	case "layout":
		return checkWord("layout", args[1:])
	case "target":
		for _, name := range args[1:] {
			if err := checkWord("target", []string{name}); err != nil {
				return err
			}
		}
		return nil
	case "language", "mailbox-language":
		if err := count(args[1:], 1); err != nil || isTag(args[1]) {
			return err
		}
		return fmt.Errorf("%s is no tag of a language", Told(args[1]))
	case "mailbox":
		for _, flag := range args[2:] {
			if err := oneOf("flag of a mailbox", []string{flag}, MailboxFlags...); err != nil {
				return err
			}
		}
		return checkNumber(args[1])
	case "caller":
		if err := count(args[1:], 1); err != nil {
			return err
		}
		return checkNumber(args[1])
	case "domain":
		return count(args[1:], 1)
	}
	return fmt.Errorf("there is no fact %s", Told(args[0]))
}

func checkWord(what string, args []string) error {
	if err := count(args, 1); err != nil || isWord(args[0]) {
		return err
	}
	return fmt.Errorf("%s is not the name of a %s", Told(args[0]), what)
}

// isTag tells whether a word has the shape of a BCP 47 tag: subtags of letters and
// digits.
func isTag(s string) bool {
	for _, part := range strings.Split(s, "-") {
		if part == "" || len(part) > 8 || strings.Trim(strings.ToLower(part), "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			return false
		}
	}
	return s[0] > '9'
}

func checkTransfer(args []string) error {
	if len(args) == 2 && args[0] == "slow" {
		return checkDurations(args[1:])
	}
	return oneOf("outcome of a transfer", args, "ok", "fails", "silent")
}

func checkNumber(s string) error {
	if s == "" || strings.Trim(s, "0123456789+") != "" {
		return fmt.Errorf("%s is not a number", Told(s))
	}
	return nil
}

func checkStore(args []string) error {
	if len(args) < 2 {
		return errors.New("store needs an operation and its answer")
	}
	op, answer, rest := args[0], args[1], args[2:]
	if err := oneOf("operation of the store", []string{op}, "lookup", "verify", "change"); err != nil {
		return err
	}
	switch {
	case answer == "slow":
		if err := count(rest, 1); err != nil {
			return err
		}
		return checkDurations(rest)
	case answer == "ok" || answer == "dead":
		return count(rest, 0)
	case op != "change":
		if err := count(rest, 0); err != nil {
			return err
		}
		return oneOf("answer to "+op, []string{answer}, AskReasons...)
	case answer == "unknown":
		return count(rest, 0)
	case answer == "refused":
		return oneOf("reason of a refusal", rest, RefuseReasons...)
	}
	return fmt.Errorf("the store cannot answer %s to a change", Told(answer))
}

func checkDurations(args []string) error {
	for _, a := range args {
		if d, err := time.ParseDuration(a); err != nil || d < 0 || d > maxWait {
			return fmt.Errorf("%s is not a duration from 0s to %s", Told(a), maxWait)
		}
	}
	return nil
}

// maxWait bounds what one line can make a runner wait.
const maxWait = 10 * time.Minute

func checkWait(args []string) error {
	if err := count(args, 1); err != nil || slices.Contains(Timers, args[0]) {
		return err
	}
	if err := checkDurations(args); err != nil {
		return fmt.Errorf("%w, nor is it a timer (%s)", err, strings.Join(Timers, ", "))
	}
	return nil
}

func checkIDs(args []string) error {
	if len(args) == 0 {
		return errors.New("the name of a sentence is missing")
	}
	for _, id := range args {
		tag, word, qualified := strings.Cut(id, "/")
		if !qualified {
			word = id
		}
		if !isWord(word) || qualified && !isTag(tag) {
			return fmt.Errorf("%s is not the name of a sentence: a small letter, then such letters, digits and hyphens", Told(id))
		}
	}
	return nil
}

func checkEnd(args []string) error {
	if err := count(args, 1); err != nil {
		return err
	}
	if !isWord(args[0]) {
		return fmt.Errorf("%s is not the word of an end", Told(args[0]))
	}
	return nil
}

func isWord(s string) bool {
	return s != "" && s[0] >= 'a' && s[0] <= 'z' && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

func checkExpect(args []string) error {
	if len(args) == 2 && slices.Contains([]string{"verifies", "changes", "transfers", "sends"}, args[0]) {
		if n, err := strconv.Atoi(args[1]); err != nil || n < 0 {
			return fmt.Errorf("%s is not a count", Told(args[1]))
		}
		return nil
	}
	return oneOf("expectation", args, "changed", "unchanged")
}

func oneOf(what string, args []string, set ...string) error {
	if err := count(args, 1); err != nil {
		return err
	}
	if !slices.Contains(set, args[0]) {
		return fmt.Errorf("%s is no %s; there are %s", Told(args[0]), what, strings.Join(set, ", "))
	}
	return nil
}

func count(args []string, want int) error {
	if len(args) != want {
		words := "words"
		if want == 1 {
			words = "word"
		}
		return fmt.Errorf("this takes %d %s, not %d", want, words, len(args))
	}
	return nil
}
