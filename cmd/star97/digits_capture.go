package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/pion/rtp"
)

const (
	maxStreams = 1000 // of RTP in a capture
	// maxTransactions bounds those of SIP of which the end is noted.
	maxTransactions = 100_000
	// sureOfRTP is how many packets in a row make a stream that no SDP names: less is something else.
	sureOfRTP = 4
	// mostLost bounds the packets missing in a row.
	mostLost = 100
	// comfortNoise is the payload type of RFC 3389 at 8000 Hz.
	comfortNoise = 13
	// firstDynamic is the first payload type whose meaning SDP alone tells (RFC 3551 section 3).
	firstDynamic = 96
	maxUnheard   = 1000 // types of which it is told that they were not heard
)

// packetSource is a capture of either format.
type packetSource interface {
	ReadPacketData() ([]byte, gopacket.CaptureInfo, error)
	ZeroCopyReadPacketData() ([]byte, gopacket.CaptureInfo, error)
	LinkType() layers.LinkType
}

// readCapture finds the calls of a capture; of one that is damaged those before the damage.
func (r *keysHeard) readCapture(data []byte) error {
	source, err := openCapture(data)
	if err != nil {
		return err
	}
	c := newCapture(r)
	c.finals = finalResponses(data)
	parts := newUnpacker(c.packet)
	defer func() {
		parts.end()
		c.finish(parts)
	}()
	var first time.Time
	for {
		frame, info, err := source.ReadPacketData()
		switch {
		case errors.Is(err, io.EOF) && info.CaptureLength == 0:
			return nil
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return fmt.Errorf("the capture is cut off behind %.3f s: what wrote it was stopped, or a part of the file is missing", c.now.Seconds())
		case err != nil:
			return fmt.Errorf("the capture cannot be read beyond %.3f s: %w", c.now.Seconds(), err)
		}
		if first.IsZero() {
			first = info.Timestamp
		}
		if info.Length > len(frame) {
			c.cut++
		}
		link := linkOf(source, info)
		c.now = max(c.now, info.Timestamp.Sub(first))
		if !parts.frame(frame, link, info) {
			c.strange[link]++
		}
	}
}

// finalResponses reads beforehand how each transaction ends: what was refused changes
// nothing and is no key. Where a proxy tried several ways one that succeeds counts.
func finalResponses(data []byte) map[string]int {
	finals := map[string]int{}
	parts := newUnpacker(func(body []byte, _ streamID, _ bool) {
		if len(finals) >= maxTransactions || !bytes.HasPrefix(body, []byte(responseStart)) {
			return
		}
		m := parseSIP(body)
		if status, id := m.status(), m.transaction(); status >= 200 && (finals[id] == 0 || status < 300) {
			finals[id] = status
		}
	})
	source, err := openCapture(data)
	for err == nil {
		var frame []byte
		var info gopacket.CaptureInfo
		if frame, info, err = source.ZeroCopyReadPacketData(); err == nil {
			parts.frame(frame, linkOf(source, info), info)
		}
	}
	parts.end()
	return finals
}

func openCapture(data []byte) (packetSource, error) {
	if ng, err := pcapgo.NewNgReader(bytes.NewReader(data), pcapgo.NgReaderOptions{WantMixedLinkType: true}); err == nil {
		return ng, nil
	}
	if plain, err := pcapgo.NewReader(bytes.NewReader(data)); err == nil {
		return plain, nil
	}
	return nil, errors.New("the file is neither a WAV file nor a capture (pcap, pcapng)")
}

// linkOf is the link type of a frame: in a pcapng each interface has its own. IPv4 and IPv6
// without a link's header are what the raw type is too.
func linkOf(source packetSource, info gopacket.CaptureInfo) layers.LinkType {
	link := source.LinkType()
	if len(info.AncillaryData) > 0 {
		if own, ok := info.AncillaryData[0].(layers.LinkType); ok {
			link = own
		}
	}
	if link == layers.LinkTypeIPv4 || link == layers.LinkTypeIPv6 {
		return layers.LinkTypeRaw
	}
	return link
}

// streamID names what comes from one address to another: the sound and keys of a call, as
// the service hears them, whatever SSRCs they have.
type streamID struct{ from, to netip.AddrPort }

// capture is what is known of the calls in a capture.
type capture struct {
	to      *keysHeard
	now     time.Duration
	streams map[streamID]*stream
	order   []*stream

	ends    map[netip.AddrPort]*terms // by where SDP wants the media
	agreed  map[uint8]payload         // of the audio of any SDP
	sides   map[side]*terms
	infos   map[string]bool  // the transaction of each INFO
	finals  map[string]int   // how the transactions of the capture end
	keyless map[string]error // INFO that should have a key and has none, by transaction, and why

	exchanges map[exchangeID]*exchange

	senders map[netip.AddrPort]*hearing
	reached map[netip.AddrPort]*hearing // who sends RTP to an address
	latest  map[netip.Addr]*hearing     // whose RTP came last from a host

	unheard map[unheard]int         // packets
	strange map[layers.LinkType]int // frames that could not be taken apart
	cut     int                     // frames of which the capture has a part
}

// unheard is a payload type that says nothing to us, with its name, and the types of the
// stream's SDP if it is none of them.
type unheard struct {
	pt   uint8
	name string
	said string
}

func newCapture(to *keysHeard) *capture {
	return &capture{
		to: to, streams: map[streamID]*stream{}, ends: map[netip.AddrPort]*terms{}, agreed: map[uint8]payload{}, sides: map[side]*terms{},
		infos: map[string]bool{}, keyless: map[string]error{}, exchanges: map[exchangeID]*exchange{},
		senders: map[netip.AddrPort]*hearing{}, reached: map[netip.AddrPort]*hearing{}, latest: map[netip.Addr]*hearing{},
		unheard: map[unheard]int{}, strange: map[layers.LinkType]int{},
	}
}

// packet takes a datagram, or a SIP message of a connection.
func (c *capture) packet(body []byte, id streamID, udp bool) {
	switch {
	case len(body) == 0:
	case isSIP(body):
		c.sip(body, id, c.now)
	case udp:
		c.media(body, id, c.now)
	}
}

// sender is who sends from an address.
func (c *capture) sender(from netip.AddrPort) *hearing {
	h := c.senders[from]
	if h == nil {
		h = &hearing{to: c.to, from: from.String()}
		c.senders[from] = h
	}
	return h
}

// media takes a datagram that may be RTP.
func (c *capture) media(body []byte, id streamID, now time.Duration) {
	var p rtp.Packet
	if len(body) < 12 || body[0]>>6 != 2 || p.Unmarshal(body) != nil || p.PayloadType >= 64 && p.PayloadType < 96 {
		return // RTCP has the types in between (RFC 5761 section 4)
	}
	s := c.streams[id]
	if s == nil {
		if len(c.streams) >= maxStreams {
			return
		}
		s = &stream{id: id}
		c.streams[id], c.order = s, append(c.order, s)
	}
	if s.hearing != nil {
		c.play(s, id, &p, now)
		return
	}
	if n := len(s.early); n > 0 && (p.SSRC != s.early[n-1].SSRC || p.SequenceNumber-s.early[n-1].SequenceNumber > mostLost) {
		s.early, s.came = nil, nil
	}
	s.early, s.came = append(s.early, *p.Clone()), append(s.came, now)
	if len(s.early) >= sureOfRTP || c.named(id) {
		c.begin(s)
	}
}

// named tells whether an SDP has an end of a stream: what comes there is RTP.
func (c *capture) named(id streamID) bool { return c.ends[id.to] != nil || c.ends[id.from] != nil }

// begin takes a stream from its first packet.
func (c *capture) begin(s *stream) {
	s.hearing = c.sender(s.id.from)
	for i := range s.early {
		c.play(s, s.id, &s.early[i], s.came[i])
	}
	s.early, s.came = nil, nil
}
