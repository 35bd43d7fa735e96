// Package lockout is a mailbox.Store that wraps another and limits guessing: per
// call, per mailbox and door, per mailbox over both doors, per source and by how many
// mailboxes one source tries, per peer, and altogether. A try is counted as wrong
// before the wrapped store sees it and taken back when it proves right, so ten calls
// at once get no more tries than one and a crash leaves the try counted. It keeps no
// count beyond a call's: the Ledger it needs is declared here. The upper limit of 100
// consecutive failures is NIST SP 800-63B section 5.2.2.
package lockout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"star97/internal/mailbox"
	"star97/internal/pin"
)

// Ledger keeps the counters. It decides nothing.
type Ledger interface {
	// Update loads the counters of keys in their order (one never seen is zero),
	// lets decide alter them in place and, if decide returns true, keeps all of
	// them, durably before it returns. No other Update of any process comes in
	// between. decide may run more than once; it must not block. An error means
	// that nothing is known to be kept.
	Update(ctx context.Context, keys []string, decide func([]Counter) bool) error
}

// Guard is the Store that counts. It is safe for concurrent use.
type Guard struct {
	store    mailbox.Store
	ledger   Ledger
	opts     Options
	now      func() time.Time
	calls    *calls
	declarer mailbox.Declarer // nil: no system locks by itself
	witness  Witness          // nil: nobody is told
}

// New wraps store. A nil now is time.Now. The error is that of Options.Validate.
func New(store mailbox.Store, ledger Ledger, opts Options, now func() time.Time) (*Guard, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	if now == nil {
		now = time.Now
	}
	return &Guard{store: store, ledger: ledger, opts: opts, now: now, calls: newCalls(opts.CallTries)}, nil
}

// Closed is the detail of a Locked or Throttled error: when the next try is possible.
// The own door may tell the caller; at the any door it is for the log alone.
type Closed struct {
	Until time.Time // zero: not before somebody opens the mailbox
	Why   string    // which limit, in plain words
}

// Error is a sentence with the time in UTC.
func (c *Closed) Error() string {
	if c.Until.IsZero() {
		return c.Why
	}
	return fmt.Sprintf("%s; open again at %s", c.Why, c.Until.UTC().Format(time.RFC3339))
}

// Lookup passes through: finding a mailbox is no guess at its code.
func (g *Guard) Lookup(ctx context.Context, q mailbox.Query) ([]mailbox.Account, error) {
	return g.store.Lookup(ctx, q)
}

// Verify counts the try, then asks the wrapped store. While a limit is reached
// the answer is Locked whatever the code; at the any door, where the limit is the
// mailbox's, after the work of a verification of an Account without ID, so that the time
// taken tells nothing, and where that work could not be done the answer is that of a try
// which was let in. At the own door a limit of the call or its source is Throttled: the
// mailbox is not locked. A ledger that cannot count makes the answer Unavailable: an uncounted try is not made.
//
// A claim (Attempt.Claim) is counted where it comes from alone and is possible while
// wrong codes have closed a door; a right one opens both doors as Unlock does, but for
// what a foreign system itself may hold against the mailbox. ByFirstUse is WrongPIN:
// there is no code to judge.
func (g *Guard) Verify(ctx context.Context, a mailbox.Account, code pin.PIN, at mailbox.Attempt) error {
	defer code.Wipe()
	t, err := g.reserve(ctx, a, at)
	switch {
	case err != nil:
		return fail("verify", err)
	case t.closed != nil:
		return fail("verify", g.turnAway(ctx, a, t, code, at))
	}
	err = g.ask(ctx, a, code, at)
	if settled := g.settle(ctx, a, at, t, verdictOf(ctx, err)); settled != nil && err == nil {
		return fail("verify", settled)
	}
	return err
}

// errNoCode is the answer to a code beside a claim that there is none.
var errNoCode = errors.New("a mailbox without a code has none to verify; a change sets its first")

// ask has the wrapped store judge code. Where the claim is that there is none, nothing can
// be right: the store does the work of an Account without ID.
func (g *Guard) ask(ctx context.Context, a mailbox.Account, code pin.PIN, at mailbox.Attempt) error {
	if at.Claim != mailbox.ByFirstUse {
		return g.store.Verify(ctx, a, code, at)
	}
	err := g.store.Verify(ctx, mailbox.Account{Backend: a.Backend, Domain: a.Domain}, code, at)
	if inService(mailbox.CodeOf(err)) {
		err = mailbox.Fail("verify", mailbox.WrongPIN, errNoCode)
	}
	return err
}

// Change counts the check of the current code as a try like any other: nothing
// is sent while a limit is reached (Refused, as Verify would answer) or while the
// ledger cannot count (Refused, Unavailable).
func (g *Guard) Change(ctx context.Context, a mailbox.Account, current, next pin.PIN, at mailbox.Attempt) mailbox.Result {
	defer current.Wipe()
	defer next.Wipe()
	t, err := g.reserve(ctx, a, at)
	switch {
	case err != nil:
		return mailbox.Refuse(fail("change", err))
	case t.closed != nil:
		return mailbox.Refuse(fail("change", g.turnAway(ctx, a, t, current, at)))
	}
	r := g.store.Change(ctx, a, current, next, at)
	if err := g.settle(ctx, a, at, t, verdictOfChange(r)); err != nil {
		// The outcome stands: a count that stays too high must not hide what happened.
		r.Err = errors.Join(r.Err, err)
	}
	return r
}

// Send passes the wish for a one-time code on. It counts as a wrong code where it comes
// from, so that nobody has more of them sent than they may guess codes. What is not sent
// for want of service is given back at the own door alone: only a mailbox that exists, with
// an address, meets that, and the budget of a stranger would tell which do. One past a
// limit of the sender's (Throttled) counts as one for no mailbox does, for the same reason.
func (g *Guard) Send(ctx context.Context, a mailbox.Account, at mailbox.Attempt) error {
	sender, ok := g.store.(mailbox.Sender)
	if !ok {
		return mailbox.Fail("send", mailbox.NotFound, nil)
	}
	at.Claim = mailbox.ByOneTime
	t, err := g.reserve(ctx, a, at)
	switch {
	case err != nil:
		return fail("send", err)
	case t.closed != nil:
		_ = g.settle(ctx, a, at, t, wrong) // for the Witness
		return mailbox.Fail("send", mailbox.Locked, t.closed)
	}
	v := wrong
	if err = sender.Send(ctx, a, at); err != nil && at.Door == mailbox.OwnDoor && mailbox.CodeOf(err) != mailbox.Throttled {
		v = verdictOf(ctx, err)
	}
	// The answer stands, whatever becomes of the count.
	_ = g.settle(ctx, a, at, t, v)
	return err
}

// turnAway answers a try that a limit forbids. Where the limit is the mailbox's, at the any
// door, it does the work of a verification, whose answer is not wanted: the time must not
// tell which mailboxes are closed, and trouble with that work is the answer, as it is for
// a try that was let in. What is closed to the source is closed whatever the mailbox, and
// the own door tells that it is closed: a flood there costs no work.
func (g *Guard) turnAway(ctx context.Context, a mailbox.Account, t *try, code pin.PIN, at mailbox.Attempt) error {
	switch {
	case at.Door == mailbox.OwnDoor && t.throttled:
		return mailbox.Fail("reserve", mailbox.Throttled, t.closed)
	case at.Door == mailbox.OwnDoor || t.bySource:
		return mailbox.Fail("reserve", mailbox.Locked, t.closed)
	}
	err := g.store.Verify(ctx, mailbox.Account{Backend: a.Backend, Domain: a.Domain}, code, at)
	// As in Verify: the answer stands, whatever becomes of the count.
	_ = g.settle(ctx, a, at, t, verdictOf(ctx, err))
	if inService(mailbox.CodeOf(err)) {
		err = mailbox.Fail("reserve", mailbox.Locked, t.closed)
	}
	return err
}

// fail gives err the operation's name; an error without a code is the ledger's.
func fail(op string, err error) error {
	var e *mailbox.Error
	if errors.As(err, &e) {
		return mailbox.Fail(op, e.Code, e.Detail)
	}
	return mailbox.Fail(op, mailbox.Unavailable, err)
}
