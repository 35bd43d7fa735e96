package axl

import (
	"context"
	"fmt"

	"star97/internal/mailbox"
	"star97/internal/pin"
)

// Verify asks the system whether code is the account's PIN: one try, which the system
// counts, and never another. A code that is too short to be a PIN is wrong without a
// question. For an Account without ID the system is asked about a user that it cannot
// have, so that it must be up for any answer.
func (s *Store) Verify(ctx context.Context, a mailbox.Account, code pin.PIN, _ mailbox.Attempt) error {
	const op = "verify"
	switch {
	case ctx.Err() != nil:
		return mailbox.Expired(ctx, op)
	case code.Len() < minCode:
		return mailbox.Fail(op, mailbox.WrongPIN, nil)
	case a.ID == "":
		if _, err := s.try(ctx, op, s.nobody, code); err != nil && mailbox.CodeOf(err) != mailbox.NotFound {
			return err
		}
		return mailbox.Fail(op, mailbox.WrongPIN, nil)
	case !isUser(a.ID):
		return mailbox.Fail(op, mailbox.NotFound, errUser)
	}
	v, err := s.try(ctx, op, a.ID, code)
	if err != nil || v.right {
		return err
	}
	return s.why(ctx, op, a.ID, v)
}

// verdict is the system's word on a code.
type verdict struct {
	right bool
	means string // one of answers, or empty where the number has no meaning
	code  int    // the number that comes with it
}

// Error tells the number, so that Options.Codes can be written.
func (v verdict) Error() string {
	return "the system refuses the code with number " + shown(v.code)
}

// try is one try.
func (s *Store) try(ctx context.Context, op, id string, code pin.PIN) (v verdict, err error) {
	code.Reveal(func(digits []byte) {
		var answer reply
		answer, err = s.call(ctx, op, authenticate, false, func(m *message) {
			m.put("userid", id)
			m.bytes("pin", digits)
		})
		if err != nil {
			return
		}
		said := answer.child("userAuthenticated")
		if said.text() == "" {
			err = mailbox.Fail(op, mailbox.OutcomeUnknown, errShape)
			return
		}
		v.right = said.truth()
		v.code, _ = answer.child("code").number()
	})
	if err != nil || v.right {
		return v, err
	}
	for _, m := range s.o.Codes {
		if m.Code == v.code {
			v.means, v.right = m.Means, m.Means == right
		}
	}
	return v, nil
}

// why is the error for a code that the system has refused: what its number means, or else
// what the user's states say. Without either it is the wrong code.
func (s *Store) why(ctx context.Context, op, id string, v verdict) error {
	switch v.means {
	case mailbox.Locked.String():
		return mailbox.Fail(op, mailbox.Locked, v)
	case mailbox.Disabled.String():
		return mailbox.Fail(op, mailbox.Disabled, v)
	case mailbox.WrongPIN.String():
		return mailbox.Fail(op, mailbox.WrongPIN, v)
	}
	u, err := s.user(ctx, op, id)
	if err != nil {
		return mailbox.Fail(op, mailbox.WrongPIN, v)
	}
	switch {
	case u.inactive:
		return mailbox.Fail(op, mailbox.Disabled, v)
	case u.locked:
		return mailbox.Fail(op, mailbox.Locked, fmt.Errorf("an administrator has locked the PIN: %w", v))
	}
	if r, err := s.rulesOf(ctx, op, u); err == nil && u.expired(r) {
		return mailbox.Fail(op, mailbox.Locked, fmt.Errorf("the PIN has expired, and an administrator must set another one: %w", v))
	}
	return mailbox.Fail(op, mailbox.WrongPIN, v)
}

// expired tells whether a PIN is too old for sure.
func (u user) expired(r rules) bool {
	age, known := u.age()
	return known && !u.lasting && r.expires > 0 && age-sure > r.expires
}
