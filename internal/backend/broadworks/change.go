package broadworks

import (
	"context"
	"fmt"

	"star97/internal/backend/adapter"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// Change sets next for its owner, who knows current: that is checked first, since a
// system in AS data mode ignores it. That next is in force proves the change.
func (s *Store) Change(ctx context.Context, a mailbox.Account, current, next pin.PIN, _ mailbox.Attempt) mailbox.Result {
	const op = "change"
	switch {
	case ctx.Err() != nil:
		return mailbox.Refuse(mailbox.Expired(ctx, op))
	case a.ID == "":
		return mailbox.Refuse(mailbox.Fail(op, mailbox.WrongPIN, nil))
	}
	if err := adapter.Known(op, a, current); err != nil {
		return mailbox.Refuse(err)
	}
	turn, err := s.turns.Take(ctx, op, a.ID, current)
	if err != nil {
		return mailbox.Refuse(err)
	}
	defer turn.End()
	p, err := s.person(ctx, op, a)
	if err == nil {
		err = s.check(ctx, op, p, current)
	}
	if err == nil {
		err = s.open(ctx, op, p)
	}
	if err == nil && next.Empty() {
		err = mailbox.Fail(op, mailbox.TooShort, nil)
	}
	if err == nil {
		err = s.allowed(ctx, op, p, current, next)
	}
	if err != nil {
		return mailbox.Refuse(adapter.Unwritten(op, err))
	}
	r := s.set(ctx, op, p, current, next)
	if r.Outcome == mailbox.Done {
		turn.Replaced(current, next)
	}
	return r
}

// open tells whether p's login is enabled, where that may be read: a system that checks
// codes may take one all the same.
func (s *Store) open(ctx context.Context, op string, p person) error {
	if s.o.NoStates || s.compares(p) {
		return nil
	}
	i, err := s.states(ctx, op, p.id)
	switch {
	case hidden(err):
		return nil
	case err != nil:
		return err
	case i.disabled:
		return s.disabled(op)
	}
	return nil
}

// Reset sets next whatever the current code is; the system's own rules hold. The
// interface has no way to make an owner choose another code, so mustChange is refused.
func (s *Store) Reset(ctx context.Context, a mailbox.Account, next pin.PIN, mustChange bool, _ mailbox.Actor, _ string) mailbox.Result {
	const op = "reset"
	switch {
	case ctx.Err() != nil:
		return mailbox.Refuse(mailbox.Expired(ctx, op))
	case mustChange:
		return mailbox.Refuse(mailbox.Fail(op, mailbox.PolicyOther, adapter.ErrMustChange))
	case next.Empty():
		return mailbox.Refuse(mailbox.Fail(op, mailbox.TooShort, nil))
	}
	turn, err := s.turns.Take(ctx, op, a.ID, pin.PIN{})
	if err != nil {
		return mailbox.Refuse(err)
	}
	defer turn.End()
	turn.Replaced(pin.PIN{}, next)
	p, err := s.person(ctx, op, a)
	if err != nil {
		return mailbox.Refuse(err)
	}
	return s.set(ctx, op, p, pin.PIN{}, next)
}

// refusals are what an error can mean that refuses a new code.
var refusals = []mailbox.Code{
	mailbox.WrongPIN, mailbox.NotFound, mailbox.Locked, mailbox.Disabled, mailbox.TooShort, mailbox.TooLong,
	mailbox.NotDigits, mailbox.Trivial, mailbox.InHistory, mailbox.TooSoon, mailbox.CannotChange,
}

// set writes a code once and proves that it is in force. current goes with it where the
// options say so and it is known.
func (s *Store) set(ctx context.Context, op string, p person, current, next pin.PIN) mailbox.Result {
	_, err := s.ask(ctx, op, command{name: modifyCode, fill: func(m *message) {
		m.put("userId", p.id)
		if s.o.OldPasscode && !current.Empty() {
			m.code("oldPasscode", current)
		}
		m.code("newPasscode", next)
	}})
	f, refused := err.(fault)
	switch {
	case err == nil:
	case refused:
		if f.class == "Error" {
			return mailbox.Refuse(mailbox.Fail(op, f.code(mailbox.PolicyOther, refusals...), f))
		}
		// A warning does not say that nothing was done.
	case mailbox.CodeOf(err) == mailbox.OutcomeUnknown:
		return mailbox.Doubt(err)
	default:
		return mailbox.Refuse(err)
	}
	return s.prove(ctx, op, p, next)
}

// prove tells whether next is in force. Where the system checks codes it is asked once,
// since it counts wrong ones.
func (s *Store) prove(ctx context.Context, op string, p person, next pin.PIN) mailbox.Result {
	if s.compares(p) || p.dn == "" && !s.o.NoStates {
		return s.readBack(ctx, op, p, next)
	}
	if p.dn == "" {
		return mailbox.Doubt(errNoNumber)
	}
	err := s.try(ctx, op, p, next)
	switch {
	case err == nil:
		return mailbox.Proved()
	case !s.o.NoStates && mailbox.CodeOf(err) == mailbox.Locked:
		// The login stays disabled, and the code may be set all the same.
		return s.readBack(ctx, op, p, next)
	}
	return mailbox.Doubt(fmt.Errorf("the system has taken the code and does not say that it is in force: %w", err))
}

// readBack looks until next shows, at least once and as long as the lag.
func (s *Store) readBack(ctx context.Context, op string, p person, next pin.PIN) mailbox.Result {
	return adapter.ReadBack(ctx, s.o.Lag, func() (bool, error) {
		i, err := s.info(ctx, op, p.id)
		return err == nil && i.given.form == formDigits && i.given.code.Equal(&next), err
	})
}
