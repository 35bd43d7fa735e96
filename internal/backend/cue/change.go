package cue

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"star97/internal/backend/adapter"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// Change sets next for the mailbox's owner. It looks at current for the rules only:
// whoever stands before it has verified that.
func (s *Store) Change(ctx context.Context, a mailbox.Account, current, next pin.PIN, _ mailbox.Attempt) mailbox.Result {
	const op = "change"
	switch {
	case ctx.Err() != nil:
		return mailbox.Refuse(mailbox.Expired(ctx, op))
	case a.ID == "":
		return mailbox.Refuse(mailbox.Fail(op, mailbox.WrongPIN, nil))
	case a.Flags.Disabled:
		return mailbox.Refuse(mailbox.Fail(op, mailbox.Disabled, nil))
	}
	rules := pin.Context{Extension: a.Extension, Numbers: a.Numbers, Names: []string{a.Name}, Current: current}
	if err := adapter.Allowed(op, s.policy, next, rules); err != nil {
		return mailbox.Refuse(err)
	}
	return s.set(ctx, op, a, next)
}

// Reset sets next without a look at the rules of the configuration; the system's own
// hold. The system cannot make the owner choose another code: with mustChange nothing
// is done.
func (s *Store) Reset(ctx context.Context, a mailbox.Account, next pin.PIN, mustChange bool, _ mailbox.Actor, _ string) mailbox.Result {
	const op = "reset"
	switch {
	case ctx.Err() != nil:
		return mailbox.Refuse(mailbox.Expired(ctx, op))
	case mustChange:
		return mailbox.Refuse(mailbox.Fail(op, mailbox.PolicyOther, adapter.ErrMustChange))
	}
	return s.set(ctx, op, a, next)
}

// set writes a code once, on a connection that a command before it has proved to work.
func (s *Store) set(ctx context.Context, op string, a mailbox.Account, next pin.PIN) (result mailbox.Result) {
	if next.Empty() {
		return mailbox.Refuse(mailbox.Fail(op, mailbox.TooShort, nil))
	}
	if !isID(a.ID) {
		return mailbox.Refuse(mailbox.Fail(op, mailbox.NotFound, nil))
	}
	err := s.with(ctx, op, func(h *shell) error {
		if err := s.same(ctx, op, h, a); err != nil {
			return err
		}
		result = s.send(ctx, op, h, a.ID, next)
		return nil
	})
	if err != nil {
		return mailbox.Refuse(err)
	}
	return result
}

// send writes the code. Whatever comes of it, it is not sent again.
func (s *Store) send(ctx context.Context, op string, h *shell, id string, next pin.PIN) (result mailbox.Result) {
	next.Reveal(func(digits []byte) {
		line, open, ok := pinLine(id, digits)
		if !ok {
			result = mailbox.Refuse(mailbox.Fail(op, mailbox.TooLong, nil))
			return
		}
		defer clear(line)
		sent, err := h.run(ctx, line, open, func(answer []byte) { result = judge(op, answer, s.o.Answers) })
		switch {
		case sent && err != nil:
			result = mailbox.Doubt(mailbox.Fail(op, mailbox.OutcomeUnknown, fmt.Errorf("%s: %w", s.o.Address, err)))
		case err != nil:
			result = mailbox.Refuse(s.failed(op, err))
		}
	})
	return result
}

// same proves that a's user is there and has a's extension still.
func (s *Store) same(ctx context.Context, op string, h *shell, a mailbox.Account) error {
	if len(s.o.Users) > 0 {
		for _, u := range s.o.Users {
			if u.ID == a.ID && u.Extension == a.Extension {
				return h.check(ctx)
			}
		}
		return mailbox.Fail(op, mailbox.NotFound, nil)
	}
	p, ok, answer, err := h.detail(ctx, a.ID)
	if err != nil {
		return err
	}
	if !ok {
		ids, err := h.list(ctx, s.o.MaxUsers)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if strings.EqualFold(id, a.ID) {
				return fmt.Errorf("%q is answered %q: %w", detailCommand, quote(answer), errShape)
			}
		}
		return mailbox.Fail(op, mailbox.NotFound, nil)
	}
	if p.extension != a.Extension {
		s.forget()
		return mailbox.Fail(op, mailbox.NotFound, errMoved)
	}
	return nil
}

var errMoved = errors.New("the user has another extension now: look the mailbox up again")
