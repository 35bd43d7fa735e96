// Package audit is a mailbox.Store that wraps another (outside the lock-out) and
// writes one record per decision to a chain in which each record carries the
// SHA-256 of the one before (FIPS 180-4), so that an edit, a removal and a gap
// show. A change is recorded before it is made and again when it has ended: no
// intent, no change. No field of a record can carry a code, and what a caller
// typed as an extension is recorded only as the mailbox that it led to. It keeps
// nothing itself: the Sink it needs is declared here.
package audit

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"star97/internal/mailbox"
	"star97/internal/pin"
)

// Sink keeps the chain.
type Sink interface {
	// Append seals r behind the last record (Record.Seal) and more behind it, keeps
	// them durably, all or none, and returns r sealed. Appends of all processes stand
	// in one order. After an error nobody may count on any being in the chain.
	Append(ctx context.Context, r Record, more ...Record) (Record, error)
	// OpenIntents lists, oldest first, the intents of node without an end.
	OpenIntents(ctx context.Context, node string) ([]Record, error)
}

// Options say what stands in every record of this process.
type Options struct {
	Node   string `yaml:"node"` // this machine's name in the records; 1 to 64 characters, default star97
	Policy string `yaml:"-"`    // name and version of the rules for new codes, where an Attempt names none
	// Atomic is the Account.Backend of the store, if any, that ends a change in the Sink
	// within the transaction that makes it, so that a change of its mailboxes left open
	// by a crash was never made.
	Atomic string `yaml:"-"`
}

// DefaultOptions are the documented defaults.
func DefaultOptions() Options { return Options{Node: "star97"} }

// Validate returns nil or one sentence.
func (o Options) Validate() error {
	if o.Node == "" || clean(o.Node, maxName) != o.Node {
		return fmt.Errorf("node is %q; use a name of 1 to %d characters without control characters", o.Node, maxName)
	}
	return nil
}

// Trail is the Store that records. It is safe for concurrent use.
type Trail struct {
	store mailbox.Store
	sink  Sink
	opts  Options
	now   func() time.Time
}

// New wraps store. A nil now is time.Now. The error is that of Options.Validate.
func New(store mailbox.Store, sink Sink, opts Options, now func() time.Time) (*Trail, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	if now == nil {
		now = time.Now
	}
	return &Trail{store: store, sink: sink, opts: opts, now: now}, nil
}

// ErrUnwritten is in every error of a record that could not be written.
var ErrUnwritten = errors.New("cannot write the audit trail")

// WriteWithin bounds the writing of a record about something that has already
// happened, whether or not its caller is still there.
const WriteWithin = 5 * time.Second

// Lookup records only that the system did not answer: what was typed may be a
// code typed by mistake, and finding a mailbox decides nothing.
func (t *Trail) Lookup(ctx context.Context, q mailbox.Query) ([]mailbox.Account, error) {
	found, err := t.store.Lookup(ctx, q)
	if err == nil {
		return found, nil
	}
	r := Record{Action: Find, Domain: q.Domain, Result: mailbox.CodeOf(err)}
	return nil, errors.Join(err, t.write(ctx, r))
}

// Verify records the answer before it gives it: an answer that cannot be recorded
// is Unavailable.
func (t *Trail) Verify(ctx context.Context, a mailbox.Account, code pin.PIN, at mailbox.Attempt) error {
	defer code.Wipe()
	ctx, doors := listen(ctx)
	err := t.store.Verify(ctx, a, code, at)
	r := about(Login, a, at)
	r.Result = mailbox.CodeOf(err)
	if lost := t.write(ctx, r, doors.moved()...); lost != nil {
		return mailbox.Fail("verify", mailbox.Unavailable, lost)
	}
	return err
}

// Change records the intent, makes the change and records its end. An intent that
// cannot be recorded refuses the change before anything is sent. An end that
// cannot be recorded alters nothing in the answer: it is told in Err, and the
// intent stays open until CloseOpen.
func (t *Trail) Change(ctx context.Context, a mailbox.Account, current, next pin.PIN, at mailbox.Attempt) mailbox.Result {
	defer current.Wipe()
	defer next.Wipe()
	if at.Intent == "" {
		at.Intent = rand.Text()
	}
	r := about(Change, a, at)
	if err := t.intend(ctx, r); err != nil {
		return mailbox.Refuse(err)
	}
	ctx, doors := listen(ctx)
	result := t.store.Change(ctx, a, current, next, at)
	r.Outcome, r.Result = result.Outcome, result.Reason
	if err := t.end(ctx, r, doors.moved()...); err != nil {
		result.Err = errors.Join(result.Err, err)
	}
	return result
}

// stands is the reason of a Send that sent nothing.
const stands = "the code before is good still: no new one was sent"

// Send has the wrapped store send a one-time code and records what became of it, and
// what that closed. Where Stood was told the record's target is Unchanged.
func (t *Trail) Send(ctx context.Context, a mailbox.Account, at mailbox.Attempt) error {
	ctx, doors := listen(ctx)
	err := mailbox.Fail("send", mailbox.CannotChange, errors.New("nothing here sends one-time codes"))
	if s, ok := t.store.(mailbox.Sender); ok {
		err = s.Send(ctx, a, at)
	}
	r := about(Send, a, at)
	r.Result = mailbox.CodeOf(err)
	if err == nil && doors.left() {
		r.Target, r.Reason = Unchanged, stands
	}
	return errors.Join(err, t.write(ctx, r, doors.moved()...))
}

// Transferred records that a call left for somebody else, or why it could not.
// target is a name or number of the configuration, never what a caller typed.
func (t *Trail) Transferred(ctx context.Context, a mailbox.Account, at mailbox.Attempt, target string, result mailbox.Code) error {
	r := about(Transfer, a, at)
	r.Target, r.Result = target, result
	return t.write(ctx, r)
}

// Refused records that one of star97's own rules refused a new code.
func (t *Trail) Refused(ctx context.Context, a mailbox.Account, at mailbox.Attempt, rule pin.Rule) error {
	r := about(Change, a, at)
	r.Outcome, r.Result, r.Rule = mailbox.Refused, mailbox.PolicyOther, string(rule)
	return t.write(ctx, r)
}

// deedWithin is the age up to which an administrator's intent may be that of a
// process still at work: several of them run beside the one that serves.
const deedWithin = time.Minute

// CloseOpen ends the intents that a crash of this node left open, as unknown or,
// for the store that is Atomic, as never made, and returns the records that say so.
// It leaves administrators' young ones open. Call it once, before the first call
// is taken and by the serving process only.
func (t *Trail) CloseOpen(ctx context.Context) ([]Record, error) {
	open, err := t.sink.OpenIntents(ctx, t.opts.Node)
	if err != nil {
		return nil, fmt.Errorf("cannot read the changes left open in the audit trail: %w", err)
	}
	var closed []Record
	for _, r := range open {
		if r.Actor != "" && t.now().Sub(r.Time).Abs() < deedWithin {
			continue
		}
		r.Time, r.Stage, r.Policy = t.now(), Ended, t.opts.Policy
		r.Outcome, r.Result, r.Reason = mailbox.Unknown, mailbox.OutcomeUnknown, "unknown after crash"
		if r.Action == Change && r.Backend != "" && r.Backend == t.opts.Atomic {
			r.Outcome, r.Result, r.Reason = mailbox.Refused, mailbox.Unavailable, "not made before the crash"
		}
		sealed, err := t.sink.Append(ctx, r.Clean())
		if err != nil {
			return closed, fmt.Errorf("cannot close the changes left open in the audit trail: %w", err)
		}
		closed = append(closed, sealed)
	}
	return closed, nil
}

func (t *Trail) intend(ctx context.Context, r Record) error {
	r.Stage = Intended
	if err := t.append(ctx, r); err != nil {
		return mailbox.Fail(r.Action.String(), mailbox.Unavailable, err)
	}
	return nil
}

func (t *Trail) end(ctx context.Context, r Record, more ...Record) error {
	r.Stage = Ended
	return t.write(ctx, r, more...)
}

// write appends what has already happened, also when ctx is over.
func (t *Trail) write(ctx context.Context, r Record, more ...Record) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), WriteWithin)
	defer cancel()
	return t.append(ctx, r, more...)
}

func (t *Trail) append(ctx context.Context, r Record, more ...Record) error {
	for i := range more {
		more[i] = t.stamp(more[i])
	}
	if _, err := t.sink.Append(ctx, t.stamp(r), more...); err != nil {
		return fmt.Errorf("%w: %w", ErrUnwritten, err)
	}
	return nil
}

// stamp says when, where and under which rules.
func (t *Trail) stamp(r Record) Record {
	r.Time, r.Node, r.Policy = t.now(), t.opts.Node, cmp.Or(r.Policy, t.opts.Policy)
	return r.Clean()
}

// about fills in who and where. An account without ID is none that exists, and
// nothing of what was typed for it is kept.
func about(action Action, a mailbox.Account, at mailbox.Attempt) Record {
	r := Record{
		Action: action, Door: at.Door, Claim: at.Claim, Intent: at.Intent,
		Peer: at.Peer, Transport: at.Transport, Source: at.Source, CallID: at.CallID, Policy: at.Policy,
	}
	if at.Caller != "" {
		r.Source += " " + at.Caller
		if at.Withheld {
			r.Source += withheld
		}
	}
	if a.ID != "" {
		r.Backend, r.Domain, r.Mailbox, r.Extension = a.Backend, a.Domain, a.ID, a.Extension
	}
	return r
}
