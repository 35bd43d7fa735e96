// Package dtmf turns what a telephone sends for a key into key presses: RFC 4733
// telephone events, in-band tones, SIP INFO bodies, and the merging of several sources so that
// one press counts once. Bytes and times go in, reports come out; the package
// opens no socket, starts no goroutine and reads no clock.
package dtmf

import "time"

// Digit is a telephone key, numbered as its RFC 4733 section 3.2 event code:
// 0-9, 10 = *, 11 = #, 12-15 = A-D. Printing one shows "key", never which key; it
// is wider than a byte because fmt prints a slice of bytes past every Formatter. fmt
// also reads past the Formatters of unexported fields: what keeps a Digit in one
// and may be printed needs a Format of its own.
type Digit uint16

// The two keys that are not part of a number.
const (
	Star  Digit = 10
	Pound Digit = 11
)

// keys holds the character of each digit at the digit's own index.
const keys = "0123456789*#ABCD"

// DigitOf returns the key whose character is c: 0-9, *, #, A-D or a-d.
func DigitOf(c byte) (Digit, bool) {
	if c >= 'a' && c <= 'd' {
		c -= 'a' - 'A'
	}
	for i := range len(keys) {
		if keys[i] == c {
			return Digit(i), true
		}
	}
	return 0, false
}

// Char is the character on the key: 0-9, *, #, A-D; 0 if d is no key. It is for
// building a number or a code, never for output.
func (d Digit) Char() byte {
	if !d.Valid() {
		return 0
	}
	return keys[d]
}

// Valid says whether d is one of the 16 keys.
func (d Digit) Valid() bool { return int(d) < len(keys) }

// Source says by which road a press came.
type Source uint8

// The roads a press can take.
const (
	NoSource  Source = iota
	FromEvent        // RFC 4733 telephone-event packets
	FromInfo         // SIP INFO, application/dtmf-relay or application/dtmf
	FromTone         // in-band tones
)

// String names the source for logs.
func (s Source) String() string {
	switch s {
	case FromEvent:
		return "event"
	case FromInfo:
		return "info"
	case FromTone:
		return "tone"
	}
	return "none"
}

// Kind says what a Report tells.
type Kind uint8

// What can be told of a key.
const (
	Down Kind = iota + 1 // the key went down: the digit counts now
	Up                   // the key is up, or must be taken as up
	Lost                 // a press was lost on the way: the entry cannot be trusted
)

// String names the kind for logs.
func (k Kind) String() string {
	switch k {
	case Down:
		return "down"
	case Up:
		return "up"
	case Lost:
		return "lost"
	}
	return "none"
}

// Report is one observation of one source. At is the time since the call's epoch.
// A Lost report names no digit.
type Report struct {
	Kind   Kind
	Source Source
	Digit  Digit
	At     time.Duration
	// Held is how long before At the key of a Down went down by its sender's word, up
	// to heldMost: the first packet that comes of a press can be its end, or late. For
	// tones, which are certain only after a while, it says so of an Up too.
	Held time.Duration
}

// heldMost bounds Held, which a sender may write as it likes.
const heldMost = 2 * time.Second
