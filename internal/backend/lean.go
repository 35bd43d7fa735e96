package backend

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"star97/internal/mailbox"
)

// DefaultName is how verify and find name the store that has no name.
const DefaultName = "default"

// lean puts before a store what checks its codes and finds its callers.
func (r *Router) lean(ctx context.Context, s *store, o Options, by Delegates) error {
	if err := r.verifyBy(ctx, s, o.Verify, by); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if o.Find == "" {
		return nil
	}
	finder, err := r.other(s, o.Find)
	if err != nil {
		return fmt.Errorf("find: %w", err)
	}
	s.calls = chained{s.front(), s.Backend, finder.Backend}
	return nil
}

func (r *Router) verifyBy(ctx context.Context, s *store, v Verify, by Delegates) error {
	switch v.By {
	case "":
		return nil
	case "store":
		other, err := r.other(s, v.Name)
		if err != nil {
			return err
		}
		if other.traits(mailbox.Account{}).Check == mailbox.NoCheck {
			return fmt.Errorf("store %s cannot tell whether a code is right either: name one that can", v.Name)
		}
		s.twin = &twin{other.Backend, v.Name}
		s.delegate = &delegated{Store: s.Backend, by: s.twin}
		s.calls, s.checker = s.delegate, mailbox.Traits{Check: mailbox.Delegated}
		return nil
	case "otp":
		s.oneTime = true
		s.delegate = &delegated{Store: s.Backend, by: nobody{}, proved: new(proofs)}
		s.calls, s.checker = s.delegate, mailbox.Traits{Check: mailbox.Delegated}
		return nil
	}
	if by == nil {
		return fmt.Errorf("by %s is for the service, and this command does not make calls", v.By)
	}
	verifier, err := by(ctx, v)
	if err != nil {
		return err
	}
	s.delegate = &delegated{Store: s.Backend, by: verifier, proved: new(proofs)}
	s.calls, s.checker = s.delegate, mailbox.Traits{Check: mailbox.Delegated}
	if d, ok := verifier.(mailbox.Declarer); ok {
		s.checker = d.Traits(mailbox.Account{})
		s.checker.Check = mailbox.Delegated
	}
	return nil
}

var errItself = errors.New("a store cannot lean on itself: name another one")

// other is the store of a name, which must not be s.
func (r *Router) other(s *store, name string) (*store, error) {
	if name == DefaultName {
		name = ""
	}
	i := slices.IndexFunc(r.stores, func(s *store) bool { return s.Name == name })
	switch {
	case i < 0:
		return nil, fmt.Errorf("there is no store %s: use one of %s", name, strings.Join(r.names(), ", "))
	case r.stores[i] == s:
		return nil, errItself
	}
	return r.stores[i], nil
}

func (r *Router) names() (all []string) {
	for _, s := range r.stores {
		if s.Name == "" {
			all = append(all, DefaultName)
			continue
		}
		all = append(all, s.Name)
	}
	return all
}

// Traits are those of the account's store, as a call meets them: where another party
// checks its codes, that party's limit counts.
func (r *Router) Traits(a mailbox.Account) mailbox.Traits {
	s, own := r.keeping(a)
	return s.traits(own)
}

func (s *store) traits(own mailbox.Account) mailbox.Traits {
	t := s.declared(own)
	if s.checker.Check == mailbox.NoCheck {
		return t
	}
	by := s.checker
	if d, ok := s.twinBackend().(mailbox.Declarer); ok {
		by = d.Traits(mailbox.Account{Domain: own.Domain})
	}
	t.Check, t.Limit, t.Window = mailbox.Delegated, by.Limit, by.Window
	return t
}

func (s *store) declared(own mailbox.Account) mailbox.Traits {
	if d, ok := s.Backend.(mailbox.Declarer); ok {
		return d.Traits(own)
	}
	return mailbox.Traits{System: s.Driver}
}

func (s *store) twinBackend() Backend {
	if s.twin == nil {
		return nil
	}
	return s.twin.store
}
