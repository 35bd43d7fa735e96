// Package dtmf turns what a telephone sends for a key into key presses: RFC 4733
// telephone events, SIP INFO bodies, and the merging of several sources so that
// one press counts once. Bytes and times go in, reports come out; the package
// opens no socket, starts no goroutine and reads no clock.
package dtmf

import "time"

// Digit is a telephone key, numbered as its RFC 4733 section 3.2 event code:
// 0-9, 10 = *, 11 = #, 12-15 = A-D. Printing one shows "key", never which key.
type Digit uint8

// The two keys that are not part of a number.
const (
	Star  Digit = 10
	Pound Digit = 11
)

// Source says by which road a press came.
type Source uint8

// The roads a press can take.
const (
	NoSource  Source = iota
	FromEvent        // RFC 4733 telephone-event packets
	FromInfo         // SIP INFO, application/dtmf-relay or application/dtmf
	FromTone         // in-band tones
)

// Kind says what a Report tells.
type Kind uint8

// What can be told of a key.
const (
	Down Kind = iota + 1 // the key went down: the digit counts now
	Up                   // the key is up, or must be taken as up
	Lost                 // a press was lost on the way: the entry cannot be trusted
)

// Report is one observation of one source. At is the time since the call's epoch.
type Report struct {
	Kind   Kind
	Source Source
	Digit  Digit
	At     time.Duration
}
