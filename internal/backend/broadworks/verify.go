package broadworks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"star97/internal/mailbox"
	"star97/internal/pin"
)

// Verify tells whether code is the user's. Where the system checks it that is one try,
// which the system counts, and never another. For an Account without ID the system is
// asked in the same way about a user and a number that it cannot have.
func (s *Store) Verify(ctx context.Context, a mailbox.Account, code pin.PIN, _ mailbox.Attempt) error {
	const op = "verify"
	switch {
	case ctx.Err() != nil:
		return mailbox.Expired(ctx, op)
	case a.ID == "":
		return s.checkNobody(ctx, op, strings.ToLower(a.Domain), code)
	}
	p, err := s.person(ctx, op, a)
	if err != nil {
		return err
	}
	return s.check(ctx, op, p, code)
}

// unassigned is a number of a country that there is not (ITU-T E.164 reserves 999).
const unassigned = "+999-5550100"

func (s *Store) checkNobody(ctx context.Context, op, domain string, code pin.PIN) error {
	if _, served := s.tenants[domain]; !served {
		domain = strings.ToLower(s.o.Domain)
	}
	_, err := s.find(ctx, op, domain, byID(s.nobody))
	if err == nil && s.o.Verify == Compare {
		_, err = s.info(ctx, op, s.nobody)
	} else if err == nil && !code.Empty() {
		err = s.try(ctx, op, person{id: s.nobody, dn: unassigned}, code)
	}
	switch mailbox.CodeOf(err) {
	case mailbox.OK, mailbox.NotFound, mailbox.Locked, mailbox.Disabled:
		return mailbox.Fail(op, mailbox.WrongPIN, nil)
	}
	return err
}

var errNoNumber = errors.New("the user has no telephone number, which the system needs to check a code: set verify to auto")

// compares tells whether p's code is compared with the one that the system shows.
func (s *Store) compares(p person) bool {
	return s.o.Verify == Compare || s.o.Verify == Auto && p.dn == ""
}

// check is nil if code is p's and p may use it.
func (s *Store) check(ctx context.Context, op string, p person, code pin.PIN) error {
	switch {
	case s.compares(p):
		i, err := s.info(ctx, op, p.id)
		if err != nil {
			return err
		}
		return s.compare(op, i, code)
	case p.dn == "":
		return mailbox.Fail(op, mailbox.ServiceRefused, errNoNumber)
	}
	err := mailbox.Fail(op, mailbox.WrongPIN, nil)
	if !code.Empty() {
		err = s.try(ctx, op, p, code)
	}
	if mailbox.CodeOf(err) != mailbox.WrongPIN || s.o.NoStates {
		return err
	}
	return s.why(ctx, op, p, err)
}

// try has the system check a code: one try.
func (s *Store) try(ctx context.Context, op string, p person, code pin.PIN) error {
	n, err := s.ask(ctx, op, command{name: s.o.VerifyRequest, fill: func(m *message) {
		m.put("phoneNumber", s.number(p))
		m.code("passcode", code)
	}})
	f, refused := err.(fault)
	switch {
	case refused:
		code := f.code(mailbox.Unavailable, mailbox.WrongPIN, mailbox.NotFound, mailbox.Locked, mailbox.Disabled)
		if code == mailbox.Unavailable {
			return mailbox.Fail(op, code, fmt.Errorf(
				"%w: if that is its answer to a wrong code, add it to errors as wrong-pin; a system of another release may want another verify_request", f))
		}
		return mailbox.Fail(op, code, f)
	case err != nil:
		return err
	case !strings.EqualFold(n.of("userId"), p.id):
		// The code is right for somebody who has the number by now.
		s.people.Forget(p.id)
		return mailbox.Fail(op, mailbox.Unavailable, errors.New("the telephone number is another user's by now"))
	}
	return nil
}

// number is p's telephone number in the form that the system wants to check codes by.
func (s *Store) number(p person) string {
	switch s.o.NumberForm {
	case AsDigits:
		return p.digits()
	case PlusDigits:
		return "+" + p.digits()
	}
	return p.dn
}

// why is the error for a code that the system has called wrong: a login that is disabled
// may be answered in the same way.
func (s *Store) why(ctx context.Context, op string, p person, wrong error) error {
	i, err := s.states(ctx, op, p.id)
	switch {
	case err != nil:
		return wrong
	case i.disabled:
		return s.disabled(op)
	case i.given.form == formNone:
		return mailbox.Fail(op, mailbox.NoCode, nil)
	}
	return wrong
}

// info is what stands with a user's code.
type info struct {
	disabled bool // the portal takes no code of his
	expired  bool
	given    given
}

// states is info where a system does without it that does not let star97's own account
// see it; that is not asked again for a while.
func (s *Store) states(ctx context.Context, op, id string) (info, error) {
	if time.Now().UnixMilli() < s.unseen.Load() {
		return info{}, mailbox.Fail(op, mailbox.ServiceRefused, errRight)
	}
	i, err := s.info(ctx, op, id)
	if hidden(err) && s.o.Verify != Compare {
		s.unseen.Store(time.Now().Add(s.o.RulesFor).UnixMilli())
	}
	return i, err
}

// info reads what stands with a code, and the code itself.
func (s *Store) info(ctx context.Context, op, id string) (info, error) {
	n, err := s.ask(ctx, op, command{name: askCode, safe: true, fill: func(m *message) { m.put("userId", id) }})
	if err = known(op, err); err != nil {
		return info{}, err
	}
	if n.of("isLoginDisabled") == "" {
		return info{}, mailbox.Fail(op, mailbox.Unavailable, errShape)
	}
	i := info{disabled: n.truth("isLoginDisabled")}
	if days, limited := n.number("expirationDays"); limited && days <= 0 {
		i.expired = true
	}
	if c := n.child("passcode"); c != nil {
		i.given = c.given
	}
	return i, nil
}

// known is the error of a question about one user.
func known(op string, err error) error {
	if f, ok := err.(fault); ok {
		return mailbox.Fail(op, f.code(mailbox.Unavailable, mailbox.NotFound), f)
	}
	return err
}

// flags are the states that a caller of Lookup sees. A login that wrong codes have
// disabled is no such state: Verify tells it.
func (s *Store) flags(i info) mailbox.Flags {
	return mailbox.Flags{
		Disabled:   i.disabled && s.o.LoginDisabled == mailbox.Disabled.String(),
		NoCode:     i.given.form == formNone,
		MustChange: i.expired,
	}
}

var (
	errLocked   = errors.New("the user's portal login is disabled, as wrong codes do: an administrator enables it by a new passcode")
	errDisabled = errors.New("the user's portal login is disabled: an administrator can enable it")
	errHidden   = errors.New("the system does not show codes in clear: set verify to dn")
)

func (s *Store) disabled(op string) error {
	if s.o.LoginDisabled == mailbox.Disabled.String() {
		return mailbox.Fail(op, mailbox.Disabled, errDisabled)
	}
	return mailbox.Fail(op, mailbox.Locked, errLocked)
}

// compare is nil if code is the one that the system shows and may be used. Who does not
// know the code learns no more. Codes are compared sealed: equal lengths, constant time.
func (s *Store) compare(op string, i info, code pin.PIN) error {
	switch {
	case i.given.form == formNone:
		return mailbox.Fail(op, mailbox.NoCode, nil)
	case i.given.form == formOdd:
		return mailbox.Fail(op, mailbox.ServiceRefused, errHidden)
	case !i.given.code.Equal(&code):
		return mailbox.Fail(op, mailbox.WrongPIN, nil)
	case i.disabled:
		return s.disabled(op)
	}
	return nil
}
