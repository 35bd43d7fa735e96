package mailbox

import (
	"context"
	"io"
	"time"

	"star97/internal/pin"
)

// Backend is an open Store. Optional abilities (Lister and the like) are asked for
// with a type assertion.
type Backend interface {
	Store
	io.Closer
}

// Check is how a system tells whether a code is the current one.
type Check uint8

// The ways to check a code.
const (
	// NoCheck: the system has no way. Its adapter's Verify serves only where a
	// Verifier was put in front; alone it answers ServiceRefused.
	NoCheck   Check = iota
	Native          // the system itself says yes or no
	Compare         // the system hands out the code in clear and the adapter compares
	Delegated       // another system says yes or no
)

// Proof is what a Done of a backend rests on.
type Proof uint8

// The proofs of a change.
const (
	NoProof       Proof = iota
	ByTransaction       // committed in a database of our own
	ByAnswer            // an answer that the system gives only after the change
	ByReadBack          // the new code was read back
	ByVerify            // the new code was verified, where need be the old one refused
)

// Ability is what a backend can do beside finding, verifying and changing.
type Ability string

// The abilities, each with its interface.
const (
	CanList     Ability = "list"     // Lister
	CanReset    Ability = "reset"    // Resetter
	CanFlag     Ability = "flags"    // Flagger
	CanUnlock   Ability = "unlock"   // Unlocker
	CanAdd      Ability = "add"      // Admin
	CanEdit     Ability = "edit"     // Editor
	CanRenumber Ability = "renumber" // Renumberer
	CanReassign Ability = "reassign" // Reassigner
)

// AbilitiesOf lists what a backend implements.
func AbilitiesOf(b Store) (all []Ability) {
	for _, can := range []struct {
		ability Ability
		does    func(Store) bool
	}{
		{CanList, implements[Lister]},
		{CanReset, implements[Resetter]},
		{CanFlag, implements[Flagger]},
		{CanUnlock, implements[Unlocker]},
		{CanAdd, implements[Admin]},
		{CanEdit, implements[Editor]},
		{CanRenumber, implements[Renumberer]},
		{CanReassign, implements[Reassigner]},
	} {
		if can.does(b) {
			all = append(all, can.ability)
		}
	}
	return all
}

func implements[I any](b Store) bool {
	_, ok := b.(I)
	return ok
}

// Traits are what a backend declares about itself and its system.
type Traits struct {
	System string // the voicemail system's name for people
	Check  Check
	Proof  Proof
	Can    []Ability // as AbilitiesOf lists them
	// Limit is the number of wrong codes in a row after which the system itself locks a
	// mailbox, and Window how long it remembers them. Limit 0: no such limit is known.
	Limit  int
	Window time.Duration
	Rules  bool // Lookup fills Account.Rules from the system
	Flags  bool // Lookup fills Account.Flags from the system
	// FirstUse: a mailbox can be without a code, Lookup tells so, and its owner can be given
	// the first one, by a Granter or a Resetter.
	FirstUse bool
	AtRest   string // how the system keeps codes, for people: "argon2id with pepper", "clear text", "not known"
	// Unverified lists, each as a clause for people, what was never tried on a real system.
	Unverified []string
}

// Declarer tells what holds for a mailbox. Every backend is one. An Account without ID
// stands for a mailbox of its Domain of which nothing else is known.
type Declarer interface {
	Traits(a Account) Traits
}

// Verifier tells whether a code is a mailbox's current one, as Store.Verify does and
// with its errors. It stands in for the Verify of a system that has NoCheck.
type Verifier interface {
	Verify(ctx context.Context, a Account, code pin.PIN, at Attempt) error
}

// Prober tells whether a system can be reached, without touching a mailbox.
type Prober interface {
	// Probe asks one harmless question that proves address, transport security and
	// account, and returns what the system says of itself, empty if nothing. Errors:
	// ServiceRefused, Throttled, Unavailable.
	Probe(ctx context.Context) (string, error)
}

// ByUser finds the mailbox of a user of a directory that several systems share.
type ByUser interface {
	// ByUser returns the account of a user's id: none, one, or several. Errors as Lookup.
	ByUser(ctx context.Context, user, domain string) ([]Account, error)
}

// FlagEdit says which of a mailbox's states are altered; nil leaves one as it is.
type FlagEdit struct {
	CannotChange *bool
	MustChange   *bool
}

// Flagger alters the states of a mailbox.
type Flagger interface {
	// SetFlags returns the mailbox as it is then. Errors: NotFound, ServiceRefused,
	// Throttled, Unavailable, OutcomeUnknown.
	SetFlags(ctx context.Context, a Account, e FlagEdit, by Actor, reason string) (Account, error)
}

// Renumberer gives a mailbox another extension and leaves its code as it is.
type Renumberer interface {
	// Renumber returns the mailbox as it is then. Errors: NotFound, Exists, NotDigits,
	// ServiceRefused, Throttled, Unavailable, OutcomeUnknown.
	Renumber(ctx context.Context, a Account, extension string, by Actor, reason string) (Account, error)
}
