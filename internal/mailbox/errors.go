package mailbox

// Code is the closed set of reasons that callers of a Store branch on. Numbers
// are kept in audit records and metrics: append, never reuse.
type Code uint8

// The reasons. The zero value is no reason.
const (
	OK             Code = 0
	NotFound       Code = 1
	Ambiguous      Code = 2
	WrongPIN       Code = 3
	Locked         Code = 4
	OtherChannel   Code = 5 // managed elsewhere: directory, another site
	CannotChange   Code = 6
	TooSoon        Code = 7
	TooShort       Code = 8
	TooLong        Code = 9
	NotDigits      Code = 10
	Trivial        Code = 11
	InHistory      Code = 12
	PolicyOther    Code = 13
	ServiceRefused Code = 14 // star97's own account was refused
	Throttled      Code = 15
	Unavailable    Code = 16
	OutcomeUnknown Code = 17 // the request went out, no answer came back
	Disabled       Code = 18
	NoCode         Code = 19
	Busy           Code = 20 // our own bounded pool is full
)

// Error is a Code with its detail. Detail never contains a code or its length.
type Error struct {
	Code   Code
	Op     string // lookup, verify, change
	Detail error
}
