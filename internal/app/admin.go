package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"star97/internal/audit"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

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
		if err := s.known(domain); err != nil {
			return mailbox.Account{}, err
		}
		return mailbox.Account{}, fmt.Errorf("there is no mailbox %s%s; `star97 mailbox list` shows all", extension, mailbox.InDomain(domain))
	case 1:
		return one[0], nil
	}
	return mailbox.Account{}, fmt.Errorf("mailbox %s%s exists %d times; remove the wrong ones in the voicemail system", extension, mailbox.InDomain(domain), len(one))
}

// List calls use for every mailbox of one domain, or of all. A search that finds none
// is taken for a whole ID. Where a store does not answer, the others' mailboxes come all
// the same, and its error at the end.
func (s *Stores) List(ctx context.Context, p mailbox.Page, use func(mailbox.Account) error) error {
	found := false
	err := s.list(ctx, p, func(a mailbox.Account) error {
		found = true
		return use(a)
	})
	id := p.Search
	if found || id == "" {
		return err
	}
	p.Search = ""
	return s.list(ctx, p, func(a mailbox.Account) error {
		if a.ID != id {
			return nil
		}
		return use(a)
	})
}

// list is List without a look at IDs.
func (s *Stores) list(ctx context.Context, p mailbox.Page, use func(mailbox.Account) error) error {
	p.Limit = 500
	missed := map[string]error{} // by its words: each page may meet it
	for {
		page, err := s.Backend.List(ctx, p)
		if err == nil && len(page) == 0 && !p.AllDomains {
			err = s.known(p.Domain)
		}
		if err != nil {
			missed[err.Error()] = err
		}
		for _, a := range page {
			if err := use(a); err != nil {
				return err
			}
		}
		if len(page) < p.Limit {
			return errors.Join(slices.Collect(maps.Values(missed))...)
		}
		p.After = &page[len(page)-1]
	}
}

// Unfinished is the error of an action that was carried out, or may have been,
// and after which something else went wrong.
type Unfinished struct {
	Action  audit.Action    // one of unfinished
	Outcome mailbox.Outcome // Done or Unknown
	Err     error
}

// Told says what is in force, or may be.
func (u *Unfinished) Told() string {
	words := unfinished[u.Action]
	if u.Outcome == mailbox.Done {
		return words.done
	}
	return words.unknown
}

var unfinished = map[audit.Action]struct{ done, unknown string }{
	audit.Add:    {"the mailbox is added and its code is in force", "the mailbox may be added and its code in force"},
	audit.Reset:  {"this code is in force", "this code may be in force"},
	audit.Remove: {"the mailbox is removed", "the mailbox may be removed"},
	audit.Edit:   {"the mailbox is altered", "the mailbox may be altered"},
	audit.Lock:   {"the mailbox is locked", "the mailbox may be locked"},
	audit.Unlock: {"the mailbox is open", "the mailbox may be open"},

	audit.Renumber: {"the mailbox has the new extension", "the mailbox may have the new extension"},
	audit.Reassign: {"the mailbox is the new person's", "the mailbox may be the new person's"},
	audit.Pepper:   {"the pepper file is altered", "the pepper file may be altered"},
	audit.Backup:   {"the backup is complete", "the backup may be complete"},
	audit.Restore:  {"the backup is restored", "the backup may be restored"},

	audit.SIPUserAdd:     {"the user can call with this password", "the user may be able to call with this password"},
	audit.SIPUserReplace: {"the user can call with this password alone", "the user may be able to call with this password"},
	audit.SIPUserRemove:  {"the user can no longer call", "the user may still be able to call"},
}

// Error says first what is in force, then what went wrong.
func (u *Unfinished) Error() string { return u.Told() + "; but: " + u.Err.Error() }

// Unwrap leads to what went wrong.
func (u *Unfinished) Unwrap() error { return u.Err }

// OutcomeOf tells from the error of Add, SetCode, Remove and the like what became of it.
func OutcomeOf(err error) mailbox.Outcome {
	var u *Unfinished
	switch {
	case err == nil:
		return mailbox.Done
	case errors.As(err, &u):
		return u.Outcome
	}
	return mailbox.Refused
}

// administer makes and records a deed, and then, if it is done, what comes after.
// The error tells what became of the deed: see OutcomeOf.
func (s *Stores) administer(ctx context.Context, d *audit.Deed, deed, after func(context.Context) error) error {
	outcome := mailbox.Refused
	err := s.Trail.Do(ctx, d, func(ctx context.Context) error {
		err := deed(ctx)
		switch mailbox.CodeOf(err) {
		case mailbox.OK:
			outcome = mailbox.Done
		case mailbox.OutcomeUnknown:
			outcome = mailbox.Unknown
		}
		return err
	})
	if outcome == mailbox.Done {
		err = errors.Join(err, after(ctx))
	}
	if err == nil || outcome == mailbox.Refused {
		return err
	}
	return &Unfinished{Action: d.Action, Outcome: outcome, Err: err}
}

// voiding is administer for what ends the mailbox's one-time codes, and what calls have
// proved by them: before the deed, since it would let their holder set a code, and after
// it, since one may have been sent meanwhile.
func (s *Stores) voiding(ctx context.Context, d *audit.Deed, deed, after func(context.Context) error) error {
	return s.administer(ctx, d, func(ctx context.Context) error {
		if err := s.Desk.Forget(ctx, d.Account); err != nil {
			return err
		}
		return deed(ctx)
	}, func(ctx context.Context) error {
		return errors.Join(s.Desk.Forget(ctx, d.Account), after(ctx))
	})
}

// Check tells what Add would refuse of an account whatever else is stored, as far
// as the store of its domain can tell.
func (s *Stores) Check(a mailbox.Account) error {
	if err := s.Backend.Check(a); err != nil {
		return err
	}
	return s.known(a.Domain)
}

// domainsTold bounds a sentence about domains.
const domainsTold = 10

// known tells whether calls can reach a domain.
func (s *Stores) known(domain string) error {
	reached := *s.reached.Load()
	if slices.Contains(reached, strings.ToLower(domain)) {
		return nil
	}
	names := slices.DeleteFunc(slices.Clone(reached), func(name string) bool { return name == "" })
	if len(names) > domainsTold {
		names = append(names[:domainsTold], "others")
	}
	its := strings.Join(names, ", ")
	if len(names) == 0 {
		return fmt.Errorf("the dialplan has no domain %s, and no other than the default one; leave it out, or write it as the domain of a route", domain)
	}
	if domain == "" {
		return fmt.Errorf("no route of the dialplan leads to the default domain; name one of its domains (%s)", its)
	}
	return fmt.Errorf("the dialplan has no domain %s; name one of its domains (%s), or add this one to them", domain, its)
}

// Add makes a mailbox and records it. The account is as far as it is known.
func (s *Stores) Add(ctx context.Context, a mailbox.Account, code pin.PIN, by mailbox.Actor) (mailbox.Account, error) {
	if err := s.known(a.Domain); err != nil {
		return a, err
	}
	err := s.administer(ctx, &audit.Deed{Action: audit.Add, Account: a, By: by}, func(ctx context.Context) error {
		added, err := s.Backend.Add(ctx, a, code, by)
		if err == nil {
			a = added
		}
		return err
	}, nothing)
	return a, err
}

func nothing(context.Context) error { return nil }

// SetCode puts a code in force without the current one, opens the mailbox if
// wrong codes had closed it, and records both. One-time codes end.
func (s *Stores) SetCode(ctx context.Context, a mailbox.Account, code pin.PIN, mustChange bool, by mailbox.Actor, reason string) error {
	return s.voiding(ctx, &audit.Deed{Action: audit.Reset, Account: a, By: by, Reason: reason}, func(ctx context.Context) error {
		return s.Backend.Reset(ctx, a, code, mustChange, by, reason).Failed("reset")
	}, func(ctx context.Context) error {
		return s.Trail.Unlock(ctx, a, by, reason)
	})
}

// Remove deletes a mailbox and its one-time codes, then its counters, and records it.
func (s *Stores) Remove(ctx context.Context, a mailbox.Account, by mailbox.Actor, reason string) error {
	return s.voiding(ctx, &audit.Deed{Action: audit.Remove, Account: a, By: by, Reason: reason}, func(ctx context.Context) error {
		return s.Backend.Remove(ctx, a, by, reason)
	}, func(ctx context.Context) error {
		return s.Guard.Unlock(ctx, a, by, reason)
	})
}

// Edit alters a mailbox and records it. One-time codes end if their address is altered or
// the mailbox is closed. The account is as far as it is known.
func (s *Stores) Edit(ctx context.Context, a mailbox.Account, e mailbox.Edit, by mailbox.Actor, reason string) (mailbox.Account, error) {
	do := s.administer
	if e.Mail != nil || e.Disabled != nil && *e.Disabled || e.Locked != nil && *e.Locked {
		do = s.voiding
	}
	return alter(ctx, do, &audit.Deed{Action: audit.Edit, Account: a, By: by, Reason: reason}, func(ctx context.Context) (mailbox.Account, error) {
		return s.Backend.Edit(ctx, a, e, by)
	})
}

// SetFlags alters whether a mailbox's owner may and must change the code, and records it
// as Edit is recorded. The account is as far as it is known.
func (s *Stores) SetFlags(ctx context.Context, a mailbox.Account, e mailbox.FlagEdit, by mailbox.Actor, reason string) (mailbox.Account, error) {
	return alter(ctx, s.administer, &audit.Deed{Action: audit.Edit, Account: a, By: by, Reason: reason}, func(ctx context.Context) (mailbox.Account, error) {
		return s.Backend.SetFlags(ctx, a, e, by, reason)
	})
}

// Renumber gives a mailbox another extension, leaves its code as it is, and records it
// under the one that it had, with the new one as the target. The account is as far as it
// is known.
func (s *Stores) Renumber(ctx context.Context, a mailbox.Account, extension string, by mailbox.Actor, reason string) (mailbox.Account, error) {
	return alter(ctx, s.administer, &audit.Deed{Action: audit.Renumber, Account: a, Target: extension, By: by, Reason: reason}, func(ctx context.Context) (mailbox.Account, error) {
		return s.Backend.Renumber(ctx, a, extension, by, reason)
	})
}

// Lock closes a mailbox until Unlock opens it, and records it, with audit.Unchanged as
// the target where it was closed so already. One-time codes end.
func (s *Stores) Lock(ctx context.Context, a mailbox.Account, by mailbox.Actor, reason string) (mailbox.Account, error) {
	d := &audit.Deed{Action: audit.Lock, Account: a, By: by, Reason: reason}
	return alter(ctx, s.voiding, d, func(ctx context.Context) (mailbox.Account, error) {
		now, err := mailbox.Again(ctx, s.Backend, "lock", a)
		switch {
		case err != nil:
			return a, err
		case now.Flags.Locked:
			d.Target = audit.Unchanged
			return now, nil
		}
		return s.setLock(ctx, a, true, by)
	})
}

// setLock sets an administrator's lock where the store has one.
func (s *Stores) setLock(ctx context.Context, a mailbox.Account, locked bool, by mailbox.Actor) (mailbox.Account, error) {
	is, err := s.Backend.Edit(ctx, a, mailbox.Edit{Locked: &locked}, by)
	if err == nil && is.Flags.Locked != locked {
		err = mailbox.Fail("edit", mailbox.CannotChange, fmt.Errorf("the store of mailbox %s knows no such lock; set it in the voicemail system", a.Extension))
	}
	return is, err
}

// Unlock opens a mailbox whoever closed it: an administrator, wrong codes here, or wrong
// codes at a system that can be told. It records it.
func (s *Stores) Unlock(ctx context.Context, a mailbox.Account, by mailbox.Actor, reason string) error {
	can := s.Backend.Traits(a).Can
	return s.administer(ctx, &audit.Deed{Action: audit.Unlock, Account: a, By: by, Reason: reason}, func(ctx context.Context) error {
		if a.Flags.Locked && slices.Contains(can, mailbox.CanEdit) {
			if _, err := s.setLock(ctx, a, false, by); err != nil {
				return err
			}
		}
		if slices.Contains(can, mailbox.CanUnlock) {
			if err := s.Backend.Unlock(ctx, a, by, reason); err != nil {
				return err
			}
		}
		return s.Guard.Unlock(ctx, a, by, reason)
	}, nothing)
}

// Reassign gives a mailbox to another person: its code and those before it, its states,
// own numbers, wrong codes and one-time codes go, and what next says of the new person
// takes their place. It records it. The account is as far as it is known.
func (s *Stores) Reassign(ctx context.Context, a, next mailbox.Account, by mailbox.Actor, reason string) (mailbox.Account, error) {
	next.ID, next.Backend, next.Extension, next.Domain = a.ID, a.Backend, a.Extension, a.Domain
	is := a
	err := s.voiding(ctx, &audit.Deed{Action: audit.Reassign, Account: a, By: by, Reason: reason}, func(ctx context.Context) error {
		altered, err := s.Backend.Reassign(ctx, next, by, reason)
		if err == nil {
			is = altered
		}
		return err
	}, func(ctx context.Context) error {
		return s.Guard.Unlock(ctx, a, by, reason)
	})
	return is, err
}

// administers is administer or voiding.
type administers func(ctx context.Context, d *audit.Deed, deed, after func(context.Context) error) error

// alter records a deed and returns the mailbox as it is then.
func alter(ctx context.Context, do administers, d *audit.Deed, deed func(context.Context) (mailbox.Account, error)) (mailbox.Account, error) {
	is := d.Account
	err := do(ctx, d, func(ctx context.Context) error {
		altered, err := deed(ctx)
		if err == nil {
			is = altered
		}
		return err
	}, nothing)
	return is, err
}
