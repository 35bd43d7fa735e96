package media

import (
	"time"

	"github.com/pion/rtp"
)

const headerSize = 12 // of RTP without CSRC and extensions, RFC 3550 section 5.1

// outgoing numbers the packets that we send (RFC 3550 section 5.1). Its media
// clock runs from the first packet on, whether or not anything is sent; talkspurts
// and sender reports are stamped with it. The session's lock guards it.
type outgoing struct {
	header rtp.Header // of the next packet
	perMs  uint32     // timestamp units per millisecond
	last   uint32     // timestamp of the last packet

	start   time.Duration // of the first packet
	startTS uint32
	packets uint32
	octets  uint32
	began   bool
	sent    time.Duration // of audio
}

// newOutgoing draws the random beginnings. The sequence starts in the lower half
// of its range, so that SRTP's rollover counter cannot be guessed wrong when the
// first packets of a call are lost (RFC 3711 section 3.3.1). Under a new key or SSRC the
// sequence goes on wherever it is: a receiver that loses all packets from there to the next
// wrap counts one rollover too few.
func newOutgoing() outgoing {
	return outgoing{perMs: 8, header: rtp.Header{
		Version: 2, SSRC: random32(), Timestamp: random32(), SequenceNumber: uint16(random32()) >> 1,
	}}
}

// clock is the media clock at now.
func (o *outgoing) clock(now time.Duration) uint32 {
	return o.startTS + uint32(uint64(now-o.start)*uint64(o.perMs)/uint64(time.Millisecond))
}

// talkspurt makes the next packet the first of a talkspurt sent at now. A frame
// sent by slot can be stamped ahead of the clock by half a slot; time never runs
// backwards for the listener.
func (o *outgoing) talkspurt(now time.Duration) {
	o.header.Marker = true
	if !o.began {
		o.began, o.start, o.startTS = true, now, o.header.Timestamp
		return
	}
	o.header.Timestamp = o.clock(now)
	if int32(o.header.Timestamp-o.last) <= 0 {
		o.header.Timestamp = o.last + 1
	}
}

// rename takes another SSRC, whose packets count from nothing (RFC 3550 section
// 8.2). Sequence and time go on.
func (o *outgoing) rename() { o.header.SSRC, o.packets, o.octets = random32(), 0, 0 }

// skip leaves out what could not be sent in time. The jump of the timestamp is a
// gap for the listener, hence a new talkspurt.
func (o *outgoing) skip(gap time.Duration) {
	o.header.Marker = true
	o.header.Timestamp += uint32(gap.Milliseconds()) * o.perMs
}

// put writes the header of the next packet in front of its payload.
func (o *outgoing) put(packet []byte) {
	// The only error is a buffer shorter than the header; the session's is longer.
	o.header.MarshalTo(packet)
}

// advance counts a packet of audio as sent.
func (o *outgoing) advance(payload int, audio time.Duration) {
	o.last = o.header.Timestamp
	o.header.Timestamp += uint32(audio.Milliseconds()) * o.perMs
	o.header.SequenceNumber++
	o.header.Marker = false
	o.packets++
	o.octets += uint32(payload)
	o.sent += audio
}
