package broadworks

import (
	"context"

	"star97/internal/backend/adapter"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// rules are what the system demands of a user's codes.
type rules struct {
	policy pin.Policy
	limit  int // wrong codes until the login is disabled; 0: any number
}

// readRules maps the answer to UserPortalPasscodeRulesGetRequest. The policy is stricter
// where it has one field for two rules: the shorter of runs up and down counts for both,
// and what is disallowed in one direction is disallowed in both.
func readRules(n *node) rules {
	number := func(name string) int {
		i, _ := n.number(name)
		return max(0, min(i, pin.MaxDigits))
	}
	var r rules
	r.policy.MinLen, r.policy.MaxLen = number("minCodeLength"), number("maxCodeLength")
	if n.truth("disallowRepeatedDigits") {
		r.policy.MaxSameRun = number("numberOfRepeatedDigits")
	}
	if n.truth("disallowContiguousSequences") {
		r.policy.MaxSequence = adapter.Lower(number("numberOfAscendingDigits"), number("numberOfDescendingDigits"))
	}
	r.policy.RepeatBlock = n.truth("disallowRepeatedPatterns")
	if n.truth("disallowUserNumber") || n.truth("disallowReversedUserNumber") {
		r.policy.OwnNumber = pin.NotEqual
	}
	if n.truth("disallowOldPasscode") || n.truth("disallowReversedOldPasscode") {
		r.policy = adapter.Old(r.policy, max(1, number("numberOfPreviousPasscodes")), 0)
	}
	if n.truth("disableLoginAfterMaxFailedLoginAttempts") {
		r.limit, _ = n.number("maxFailedLoginAttempts")
		r.limit = max(0, r.limit)
	}
	return r
}

// read is what the system told of a user's rules.
type read struct {
	rules
	hidden error // star97's own account may not read them
}

// rulesOf reads a user's rules, or takes them from memory. ServiceRefused: star97's own
// account may not see them.
func (s *Store) rulesOf(ctx context.Context, op, id string) (rules, error) {
	if d, ok := s.rules.Get(id); ok {
		return d.rules, d.hidden
	}
	n, err := s.ask(ctx, op, command{name: askRules, safe: true, fill: func(m *message) { m.put("userId", id) }})
	if err = known(op, err); err != nil {
		if hidden(err) {
			s.rules.Set(id, read{hidden: err})
		}
		return rules{}, err
	}
	if n.of("minCodeLength") == "" {
		return rules{}, mailbox.Fail(op, mailbox.Unavailable, errShape)
	}
	r := readRules(n)
	s.rules.Set(id, read{rules: r})
	return r, nil
}

// allowed asks what the system told of codes whether next may be.
func (s *Store) allowed(ctx context.Context, op string, p person, current, next pin.PIN) error {
	r, err := s.rulesOf(ctx, op, p.id)
	if hidden(err) {
		return nil
	}
	if err != nil {
		return err
	}
	c := pin.Context{Extension: p.extension, Names: []string{p.name}, Current: current}
	if number := p.digits(); number != "" {
		c.Numbers = []string{number}
	}
	return adapter.Allowed(op, r.policy, next, c)
}
