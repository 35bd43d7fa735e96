// Package mailbox is the contract between the call and the system that keeps the
// codes: Store, its accounts, its three-valued answer and its closed set of
// error codes. It holds no data and opens no connection.
package mailbox

import (
	"context"
	"time"

	"star97/internal/pin"
)

// Store finds mailboxes, verifies their code and changes it. Implementations are
// safe for concurrent use and keep to the context's deadline.
type Store interface {
	// Lookup returns the accounts that answer to a number in a domain: none, one,
	// or several (never an error for none). Errors: Unavailable, Throttled, ServiceRefused.
	Lookup(ctx context.Context, q Query) ([]Account, error)
	// Verify returns nil if code is the account's current code. Errors: WrongPIN,
	// Locked, NotFound, NoCode, Disabled, Unavailable, Throttled, ServiceRefused,
	// OutcomeUnknown, Busy. An Account without ID stands for a mailbox that does not
	// exist in its Domain: the answer is WrongPIN, after the same work as for one that does.
	Verify(ctx context.Context, a Account, code pin.PIN, at Attempt) error
	// Change sets next where current is in force. The zero Result claims nothing.
	// Refused because of WrongPIN says that current is not in force, which another
	// change a moment ago may have brought about.
	Change(ctx context.Context, a Account, current, next pin.PIN, at Attempt) Result
}

// Query is a number as the backend knows it, after the dialplan's rules.
type Query struct {
	Number string // digits
	Domain string // tenant; empty is the default domain
}

// Account is one mailbox as its backend describes it. It carries no code.
type Account struct {
	ID        string // immutable within Backend; empty: no mailbox that exists
	Backend   string // one name for each store of a configuration
	Extension string
	Domain    string // as Query says, in lower case
	Name      string
	User      string    // the owner's id in a directory that several systems share; empty if unknown
	Language  string    // BCP 47 tag, empty if unset
	Numbers   []string  // the owner's own numbers, digits only
	Mail      string    // the owner's address for notices and one-time codes; empty if there is none on file
	Set       time.Time // when the code in force was set; zero if nobody knows
	Flags     Flags
	Rules     *pin.Policy // what the backend demands; nil if it cannot be read
}

// Flags are the states of a mailbox that alter the call.
type Flags struct {
	Disabled     bool
	NoCode       bool
	MustChange   bool
	CannotChange bool
	Locked       bool // by an administrator, until one opens it
	Expired      bool // the code is too old: it has to be changed
	Expiring     bool // the code will soon be too old
	TooSoon      bool // the code is too young for its owner to change it
	Slow         bool // the owner gets twice the time
}

// Door is where a caller came in.
type Door uint8

// The doors of a call. The zero value is no door.
const (
	OwnDoor   Door = iota + 1 // mailbox is the caller's believed identity
	AnyDoor                   // mailbox is asked for
	CheckDoor                 // line check: no mailbox, and no store is asked
)

// Claim is what a caller shows to be let in.
type Claim uint8

// The claims. The zero value is the usual one.
const (
	ByCode     Claim = iota // the current code
	ByOneTime               // a one-time code that was sent to the owner
	ByFirstUse              // nothing: the mailbox has no code yet, and its telephone is proved
)

// Attempt says who tries, for lock-out and audit.
type Attempt struct {
	Door      Door
	Claim     Claim  // what the code of a Verify, and the current code of a Change, is
	Peer      string // configured peer's name
	Transport string // of the INVITE: udp, tcp, tls, ws, wss; for audit
	Source    string // peer address without port
	Caller    string // believed caller: number or user; empty if nobody is believed
	Withheld  bool   // the caller asks not to be named to who is called: the mailbox's owner
	Home      string // tenant of that caller; empty if it is not known
	Call      uint64 // this process's own number of the call; 0: outside a call
	Asked     uint64 // tells one mailbox that was asked for from another, whether it exists or not, in this process alone; 0: nobody was asked for
	CallID    string
	Policy    string // rules for new codes of this call, for audit; empty: the trail's
	Intent    string // ties the records of one change together; empty outside a change
}

// Outcome is how a change ended. The zero value claims nothing.
type Outcome uint8

// The three ends of a change.
const (
	Unknown Outcome = iota
	Done            // proved: the new code is in force
	Refused         // proved: this change altered nothing
)

// Result is an Outcome, why, and the detail for the log.
type Result struct {
	Outcome Outcome
	Reason  Code
	Err     error // detail for the log; never contains a code
}
