package unity

import (
	"context"
	"net/url"
	"time"

	"star97/internal/backend/adapter"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// rules are an authentication rule of the system.
type rules struct {
	policy  pin.Policy
	minAge  time.Duration // of a code that its owner changes
	limit   int           // wrong codes until a lock; 0: any number
	window  time.Duration // how long they are remembered
	lockout time.Duration // 0: until an administrator opens it
}

// readRules maps a rule.
func readRules(r record) rules {
	got := rules{
		policy:  pin.Policy{MinLen: min(r.number("MinLength"), pin.MaxDigits)},
		minAge:  r.minutes("MinDuration"),
		limit:   r.number("MaxHacks"),
		window:  r.minutes("HackResetTime"),
		lockout: r.minutes("LockoutDuration"),
	}
	if r.flag("TrivialCredChecking") {
		got.policy = adapter.Trivial(got.policy)
	}
	got.policy = adapter.Old(got.policy, r.number("PrevCredCount"), r.number("MinCharsToChange"))
	return got
}

// rulesOf reads the rule of a mailbox, or takes it from memory.
func (s *Store) rulesOf(ctx context.Context, op, mailboxID, policy string) (rules, error) {
	if !isID(policy) {
		return rules{}, mailbox.Fail(op, mailbox.NotFound, nil)
	}
	if r, ok := s.rules.Assign(mailboxID, policy); ok {
		return r, nil
	}
	found, err := s.one(ctx, op, rulesPath+"/"+url.PathEscape(policy), "AuthenticationRule")
	if err != nil {
		return rules{}, err
	}
	if found.text("MinLength") == "" {
		return rules{}, mailbox.Fail(op, mailbox.Unavailable, errShape)
	}
	r := readRules(found)
	s.rules.Set(policy, r)
	return r, nil
}
