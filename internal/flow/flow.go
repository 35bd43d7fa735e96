// Package flow is the pure heart of a call: Step takes a state and an event and
// returns the next state and the effects to perform. No I/O, no clock, no
// goroutine, no allocation. Everything a caller experiences is decided here.
package flow

import (
	"time"

	"star97/internal/dtmf"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/prompt"
)

// EventKind is what happened. Each has a column in the table.
type EventKind uint8

// The events of a call.
const (
	Answered   EventKind = iota + 1 // the ACK is in, media may flow
	Key                             // Digit went down
	KeysLost                        // a key was lost on the way
	Spoken                          // the phrase's last packet was sent
	Started                         // the phrase's first packet was sent
	TimedOut                        // the timer ran out
	Found                           // answer to Lookup
	Verified                        // answer to Verify
	ChangeDone                      // answer to Change
	LimitHit                        // the call reached its total time, or the service drains past its limit
	HungUp                          // the caller is gone
)

// Event is one thing that happened. Answers to effects (Spoken, Started, TimedOut,
// Found, Verified, ChangeDone) carry the step that asked; stale ones are ignored.
type Event struct {
	Kind    EventKind
	Step    uint32
	Digit   dtmf.Digit       // Key
	Code    mailbox.Code     // Found, Verified: OK or why not
	Account *mailbox.Account // Verified OK, or Found OK at the own door: whose it is; read-only
	Result  mailbox.Result   // ChangeDone
}

// EffectKind is what the shell has to do.
type EffectKind uint8

// The effects of a step.
const (
	Say     EffectKind = iota + 1 // speak Phrase, replacing what is being said
	Hush                          // stop speaking
	Timer                         // run one timer for After; replaces the running one; 0 stops it
	Lookup                        // find Number; answer Found
	Verify                        // verify Code; answer Verified
	Change                        // change Code to Next; answer ChangeDone
	End                           // after Phrase was spoken, or at once: BYE
)

// Effect is one thing to do, asked for by Step.
type Effect struct {
	Kind   EffectKind
	Step   uint32
	Phrase prompt.Phrase
	After  time.Duration
	Number pin.PIN // Lookup: the extension as typed
	Code   pin.PIN // Verify, Change: the current code
	Next   pin.PIN // Change
	End    EndReason
}

// MaxEffects bounds what one step can ask for.
const MaxEffects = 4

// Effects is what one step asks for, in order.
type Effects struct {
	N    int
	List [MaxEffects]Effect
}

// EndReason is the word under which a call's end is recorded.
type EndReason uint8
