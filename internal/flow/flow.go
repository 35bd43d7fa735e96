// Package flow is the pure heart of a call: Step takes a state and an event and
// returns the next state and the effects to perform. No I/O, no clock, no
// goroutine, no allocation. Everything a caller experiences is decided here.
//
// An event is first read as a signal (collector.go: a key may continue an entry,
// end it, clear it or go back); state and signal then choose one cell of the
// table (table.go), which names an action and the states it may lead to.
package flow

import (
	"math"
	"time"

	"star97/internal/dtmf"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/prompt"
)

// EventKind is what happened.
type EventKind uint8

// The events of a call.
const (
	Answered    EventKind = iota + 1 // the ACK is in, media may flow
	Key                              // Digit went down
	KeysLost                         // a key was lost on the way
	Spoken                           // the phrase's last packet was sent
	Started                          // the phrase's first packet was sent
	TimedOut                         // the timer ran out
	Found                            // answer to Lookup
	Verified                         // answer to Verify
	ChangeDone                       // answer to Change
	Transferred                      // answer to Transfer
	Chosen                           // answer to Choose
	LimitHit                         // the call reached its total time, or the service drains past its limit; may be told again
	GraceOver                        // it was told often enough: the last sentence is due, whoever is typing
	HungUp                           // the caller is gone
)

// Event is one thing that happened. Answers to effects (Spoken, Started, TimedOut,
// Found, Verified, ChangeDone, Transferred, Chosen) carry the step that asked; stale ones are ignored.
type Event struct {
	Kind    EventKind
	Step    uint32
	Digit   dtmf.Digit       // Key
	Code    mailbox.Code     // Found, Verified: OK or why not
	Account *mailbox.Account // Verified OK, or Found OK at the own door: whose it is; read-only
	Result  mailbox.Result   // ChangeDone
	OK      bool             // Transferred: the caller is connected elsewhere
	Choice  pin.PIN          // Chosen: what State.Choose returned; empty: the rules leave no code
	Retry   time.Duration    // Found, Verified, ChangeDone with Locked or Throttled: when the next try is possible; 0: not known; Never
}

// Never is the Retry of a mailbox that only an administrator opens.
const Never time.Duration = math.MaxInt64

// EffectKind is what the shell has to do.
type EffectKind uint8

// The effects of a step.
const (
	Say      EffectKind = iota + 1 // speak Phrase, replacing what is being said; answer Started and Spoken
	Hush                           // stop speaking; no Spoken comes
	Timer                          // run one timer for After; replaces the running one; 0 stops it
	Lookup                         // find Number, or the caller's own if it is empty; answer Found
	Verify                         // verify Code of what the last Lookup found; answer Verified
	Change                         // change Code to Next; answer ChangeDone; nothing takes it back
	Transfer                       // connect the caller with Target; answer Transferred
	Choose                         // have State.Choose draw a code; answer Chosen
	Send                           // send a one-time code for what the last Lookup found, or for nobody; no answer
	Limit                          // the total time of this call is After from now
	Note                           // record that Rule refused a new code; no answer
	End                            // BYE, now: the last sentence was spoken
)

// Effect is one thing to do, asked for by Step.
type Effect struct {
	Kind     EffectKind
	Step     uint32
	Phrase   prompt.Phrase
	Spell    pin.PIN // Say: spoken digit by digit behind the sentence prompt.ChosenCode
	Language string  // Say: BCP 47; empty: the default
	After    time.Duration
	Door     mailbox.Door  // Lookup, Verify, Change, Send, Note: the door as the flow sees it now
	Claim    mailbox.Claim // Verify, Change, Send, Note: what stands for the current code
	Number   pin.PIN       // Lookup: the extension as typed
	Code     pin.PIN       // Verify, Change: the current code, or what Claim says; empty: ByFirstUse
	Next     pin.PIN       // Change
	Target   string        // Transfer: a name of the dialplan's targets
	Rule     pin.Rule      // Note
	End      EndReason
}

// maxEffects bounds what one step can ask for: a sentence, a timer, one request (of the
// store, a transfer, a code), a note, the end.
const maxEffects = 5

// Effects is what one step asks for, in order.
type Effects struct {
	N    int
	List [maxEffects]Effect
}

// Wipe overwrites the codes in e.
func (e *Effects) Wipe() { *e = Effects{} }

func (e *Effects) add(kind EffectKind, step uint32) *Effect {
	one := &e.List[e.N]
	*one = Effect{}
	one.Kind, one.Step = kind, step
	e.N++
	return one
}

// EndReason is the word under which a call's end is recorded.
type EndReason uint8

// The ends of a call.
const (
	EndGoodbye     EndReason = iota + 1 // the caller chose to leave
	EndNoInput                          // silence, or keys that nobody asked for
	EndWrongCodes                       // the tries of this call are used up
	EndLocked                           // the mailbox is locked
	EndDisabled                         // the mailbox may not sign in, or not by telephone
	EndNoCode                           // the mailbox has no code yet
	EndBusy                             // the store had no room
	EndUnavailable                      // the store did not answer
	EndNotChanged                       // a change that was required, or all the call was for, was not made
	EndUnconfirmed                      // nobody can say which code is in force
	EndTimeLimit                        // the call's total time
	EndHungUp                           // the caller hung up
	EndHungUpLate                       // the caller hung up while a change was under way
	EndTransferred                      // the caller was connected elsewhere
	numEnds
)

var endWords = [numEnds]string{
	EndGoodbye: "goodbye", EndNoInput: "no-input", EndWrongCodes: "wrong-codes", EndLocked: "locked",
	EndDisabled: "disabled", EndNoCode: "no-code", EndBusy: "busy", EndUnavailable: "unavailable",
	EndNotChanged: "not-changed", EndUnconfirmed: "unconfirmed", EndTimeLimit: "time-limit",
	EndHungUp: "hung-up", EndHungUpLate: "hung-up-while-changing",
	EndTransferred: "transferred",
}

// EndReasons lists them, the zero value first.
func EndReasons() []EndReason {
	all := make([]EndReason, numEnds)
	for i := range all {
		all[i] = EndReason(i)
	}
	return all
}

// String is the reason's word; "none" while the call lasts.
func (e EndReason) String() string {
	if e == 0 || e >= numEnds {
		return "none"
	}
	return endWords[e]
}
