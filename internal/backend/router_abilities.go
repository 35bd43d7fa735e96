package backend

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"star97/internal/mailbox"
	"star97/internal/pin"
)

// A Router has every ability; where the store in question lacks one, the answer
// says so.
var (
	_ Backend            = (*Router)(nil)
	_ mailbox.Lister     = (*Router)(nil)
	_ mailbox.Resetter   = (*Router)(nil)
	_ mailbox.Unlocker   = (*Router)(nil)
	_ mailbox.Admin      = (*Router)(nil)
	_ mailbox.Editor     = (*Router)(nil)
	_ mailbox.Lagging    = (*Router)(nil)
	_ mailbox.Slow       = (*Router)(nil)
	_ mailbox.Flagger    = (*Router)(nil)
	_ mailbox.Renumberer = (*Router)(nil)
	_ mailbox.Declarer   = (*Router)(nil)
	_ mailbox.Granter    = (*Router)(nil)
	_ mailbox.Reassigner = (*Router)(nil)
	_ mailbox.Recaller   = (*Router)(nil)
)

// able finds a store's ability, or the error of op for lack of it.
func able[Ability any](s *store, op, what string) (Ability, error) {
	ability, ok := s.Backend.(Ability)
	if !ok {
		return ability, mailbox.Fail(op, mailbox.CannotChange,
			fmt.Errorf("the %s store cannot %s; do it in the voicemail system", cmp.Or(s.Name, "default"), what))
	}
	return ability, nil
}

// maxPage is List's own limit.
const maxPage = 1000

// List goes through the domains in the order of their names. What a store holds of
// a domain that is not its own is not listed: no call reaches it.
func (r *Router) List(ctx context.Context, p mailbox.Page) ([]mailbox.Account, error) {
	if p.Limit <= 0 || p.Limit > maxPage {
		p.Limit = maxPage
	}
	t := r.domains.Load()
	if p.AllDomains && t.rest != nil {
		return t.rest.list(ctx, p)
	}
	domains := t.names
	if !p.AllDomains {
		domains = []string{strings.ToLower(p.Domain)}
	}
	var found []mailbox.Account
	var failed []error
	silent := map[*store]bool{}
	for _, domain := range domains {
		s, part := r.holding(domain), p
		part.Domain, part.AllDomains, part.Limit = domain, false, p.Limit-len(found)
		if s == nil || silent[s] || part.Limit == 0 || p.After != nil && domain < p.After.Domain {
			continue
		}
		page, err := s.list(ctx, part)
		if err != nil {
			silent[s] = true
			failed = append(failed, err)
		}
		found = append(found, page...)
	}
	return found, errors.Join(failed...)
}

func (s *store) list(ctx context.Context, p mailbox.Page) ([]mailbox.Account, error) {
	lister, err := able[mailbox.Lister](s, "list", "list its mailboxes")
	if err != nil {
		return nil, err
	}
	if p.After != nil {
		after := *p.After
		after.Backend = s.Driver
		p.After = &after
	}
	page, err := lister.List(ctx, p)
	for i := range page {
		page[i].Backend = s.identity
	}
	return page, s.told(err)
}

// Reset has the account's store set a code.
func (r *Router) Reset(ctx context.Context, a mailbox.Account, next pin.PIN, mustChange bool, by mailbox.Actor, reason string) mailbox.Result {
	s, own := r.keeping(a)
	resetter, err := able[mailbox.Resetter](s, "reset", "set a code without the current one")
	if err != nil {
		return mailbox.Refuse(err)
	}
	result := resetter.Reset(ctx, own, next, mustChange, by, reason)
	result.Err = s.told(result.Err)
	return result
}

// Grant has the account's store change a code whose owner was let in by another proof.
// A system that cannot tell whether a code is right is not asked about the current one,
// any other resets it, if the mailbox is in no state that forbids it.
func (r *Router) Grant(ctx context.Context, a mailbox.Account, next pin.PIN, at mailbox.Attempt) mailbox.Result {
	s, own := r.keeping(a)
	result := s.grant(ctx, own, next, at)
	s.prove(own, next, at, result)
	result.Err = s.told(result.Err)
	return result
}

// prove has what a call has chosen count as its current code from then on.
func (s *store) prove(own mailbox.Account, next pin.PIN, at mailbox.Attempt, r mailbox.Result) {
	if s.delegate != nil && r.Outcome == mailbox.Done {
		s.delegate.proved.keep(own, next, at)
	}
}

// begin sets the first code of a mailbox. Of two calls at once one is refused.
func (s *store) begin(ctx context.Context, own mailbox.Account, next pin.PIN, at mailbox.Attempt) mailbox.Result {
	if _, ok := s.Backend.(mailbox.Granter); ok {
		return s.Backend.Change(ctx, own, pin.PIN{}, next, at)
	}
	turn, err := s.first.Take(ctx, "change", own.ID, pin.PIN{})
	if err != nil {
		return mailbox.Refuse(err)
	}
	defer turn.End()
	return s.regrant(ctx, own, next, at)
}

func (s *store) regrant(ctx context.Context, own mailbox.Account, next pin.PIN, at mailbox.Attempt) mailbox.Result {
	resettable, err := able[mailbox.Resettable](s, "change", "set a code without the current one")
	if err != nil {
		return mailbox.Refuse(err)
	}
	return mailbox.Regrant(ctx, resettable, own, next, at)
}

func (s *store) grant(ctx context.Context, own mailbox.Account, next pin.PIN, at mailbox.Attempt) mailbox.Result {
	if granter, ok := s.Backend.(mailbox.Granter); ok {
		return granter.Grant(ctx, own, next, at)
	}
	if s.declared(own).Check == mailbox.NoCheck {
		return s.Backend.Change(ctx, own, pin.PIN{}, next, at)
	}
	return s.regrant(ctx, own, next, at)
}

// Unlock has the account's store open a mailbox.
func (r *Router) Unlock(ctx context.Context, a mailbox.Account, by mailbox.Actor, reason string) error {
	s, own := r.keeping(a)
	unlocker, err := able[mailbox.Unlocker](s, "unlock", "unlock mailboxes")
	if err != nil {
		return err
	}
	return s.told(unlocker.Unlock(ctx, own, by, reason))
}

// Add makes a mailbox in the store of its domain.
func (r *Router) Add(ctx context.Context, a mailbox.Account, code pin.PIN, by mailbox.Actor) (mailbox.Account, error) {
	s := r.holding(a.Domain)
	if s == nil {
		return mailbox.Account{}, mailbox.Fail("add", mailbox.PolicyOther, fmt.Errorf("no store has the domain %s", a.Domain))
	}
	admin, err := able[mailbox.Admin](s, "add", "add mailboxes")
	if err != nil {
		return mailbox.Account{}, err
	}
	return s.back(admin.Add(ctx, a, code, by))
}

// Remove has the account's store delete a mailbox.
func (r *Router) Remove(ctx context.Context, a mailbox.Account, by mailbox.Actor, reason string) error {
	s, own := r.keeping(a)
	admin, err := able[mailbox.Admin](s, "remove", "remove mailboxes")
	if err != nil {
		return err
	}
	return s.told(admin.Remove(ctx, own, by, reason))
}

// Edit has the account's store alter a mailbox.
func (r *Router) Edit(ctx context.Context, a mailbox.Account, e mailbox.Edit, by mailbox.Actor) (mailbox.Account, error) {
	s, own := r.keeping(a)
	editor, err := able[mailbox.Editor](s, "edit", "alter mailboxes")
	if err != nil {
		return mailbox.Account{}, err
	}
	return s.back(editor.Edit(ctx, own, e, by))
}

// Check tells what Add would refuse whatever else is stored, as far as the store of
// the account's domain can tell.
func (r *Router) Check(a mailbox.Account) error {
	if s := r.holding(a.Domain); s != nil {
		if _, err := able[mailbox.Admin](s, "add", "add mailboxes"); err != nil {
			return err
		}
		if checker, ok := s.Backend.(Checker); ok {
			return checker.Check(a)
		}
	}
	return nil
}

// SetFlags has the account's store alter its states.
func (r *Router) SetFlags(ctx context.Context, a mailbox.Account, e mailbox.FlagEdit, by mailbox.Actor, reason string) (mailbox.Account, error) {
	s, own := r.keeping(a)
	flagger, err := able[mailbox.Flagger](s, "flags", "alter what a mailbox may do")
	if err != nil {
		return mailbox.Account{}, err
	}
	return s.back(flagger.SetFlags(ctx, own, e, by, reason))
}

// Renumber has the account's store give it another extension.
func (r *Router) Renumber(ctx context.Context, a mailbox.Account, extension string, by mailbox.Actor, reason string) (mailbox.Account, error) {
	s, own := r.keeping(a)
	renumberer, err := able[mailbox.Renumberer](s, "renumber", "renumber mailboxes")
	if err != nil {
		return mailbox.Account{}, err
	}
	return s.back(renumberer.Renumber(ctx, own, extension, by, reason))
}

// Reassign has the account's store give it to another person.
func (r *Router) Reassign(ctx context.Context, a mailbox.Account, by mailbox.Actor, reason string) (mailbox.Account, error) {
	s, own := r.keeping(a)
	reassigner, err := able[mailbox.Reassigner](s, "reassign", "give a mailbox to another person")
	if err != nil {
		return mailbox.Account{}, err
	}
	return s.back(reassigner.Reassign(ctx, own, by, reason))
}

// Recall asks the account's store. Of a system that hands out its code the adapter can be
// asked for the current one alone; any other cannot tell, and then nothing is recalled.
func (r *Router) Recall(ctx context.Context, a mailbox.Account, former int, codes ...pin.PIN) (bool, error) {
	s, own := r.keeping(a)
	if recaller, ok := s.Backend.(mailbox.Recaller); ok {
		had, err := recaller.Recall(ctx, own, former, codes...)
		return had, s.told(err)
	}
	if s.declared(own).Check != mailbox.Compare || own.Flags.NoCode {
		return false, nil
	}
	for _, code := range codes {
		switch err := s.Backend.Verify(ctx, own, code, mailbox.Attempt{}); mailbox.CodeOf(err) {
		case mailbox.OK:
			return true, nil
		case mailbox.WrongPIN:
		case mailbox.NoCode, mailbox.Disabled, mailbox.Locked: // it says nothing of the code
			return false, nil
		default:
			return false, s.told(err)
		}
	}
	return false, nil
}

// back is an account as the Router's callers know it.
func (s *store) back(a mailbox.Account, err error) (mailbox.Account, error) {
	if err != nil {
		return mailbox.Account{}, s.told(err)
	}
	a.Backend = s.identity
	return a, nil
}
