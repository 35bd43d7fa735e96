package flow

import (
	"fmt"
	"time"

	"star97/internal/mailbox"
	"star97/internal/pin"
)

// StateID names where a call is.
type StateID uint8

// The states of a call. Number 0 is no state.
const (
	Ringing      StateID = iota + 1 // no ACK yet: nothing is said, nothing takes effect
	FirstMenu                       // a menu before the sign-in
	Extension                       // any door: the mailbox is asked for
	AccessCode                      // the current code is asked for
	OneTimeCode                     // the one-time code that was sent is asked for
	Finding                         // the code is complete, the mailbox is not found yet
	Verifying                       // the store looks at the code
	MainMenu                        // a menu after the code
	NewCode                         // first entry of the new code
	Confirm                         // second entry of the new code
	Offering                        // a code of our choice is offered
	Choosing                        // one is being chosen
	TypeBack                        // it was spelled and has to be typed
	Changing                        // the store changes the code
	Announcing                      // "changed" is being said
	Transferring                    // the caller is being connected elsewhere
	LineCheck                       // check door: keys are counted and told
	Leaving                         // the last sentence is being said
	Ended                           //
	numStates
)

var stateWords = [numStates]string{
	Ringing: "ringing", FirstMenu: "first-menu", Extension: "extension", AccessCode: "access-code", OneTimeCode: "one-time-code", Finding: "finding", Verifying: "verifying",
	MainMenu: "main-menu", NewCode: "new-code", Confirm: "confirm", Offering: "offering", Choosing: "choosing", TypeBack: "type-back", Changing: "changing", Announcing: "announcing",
	Transferring: "transferring", LineCheck: "line-check", Leaving: "leaving", Ended: "ended",
}

// String is the state's word.
func (s StateID) String() string {
	if s == 0 || s >= numStates {
		return "none"
	}
	return stateWords[s]
}

// MarshalText writes the state's word.
func (s StateID) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// State is one call as the flow sees it. It is a value: Step takes one and
// returns the next. Codes and keys in it are sealed and go as soon as nothing
// needs them.
type State struct {
	layout   *Layout
	at       StateID
	door     mailbox.Door
	end      EndReason
	menu     int8   // where keys choose, or chose last
	chosen   uint8  // the key of the transfer that was asked for
	language string // BCP 47; empty: the default

	step   uint32 // counts events; marks what each asks for
	saying uint32 // the step whose phrase is being said; 0: silence
	timing uint32 // the step whose timer runs
	asking uint32 // the step whose question the store has not answered

	awaited EventKind // how the store answers that question

	account *mailbox.Account // whose mailbox; believed at the own door, verified at the other
	policy  pin.Policy       // rules for this account's new code
	store   lookup
	claim   mailbox.Claim // what current is

	number  pin.PIN // any door: the extension
	current pin.PIN // the code in force, or what stands in its place, from its entry to the end of the call
	first   pin.PIN // first entry of the new code, or the one that was chosen
	entry   pin.PIN // what is being typed

	ahead pin.Keys // typed before anybody can use it; one more than fits is a lost key

	pause   time.Duration // for the timer that starts when the phrase was spoken
	over    bool          // the entry has more digits than any code
	broken  bool          // a key was lost: the entry, or what was typed ahead, is void
	ended   bool          // the last entry ended by itself: a # that follows belongs to it
	deaf    bool          // keys are dropped until a breath has passed without one
	must    bool          // the code has to be changed in this call
	typing  bool          // a key came since the last LimitHit
	patient bool          // * cleared the entry: the longer time for its next key was promised
	overrun bool          // the time is up; a caller who types may finish
	hurried bool          // the grace is over: what is said next is the last
	slow    bool          // the caller has twice the time
	chose   bool          // a key chose the language
	offered bool          // a code of our choice was offered since the new code was first asked for
	sent    bool          // a one-time code was sent for since the mailbox was named

	forgotten bool // the own door offers help to who has forgotten the code
	firstUse  bool // the own door gives a mailbox without a code its first one
	oneTime   bool // the mailboxes here are opened by one-time codes

	silent  uint8 // asks without input in a row
	wrong   uint8 // wrong current codes in this call
	missed  uint8 // wrong one-time codes in this call
	rounds  uint8 // entries of a new code that came to nothing
	refused uint8 // of those, the ones that a rule refused
	slips   uint8 // times the chosen code was not typed back as it was spelled
	waits   uint8 // times the caller was asked to wait for one answer
	heard   uint8 // keys of a line check since they were last told
}

// lookup is what is known of the mailbox.
type lookup uint8

const (
	unasked  lookup = iota
	pending         // no answer yet
	answered        // there is an answer; at the any door nothing else is known
	down            // the store cannot be asked
)

// Start is what a call brings with it.
type Start struct {
	Door     mailbox.Door
	Language string // BCP 47; empty: the default
	Slow     bool   // the caller has twice the time

	Forgotten bool // own door: who has forgotten the code may have a one-time code sent
	FirstUse  bool // own door: a mailbox without a code is given its first one
	OneTime   bool // the mailboxes here are opened by one-time codes: their store cannot check a code
}

// New is a call that came in and is not answered yet.
func New(l *Layout, s Start) State {
	return State{
		layout: l, at: Ringing, door: s.Door, language: s.Language, slow: s.Slow, menu: l.main, policy: l.policy,
		forgotten: s.Forgotten, firstUse: s.FirstUse, oneTime: s.OneTime,
	}
}

// At is where the call is.
func (s *State) At() StateID { return s.at }

// Door is the door as the flow sees it: an own door whose mailbox does not exist
// has become the any door.
func (s *State) Door() mailbox.Door { return s.door }

// Language is what the call speaks now: a BCP 47 tag, or empty for the default.
func (s *State) Language() string { return s.language }

// Format shows where the call is and nothing else, whatever the verb: how many
// rounds were lost is nobody's business.
func (s State) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "call at %s", s.at) }

// Wipe overwrites every code and key in s. The call is over.
func (s *State) Wipe() {
	s.number.Wipe()
	s.current.Wipe()
	s.first.Wipe()
	s.entry.Wipe()
	s.ahead.Wipe()
	s.at = Ended
}
