// Package sdp answers and makes offers for one audio stream (RFC 3264, RFC 4566):
// codec choice, telephone-event (RFC 4733 section 2.4.1) and its redundancy (RFC
// 2198), ptime, direction and hold, delayed offer, keys of SRTP (RFC 4568, RFC 8643).
// It opens no port and asks no DNS. It reads the few lines that matter itself: a parser of the whole grammar
// refuses descriptions of real systems for lines that nobody here needs.
package sdp

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"star97/internal/codec"
	"star97/internal/srtp"
)

// Errors of this package; each is wrapped with what was found. ErrSyntax and
// ErrTooBig are a bad request, the others an offer that cannot be met (488).
var (
	ErrSyntax        = errors.New("SDP cannot be read")
	ErrTooBig        = errors.New("SDP is too big")
	ErrNoAudio       = errors.New("SDP has no usable audio line: offer m=audio PORT RTP/AVP")
	ErrNoCommonCodec = errors.New("SDP has no codec in common with us")
	ErrAddress       = errors.New("SDP has an address that we cannot send to")
	ErrSecurity      = errors.New("the audio line does not fit the srtp setting of its peer")
	ErrAnswer        = errors.New("SDP answer does not fit our offer")
	ErrLocal         = errors.New("our side of the stream is incomplete: it needs an IP address, a port and a known codec")
)

// Agreed is what both sides will do with the audio stream.
type Agreed struct {
	Remote     netip.AddrPort // where RTP goes; not valid when held by c=0.0.0.0
	RemoteRTCP netip.AddrPort
	Codec      codec.ID
	PT         uint8 // payload type we send and expect
	EventPT    uint8 // telephone-event payload type; 0 if none agreed
	EventRate  int   // its clock rate
	RedPT      uint8 // RFC 2198 redundancy that carries telephone-event; 0 if none agreed
	PTime      time.Duration
	Send, Recv bool // our direction

	OurKey, TheirKey srtp.Key // for what we send, and what they do; zero: plain RTP
}

// Local is our side of the stream.
type Local struct {
	Addr      netip.AddrPort // where RTP comes to, as the far end reaches it
	Codecs    []codec.ID     // in our order of preference
	SessionID uint64         // origin line, constant for a dialog
	Version   uint64         // grows with each description that differs
	Direction Direction      // what we want; an answer grants no more than was offered
	NoEvents  bool           // neither offer nor accept telephone-event
	Security  Security
	Key       srtp.Key // ours of the session so far: it stays where its suite is chosen again
	// Settled is the far end's last description, if there was one: an offer in a
	// session that exists keeps its lines and payload types (RFC 3264 section 8).
	Settled []byte
	// Source is where the far end's SIP comes from. From elsewhere than this
	// machine nobody may send our packets to its loopback. Not valid: not checked.
	Source netip.Addr
}

// forbids says that the far end may not name a.
func (l Local) forbids(a netip.Addr) bool {
	return a.IsLoopback() && l.Source.IsValid() && !l.Source.Unmap().IsLoopback()
}

// check finds what would make a description that nobody can use.
func (l Local) check() error {
	if !l.Addr.Addr().IsValid() || l.Addr.Addr().IsUnspecified() || l.Addr.Port() == 0 || len(l.Codecs) == 0 {
		return ErrLocal
	}
	for _, id := range l.Codecs {
		if _, ok := codec.ByID(id); !ok {
			return fmt.Errorf("%w: codec number %d", ErrLocal, id)
		}
	}
	return nil
}

// Packet times we send. A telephone packs in tens of milliseconds.
const (
	minPTime     = 10 * time.Millisecond
	maxPTime     = 60 * time.Millisecond
	defaultPTime = 20 * time.Millisecond
)

// Direction says which way a stream flows, from its describer's side (RFC 4566
// section 6). The zero value is SendRecv, the default of RFC 3264 section 5.1.
type Direction uint8

// The directions are sets of what does not happen.
const (
	SendRecv Direction = 0
	noSend   Direction = 1
	noRecv   Direction = 2
	RecvOnly           = noSend
	SendOnly           = noRecv
	Inactive           = noSend | noRecv
)

// String is the attribute's name.
func (d Direction) String() string {
	return [...]string{SendRecv: "sendrecv", SendOnly: "sendonly", RecvOnly: "recvonly", Inactive: "inactive"}[d&Inactive]
}

// parseDirection reads an attribute name; false if it is none of the four.
func parseDirection(name string) (Direction, bool) {
	for d := SendRecv; d <= Inactive; d++ {
		if d.String() == name {
			return d, true
		}
	}
	return 0, false
}

// reversed is the same stream seen from the other side: what one sends the other
// receives (RFC 3264 section 6.1).
func (d Direction) reversed() Direction { return d&noSend<<1 | d&noRecv>>1 }
