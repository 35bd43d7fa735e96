package main

import (
	"bytes"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pion/sdp/v3"

	"star97/internal/codec"
	"star97/internal/dtmf"
)

// payload is what a payload type stands for.
type payload struct {
	name    string // in SDP
	event   bool
	packed  bool // in RFC 2198, the events of type inside
	inside  uint8
	audio   codec.ID
	rate    int
	guessed bool // not by the SDP of its stream
}

// terms are what an SDP says of the media that its side wants.
type terms struct {
	at     netip.AddrPort
	types  map[uint8]payload
	secret bool // SRTP (RFC 3711)
}

// side is one of the two that a call is between. A proxy keeps both names.
type side struct{ call, tag string }

// sipMessage is what is read of a SIP message.
type sipMessage struct {
	start, contentType string
	call, seq          string
	from, to           string // tags
	body               []byte
}

func isSIP(body []byte) bool {
	line, _, _ := bytes.Cut(body, []byte("\r\n"))
	return bytes.HasPrefix(line, []byte("SIP/2.0 ")) || bytes.HasSuffix(line, []byte(" SIP/2.0"))
}

func parseSIP(data []byte) (m sipMessage) {
	head, body, _ := bytes.Cut(data, []byte("\r\n\r\n"))
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
	return sipMessage{start: lines[0], contentType: field("Content-Type", "c"), call: field("Call-ID", "i"), seq: field("CSeq", ""),
		from: tagOf(field("From", "f")), to: tagOf(field("To", "t")), body: body}
}

// tagOf is the tag of a From or To.
func tagOf(field string) string {
	if end := strings.LastIndexByte(field, '>'); end >= 0 {
		field = field[end+1:] // a URI's own parameters stand before it
	}
	for _, p := range strings.Split(field, ";") {
		if name, value, ok := strings.Cut(p, "="); ok && strings.EqualFold(strings.TrimSpace(name), "tag") {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// sip reads the key of an INFO, and what SDP says of payload types.
func (c *capture) sip(data []byte, from netip.AddrPort, now time.Duration) {
	m := parseSIP(data)
	if strings.HasPrefix(strings.ToLower(m.contentType), "application/sdp") {
		sender := m.from
		if strings.HasPrefix(m.start, "SIP/2.0 ") {
			sender = m.to
		}
		c.sdp(m.body, side{m.call, sender})
	}
	if !strings.HasPrefix(m.start, "INFO ") {
		return
	}
	digit, length, err := dtmf.ParseInfo(m.contentType, m.body)
	id := m.call + " " + m.from + " " + m.seq
	if err != nil || c.infos[id] { // another INFO, or sent again
		return
	}
	c.infos[id] = true
	c.presser(&m, from).accept([]dtmf.Report{{Kind: dtmf.Down, Source: dtmf.FromInfo, Digit: digit, At: now}}, length)
}

// presser is whose key an INFO tells of: who sends the RTP of its side of the call. Without
// the call's SDP, or where NAT alters what it says, that is whose RTP came last from the host.
func (c *capture) presser(m *sipMessage, from netip.AddrPort) *hearing {
	own, other := c.sides[side{m.call, m.from}], c.sides[side{m.call, m.to}]
	if own != nil && c.senders[own.at] != nil {
		return c.senders[own.at]
	}
	if other != nil && c.reached[other.at] != nil {
		return c.reached[other.at]
	}
	if h := c.latest[from.Addr()]; h != nil && (own == nil || own.at.Addr() != from.Addr()) {
		return h
	}
	if own != nil {
		return c.sender(own.at)
	}
	return c.sender(from)
}

// sdp notes which payload types are expected where. A side that says something else than
// before renegotiates, and its keys may come by another way from then on.
func (c *capture) sdp(body []byte, who side) {
	var d sdp.SessionDescription
	if d.Unmarshal(body) != nil {
		return
	}
	var audio *terms
	for _, m := range d.MediaDescriptions {
		t := readTerms(&d, m)
		if t == nil || len(c.ends) >= maxStreams {
			continue
		}
		if before := c.ends[t.at]; before != nil && before == audio {
			t.secret = t.secret && before.secret // the same port twice: one of both is answered
		}
		c.ends[t.at] = t
		if m.MediaName.Media != "audio" || audio != nil && audio.at != t.at {
			continue
		}
		audio = t
		for pt, p := range t.types {
			if !c.agreed[pt].event {
				c.agreed[pt] = p
			}
		}
	}
	if audio == nil || who.tag == "" || len(c.sides) >= 2*maxStreams {
		return
	}
	if before := c.sides[who]; before != nil && !before.same(audio) {
		for _, at := range []netip.AddrPort{before.at, audio.at} {
			if h := c.senders[at]; h != nil {
				h.merge.Unlock()
			}
		}
	}
	c.sides[who] = audio
}

// readTerms reads a part of an SDP, nil if it wants no media.
func readTerms(d *sdp.SessionDescription, m *sdp.MediaDescription) *terms {
	line := m.ConnectionInformation
	if line == nil {
		line = d.ConnectionInformation
	}
	if line == nil || line.Address == nil || m.MediaName.Port.Value == 0 {
		return nil
	}
	host, err := netip.ParseAddr(line.Address.Address)
	if err != nil {
		return nil
	}
	t := &terms{at: netip.AddrPortFrom(host, uint16(m.MediaName.Port.Value)), types: map[uint8]payload{}}
	_, t.secret = m.Attribute("crypto")
	for _, proto := range m.MediaName.Protos {
		t.secret = t.secret || strings.HasPrefix(proto, "SAVP")
	}
	for _, format := range m.MediaName.Formats {
		n, err := strconv.ParseUint(format, 10, 7)
		if err != nil {
			continue
		}
		if found, err := d.GetCodecForPayloadType(uint8(n)); err == nil {
			id, _ := codec.ByName(found.Name, int(found.ClockRate))
			t.types[uint8(n)] = payload{name: found.Name, event: strings.EqualFold(found.Name, "telephone-event"),
				packed: strings.EqualFold(found.Name, "red"), audio: id, rate: int(found.ClockRate)}
		}
	}
	redundant(t.types)
	return t
}

// same tells whether nothing was altered.
func (t *terms) same(u *terms) bool {
	return t.at == u.at && t.secret == u.secret && maps.Equal(t.types, u.types)
}

// redundant gives each payload type of RFC 2198 the events of its clock rate, the lowest
// type of them.
func redundant(known map[uint8]payload) {
	types := slices.Sorted(maps.Keys(known))
	for _, pt := range types {
		p := known[pt]
		inside := slices.IndexFunc(types, func(t uint8) bool { e := known[t]; return e.event && !e.packed && e.rate == p.rate })
		if p.packed && inside >= 0 {
			p.event, p.inside = true, types[inside]
			known[pt] = p
		}
	}
}

// secret tells whether a stream is encrypted: all that is known of its two ends says so.
func (c *capture) secret(id streamID) bool {
	to, from := c.ends[id.to], c.ends[id.from]
	return (to != nil || from != nil) && (to == nil || to.secret) && (from == nil || from.secret)
}

// meaning is what a payload type stands for in a stream: by the SDP of who gets it, or of who
// sends it; else as static types have it; behind NAT, whose addresses no SDP has, as any SDP
// of the capture has it; else as most telephones.
func (c *capture) meaning(id streamID, pt uint8) payload {
	for _, at := range []netip.AddrPort{id.to, id.from} {
		if t := c.ends[at]; t != nil {
			if p, ok := t.types[pt]; ok {
				return p
			}
		}
	}
	if audio, ok := codec.ByPayloadType(pt); ok {
		return payload{audio: audio, rate: 8000}
	}
	p, ok := c.agreed[pt]
	if !ok || c.ends[id.to] != nil {
		p = payload{event: pt == 101, rate: 8000}
	}
	p.guessed = true
	return p
}
