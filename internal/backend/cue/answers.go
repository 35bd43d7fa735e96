package cue

import (
	"bytes"
	"errors"
	"fmt"

	"star97/internal/backend/adapter"
	"star97/internal/mailbox"
)

// defaultAnswers are guesses: the system's texts are not documented. The words of
// mistakes in general come last.
func defaultAnswers() []Answer {
	return []Answer{
		{"does not exist", "not-found"},
		{"not found", "not-found"},
		{"no such user", "not-found"},
		{"unknown user", "not-found"},
		{"history", "in-history"},
		{"previous", "in-history"},
		{"already used", "in-history"},
		{"reuse", "in-history"},
		{"trivial", "trivial"},
		{"repeated", "trivial"},
		{"sequential", "trivial"},
		{"same as", "trivial"},
		{"too long", "too-long"},
		{"exceeds", "too-long"},
		{"maximum", "too-long"},
		{"too short", "too-short"},
		{"minimum", "too-short"},
		{"at least", "too-short"},
		{"length", "too-short"},
		{"numeric", "not-digits"},
		{"digits", "not-digits"},
		{"not authorized", "service-refused"},
		{"permission", "service-refused"},
		{"privilege", "service-refused"},
		{"locked", "locked"},
		{"%", "policy-other"},
		{"error", "policy-other"},
		{"invalid", "policy-other"},
		{"incomplete", "policy-other"},
		{"fail", "policy-other"},
		{"cannot", "policy-other"},
		{"not allowed", "policy-other"},
		{"unable", "policy-other"},
		{"denied", "policy-other"},
	}
}

var errWords = errors.New("list its words in answers with what they mean")

// judge is the Result that an answer to a new code means. The prompt alone says that it
// was done; of a line whose words are not listed nobody knows, and the code in force is
// to be asked for.
func judge(op string, answer []byte, table []Answer) mailbox.Result {
	unknown := false
	lines := bytes.Split(answer, []byte("\n"))
	for _, line := range lines {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		switch code := meaning(line, table); code {
		case mailbox.OK:
		case mailbox.OutcomeUnknown:
			unknown = true
		default:
			return mailbox.Refuse(mailbox.Fail(op, code, fmt.Errorf("the system said %q", quote(answer))))
		}
	}
	if unknown {
		return mailbox.Doubt(mailbox.Fail(op, mailbox.OutcomeUnknown, fmt.Errorf("the system said %q: %w", quote(answer), errWords)))
	}
	return mailbox.Proved()
}

// meaning is that of the first words of the table that a line has.
func meaning(line []byte, table []Answer) mailbox.Code {
	lower := bytes.ToLower(line)
	defer clear(lower)
	for _, a := range table {
		if bytes.Contains(lower, bytes.ToLower([]byte(a.Words))) {
			if code, err := adapter.Meaning(a.Means, meanings); err == nil {
				return code
			}
		}
	}
	return mailbox.OutcomeUnknown
}
