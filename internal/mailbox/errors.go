package mailbox

import (
	"context"
	"errors"
)

// Code is the closed set of reasons that callers of a Store branch on. Numbers
// are kept in audit records and metrics: append, never reuse. A Code is also an
// error, so that errors.Is(err, mailbox.Locked) asks for a reason.
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
	Exists         Code = 21 // a mailbox of that number is there already
)

var codeWords = [...]string{
	OK: "ok", NotFound: "not-found", Ambiguous: "ambiguous", WrongPIN: "wrong-pin", Locked: "locked",
	OtherChannel: "other-channel", CannotChange: "cannot-change", TooSoon: "too-soon", TooShort: "too-short",
	TooLong: "too-long", NotDigits: "not-digits", Trivial: "trivial", InHistory: "in-history",
	PolicyOther: "policy-other", ServiceRefused: "service-refused", Throttled: "throttled",
	Unavailable: "unavailable", OutcomeUnknown: "outcome-unknown", Disabled: "disabled", NoCode: "no-code",
	Busy: "busy", Exists: "exists",
}

// Codes lists every reason, OK included, in the order of their numbers.
func Codes() []Code {
	all := make([]Code, len(codeWords))
	for i := range all {
		all[i] = Code(i)
	}
	return all
}

// String is the code's closed word for logs, audit and metrics.
func (c Code) String() string { return Word(codeWords[:], uint8(c)) }

// Error is the same word: a Code can stand as an error's target or whole content.
func (c Code) Error() string { return c.String() }

// MarshalText writes the closed word.
func (c Code) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Error is a Code with its detail. Detail never contains a code or its length.
type Error struct {
	Code   Code
	Op     string // lookup, verify, change
	Detail error
}

// Fail makes an *Error. A nil detail is allowed.
func Fail(op string, code Code, detail error) error {
	return &Error{Code: code, Op: op, Detail: detail}
}

// Error is "op: word: detail".
func (e *Error) Error() string {
	s := e.Op + ": " + e.Code.String()
	if e.Detail != nil {
		s += ": " + e.Detail.Error()
	}
	return s
}

// Is makes errors.Is(err, code) true for the error's own Code.
func (e *Error) Is(target error) bool { return target == error(e.Code) }

// Unwrap leads to the detail.
func (e *Error) Unwrap() error { return e.Detail }

// CodeOf is the reason to branch on: OK for nil, the Code of the outermost *Error
// or bare Code in err's chain, and Unavailable for everything else, a passed
// deadline included.
func CodeOf(err error) Code {
	if err == nil {
		return OK
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	var c Code
	if errors.As(err, &c) {
		return c
	}
	return Unavailable
}

// Expired makes the error of an operation whose context ended before an answer came.
func Expired(ctx context.Context, op string) error {
	return Fail(op, Unavailable, context.Cause(ctx))
}
