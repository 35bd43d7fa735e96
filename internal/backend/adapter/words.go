package adapter

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"star97/internal/mailbox"
)

// Refusal says what words in an answer mean that refuses a new code.
type Refusal struct {
	Words string `yaml:"words"` // as they stand in the answer, whatever case
	Means string `yaml:"means"` // too-short, too-long, not-digits, trivial, in-history, too-soon, cannot-change, locked, policy-other
}

// Refusals are the codes that Refusal.Means can name.
var Refusals = []mailbox.Code{
	mailbox.TooShort, mailbox.TooLong, mailbox.NotDigits, mailbox.Trivial, mailbox.InHistory, mailbox.TooSoon,
	mailbox.CannotChange, mailbox.Locked, mailbox.PolicyOther,
}

// DefaultRefusals are guesses but for those of trivial codes and of length, which pages of
// such systems were seen to say.
func DefaultRefusals() []Refusal {
	return []Refusal{
		{"trivial", "trivial"},
		{"previous", "in-history"},
		{"history", "in-history"},
		{"already used", "in-history"},
		{"reuse", "in-history"},
		{"duration", "too-soon"},
		{"too soon", "too-soon"},
		{"recently", "too-soon"},
		{"too long", "too-long"},
		{"maximum length", "too-long"},
		{"too short", "too-short"},
		{"minimum length", "too-short"},
		{"length", "too-short"},
		{"numeric", "not-digits"},
		{"digits", "not-digits"},
		{"cannot change", "cannot-change"},
		{"can't change", "cannot-change"},
		{"locked", "locked"},
	}
}

// ValidateRefusals tells what is wrong with a table.
func ValidateRefusals(table []Refusal) error {
	var found []error
	for i, r := range table {
		var err error
		if strings.TrimSpace(r.Words) == "" {
			err = errors.New("words are empty: write what stands in the answer")
		} else {
			_, err = Meaning(r.Means, Refusals)
		}
		if err != nil {
			found = append(found, fmt.Errorf("refusals[%d].%w", i, err))
		}
	}
	return errors.Join(found...)
}

// Refused is what the first row means whose words are in an answer; false if none are.
func Refused(table []Refusal, says string) (mailbox.Code, bool) {
	says = strings.ToLower(says)
	for _, r := range table {
		if strings.Contains(says, strings.ToLower(r.Words)) {
			if c, err := Meaning(r.Means, Refusals); err == nil {
				return c, true
			}
		}
	}
	return mailbox.PolicyOther, false
}

// Meaning is the code that a configuration names, one of some. Others are the words that
// mean something else in that place.
func Meaning(word string, may []mailbox.Code, others ...string) (mailbox.Code, error) {
	if i := slices.IndexFunc(may, func(c mailbox.Code) bool { return c.String() == word }); i >= 0 {
		return may[i], nil
	}
	words := slices.Clone(others)
	for _, c := range may {
		words = append(words, c.String())
	}
	return mailbox.PolicyOther, OneOf("means", word, words...)
}

// OneOf tells that a setting is none of some words.
func OneOf[T ~string](key string, value T, words ...T) error {
	if slices.Contains(words, value) {
		return nil
	}
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = string(w)
	}
	return fmt.Errorf("%s is %q: use %s", key, string(value), strings.Join(texts, ", "))
}

// Between tells that a setting is out of its range.
func Between[T ~int | ~int64](key string, value, least, most T) error {
	if value < least || value > most {
		return fmt.Errorf("%s is %v: use %v to %v", key, value, least, most)
	}
	return nil
}
