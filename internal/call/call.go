// Package call is the shell around flow for one call: it queues events, performs
// effects, runs the one timer and writes the end record. It decides nothing that
// the caller hears (flow does) and speaks no SIP (uas does).
package call

import (
	"star97/internal/dtmf"
	"star97/internal/mailbox"
	"star97/internal/prompt"
)

// Leg is the signalling side of a call; uas implements it.
type Leg interface {
	// Signals carries what the far end did, in order; closed when the dialog is over. Whoever
	// takes one owns it.
	Signals() <-chan *Signal
	// Hangup ends the dialog (BYE) and returns at once; Signals closes when it is over.
	Hangup()
	// Refer asks the far end to call a SIP URI in our place (RFC 3515) and returns at
	// once; one Referred of the same number says how that ended, unless Gone or another
	// Refer comes first. One that succeeds after that, or after nobody had told of it in
	// time, is told all the same: the caller is there.
	Refer(target string, number uint32)
}

// SignalKind is what the far end did.
type SignalKind uint8

// What a Leg tells its call. Gone is the last one.
const (
	Confirmed    SignalKind = iota + 1 // the ACK with our To tag came
	InfoKey                            // Report holds a key from SIP INFO
	Renegotiated                       // the stream was agreed again: keys may come by another road now
	Stirred                            // another request came: a sign of life; left out where others wait
	Referred                           // the answer to Refer: Status is its final status
	Gone                               // BYE, CANCEL, or no ACK in 64*T1
)

// Signal is one act of the far end.
type Signal struct {
	Kind   SignalKind
	Report dtmf.Report // InfoKey
	Number uint32      // Referred: that of the Refer
	Status int         // Referred: as in SIP; 200 that the caller is connected elsewhere, 408 that nobody said
}

// Arrival is what the signalling side knows of a call before its first prompt.
type Arrival struct {
	Door      mailbox.Door
	Number    string // own door: the mailbox's number; empty at the any door
	Domain    string
	Layout    string // of the dialplan; empty: the default one
	Language  string // BCP 47; empty: the default
	Words     prompt.Words
	Slow      bool   // the caller gets twice the time
	Forgotten bool   // own door: who has forgotten the code is offered a one-time code
	FirstUse  bool   // own door: a mailbox without a code may be given its first one
	Tones     bool   // in-band keys count even beside events or INFO
	Proved    bool   // own door: the caller has proved to be its owner, so it may where its store can
	Peer      string // configured name
	Transport string // of the INVITE: udp, tcp
	Source    string // peer address without port
	Caller    string // believed caller; empty if nobody is believed
	Withheld  bool   // that caller is not to be named to the mailbox's owner
	Home      string // tenant of that caller; empty if it is not known
	CallID    string
}
