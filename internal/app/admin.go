package app

import (
	"context"
	"errors"
	"fmt"

	"star97/internal/audit"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// errBackend is what an administrator reads who asks a backend for what only the
// voicemail system itself can do.
func errBackend(what string) error {
	return fmt.Errorf("this backend cannot %s; do it in the voicemail system", what)
}

// Find returns the one mailbox of an extension in a domain.
func (s *Stores) Find(ctx context.Context, extension, domain string) (mailbox.Account, error) {
	found, err := s.Backend.Lookup(ctx, mailbox.Query{Number: extension, Domain: domain})
	if err != nil {
		return mailbox.Account{}, err
	}
	var one []mailbox.Account
	for _, a := range found {
		if a.Extension == extension {
			one = append(one, a)
		}
	}
	switch len(one) {
	case 0:
		return mailbox.Account{}, fmt.Errorf("there is no mailbox %s%s; `star97 mailbox list` shows all", extension, inDomain(domain))
	case 1:
		return one[0], nil
	}
	return mailbox.Account{}, fmt.Errorf("mailbox %s%s exists %d times; remove the wrong ones in the voicemail system", extension, inDomain(domain), len(one))
}

// List calls use for every mailbox of one domain, or of all.
func (s *Stores) List(ctx context.Context, p mailbox.Page, use func(mailbox.Account) error) error {
	lister, ok := s.Backend.(mailbox.Lister)
	if !ok {
		return errBackend("list its mailboxes")
	}
	p.Limit = 500
	for {
		page, err := lister.List(ctx, p)
		if err != nil {
			return err
		}
		for _, a := range page {
			if err := use(a); err != nil {
				return err
			}
		}
		if len(page) < p.Limit {
			return nil
		}
		p.After = &page[len(page)-1]
	}
}

// Add makes a mailbox and records it.
func (s *Stores) Add(ctx context.Context, a mailbox.Account, code pin.PIN, by mailbox.Actor) (mailbox.Account, error) {
	admin, ok := s.Backend.(mailbox.Admin)
	if !ok {
		return a, errBackend("add mailboxes")
	}
	added := a
	err := s.Trail.Administer(ctx, audit.Add, a, by, "", func(ctx context.Context) (err error) {
		added, err = admin.Add(ctx, a, code, by)
		return err
	})
	return added, err
}

// SetCode puts a code in force without the current one, opens the mailbox if
// wrong codes had closed it, and records both.
func (s *Stores) SetCode(ctx context.Context, a mailbox.Account, code pin.PIN, mustChange bool, by mailbox.Actor, reason string) error {
	resetter, ok := s.Backend.(mailbox.Resetter)
	if !ok {
		return errBackend("set a code without the current one")
	}
	err := s.Trail.Administer(ctx, audit.Reset, a, by, reason, func(ctx context.Context) error {
		return resetter.Reset(ctx, a, code, mustChange, by, reason).Failed("reset")
	})
	if err != nil {
		return err
	}
	return s.Trail.Unlock(ctx, a, by, reason)
}

// Remove deletes a mailbox with its counters and records it.
func (s *Stores) Remove(ctx context.Context, a mailbox.Account, by mailbox.Actor, reason string) error {
	admin, ok := s.Backend.(mailbox.Admin)
	if !ok {
		return errBackend("remove mailboxes")
	}
	err := s.Trail.Administer(ctx, audit.Remove, a, by, reason, func(ctx context.Context) error {
		return admin.Remove(ctx, a, by, reason)
	})
	return errors.Join(err, s.Guard.Unlock(ctx, a, by, reason))
}

func inDomain(domain string) string {
	if domain == "" {
		return ""
	}
	return " in domain " + domain
}
