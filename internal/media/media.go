// Package media owns the RTP of a call (RFC 3550): ports, symmetric RTP with a
// source latch, RTCP, SRTP, telephone-event reception and prompt playing by absolute
// deadlines. It does not decide what is said and knows no SIP.
package media

import (
	"net/netip"
	"time"

	"star97/internal/codec"
	"star97/internal/dtmf"
	"star97/internal/srtp"
)

// Engine opens sessions and owns the goroutines that carry their packets.
type Engine interface {
	// Open reserves a port pair near local. Errors: ErrPortsExhausted or the
	// system's, wrapped with the range.
	Open(local netip.Addr) (Session, error)
	// FreePorts is the number of port pairs that no session has.
	FreePorts() int
	// Close ends the engine; sessions still open are closed without RTCP BYE.
	Close() error
}

// Session is the media of one call. Methods are safe for concurrent use and
// return at once; the engine acts within one wake-up.
type Session interface {
	// LocalAddr is the bound RTP address; RTCP is the next port.
	LocalAddr() netip.AddrPort
	// Set applies a negotiated stream, at first and at each re-negotiation. A
	// change of address or direction in the first 3 s of sending starts the
	// current utterance again.
	Set(Stream)
	// Start permits sending (the ACK is in): the first packet leaves at once, the
	// first utterance after lead of silence. Sending waits while held.
	Start(lead time.Duration)
	// Say replaces whatever is being said by u, as a new talkspurt, at once.
	Say(u Utterance)
	// Stop ends the current utterance; silence follows. No Finished comes.
	Stop()
	// Events carries what the engine saw; closed after Close, or when the engine
	// could not go on with this session.
	Events() <-chan Event
	// Epoch is the zero of Event.At and of dtmf.Report.At.
	Epoch() time.Time
	// Stats may be read at any time.
	Stats() Stats
	// Close sends RTCP BYE, frees the ports and closes Events.
	Close()
}

// Stream is the negotiated audio stream as the engine needs it.
type Stream struct {
	Remote     netip.AddrPort
	RemoteRTCP netip.AddrPort
	Codec      codec.ID
	PT         uint8
	EventPT    uint8 // 0: no telephone-event
	EventRate  int
	RedPT      uint8 // RFC 2198 redundancy that carries events; 0: none
	PTime      time.Duration
	Send, Recv bool
	// Signaller is where the stream's SIP messages come from: besides the host of
	// Remote the only one whose RTP may be the caller's.
	Signaller netip.Addr
	// AnyHost lets RTP of any host be the caller's, from Start on: for peers whose
	// media leave by an address that they do not signal. Whoever can reach the port
	// first takes the call.
	AnyHost bool
	// OurKey protects what we send, TheirKey what comes (SRTP); zero: plain RTP. A packet
	// that opens under TheirKey is the caller's, whatever host it comes from.
	OurKey, TheirKey srtp.Key
}

// Clip is one recorded sentence, ready in every codec (prompt.Audio).
type Clip interface {
	// Payload returns the whole sentence in the codec's payload format.
	Payload(codec.ID) []byte
}

// MaxClips bounds an utterance.
const MaxClips = 11

// Utterance is what is said in one breath. Tag comes back in Started and Finished.
type Utterance struct {
	Tag   uint32
	Clips [MaxClips]Clip // the first nil ends it
}

// EventKind says what an Event tells.
type EventKind uint8

// What the engine tells its call.
const (
	Pressed     EventKind = iota + 1 // Report holds an observation of a key
	Started                          // Tag: the utterance's first packet was sent
	Finished                         // Tag: the utterance's last packet was sent
	Overrun                          // the queue was full: key reports were lost
	Held                             // we may not send; positions stand still
	Resumed                          // we may send again
	Silent                           // no RTP or RTCP for the media time-out; told again each time it passes
	Disbelieved                      // RTP comes, but From alone sends it, a host that may not be the caller; told once
)

// Event is one thing the engine saw, At since the session's epoch.
type Event struct {
	Kind   EventKind
	Tag    uint32
	At     time.Duration
	Report dtmf.Report
	// Disbelieved: a source, and the one that was signalled instead.
	From, Signalled netip.AddrPort
}

// Stats are the session's counters.
type Stats struct {
	PacketsIn, PacketsOut   uint64
	Dropped                 uint64 // wrong source, payload type or shape
	LostIn                  uint64
	JitterIn                time.Duration
	RemoteLost              uint64 // from the peer's RTCP reports
	RoundTrip               time.Duration
	SourceChanges, Overruns uint64
	Keys                    dtmf.Stats // what the event decoder met
}
