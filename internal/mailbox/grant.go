package mailbox

import (
	"context"
	"errors"

	"star97/internal/pin"
)

// byCaller is who resets a code when its owner does.
const byCaller Actor = "the caller"

// Resettable is a Store that is a Resetter too.
type Resettable interface {
	Store
	Resetter
}

// Regrant has s, which is no Granter, set the code of a caller whose Claim was found true,
// by its Reset. The mailbox is looked at once more: a Reset asks neither for a right to
// change nor for a lock, and ByFirstUse holds only where there is no code still. A code
// that somebody sets between that look and the Reset is replaced: callers have to wait for
// each other. Results as those of Change.
func Regrant(ctx context.Context, s Resettable, a Account, next pin.PIN, at Attempt) Result {
	const op = "change"
	if a.ID == "" {
		return Refuse(Fail(op, WrongPIN, nil))
	}
	now, err := Again(ctx, s, op, a)
	if err == nil {
		err = now.Flags.barred(op, at.Claim)
	}
	if err != nil {
		return Refuse(err)
	}
	return s.Reset(ctx, now, next, false, byCaller, at.Claim.String())
}

// Again finds a mailbox once more, as it is now. Errors: NotFound, and those of Lookup.
func Again(ctx context.Context, s Store, op string, a Account) (Account, error) {
	found, err := s.Lookup(ctx, Query{Number: a.Extension, Domain: a.Domain})
	if err != nil {
		return Account{}, err
	}
	for _, now := range found {
		if now.ID == a.ID {
			return now, nil
		}
	}
	return Account{}, Fail(op, NotFound, nil)
}

// barred says why the owner of a mailbox may not be given a code on a claim; nil: he may.
func (f Flags) barred(op string, claim Claim) error {
	switch {
	case f.Disabled:
		return Fail(op, Disabled, nil)
	case f.Locked:
		return Fail(op, Locked, errors.New("an administrator has locked the mailbox"))
	case claim == ByFirstUse && !f.NoCode:
		return Fail(op, WrongPIN, errors.New("the mailbox has a code by now"))
	case f.CannotChange:
		return Fail(op, CannotChange, nil)
	}
	return nil
}
