package pin

import "errors"

// What Parse, Push and Generate refuse. The messages never quote a digit.
var (
	ErrNotDigits = errors.New("a code consists of the digits 0 to 9 only")
	ErrTooLong   = errors.New("a code has at most 30 digits")
	ErrNoCode    = errors.New("no code was found that passes the rules: loosen the policy's lengths, min_distinct, runs, sequences or blocklists")
)
