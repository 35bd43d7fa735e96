package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/pion/rtp"
	"github.com/pion/sdp/v3"

	"star97/internal/codec"
	"star97/internal/dtmf"
)

const (
	maxStreams = 1000 // of RTP in a capture
	// sureOfRTP is how many packets in a row make a stream: less is something else.
	sureOfRTP = 4
	// mostLost bounds the packets that a gap stands for; behind more the stream is a new one.
	mostLost = 100
)

// packetSource is a capture of either format.
type packetSource interface {
	ReadPacketData() ([]byte, gopacket.CaptureInfo, error)
	LinkType() layers.LinkType
}

// readCapture finds the calls of a capture.
func (r *keysHeard) readCapture(data []byte) error {
	source, err := openCapture(data)
	if err != nil {
		return err
	}
	c := capture{to: r, streams: map[streamID]*stream{}, maps: map[netip.AddrPort]map[uint8]payload{}, infos: map[string]bool{}, senders: map[netip.AddrPort]*hearing{}, latest: map[netip.Addr]*hearing{}}
	var first time.Time
	for {
		frame, info, err := source.ReadPacketData()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("the capture cannot be read on: %w", err)
		}
		if first.IsZero() {
			first = info.Timestamp
		}
		c.packet(gopacket.NewPacket(frame, source.LinkType(), gopacket.DecodeOptions{Lazy: true, NoCopy: true}), max(0, info.Timestamp.Sub(first)))
	}
	c.finish()
	return nil
}

func openCapture(data []byte) (packetSource, error) {
	if ng, err := pcapgo.NewNgReader(bytes.NewReader(data), pcapgo.DefaultNgReaderOptions); err == nil {
		return ng, nil
	}
	if plain, err := pcapgo.NewReader(bytes.NewReader(data)); err == nil {
		return plain, nil
	}
	return nil, errors.New("the file is neither a WAV file nor a capture (pcap, pcapng)")
}

// payload is what SDP says of a payload type.
type payload struct {
	event bool
	audio codec.ID
	rate  int
}

type streamID struct {
	from, to netip.AddrPort
	ssrc     uint32
}

// capture is what is known of the calls in a capture.
type capture struct {
	to      *keysHeard
	streams map[streamID]*stream
	maps    map[netip.AddrPort]map[uint8]payload // by where SDP wants the media
	infos   map[string]bool                      // Call-ID and CSeq of each INFO
	senders map[netip.AddrPort]*hearing
	latest  map[netip.Addr]*hearing // whose RTP came last from a host
	now     time.Duration
}

// stream is one direction of RTP.
type stream struct {
	hearing *hearing
	early   []rtp.Packet // until it is sure that this is RTP
	came    []time.Duration
	events  dtmf.EventDecoder
	tone    dtmf.ToneDetector
	begun   bool
	seq     uint16
	ts      uint32
	samples int // of the latest audio packet
}

func (c *capture) packet(p gopacket.Packet, now time.Duration) {
	c.now = max(c.now, now)
	from, to, body, udp := ends(p)
	switch {
	case len(body) == 0:
	case isSIP(body):
		c.sip(body, from, c.now)
	case udp:
		c.media(body, streamID{from: from, to: to}, c.now)
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

func isSIP(body []byte) bool {
	line, _, _ := bytes.Cut(body, []byte("\r\n"))
	return bytes.HasPrefix(line, []byte("SIP/2.0 ")) || bytes.HasSuffix(line, []byte(" SIP/2.0"))
}

// sip reads the key of an INFO, and what SDP says of payload types.
func (c *capture) sip(message []byte, from netip.AddrPort, now time.Duration) {
	head, body, _ := bytes.Cut(message, []byte("\r\n\r\n"))
	lines := strings.Split(string(head), "\r\n")
	field := func(long, short string) string {
		for _, l := range lines[1:] {
			name, value, _ := strings.Cut(l, ":")
			if name = strings.TrimSpace(name); strings.EqualFold(name, long) || strings.EqualFold(name, short) {
				return strings.TrimSpace(value)
			}
		}
		return ""
	}
	contentType := field("Content-Type", "c")
	if strings.HasPrefix(strings.ToLower(contentType), "application/sdp") {
		c.sdp(body)
	}
	if !strings.HasPrefix(lines[0], "INFO ") {
		return
	}
	digit, length, err := dtmf.ParseInfo(contentType, body)
	id := field("Call-ID", "i") + " " + field("CSeq", "")
	if err != nil || c.infos[id] { // another INFO, or sent again
		return
	}
	c.infos[id] = true
	h := c.latest[from.Addr()]
	if h == nil {
		h = c.sender(from)
	}
	h.accept([]dtmf.Report{{Kind: dtmf.Down, Source: dtmf.FromInfo, Digit: digit, At: now}}, length)
}

// sdp notes which payload types are expected where.
func (c *capture) sdp(body []byte) {
	var d sdp.SessionDescription
	if d.Unmarshal(body) != nil {
		return
	}
	for _, m := range d.MediaDescriptions {
		line := m.ConnectionInformation
		if line == nil {
			line = d.ConnectionInformation
		}
		if line == nil || line.Address == nil || len(c.maps) >= maxStreams {
			continue
		}
		host, err := netip.ParseAddr(line.Address.Address)
		if err != nil {
			continue
		}
		known := map[uint8]payload{}
		for _, format := range m.MediaName.Formats {
			n, err := strconv.ParseUint(format, 10, 7)
			if err != nil {
				continue
			}
			if found, err := d.GetCodecForPayloadType(uint8(n)); err == nil {
				id, _ := codec.ByName(found.Name, int(found.ClockRate))
				known[uint8(n)] = payload{event: strings.EqualFold(found.Name, "telephone-event"), audio: id, rate: int(found.ClockRate)}
			}
		}
		c.maps[netip.AddrPortFrom(host, uint16(m.MediaName.Port.Value))] = known
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
	id.ssrc = p.SSRC
	s := c.streams[id]
	if s == nil {
		if len(c.streams) >= maxStreams {
			return
		}
		s = new(stream)
		c.streams[id] = s
	}
	if s.hearing != nil {
		c.play(s, id, &p, now)
		return
	}
	s.early, s.came = append(s.early, *p.Clone()), append(s.came, now)
	if n := len(s.early); n > 1 && p.SequenceNumber-s.early[n-2].SequenceNumber > mostLost {
		s.early, s.came = s.early[n-1:], s.came[n-1:]
	}
	if len(s.early) < sureOfRTP {
		return
	}
	s.hearing = c.sender(id.from)
	for i := range s.early {
		c.play(s, id, &s.early[i], s.came[i])
	}
	s.early, s.came = nil, nil
}

// meaning is what a payload type stands for at a stream's end: by SDP, else as static
// types and most telephones have it.
func (c *capture) meaning(to netip.AddrPort, pt uint8) payload {
	if known, ok := c.maps[to]; ok {
		if p, ok := known[pt]; ok {
			return p
		}
	}
	if id, ok := codec.ByPayloadType(pt); ok {
		return payload{audio: id, rate: 8000}
	}
	return payload{event: pt == 101, rate: 8000}
}

// play hands a packet of a stream to its decoders.
func (c *capture) play(s *stream, id streamID, p *rtp.Packet, now time.Duration) {
	h := s.hearing
	c.latest[id.from.Addr()] = h
	h.accept(s.events.Expire(now, h.out[:0]), 0)
	h.accept(s.tone.Expire(now, h.out[:0]), 0)
	kind := c.meaning(id.to, p.PayloadType)
	format, isAudio := codec.ByID(kind.audio)
	switch {
	case kind.event:
		s.events.Set(kind.rate, 20*time.Millisecond)
		h.accept(s.events.Decode(dtmf.Packet{SSRC: p.SSRC, Seq: p.SequenceNumber, TS: p.Timestamp, Marker: p.Marker, Payload: p.Payload}, now, h.out[:0]), 0)
	case isAudio:
		if s.audio(p, now) {
			pcm := make([]int16, len(p.Payload))
			h.hear(&s.tone, pcm[:format.Decode(pcm, p.Payload)], now)
		}
	}
}

// audio tells the detector what is missing before an audio packet, and says whether
// the packet itself is to be heard.
func (s *stream) audio(p *rtp.Packet, now time.Duration) bool {
	late, gap := int16(p.SequenceNumber-s.seq) <= 0, int32(p.Timestamp-s.ts)-int32(s.samples)
	if s.begun && late && gap < 0 {
		return false
	}
	if s.begun && gap > 0 {
		s.hearing.accept(s.tone.Lose(int(min(gap, mostLost*int32(max(s.samples, 1)))), now, s.hearing.out[:0]), 0)
	}
	s.begun, s.seq, s.ts, s.samples = true, p.SequenceNumber, p.Timestamp, len(p.Payload)
	return true
}

// finish ends the keys that are still down, and tells what was found.
func (c *capture) finish() {
	const later = time.Minute
	found := 0
	for _, s := range c.streams {
		if s.hearing == nil {
			continue
		}
		found++
		s.hearing.accept(s.events.Expire(c.now+later, nil), 0)
		s.hearing.accept(s.tone.Expire(c.now+later, nil), 0)
	}
	c.to.note = append(c.to.note, fmt.Sprintf("%d RTP streams, %d keys by SIP INFO", found, len(c.infos)))
}
