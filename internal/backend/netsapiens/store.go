package netsapiens

import (
	"context"
	"errors"

	"star97/internal/backend/adapter"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// Lookup finds the user whose extension is q.Number and, where numbers is set, those to
// whom that number rings. A domain that is not served has nobody.
func (s *Store) Lookup(ctx context.Context, q mailbox.Query) ([]mailbox.Account, error) {
	domain, ok := s.domain(q.Domain)
	if !ok || !adapter.IsNumber(q.Number) {
		return nil, nil
	}
	book, err := s.book(ctx, domain)
	if err != nil {
		return nil, err
	}
	var found []mailbox.Account
	for _, user := range book.users(q.Number) {
		p, err := s.see(ctx, "lookup", address{user, domain})
		if errors.Is(err, mailbox.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		a := s.account(&p, address{user, domain}, lower(q.Domain))
		a.Numbers = book.numbers(user)
		found = append(found, a)
	}
	return found, nil
}

// see reads one user and remembers in which form the server gives codes.
func (s *Store) see(ctx context.Context, op string, at address) (person, error) {
	p, err := s.wire.read(ctx, op, at)
	if err == nil && (p.given.form == formText || p.given.form == formNumber) {
		s.seen.Store(uint32(p.given.form))
	}
	return p, err
}

// nobody is a name that no extension has: it is not digits.
const nobody = "star97-nobody"

// Verify compares code with the one that the system shows. An Account whose ID is no
// user's costs the same request, for a user that cannot exist.
func (s *Store) Verify(ctx context.Context, a mailbox.Account, code pin.PIN, _ mailbox.Attempt) error {
	const op = "verify"
	at, ok := s.address(a)
	if !ok {
		domain, served := s.domain(a.Domain)
		if !served {
			domain = s.options.Domain
		}
		at = address{nobody, domain}
	}
	p, err := s.see(ctx, op, at)
	if err == nil && !ok { // somebody has that name after all
		err = mailbox.Fail(op, mailbox.NotFound, nil)
	}
	if errors.Is(err, mailbox.NotFound) && a.ID == "" {
		err = mailbox.Fail(op, mailbox.WrongPIN, nil)
	}
	if err != nil {
		return err
	}
	return s.check(op, &p, code)
}

// check is nil if code is p's and p may use it. Who does not know the code learns no more.
func (s *Store) check(op string, p *person, code pin.PIN) error {
	switch {
	case p.given.form == formNone:
		return mailbox.Fail(op, mailbox.NoCode, nil)
	case !p.given.is(code, s.options.LeadingZeros):
		return mailbox.Fail(op, mailbox.WrongPIN, nil)
	case p.off:
		return mailbox.Fail(op, mailbox.Disabled, nil)
	}
	return nil
}

// Change verifies current, writes next and reads it back.
func (s *Store) Change(ctx context.Context, a mailbox.Account, current, next pin.PIN, _ mailbox.Attempt) mailbox.Result {
	const op = "change"
	if err := adapter.Known(op, a, current); err != nil {
		return mailbox.Refuse(err)
	}
	return s.replace(ctx, op, a, next, func(p *person) error { return s.check(op, p, current) })
}

// Reset writes next whatever the current code is, and reads it back. The system has no
// way to make an owner choose another code, so mustChange is refused.
func (s *Store) Reset(ctx context.Context, a mailbox.Account, next pin.PIN, mustChange bool, _ mailbox.Actor, _ string) mailbox.Result {
	const op = "reset"
	if mustChange {
		return mailbox.Refuse(mailbox.Fail(op, mailbox.PolicyOther, adapter.ErrMustChange))
	}
	return s.replace(ctx, op, a, next, func(*person) error { return nil })
}

var (
	errZero       = errors.New("this voicemail system gives codes as numbers and would lose a zero in front")
	errZeroUnsure = errors.New("this voicemail system has not shown yet whether it keeps a zero in front of a code")
)

// replace writes next if the user as he is now passes may. Nobody else changes that
// mailbox meanwhile.
func (s *Store) replace(ctx context.Context, op string, a mailbox.Account, next pin.PIN, may func(*person) error) mailbox.Result {
	at, ok := s.address(a)
	if !ok {
		return mailbox.Refuse(mailbox.Fail(op, mailbox.NotFound, nil))
	}
	turn, err := s.changes.Take(ctx, op, at.id(), pin.PIN{})
	if err != nil {
		return mailbox.Refuse(err)
	}
	defer turn.End()
	p, err := s.see(ctx, op, at)
	if err == nil {
		err = may(&p)
	}
	if err == nil {
		err = s.writable(op, &p, next)
	}
	if err != nil {
		return mailbox.Refuse(err)
	}
	if err := s.wire.write(ctx, op, at, p, next); err != nil {
		return adapter.Written(err)
	}
	return s.readBack(ctx, op, at, next)
}

// writable refuses what the system would not give back as it was written.
func (s *Store) writable(op string, p *person, next pin.PIN) error {
	if next.Empty() {
		return mailbox.Fail(op, mailbox.TooShort, nil)
	}
	if !beginsWithZero(next) {
		return nil
	}
	shown := p.given.form
	if shown != formText && shown != formNumber {
		shown = form(s.seen.Load())
	}
	switch {
	case s.options.WriteAs == writeNumber, shown == formNumber:
		return mailbox.Fail(op, mailbox.PolicyOther, errZero)
	case shown == formText:
		return nil
	}
	return mailbox.Fail(op, mailbox.PolicyOther, errZeroUnsure)
}

// readBack looks until next shows.
func (s *Store) readBack(ctx context.Context, op string, at address, next pin.PIN) mailbox.Result {
	return adapter.ReadBack(ctx, s.options.ReadBack, func() (bool, error) {
		p, err := s.see(ctx, op, at)
		return err == nil && p.given.is(next, false), err
	})
}
