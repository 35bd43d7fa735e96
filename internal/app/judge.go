package app

import (
	"context"
	"crypto/rand"

	"star97/internal/mailbox"
	"star97/internal/pin"
)

// Judge tells which rule a new code of a mailbox breaks that somebody sets who does not
// know the current one. The stricter of rules and the mailbox's own counts. What they say
// of the current code and of those before it is asked as far as the mailbox's store can
// tell; nothing else is known of a mailbox that is to be added.
func (s *Stores) Judge(ctx context.Context, a mailbox.Account, code pin.PIN, rules pin.Policy) (pin.Rule, error) {
	rules = rulesFor(a, rules)
	if broken := rules.Check(code, About(a)); broken != pin.Pass || a.ID == "" {
		return broken, nil
	}
	either := []pin.PIN{code, code.Reversed()}
	for _, q := range []struct {
		rule   pin.Rule
		on     bool
		former int
		codes  []pin.PIN
	}{
		{pin.IsCurrent, rules.Current, 0, either},
		{pin.NearCurrent, rules.NearCurrent, 0, code.Neighbours()},
		{pin.InHistory, rules.History > 0, rules.History, either},
	} {
		if !q.on {
			continue
		}
		had, err := s.Backend.Recall(ctx, a, q.former, q.codes...)
		if err != nil || had {
			return q.rule, err
		}
	}
	return pin.Pass, nil
}

// generateTries bounds how often a generated code may be like one that the mailbox has or
// had.
const generateTries = 20

// Generate makes a code that Judge passes. Errors: pin.ErrNoCode, Judge's, and those of
// random numbers.
func (s *Stores) Generate(ctx context.Context, a mailbox.Account, rules pin.Policy) (pin.PIN, error) {
	for range generateTries {
		code, err := pin.Generate(rulesFor(a, rules), About(a), rand.Reader)
		if err != nil {
			return pin.PIN{}, err
		}
		switch broken, err := s.Judge(ctx, a, code, rules); {
		case err != nil:
			return pin.PIN{}, err
		case broken == pin.Pass:
			return code, nil
		}
	}
	return pin.PIN{}, pin.ErrNoCode
}

func rulesFor(a mailbox.Account, rules pin.Policy) pin.Policy {
	if a.Rules == nil {
		return rules
	}
	return pin.Stricter(rules, *a.Rules)
}

// About is what rules have to know of a mailbox's owner.
func About(a mailbox.Account) pin.Context {
	c := pin.Context{Extension: a.Extension, Numbers: a.Numbers}
	if a.Name != "" {
		c.Names = []string{a.Name}
	}
	return c
}
