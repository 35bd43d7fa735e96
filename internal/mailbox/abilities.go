package mailbox

import (
	"context"
	"time"

	"star97/internal/pin"
)

// The optional abilities of a Store. Who needs one asks with a type assertion
// and says so when the backend lacks it.

// Actor is who does something to a mailbox other than its caller, for the audit
// trail: an administrator's login name or "star97 import".
type Actor string

// Page asks for a part of a list in the order of domain and extension.
type Page struct {
	Domain     string   // this tenant only; empty is the default domain
	AllDomains bool     // every tenant, whatever Domain says
	Search     string   // part of the extension, the name or an own number, whatever case; empty: all
	After      *Account // the last account of the page before; nil: from the start
	Limit      int      // at most this many; 0: the backend's own limit
}

// Lister lists mailboxes.
type Lister interface {
	// List returns one page; a page shorter than Limit is the last one. Where several
	// stores are listed together, an error that comes with a page tells whose mailboxes
	// are not in it.
	List(ctx context.Context, p Page) ([]Account, error)
}

// Resetter sets a code without knowing the current one.
type Resetter interface {
	// Reset puts next in force, also where there was no code; mustChange makes the
	// owner choose another one at the next call. reason goes to the audit trail.
	Reset(ctx context.Context, a Account, next pin.PIN, mustChange bool, by Actor, reason string) Result
}

// Unlocker opens a mailbox that wrong codes have closed.
type Unlocker interface {
	Unlock(ctx context.Context, a Account, by Actor, reason string) error
}

// Admin adds and removes mailboxes.
type Admin interface {
	// Add makes a mailbox from everything in a but ID and Backend, which it sets, and
	// returns it. An empty code leaves the mailbox without one. Errors: Exists, NotDigits, Unavailable, Busy.
	Add(ctx context.Context, a Account, code pin.PIN, by Actor) (Account, error)
	// Remove deletes a mailbox and its code. Errors: NotFound, Unavailable.
	Remove(ctx context.Context, a Account, by Actor, reason string) error
}

// Edit says what of a mailbox is altered; nil leaves it as it is.
type Edit struct {
	Name     *string
	Language *string
	Mail     *string // as Account.Mail; empty: none any more
	Disabled *bool
	Locked   *bool
	Slow     *bool
}

// Editor alters a mailbox and leaves its code alone.
type Editor interface {
	// Edit returns the mailbox as it is then. Errors: NotFound, TooLong, PolicyOther,
	// Unavailable, OutcomeUnknown.
	Edit(ctx context.Context, a Account, e Edit, by Actor) (Account, error)
}

// Reassigner gives a mailbox to another person.
type Reassigner interface {
	// Reassign clears the code, those before it, and everything about the person who
	// had the mailbox; what a says of the new one takes its place. It returns the mailbox as it is
	// then. Errors as Editor.
	Reassign(ctx context.Context, a Account, by Actor, reason string) (Account, error)
}

// Sender sends one-time codes.
type Sender interface {
	// Send makes a one-time code for a mailbox and sends it to the address on file.
	// Errors: NotFound without an address, Throttled past a limit, Unavailable. The
	// caller must not be able to tell them from nil.
	Send(ctx context.Context, a Account, at Attempt) error
}

// Granter changes a code on another proof than the current one. Its Change with the Claim
// ByFirstUse sets the first code of a mailbox that has none, in one step with the look
// whether it has; where it has one the answer is WrongPIN.
type Granter interface {
	// Grant puts next in force for a caller whose Claim was found true. Results as Change.
	Grant(ctx context.Context, a Account, next pin.PIN, at Attempt) Result
}

// Recaller tells codes that a mailbox has or had, for the rules of new ones. It is asked
// for an administrator; its answers open nothing and count as no try.
type Recaller interface {
	// Recall tells whether one of codes is a's current one or among its latest former
	// ones, so many of them. Errors: NotFound, Unavailable, Busy.
	Recall(ctx context.Context, a Account, former int, codes ...pin.PIN) (bool, error)
}

// Lagging is a Store whose Verify may answer from an older state than the last Change.
type Lagging interface {
	// Lag is how long after a Change of a has returned the old code may still verify,
	// requests that are in flight then included.
	Lag(a Account) time.Duration
}

// Slow is a Store or a Verifier whose Verify takes longer than the answer of an
// interface: it calls a voicemail pilot.
type Slow interface {
	// Takes is the longest that one Verify of a may take.
	Takes(a Account) time.Duration
}
