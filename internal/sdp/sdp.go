// Package sdp answers and makes offers for one audio stream (RFC 3264, RFC 4566
// read by pion/sdp): codec choice, telephone-event (RFC 4733 section 2.4.1),
// ptime, direction and hold, delayed offer. It opens no port.
package sdp

import (
	"net/netip"
	"time"

	"star97/internal/codec"
)

// Agreed is what both sides will do with the audio stream.
type Agreed struct {
	Remote     netip.AddrPort // where RTP goes; not valid when held by c=0.0.0.0
	RemoteRTCP netip.AddrPort
	Codec      codec.ID
	PT         uint8 // payload type we send and expect
	EventPT    uint8 // telephone-event payload type; 0 if none agreed
	EventRate  int   // its clock rate
	PTime      time.Duration
	Send, Recv bool // our direction
}

// Local is our side of the stream.
type Local struct {
	Addr      netip.AddrPort // where RTP comes to, as the far end reaches it
	Codecs    []codec.ID     // in our order of preference
	SessionID uint64         // origin line, constant for a dialog
	Version   uint64         // grows with each description that differs
}
