package unity

import (
	"context"
	"strconv"

	"star97/internal/backend/adapter"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// Change sets next for the mailbox's owner. It does not look at current but for the
// rules: whoever stands before it has verified that. The mailbox's states and rules are
// read first, because the system may not hold an administrator's account to them.
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
	if err := s.allowed(ctx, op, a, current, next); err != nil {
		return mailbox.Refuse(err)
	}
	return s.set(ctx, op, a.ID, next, false)
}

// allowed asks what the system told of the mailbox whether the change may be.
func (s *Store) allowed(ctx context.Context, op string, a mailbox.Account, current, next pin.PIN) error {
	c, err := s.credential(ctx, op, a.ID)
	if err != nil {
		return err
	}
	r, err := s.rulesOf(ctx, op, a.ID, c.policy)
	if err != nil && !hidden(err) {
		return err
	}
	if err := c.refusal(op, r); err != nil {
		return err
	}
	return adapter.Allowed(op, r.policy, next, pin.Context{Extension: a.Extension, Numbers: a.Numbers, Names: []string{a.Name}, Current: current})
}

// Reset sets next whatever the mailbox's states are; the system's own rules hold. by and
// reason are the audit trail's.
func (s *Store) Reset(ctx context.Context, a mailbox.Account, next pin.PIN, mustChange bool, _ mailbox.Actor, _ string) mailbox.Result {
	const op = "reset"
	if ctx.Err() != nil {
		return mailbox.Refuse(mailbox.Expired(ctx, op))
	}
	return s.set(ctx, op, a.ID, next, mustChange)
}

// set writes a code once. CredMustChange goes with it in any case: left out, the system
// makes the owner choose another code at the next login.
func (s *Store) set(ctx context.Context, op, id string, next pin.PIN, mustChange bool) mailbox.Result {
	if next.Empty() {
		return mailbox.Refuse(mailbox.Fail(op, mailbox.TooShort, nil))
	}
	var result mailbox.Result
	next.Reveal(func(digits []byte) {
		w := s.fields()
		w.add("Credentials", digits)
		w.add("CredMustChange", truth(mustChange))
		body := w.end()
		defer clear(body)
		result = adapter.Written(s.put(ctx, op, id, body))
	})
	return result
}

// SetFlags alters what stands with a mailbox's code.
func (s *Store) SetFlags(ctx context.Context, a mailbox.Account, e mailbox.FlagEdit, _ mailbox.Actor, _ string) (mailbox.Account, error) {
	const op = "flags"
	w := s.fields()
	if e.CannotChange != nil {
		w.add("CantChange", truth(*e.CannotChange))
	}
	if e.MustChange != nil {
		w.add("CredMustChange", truth(*e.MustChange))
	}
	if e == (mailbox.FlagEdit{}) {
		return s.fresh(ctx, op, a.ID)
	}
	if err := s.put(ctx, op, a.ID, w.end()); err != nil {
		return mailbox.Account{}, err
	}
	if now, err := s.fresh(ctx, op, a.ID); err == nil {
		return now, nil
	}
	// It is done, and that it cannot be read makes it no failure.
	if e.CannotChange != nil {
		a.Flags.CannotChange = *e.CannotChange
	}
	if e.MustChange != nil {
		a.Flags.MustChange = *e.MustChange
	}
	return a, nil
}

// Unlock opens a mailbox that wrong codes have closed. What an administrator has locked
// stays so.
func (s *Store) Unlock(ctx context.Context, a mailbox.Account, _ mailbox.Actor, _ string) error {
	w := s.fields()
	w.add("HackCount", []byte("0"))
	w.add("TimeHacked", nil)
	return s.put(ctx, "unlock", a.ID, w.end())
}

func truth(b bool) []byte { return strconv.AppendBool(nil, b) }

// maxFields bounds a body of fields, in bytes: it is made at once, so that no part of a
// code stays behind where it grew.
const maxFields = 512

// fields builds the body of a write. Values are digits, words or empty: none needs
// escaping. In JSON every value is a text, as the system writes them itself.
type fields struct {
	format Format
	body   []byte
}

func (s *Store) fields() *fields {
	f := &fields{format: s.o.Format, body: make([]byte, 0, maxFields)}
	if f.format == XML {
		f.put("<Credential>")
	} else {
		f.put("{")
	}
	return f
}

func (f *fields) put(text string) { f.body = append(f.body, text...) }

func (f *fields) add(name string, value []byte) {
	if f.format == XML {
		f.put("<" + name + ">")
		f.body = append(f.body, value...)
		f.put("</" + name + ">")
		return
	}
	if len(f.body) > 1 {
		f.put(",")
	}
	f.put(`"` + name + `":"`)
	f.body = append(f.body, value...)
	f.put(`"`)
}

func (f *fields) end() []byte {
	if f.format == XML {
		f.put("</Credential>")
	} else {
		f.put("}")
	}
	return f.body
}
