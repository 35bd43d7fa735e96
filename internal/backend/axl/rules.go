package axl

import (
	"context"
	"sync"
	"time"

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

// readRules maps a credential policy. Its trivial rule is the system's own list: no digit
// more than twice in a row, none of the owner's numbers either way, three different
// digits at least, no repeated group, no line of keys, no name.
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
		got.policy.MaxSameRun = 2
		got.policy.OwnNumber = pin.NotContained
	}
	got.policy.Current = number("prevCredStoredNum", 25) > 0 || number("minCharsToChange", 100) > 0
	return got
}

// minCode is the shortest PIN that the interface takes, in digits.
const minCode = 4

const (
	maxPolicies = 64    // policies of a system that are remembered
	maxOwners   = 10000 // users of whom is remembered which policy they have
)

// rulebook remembers policies, and which user has which. It is safe for concurrent use.
type rulebook struct {
	keep time.Duration

	mu     sync.Mutex
	read   map[string]dated
	owners map[string]string
}

type dated struct {
	rules
	at time.Time
}

// of returns the rules of a user that were read lately. Nobody's policy is "", which is
// the default's name here, too.
func (b *rulebook) of(id string) (rules, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	d, ok := b.read[b.owners[id]]
	return d.rules, ok && time.Since(d.at) < b.keep
}

// assign notes which policy a user has and returns it if it is remembered.
func (b *rulebook) assign(id, policy string) (rules, bool) {
	b.mu.Lock()
	if b.owners == nil || len(b.owners) >= maxOwners {
		b.owners = map[string]string{} // forgets all: they are read again one by one
	}
	b.owners[id] = policy
	b.mu.Unlock()
	return b.of(id)
}

func (b *rulebook) add(policy string, r rules) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.read == nil || len(b.read) >= maxPolicies {
		b.read = map[string]dated{}
	}
	b.read[policy] = dated{r, time.Now()}
}

// rulesOf reads the policy of a user, or takes it from memory. Who has none of his own has
// the system's default, which it tells from version 10 on.
func (s *Store) rulesOf(ctx context.Context, op string, u user) (rules, error) {
	if r, ok := s.rules.assign(u.id, u.policy); ok {
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
	s.rules.add(u.policy, r)
	return r, nil
}
