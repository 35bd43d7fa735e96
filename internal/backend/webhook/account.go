package webhook

import (
	"context"
	"errors"
	"strings"

	"star97/internal/backend/adapter"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// found is the answer to find.
type found struct {
	reply
	Accounts []account `json:"accounts"`
}

// account is a mailbox as the service describes it.
type account struct {
	Account   string   `json:"account"`
	Extension string   `json:"extension"`
	Name      string   `json:"name"`
	User      string   `json:"user"`
	Mail      string   `json:"mail"`
	Language  string   `json:"language"`
	Numbers   []string `json:"numbers"`
	Flags     struct {
		Disabled     bool `json:"disabled"`
		NoCode       bool `json:"no_code"`
		MustChange   bool `json:"must_change"`
		CannotChange bool `json:"cannot_change"`
		Slow         bool `json:"slow"`
	} `json:"flags"`
	Rules *rules `json:"rules"`
}

const (
	maxAccounts = 100 // of one answer
	maxNumbers  = 100 // of one mailbox
	maxText     = 200 // letters of a name or an id
	maxDomain   = 255 // bytes of a domain
)

var errAccounts = errors.New("the web service's answer has a mailbox without an id or an extension of digits, or too many of them")

// accounts makes mailboxes of an answer. One that cannot be told from others spoils all:
// a mailbox left out could make another one look like the only one.
func accounts(from []account, domain string) ([]mailbox.Account, error) {
	if len(from) > maxAccounts {
		return nil, errAccounts
	}
	var all []mailbox.Account
	seen := map[string]bool{}
	for _, a := range from {
		if a.Account == "" || a.Account != adapter.Shown(a.Account, maxText) || !adapter.IsNumber(a.Extension) || seen[a.Account] {
			return nil, errAccounts
		}
		seen[a.Account] = true
		m := mailbox.Account{
			ID: a.Account, Backend: Name, Extension: a.Extension, Domain: domain, Name: adapter.Shown(a.Name, maxText), User: adapter.Shown(a.User, maxText),
			Mail: adapter.Mail(a.Mail), Language: adapter.Tag(a.Language), Numbers: numbers(a.Numbers),
			Flags: mailbox.Flags{
				Disabled: a.Flags.Disabled, NoCode: a.Flags.NoCode, MustChange: a.Flags.MustChange,
				CannotChange: a.Flags.CannotChange, Slow: a.Flags.Slow,
			},
		}
		if a.Rules != nil {
			p := a.Rules.policy()
			m.Rules = &p
		}
		all = append(all, m)
	}
	return all, nil
}

// numbers are those that are digits, perhaps with a plus in front.
func numbers(from []string) (kept []string) {
	for _, n := range from[:min(len(from), maxNumbers)] {
		if n = strings.TrimPrefix(n, "+"); adapter.IsNumber(n) {
			kept = append(kept, n)
		}
	}
	return kept
}

// rules are what a service demands of new codes. What is left out or 0 asks for nothing.
type rules struct {
	MinLength   int    `json:"min_length"`
	MaxLength   int    `json:"max_length"`
	MaxSameRun  int    `json:"max_same_run"`
	MaxSequence int    `json:"max_sequence"`
	OwnNumber   string `json:"own_number"`
	NotCurrent  bool   `json:"not_current"`
}

// policy is r as far as it makes sense; the service has the last word on each code.
func (r rules) policy() pin.Policy {
	within := func(n int) int { return max(0, min(n, pin.MaxDigits)) }
	p := pin.Policy{
		MinLen: within(r.MinLength), MaxLen: within(r.MaxLength), MaxSameRun: within(r.MaxSameRun),
		MaxSequence: within(r.MaxSequence), OwnNumber: pin.OwnNumber(r.OwnNumber), Current: r.NotCurrent,
	}
	if p.Validate() != nil {
		p.OwnNumber = pin.AnyNumber
	}
	if p.Validate() != nil {
		p.MinLen, p.MaxLen = 0, 0
	}
	return p
}

// policy is the answer to policy.
type policy struct {
	reply
	System string `json:"system"` // name and version
	Verify string `json:"verify"` // native or none
	Limit  int    `json:"limit"`  // wrong codes in a row until a lock; 0: any number
	Window int    `json:"window"` // seconds in which they are remembered
	Rules  rules  `json:"rules"`
}

// knownPolicy is the answer to policy, remembered or asked for.
func (s *Store) knownPolicy(ctx context.Context, op string) (policy, error) {
	if p, ok := s.policy.Get(""); ok {
		return p, nil
	}
	return s.askPolicy(ctx, op)
}

func (s *Store) askPolicy(ctx context.Context, op string) (policy, error) {
	var p policy
	if err := s.ask(ctx, op, s.o.Paths.Policy, question{Operation: "policy", ID: newID()}, &p); err != nil {
		return policy{}, err
	}
	if p.Result != mailbox.OK.String() {
		return policy{}, s.failed(op, p.reply, mailbox.Unavailable, lookupCodes)
	}
	p.Limit, p.Window = max(0, min(p.Limit, 100)), max(0, min(p.Window, 86400))
	s.policy.Set("", p)
	return p, nil
}
