package pin

import "errors"

// What Parse and Push refuse. The messages never quote a digit.
var (
	ErrNotDigits = errors.New("a code consists of the digits 0 to 9 only")
	ErrTooLong   = errors.New("a code has at most 30 digits")
)
