package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/pion/rtp"

	"star97/internal/codec"
	"star97/internal/dtmf"
)

const (
	maxStreams = 1000 // of RTP in a capture
	// sureOfRTP is how many packets in a row make a stream: less is something else.
	sureOfRTP = 4
	// mostLost bounds the packets missing in a row.
	mostLost = 100
	// comfortNoise is the payload type of RFC 3389 at 8000 Hz.
	comfortNoise = 13
)

// packetSource is a capture of either format.
type packetSource interface {
	ReadPacketData() ([]byte, gopacket.CaptureInfo, error)
	LinkType() layers.LinkType
}

// readCapture finds the calls of a capture; of one that is damaged those before the damage.
func (r *keysHeard) readCapture(data []byte) error {
	source, err := openCapture(data)
	if err != nil {
		return err
	}
	c := newCapture(r)
	defer c.finish()
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
		p := gopacket.NewPacket(frame, link, gopacket.DecodeOptions{Lazy: true, NoCopy: true})
		c.packet(p, max(0, info.Timestamp.Sub(first)))
		if p.TransportLayer() == nil && p.ErrorLayer() != nil {
			c.strange[link]++
		}
	}
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
	infos   map[string]bool // Call-ID and CSeq of each INFO
	senders map[netip.AddrPort]*hearing
	reached map[netip.AddrPort]*hearing // who sends RTP to an address
	latest  map[netip.Addr]*hearing     // whose RTP came last from a host

	unheard map[unheard]int         // packets
	strange map[layers.LinkType]int // frames that could not be taken apart
	cut     int                     // frames of which the capture has a part
}

// unheard is a payload type that says nothing to us, with its name in SDP.
type unheard struct {
	pt   uint8
	name string
}

func newCapture(to *keysHeard) *capture {
	return &capture{to: to, streams: map[streamID]*stream{}, ends: map[netip.AddrPort]*terms{}, agreed: map[uint8]payload{}, sides: map[side]*terms{},
		infos: map[string]bool{}, senders: map[netip.AddrPort]*hearing{}, reached: map[netip.AddrPort]*hearing{}, latest: map[netip.Addr]*hearing{},
		unheard: map[unheard]int{}, strange: map[layers.LinkType]int{}}
}

// stream is one direction of a call's RTP.
type stream struct {
	hearing *hearing
	early   []rtp.Packet // until it is sure that this is RTP
	came    []time.Duration
	secret  bool // SRTP, says SDP
	doubted bool // packets of the type of events are none, and no SDP is known
	events  dtmf.EventDecoder
	tone    dtmf.ToneStream
	format  *codec.Format // of decoder
	decoder codec.Decoder
}

func (c *capture) packet(p gopacket.Packet, now time.Duration) {
	c.now = max(c.now, now)
	from, to, body, udp := ends(p)
	switch {
	case len(body) == 0:
	case isSIP(body):
		c.sip(body, from, c.now)
	case udp:
		c.media(body, streamID{from, to}, c.now)
	}
}

// ends are the addresses of a UDP datagram or TCP segment, and what it carries.
func ends(p gopacket.Packet) (from, to netip.AddrPort, body []byte, udp bool) {
	network, transport := p.NetworkLayer(), p.TransportLayer()
	if network == nil || transport == nil {
		return from, to, nil, false
	}
	src, _ := netip.AddrFromSlice(network.NetworkFlow().Src().Raw())
	dst, _ := netip.AddrFromSlice(network.NetworkFlow().Dst().Raw())
	switch l := transport.(type) {
	case *layers.UDP:
		return netip.AddrPortFrom(src, uint16(l.SrcPort)), netip.AddrPortFrom(dst, uint16(l.DstPort)), l.Payload, true
	case *layers.TCP:
		return netip.AddrPortFrom(src, uint16(l.SrcPort)), netip.AddrPortFrom(dst, uint16(l.DstPort)), l.Payload, false
	}
	return from, to, nil, false
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
		s = new(stream)
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
	if len(s.early) < sureOfRTP {
		return
	}
	s.hearing = c.sender(id.from)
	for i := range s.early {
		c.play(s, id, &s.early[i], s.came[i])
	}
	s.early, s.came = nil, nil
}

// play hands a packet of a stream to its decoders.
func (c *capture) play(s *stream, id streamID, p *rtp.Packet, now time.Duration) {
	h := s.hearing
	c.latest[id.from.Addr()], c.reached[id.to] = h, h
	h.accept(s.events.Expire(now, h.out[:0]), 0)
	h.accept(s.tone.Expire(now, h.out[:0]), 0)
	if s.secret = c.secret(id); s.secret {
		return
	}
	kind := c.meaning(id, p.PayloadType)
	packet := dtmf.Packet{SSRC: p.SSRC, Seq: p.SequenceNumber, TS: p.Timestamp, Marker: p.Marker, Payload: p.Payload}
	format, isAudio := codec.ByID(kind.audio)
	switch {
	case kind.event:
		c.event(s, packet, kind, now)
	case isAudio:
		c.audio(s, packet, format, now)
	case p.PayloadType == comfortNoise:
		s.tone.Other(packet)
	default:
		c.unheard[unheard{p.PayloadType, kind.name}]++
	}
}

// event takes a packet of the type of telephone events.
func (c *capture) event(s *stream, packet dtmf.Packet, kind payload, now time.Duration) {
	h := s.hearing
	s.doubted = s.doubted || kind.guessed && !kind.packed && !isEvents(packet.Payload)
	if s.doubted {
		return
	}
	s.events.Set(kind.rate, 20*time.Millisecond)
	s.tone.Other(packet)
	if kind.packed {
		h.accept(s.events.DecodeRED(packet, kind.inside, 0, now, h.out[:0]), 0)
	} else {
		h.accept(s.events.Decode(packet, now, h.out[:0]), 0)
	}
}

// isEvents tells whether a payload is one of keys and flashes; one that is encrypted is not.
func isEvents(data []byte) bool {
	for ; len(data) >= 4; data = data[4:] {
		if binary.BigEndian.Uint32(data)>>24 > 16 {
			return false
		}
	}
	return len(data) == 0
}

// audio takes a packet of audio, in which tones may be.
func (c *capture) audio(s *stream, packet dtmf.Packet, format *codec.Format, now time.Duration) {
	h := s.hearing
	if s.format != format {
		s.format, s.decoder = format, format.NewNarrow()
	}
	s.tone.Set(codec.NarrowRate, format.ClockRate, format.Settles)
	pcm := make([]int16, len(packet.Payload)*codec.NarrowRate/1000/format.BytesPerMs)
	reports, heard := s.tone.Next(packet, len(pcm), now, h.out[:0])
	h.accept(reports, 0)
	if heard {
		h.hear(&s.tone, pcm[:s.decoder.Decode(pcm, packet.Payload)], now)
	}
}

// finish ends the keys that are still down, and tells what was found.
func (c *capture) finish() {
	const later = time.Minute
	found, secret, doubted := 0, 0, 0
	for _, s := range c.order {
		if s.hearing == nil {
			continue
		}
		found++
		s.hearing.accept(s.events.Expire(c.now+later, nil), 0)
		s.hearing.accept(s.tone.Expire(c.now+later, nil), 0)
		if s.secret {
			secret++
		}
		if s.doubted {
			doubted++
		}
	}
	c.to.remark("%d RTP streams, %d keys by SIP INFO", found, len(c.infos))
	if secret > 0 {
		c.to.remark("%d of the streams are encrypted (SRTP, says their SDP): no key of them can be read", secret)
	}
	if doubted > 0 {
		c.to.remark("%d of the streams have packets of the type of telephone events that are none: encrypted (SRTP), or another type; capture the call's SIP too", doubted)
	}
	for _, u := range slices.SortedFunc(maps.Keys(c.unheard), func(a, b unheard) int { return bytes.Compare([]byte{a.pt}, []byte{b.pt}) }) {
		if u.name == "" {
			c.to.remark("%d packets of payload type %d not understood: no SDP in the capture says what it is", c.unheard[u], u.pt)
		} else {
			c.to.remark("%d packets of payload type %d not heard: %s is neither telephone-event nor PCMU, PCMA or G722", c.unheard[u], u.pt, u.name)
		}
	}
	for _, link := range slices.Sorted(maps.Keys(c.strange)) {
		c.to.remark("%d frames not understood, of link type %d (%s): capture with tcpdump -i any, or on Ethernet", c.strange[link], int(link), link)
	}
	if c.cut > 0 {
		c.to.remark("%d packets were cut short when they were captured: capture whole ones (tcpdump -s 0)", c.cut)
	}
}
