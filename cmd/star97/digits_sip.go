package main

import (
	"bytes"
	"errors"
	"fmt"
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

const (
	responseStart = "SIP/2.0 "
	eventName     = "telephone-event" // RFC 4733 section 7.1.1
	maxLines      = 8                 // of media in an SDP
	maxFormats    = 64                // of such a line
	longestName   = 32                // of a codec that is shown
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
	audio  bool
	types  map[uint8]payload
	said   string // the types, in words
	secret bool   // SRTP (RFC 3711)

	gets, sends *pact // nil until an answer agrees to it
	last        *pact // what was agreed last for the address
}

// side is one of the two that a call is between. A proxy keeps both names.
type side struct{ call, tag string }

// sipMessage is what is read of a SIP message.
type sipMessage struct {
	start, contentType string
	call, seq          string
	from, to           string // tags
	length             string // of the body, as it is said
	body               []byte
}

func isSIP(body []byte) bool {
	line, _, _ := bytes.Cut(body, []byte("\r\n"))
	return bytes.HasPrefix(line, []byte(responseStart)) || bytes.HasSuffix(line, []byte(" SIP/2.0"))
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
		from: tagOf(field("From", "f")), to: tagOf(field("To", "t")), length: field("Content-Length", "l"), body: body}
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

// status is the code of a response, 0 of a request.
func (m *sipMessage) status() int {
	code, _, _ := strings.Cut(strings.TrimPrefix(m.start, responseStart), " ")
	if n, err := strconv.ParseUint(code, 10, 10); err == nil && strings.HasPrefix(m.start, responseStart) {
		return int(n)
	}
	return 0
}

// sender is the side that a message comes from.
func (m *sipMessage) sender() side {
	if m.status() > 0 {
		return side{m.call, m.to}
	}
	return side{m.call, m.from}
}

// receiver is the tag of who gets a message.
func (m *sipMessage) receiver() string {
	if m.status() > 0 {
		return m.from
	}
	return m.to
}

// transaction is what a request and its responses have in common on each hop.
func (m *sipMessage) transaction() string {
	return m.call + " " + m.from + " " + strings.Join(strings.Fields(m.seq), " ")
}

// sip reads the key of an INFO, and what SDP says of payload types.
func (c *capture) sip(data []byte, id streamID, now time.Duration) {
	m := parseSIP(data)
	if strings.HasPrefix(strings.ToLower(m.contentType), "application/sdp") {
		c.negotiate(&m, id, now)
	}
	if !strings.HasPrefix(m.start, "INFO ") {
		return
	}
	digit, length, err := dtmf.ParseInfo(m.contentType, m.body)
	request := m.transaction()
	if err != nil && !errors.Is(err, dtmf.ErrInfoType) && len(c.keyless) < maxTransactions {
		c.keyless[request] = err
	}
	if err != nil || c.infos[request] { // another INFO, or sent again
		return
	}
	c.infos[request] = true
	h, report := c.presser(&m, id.from), dtmf.Report{Kind: dtmf.Down, Source: dtmf.FromInfo, Digit: digit, At: now}
	if final := c.finals[request]; final >= 300 {
		h.tell(report, length, fmt.Sprintf("answered %d", final))
		return
	}
	h.accept([]dtmf.Report{report}, length)
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

// apply notes which payload types are expected where. A side that says something else than
// before renegotiates, and its keys may come by another way from then on.
func (c *capture) apply(lines []*terms, who side) {
	var audio *terms
	for _, t := range lines {
		if t == nil || len(c.ends) >= maxStreams {
			continue
		}
		if before := c.ends[t.at]; before != nil {
			if before == audio {
				t.secret = t.secret && before.secret // the same port twice: one of both is answered
			}
			t.last = before.last
		}
		c.ends[t.at] = t
		if !t.audio || audio != nil && audio.at != t.at {
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

// readLines reads the lines of an SDP; nil stands for one that wants no media.
func readLines(body []byte) []*terms {
	var d sdp.SessionDescription
	if d.Unmarshal(body) != nil {
		return nil
	}
	codecs := d.GetCodecMap()
	lines := make([]*terms, 0, min(len(d.MediaDescriptions), maxLines))
	for _, m := range d.MediaDescriptions[:cap(lines)] {
		lines = append(lines, readTerms(&d, m, codecs))
	}
	return lines
}

// readTerms reads a part of an SDP, nil if it wants no media.
func readTerms(d *sdp.SessionDescription, m *sdp.MediaDescription, codecs map[uint8]sdp.Codec) *terms {
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
	t := &terms{at: netip.AddrPortFrom(host, uint16(m.MediaName.Port.Value)), audio: m.MediaName.Media == "audio", types: map[uint8]payload{}}
	_, t.secret = m.Attribute("crypto")
	for _, proto := range m.MediaName.Protos {
		t.secret = t.secret || strings.HasPrefix(proto, "SAVP")
	}
	for _, format := range m.MediaName.Formats[:min(len(m.MediaName.Formats), maxFormats)] {
		n, err := strconv.ParseUint(format, 10, 7)
		if err != nil {
			continue
		}
		name, rate := staticType(uint8(n))
		if found, ok := codecs[uint8(n)]; ok {
			name, rate = found.Name, int(found.ClockRate)
		}
		if name == "" {
			continue
		}
		id, _ := codec.ByName(name, rate)
		t.types[uint8(n)] = payload{name: encodingName(name), event: strings.EqualFold(name, eventName),
			packed: strings.EqualFold(name, "red"), audio: id, rate: rate}
	}
	redundant(t.types)
	t.said = all(t.types)
	return t
}

// encodingName is a name of an SDP as it can be shown: what is no token of RFC 4566
// section 9 is left out of it.
func encodingName(name string) string {
	shown := strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return -1
		}
		return r
	}, name)
	return shown[:min(len(shown), longestName)]
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

// guess is what a payload type stands for in a stream of which nothing is agreed: by the
// SDP of who gets it, or of who sends it; else as static types have it; behind NAT, whose
// addresses no SDP has, as any SDP of the capture has it; else as most telephones.
func (c *capture) guess(id streamID, pt uint8) payload {
	for _, at := range []netip.AddrPort{id.to, id.from} {
		if t := c.ends[at]; t != nil {
			if p, ok := t.types[pt]; ok {
				return p
			}
		}
	}
	if audio, ok := codec.ByPayloadType(pt); ok {
		return payload{name: audio.String(), audio: audio, rate: 8000}
	}
	p, ok := c.agreed[pt]
	if !ok || c.ends[id.to] != nil {
		p = payload{event: pt == 101, rate: 8000}
		p.name, _ = staticType(pt)
	}
	p.guessed = true
	return p
}
