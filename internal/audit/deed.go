package audit

import (
	"context"
	"crypto/rand"
	"errors"

	"star97/internal/mailbox"
)

// Deed is an administrator's action.
type Deed struct {
	Action  Action
	Account mailbox.Account // the mailbox, as far as it is known; none for what concerns all
	Target  string          // as Record.Target
	By      mailbox.Actor
	Reason  string
}

func (d *Deed) record(intent string) Record {
	a := d.Account
	r := about(d.Action, a, mailbox.Attempt{Intent: intent})
	r.Extension, r.Domain, r.Target, r.Actor, r.Reason = a.Extension, a.Domain, d.Target, string(d.By), d.Reason
	return r
}

// Do carries out deed between two records: no intent, no deed. A target that only deed
// finds out it sets in d, for the second record. The error is the deed's (its
// mailbox.Code is recorded), joined with that of a second record which could not be
// written.
func (t *Trail) Do(ctx context.Context, d *Deed, deed func(context.Context) error) error {
	r := d.record(rand.Text())
	if err := t.intend(ctx, r); err != nil {
		return err
	}
	err := deed(ctx)
	r.Target = d.Target
	return errors.Join(err, t.end(ctx, r.ended(err)))
}

// ended is r with what became of its deed.
func (r Record) ended(err error) Record {
	r.Outcome, r.Result = mailbox.Done, mailbox.CodeOf(err)
	switch {
	case r.Result == mailbox.OutcomeUnknown:
		r.Outcome = mailbox.Unknown
	case err != nil:
		r.Outcome = mailbox.Refused
	}
	return r
}

// Administer is Do for what concerns one mailbox and nothing else.
func (t *Trail) Administer(ctx context.Context, action Action, a mailbox.Account, by mailbox.Actor, reason string,
	deed func(context.Context) error,
) error {
	return t.Do(ctx, &Deed{Action: action, Account: a, By: by, Reason: reason}, deed)
}

// Unlock opens a mailbox through the wrapped store's own ability and records it.
func (t *Trail) Unlock(ctx context.Context, a mailbox.Account, by mailbox.Actor, reason string) error {
	u, ok := t.store.(mailbox.Unlocker)
	if !ok {
		return mailbox.Fail("unlock", mailbox.CannotChange, errors.New("this store cannot unlock; unlock the mailbox in the voicemail system"))
	}
	return t.Administer(ctx, Unlock, a, by, reason, func(ctx context.Context) error {
		return u.Unlock(ctx, a, by, reason)
	})
}
