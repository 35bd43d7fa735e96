// Package adapter is what the adapters of voicemail systems have in common: the turns of
// changes of one mailbox, what is checked before a code is written, what was read and is
// believed for a while, reading a new code back, tables of words, and small checks of
// options. It knows no system, opens no connection and keeps no code longer than a
// change takes.
package adapter

import (
	"context"
	"errors"
	"time"

	"star97/internal/mailbox"
	"star97/internal/pin"
)

// Opened is what an adapter's open has made. A nil store is never a Backend that is there.
func Opened[S mailbox.Backend](s S, err error) (mailbox.Backend, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

// ErrMustChange is the detail of a Reset that wants what the system cannot do.
var ErrMustChange = errors.New("this voicemail system cannot make an owner choose another code: set the code without that")

var errNoCheck = errors.New("the system cannot tell whether a code is right: name in verify.by who can")

// Uncheckable is what Verify answers for a system that has NoCheck: ServiceRefused. An
// Account without ID is answered WrongPIN without a question, as there is none that
// would fit.
func Uncheckable(ctx context.Context, a mailbox.Account) error {
	const op = "verify"
	switch {
	case ctx.Err() != nil:
		return mailbox.Expired(ctx, op)
	case a.ID == "":
		return mailbox.Fail(op, mailbox.WrongPIN, nil)
	}
	return mailbox.Fail(op, mailbox.ServiceRefused, errNoCheck)
}

// Known is nil for a current code that can be asked about. That none is the current one
// needs no question.
func Known(op string, a mailbox.Account, current pin.PIN) error {
	switch {
	case !current.Empty():
		return nil
	case a.Flags.NoCode:
		return mailbox.Fail(op, mailbox.NoCode, nil)
	}
	return mailbox.Fail(op, mailbox.WrongPIN, nil)
}

// Unwritten is the error of a question before anything was written: whatever came of it,
// nothing was changed.
func Unwritten(op string, err error) error {
	if mailbox.CodeOf(err) == mailbox.OutcomeUnknown {
		return mailbox.Fail(op, mailbox.Unavailable, err)
	}
	return err
}

// Written is the Result of a write whose answer proves it.
func Written(err error) mailbox.Result {
	switch mailbox.CodeOf(err) {
	case mailbox.OK:
		return mailbox.Proved()
	case mailbox.OutcomeUnknown:
		return mailbox.Doubt(err)
	}
	return mailbox.Refuse(err)
}

// Allowed is nil if p takes next, and else what it is refused as. A code that an earlier
// one was like is one of the history; any other rule but those of length is told by its
// name.
func Allowed(op string, p pin.Policy, next pin.PIN, c pin.Context) error {
	switch broken := p.Check(next, c); broken {
	case pin.Pass:
		return nil
	case pin.TooShort:
		return mailbox.Fail(op, mailbox.TooShort, nil)
	case pin.TooLong:
		return mailbox.Fail(op, mailbox.TooLong, nil)
	case pin.IsCurrent:
		return mailbox.Fail(op, mailbox.InHistory, nil)
	default:
		return mailbox.Fail(op, mailbox.Trivial, errors.New("rule "+string(broken)))
	}
}

var errLate = errors.New("the change was taken, but the new code did not show in time")

const (
	firstLook = 50 * time.Millisecond // before the second look for a new code
	mostLook  = time.Second
)

// ReadBack looks for a code that was taken until it shows, at least once and as long as
// within says. What does not show in time, or cannot be read, is in doubt.
func ReadBack(ctx context.Context, within time.Duration, shows func() (bool, error)) mailbox.Result {
	end := time.Now().Add(within)
	for pause := firstLook; ; pause = min(2*pause, mostLook) {
		shown, err := shows()
		switch {
		case err == nil && shown:
			return mailbox.Proved()
		case err == nil:
			err = errLate
		}
		if left := time.Until(end); left <= 0 || !Pause(ctx, min(pause, left)) {
			return mailbox.Doubt(err)
		}
	}
}

// Pause waits and tells whether ctx goes on.
func Pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
