package main

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"star97/internal/codec"
)

// formerCounts is how long types of before a renegotiation count, as in the calls of the
// service: what was sent before the far end knew of it comes after it.
const formerCounts = 2 * time.Second

// pact is what an offer and its answer came to for what one side gets (RFC 3264).
type pact struct {
	call   string
	types  map[uint8]payload
	former map[uint8]payload // of the same call, which count until
	until  time.Duration     // then
	said   string            // the types, in words
}

// breach is a type that what was agreed has not.
type breach struct {
	agreed *pact
	pt     uint8
}

// exchange is an offer in the capture, and its answer.
type exchange struct {
	offer, answer []*terms // by line of the SDP
	offerer       side
	asked         bool // a request brought the offer
	held          bool // the offer is to change what was agreed: not before it is answered
}

// exchangeID names what an offer and its answer have in common. A proxy may put itself into
// the SDP, so each hop has an exchange of its own.
type exchangeID struct {
	call, tag, number string
	hop               [2]netip.Addr
}

func exchangeOf(m *sipMessage, id streamID) exchangeID {
	hop := [2]netip.Addr{id.from.Addr(), id.to.Addr()}
	if hop[1].Less(hop[0]) {
		hop[0], hop[1] = hop[1], hop[0]
	}
	number, _, _ := strings.Cut(m.seq, " ")
	return exchangeID{m.call, m.from, number, hop}
}

// negotiate takes the SDP of a message: an offer, or the answer to one. In a response that
// was refused it is neither, but what the side could do (RFC 3261 section 21.4.26).
func (c *capture) negotiate(m *sipMessage, id streamID, now time.Duration) {
	key, status := exchangeOf(m, id), m.status()
	e := c.exchanges[key]
	lines := readLines(m.body)
	switch {
	case len(lines) == 0 || status >= 300:
	case e != nil && e.asked == (status > 0):
		c.answered(e, lines, m.sender(), now)
	case e != nil && sameLines(e.offer, lines): // sent again
	default:
		c.offered(m, key, lines)
	}
}

// offered takes an offer. One that was refused changes nothing (RFC 3264 section 4); one
// whose answer the capture has not may have changed what was agreed.
func (c *capture) offered(m *sipMessage, key exchangeID, lines []*terms) {
	e := &exchange{offer: lines, offerer: m.sender(), asked: m.status() == 0}
	final := c.finals[m.transaction()]
	if e.asked && final >= 300 {
		return
	}
	before := c.sides[e.offerer]
	e.held = e.asked && final > 0 && before != nil && before.gets != nil
	if !e.held {
		c.apply(lines, e.offerer)
		if other := c.sides[side{m.call, m.receiver()}]; other != nil {
			other.doubt()
		}
	}
	if len(c.exchanges) < 2*maxStreams {
		c.exchanges[key] = e
	}
}

// answered settles what both sides get from now on.
func (c *capture) answered(e *exchange, lines []*terms, answerer side, now time.Duration) {
	if sameLines(e.answer, lines) {
		return
	}
	e.answer = lines
	if e.held {
		e.held = false
		c.apply(e.offer, e.offerer)
	}
	c.apply(lines, answerer)
	for i, answer := range lines {
		var offer *terms
		if i < len(e.offer) {
			offer = e.offer[i]
		}
		if answer == nil || !c.stands(answer, lines) {
			continue
		}
		gets := answer.settle(answer.types, answerer.call, now)
		if offer != nil && c.stands(offer, e.offer) {
			answer.sends = offer.settle(common(offer.types, answer.types), answerer.call, now)
			offer.sends = gets
		}
	}
}

// stands tells whether a line of an SDP alone says what its port gets: several may share one.
func (c *capture) stands(t *terms, lines []*terms) bool {
	for _, other := range lines {
		if other != nil && other != t && other.at == t.at {
			return false
		}
	}
	return c.ends[t.at] == t
}

// settle makes what a side gets by an answer.
func (t *terms) settle(types map[uint8]payload, call string, now time.Duration) *pact {
	p := &pact{call: call, types: types, said: all(types)}
	if last := t.last; last != nil && last.call == call && !maps.Equal(last.types, types) {
		p.former, p.until = last.types, now+formerCounts
	}
	t.gets, t.last = p, p
	return p
}

// doubt takes back what was agreed, of which another offer is not known to be answered.
func (t *terms) doubt() { t.gets, t.sends = nil, nil }

// common is what of an offer its answer took, which is told by name and rate: the answerer
// may have other numbers for what it gets itself (RFC 3264 section 6.1).
func common(offer, answer map[uint8]payload) map[uint8]payload {
	taken := map[uint8]payload{}
	for pt, o := range offer {
		for _, a := range answer {
			if strings.EqualFold(o.name, a.name) && o.rate == a.rate {
				o.event, o.inside = o.event && !o.packed, 0
				taken[pt] = o
			}
		}
	}
	redundant(taken)
	return taken
}

func sameLines(a, b []*terms) bool {
	return slices.EqualFunc(a, b, func(t, u *terms) bool { return t == u || t != nil && u != nil && t.same(u) })
}

// pactOf is what was agreed for a stream: by who gets it, or where NAT hides that by who
// sends it; nil if the capture does not have it.
func (c *capture) pactOf(id streamID) *pact {
	if t := c.ends[id.to]; t != nil {
		return t.gets
	}
	if t := c.ends[id.from]; t != nil {
		return t.sends
	}
	return nil
}

// said names the types of an SDP that should have a type and has not, "" if there is none.
func (c *capture) said(id streamID, pt uint8) string {
	for _, at := range []netip.AddrPort{id.to, id.from} {
		if t := c.ends[at]; t != nil {
			if _, ok := t.types[pt]; ok {
				return ""
			}
			return t.said
		}
	}
	return ""
}

// meaning is what a payload type was agreed to stand for. Comfort noise is heard as a pause
// whether it was or not.
func (p *pact) meaning(pt uint8, now time.Duration) (payload, bool) {
	kind, ok := p.types[pt]
	if !ok && now < p.until {
		kind, ok = p.former[pt]
	}
	return kind, ok || pt == comfortNoise
}

// mostNamed bounds the types of an SDP that a sentence names.
const mostNamed = 6

// listed names some of the types in a sentence.
func listed(types map[uint8]payload, name func(pt uint8, p payload) string) string {
	var names []string
	for _, pt := range slices.Sorted(maps.Keys(types)) {
		if n := name(pt, types[pt]); n != "" {
			names = append(names, n)
		}
	}
	if len(names) > mostNamed {
		names = append(names[:mostNamed], "more")
	}
	return strings.Join(names, ", ")
}

// all names the types with their numbers.
func all(types map[uint8]payload) string {
	return listed(types, func(pt uint8, p payload) string { return fmt.Sprintf("%d (%s)", pt, p.name) })
}

// refusal is why a key of a type that was not agreed does not count.
func (p *pact) refusal(pt uint8, kind payload) string {
	if kind.event {
		numbers := listed(p.types, func(pt uint8, p payload) string {
			if !p.event {
				return ""
			}
			return fmt.Sprint(pt)
		})
		if numbers == "" {
			return fmt.Sprintf("type %d was not agreed (the SDP agreed no telephone-event)", pt)
		}
		return fmt.Sprintf("type %d was not agreed (the SDP says %s)", pt, numbers)
	}
	names := listed(p.types, func(pt uint8, p payload) string {
		if strings.EqualFold(p.name, eventName) || p.packed || pt == comfortNoise {
			return ""
		}
		return p.name
	})
	return fmt.Sprintf("%s was not agreed (the SDP says %s)", kind.audio, cmp.Or(names, "no codec"))
}

// stray takes a packet of a type that was not agreed, which the service does not hear: a
// key of it is told as not counted.
func (c *capture) stray(s *stream, packet heardPacket, agreed *pact) {
	kind := c.guess(packet.id, packet.pt)
	if !kind.event && kind.audio == codec.None && packet.pt >= firstDynamic && len(packet.Payload) == 4 && isEvents(packet.Payload) {
		kind = payload{event: true, rate: 8000}
	}
	c.passOver(unheard{packet.pt, kind.name, agreed.said})
	if s.aside == nil {
		s.aside = &stream{hearing: &hearing{to: c.to, from: s.hearing.from}}
	}
	if is := (breach{agreed, packet.pt}); s.aside.breach != is {
		s.aside.breach, s.aside.hearing.refusal = is, agreed.refusal(packet.pt, kind)
	}
	s.aside.take(packet, kind)
}
