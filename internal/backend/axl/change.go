package axl

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"star97/internal/backend/adapter"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// Change sets next for its owner, who knows current. The user's states and the policy are
// checked before the write, because the system may not hold an administrator's account to
// them; that next is in force proves it.
func (s *Store) Change(ctx context.Context, a mailbox.Account, current, next pin.PIN, at mailbox.Attempt) mailbox.Result {
	const op = "change"
	switch {
	case ctx.Err() != nil:
		return mailbox.Refuse(mailbox.Expired(ctx, op))
	case a.ID == "":
		return mailbox.Refuse(adapter.Unwritten(op, s.Verify(ctx, a, current, at))) // never nil
	}
	if err := adapter.Known(op, a, current); err != nil {
		return mailbox.Refuse(err)
	}
	turn, err := s.turns.Take(ctx, op, a.ID, current)
	if err != nil {
		return mailbox.Refuse(err)
	}
	defer turn.End()
	if err := s.Verify(ctx, a, current, at); err != nil {
		return mailbox.Refuse(adapter.Unwritten(op, err))
	}
	if err := s.allowed(ctx, op, a, current, next); err != nil {
		return mailbox.Refuse(err)
	}
	r := s.set(ctx, op, a.ID, next, nil)
	if r.Outcome == mailbox.Done {
		turn.Replaced(current, next)
		// Whoever has changed a code by himself need not do it again. If that fails the
		// change is in force all the same, and the user is asked for another one.
		if err := s.must(ctx, op, a.ID, false); err != nil && s.o.API.Log != nil {
			s.o.API.Log.Warn("a changed PIN may still have to be changed", slog.String("user", a.ID), slog.Any("error", err))
		}
	}
	return r
}

// allowed asks what the system told of the user whether the change may be.
func (s *Store) allowed(ctx context.Context, op string, a mailbox.Account, current, next pin.PIN) error {
	u, err := s.user(ctx, op, a.ID)
	if err != nil {
		return err
	}
	switch {
	case u.inactive:
		return mailbox.Fail(op, mailbox.Disabled, nil)
	case u.locked:
		return mailbox.Fail(op, mailbox.Locked, errors.New("an administrator has locked the PIN"))
	case u.cantChange:
		return mailbox.Fail(op, mailbox.CannotChange, nil)
	case next.Len() < minCode:
		return mailbox.Fail(op, mailbox.TooShort, nil)
	}
	r, err := s.rulesOf(ctx, op, u)
	if hidden(err) {
		return nil
	}
	if err != nil {
		return err
	}
	// A code that an administrator has set to be changed is not held to an age.
	if age, known := u.age(); known && !u.mustChange && age+sure < r.minAge {
		return mailbox.Fail(op, mailbox.TooSoon, fmt.Errorf("a PIN must be %v old to be changed", r.minAge))
	}
	return adapter.Allowed(op, r.policy, next, pin.Context{Extension: u.extension, Numbers: a.Numbers, Names: []string{u.name}, Current: current})
}

// Reset sets next whatever the user's flags are and makes the system forget wrong PINs; a
// lock by an administrator stays, and so does the policy. "Must change" is set after the
// proof, which it could prevent.
func (s *Store) Reset(ctx context.Context, a mailbox.Account, next pin.PIN, mustChange bool, _ mailbox.Actor, _ string) mailbox.Result {
	const op = "reset"
	if ctx.Err() != nil {
		return mailbox.Refuse(mailbox.Expired(ctx, op))
	}
	if next.Len() < minCode {
		return mailbox.Refuse(mailbox.Fail(op, mailbox.TooShort, nil))
	}
	turn, err := s.turns.Take(ctx, op, a.ID, pin.PIN{})
	if err != nil {
		return mailbox.Refuse(err)
	}
	defer turn.End()
	u, err := s.user(ctx, op, a.ID)
	if err != nil {
		return mailbox.Refuse(err)
	}
	switch {
	case u.inactive:
		return mailbox.Refuse(mailbox.Fail(op, mailbox.Disabled, nil))
	case u.locked:
		return mailbox.Refuse(mailbox.Fail(op, mailbox.Locked, errors.New("an administrator has locked the PIN: unlock it in the system first")))
	}
	turn.Replaced(pin.PIN{}, next)
	r := s.set(ctx, op, a.ID, next, func(m *message) { m.flag("pinResetHackCount", true) })
	if r.Outcome != mailbox.Done {
		return r
	}
	if err := s.must(ctx, op, a.ID, mustChange); err != nil {
		return mailbox.Doubt(fmt.Errorf("the PIN is in force, but not whether it must be changed: %w", err))
	}
	return r
}

// set writes a PIN once, with "must change" off, and proves that it is in force. more adds
// what comes behind that flag.
func (s *Store) set(ctx context.Context, op, id string, next pin.PIN, more func(*message)) mailbox.Result {
	var err error
	next.Reveal(func(digits []byte) {
		_, err = s.call(ctx, op, update, false, func(m *message) {
			m.put("userid", id)
			m.bytes("pin", digits)
			m.in("pinCredentials", func() {
				m.flag("pinCredUserMustChange", false)
				if more != nil {
					more(m)
				}
			})
		})
	})
	switch mailbox.CodeOf(err) {
	case mailbox.OK:
	case mailbox.OutcomeUnknown:
		return mailbox.Doubt(err)
	default:
		return mailbox.Refuse(err)
	}
	v, err := s.try(ctx, op, id, next)
	switch {
	case err != nil:
		return mailbox.Doubt(fmt.Errorf("the system has taken the PIN and cannot be asked whether it is in force: %w", err))
	case !v.right:
		return mailbox.Doubt(fmt.Errorf("the system has taken the PIN and does not know it: %w", v))
	}
	return mailbox.Proved()
}

// must lets a user's PIN be one that must be changed, or not: it reads what the system has
// made of the write before, and writes where that is something else.
func (s *Store) must(ctx context.Context, op, id string, change bool) error {
	u, err := s.user(ctx, op, id)
	if err != nil || u.mustChange == change {
		return err
	}
	return s.states(ctx, op, id, func(m *message) { m.flag("pinCredUserMustChange", change) })
}

// states writes what stands with a PIN.
func (s *Store) states(ctx context.Context, op, id string, fill func(*message)) error {
	if !isUser(id) {
		return mailbox.Fail(op, mailbox.NotFound, errUser)
	}
	_, err := s.call(ctx, op, update, false, func(m *message) {
		m.put("userid", id)
		m.in("pinCredentials", func() { fill(m) })
	})
	return err
}

// SetFlags alters what stands with a PIN and reads it back.
func (s *Store) SetFlags(ctx context.Context, a mailbox.Account, e mailbox.FlagEdit, _ mailbox.Actor, _ string) (mailbox.Account, error) {
	const op = "flags"
	if e != (mailbox.FlagEdit{}) {
		err := s.states(ctx, op, a.ID, func(m *message) {
			if e.CannotChange != nil {
				m.flag("pinCredUserCantChange", *e.CannotChange)
			}
			if e.MustChange != nil {
				m.flag("pinCredUserMustChange", *e.MustChange)
			}
		})
		if err != nil {
			return mailbox.Account{}, err
		}
	}
	u, err := s.user(ctx, op, a.ID)
	if err != nil {
		return mailbox.Account{}, err
	}
	if e.CannotChange != nil && u.cantChange != *e.CannotChange || e.MustChange != nil && u.mustChange != *e.MustChange {
		return mailbox.Account{}, mailbox.Fail(op, mailbox.OutcomeUnknown, errors.New("the system has taken the states and tells others"))
	}
	return s.account(ctx, op, u)
}

// Unlock makes the system forget wrong PINs. What an administrator has locked stays so.
func (s *Store) Unlock(ctx context.Context, a mailbox.Account, _ mailbox.Actor, _ string) error {
	return s.states(ctx, "unlock", a.ID, func(m *message) { m.flag("pinResetHackCount", true) })
}
