// Package media owns the RTP of a call (RFC 3550): ports, symmetric RTP with a
// source latch, RTCP, SRTP, telephone-event reception and prompt playing by absolute
// deadlines. It does not decide what is said and knows no SIP.
//
// A session is the same in every engine: a packet that came goes through receive, its
// frames leave by tick, its other deadlines ring. Who reads its sockets and keeps its time
// is its carrier. The portable engine's are pacers, goroutines that share the frames of all
// calls, beside two goroutines for each call that read; the network of a test or simulation
// can be under it. The reactor's, on Linux, are threads: one epoll(7) over the sockets of
// all its calls, one sleep until the next slot or the next datagram, no goroutine per call.
// Either way Say and what else begins a talkspurt sends the first packet itself, from the
// goroutine that calls it: no way to a key's answer is shorter. Only while a reactor with
// io_uring sends the frames of a slot does that packet go with them, within the same millisecond.
//
// DTLS-SRTP (RFC 5763) and ICE (RFC 8445) are not here. They would come in at receive, which
// sees every datagram first, by its first byte (RFC 7983): a finished handshake ends in
// guard.Rekey with the keys it gave, a STUN check that is proved in the latch's belief in its
// source, and Stream brings what SDP says for both in place of OurKey and TheirKey.
package media

import (
	"net/netip"
	"time"

	"star97/internal/codec"
	"star97/internal/dtmf"
	"star97/internal/srtp"
)

// Engine opens sessions and owns what carries their packets.
type Engine interface {
	// Open reserves a port pair near local. Errors: ErrPortsExhausted or the
	// system's, wrapped with the range.
	Open(local netip.Addr) (Session, error)
	// FreePorts is the number of port pairs that no session has.
	FreePorts() int
	// Name is what the engine is and by which calls of the system it works.
	Name() string
	// Close ends the engine; sessions still open are closed without RTCP BYE.
	Close() error
}

// Session is the media of one call. Methods are safe for concurrent use and wait for
// nobody, but Say and Set encode a sentence that is needed in a codec for the first time; the
// engine acts within one wake-up.
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
	// TonesOff says that the caller has a better way to press keys: under InbandAuto
	// the audio is not listened to any more until the next Set.
	TonesOff()
	// Events carries what the engine saw; closed after Close, or when the engine
	// could not go on with this session. To a loop that does not keep up the rest is given
	// a little later, or by the next call of Events.
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
	Inband     Inband
	// Sparse sends one frame a second while nothing is said, instead of every one.
	Sparse bool
	// Signaller is where the stream's SIP messages come from: besides the host of
	// Remote the only one whose RTP may be the caller's.
	Signaller netip.Addr
	// AnyHost lets RTP of any host be the caller's, from Start on: for peers whose
	// media leave by an address that they do not signal. Whoever can reach the port
	// first takes the call.
	AnyHost bool
	// OurKey protects what we send, TheirKey what comes (SRTP); zero: plain RTP. Under TheirKey
	// any host may be the caller's: three packets in a row prove it while nobody else is heard.
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
	Disbelieved                      // RTP comes, but from a host alone that may not be the caller; told once
)

// Event is one thing the engine saw, At since the session's epoch.
type Event struct {
	Kind      EventKind
	Tag       uint32
	At        time.Duration
	Report    dtmf.Report
	Disbelief *Disbelief // of Disbelieved alone; apart, as each call has places for many events
}

// Disbelief is a source that may not be the caller, and the one that was signalled instead.
type Disbelief struct{ From, Signalled netip.AddrPort }

// Stats are the session's counters.
type Stats struct {
	PacketsIn               uint64
	PacketsOut              uint64 // less those that the system refused, which io_uring does not tell
	Dropped                 uint64 // wrong source, payload type or shape
	LostIn                  uint64
	JitterIn                time.Duration
	Thinned                 bool          // the kernel dropped audio unread: LostIn and JitterIn tell of the rest alone
	Reported                bool          // the peer's RTCP told of our packets
	RemoteLost              uint64        // by its last report, which may begin anew where the media move
	RoundTrip               time.Duration // 0: not known
	SourceChanges, Overruns uint64
	Codec                   codec.ID       // agreed last
	Keys                    dtmf.Stats     // what the event decoder met
	Tones                   dtmf.ToneStats // and what the tone detector did
}
