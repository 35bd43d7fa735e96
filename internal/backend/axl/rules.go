package axl

import (
	"context"
	"time"

	"star97/internal/backend/adapter"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// rules are a credential policy of the system.
type rules struct {
	policy  pin.Policy
	minAge  time.Duration // of a PIN that its owner changes
	expires time.Duration // of a PIN; 0: never
	limit   int           // wrong PINs until a lock; 0: any number
	window  time.Duration // how long they are remembered
}

// readRules maps a credential policy. How many digits must differ counts as more than the
// current code itself where it is two or more.
func readRules(n *node) rules {
	number := func(name string, most int) int {
		i, _ := n.child(name).number()
		return max(0, min(i, most))
	}
	got := rules{
		policy:  pin.Policy{MinLen: max(minCode, number("minCredLength", pin.MaxDigits))},
		minAge:  time.Duration(number("credChangeDuration", 129600)) * time.Minute,
		expires: time.Duration(number("credExpiresAfter", 3650)) * 24 * time.Hour,
		limit:   number("failedLogon", 100),
		window:  time.Duration(number("resetFailedLogonAttempts", 1440)) * time.Minute,
	}
	if n.child("trivialCredCheck").truth() {
		got.policy = adapter.Trivial(got.policy)
	}
	got.policy = adapter.Old(got.policy, number("prevCredStoredNum", 25), number("minCharsToChange", 100))
	return got
}

// minCode is the shortest PIN that the interface takes, in digits.
const minCode = 4

// rulesOf reads the policy of a user, or takes it from memory. Who has none of his own has
// the system's default, which it tells from version 10 on.
func (s *Store) rulesOf(ctx context.Context, op string, u user) (rules, error) {
	if r, ok := s.rules.Assign(u.id, u.policy); ok {
		return r, nil
	}
	name := u.policy
	switch {
	case name != "":
	case early(s.o.Version):
		return rules{}, mailbox.Fail(op, mailbox.NotFound, nil)
	default:
		answer, err := s.ask(ctx, op, "getCredentialPolicyDefault", func(m *message) {
			m.put("credentialUser", "End User")
			m.put("credentialType", "PIN")
		})
		if err != nil {
			return rules{}, err
		}
		if name = answer.at("credentialPolicyDefault", "credPolicyName").text(); name == "" {
			return rules{}, mailbox.Fail(op, mailbox.NotFound, errShape)
		}
	}
	answer, err := s.ask(ctx, op, "getCredentialPolicy", func(m *message) { m.put("name", name) })
	if err != nil {
		return rules{}, err
	}
	n := answer.child("credentialPolicy")
	if n.child("minCredLength").text() == "" {
		return rules{}, mailbox.Fail(op, mailbox.Unavailable, errShape)
	}
	r := readRules(n)
	s.rules.Set(u.policy, r)
	return r, nil
}
