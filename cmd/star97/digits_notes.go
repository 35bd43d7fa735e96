package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"star97/internal/dtmf"
)

// finish ends the keys that are still down, and tells what was found.
func (c *capture) finish(parts *unpacker) {
	const later = time.Minute
	found, secret, doubted := 0, 0, 0
	var events dtmf.Stats
	for _, s := range c.order {
		if s.hearing == nil && c.named(s.id) { // its SDP came behind it
			c.begin(s)
		}
		if s.hearing == nil {
			continue
		}
		found++
		s.expire(c.now + later)
		if s.secret {
			secret++
		}
		if s.doubted {
			doubted++
		}
		stats := s.events.Stats()
		events.Bad, events.Flash, events.Other = events.Bad+stats.Bad, events.Flash+stats.Flash, events.Other+stats.Other
	}
	c.to.remark("%d RTP streams, %d keys by SIP INFO", found, len(c.infos))
	if secret > 0 {
		c.to.remark("%d of the streams are encrypted (SRTP, says their SDP): no key of them can be read", secret)
	}
	if doubted > 0 {
		c.to.remark("%d of the streams have packets of the type of telephone events that are none: encrypted (SRTP), or another type; capture the call's SIP too", doubted)
	}
	c.tellEvents(events)
	c.tellInfos()
	c.tellLost()
	c.tellUnheard()
	c.tellFrames()
	c.tellParts(parts)
}

// tellEvents tells of telephone events in which there is no key.
func (c *capture) tellEvents(stats dtmf.Stats) {
	if stats.Bad > 0 {
		c.to.remark("%d packets of telephone events were damaged (RFC 4733 has 4 bytes for each event): a key may have been in them", stats.Bad)
	}
	if stats.Flash > 0 {
		c.to.remark("%d reports of a hook flash (event 16), which is no key", stats.Flash)
	}
	if stats.Other > 0 {
		c.to.remark("%d reports of events that are no keys (beyond 16)", stats.Other)
	}
}

// tellInfos tells of INFO that should have had a key.
func (c *capture) tellInfos() {
	kinds := map[string]int{}
	for _, err := range c.keyless {
		kinds[err.Error()]++
	}
	for _, why := range slices.Sorted(maps.Keys(kinds)) {
		c.to.remark("%d SIP INFO without a key: %s", kinds[why], why)
	}
}

// tellLost tells what the sequence numbers of a stream lack.
func (c *capture) tellLost() {
	for _, s := range c.order {
		if s.gaps.missing > 0 && !s.secret {
			c.to.remark("%d packets from %s to %s were lost: a key may have been in them", s.gaps.missing, s.id.from, s.id.to)
		}
	}
}

// tellUnheard tells of payload types that were not heard.
func (c *capture) tellUnheard() {
	for _, u := range slices.SortedFunc(maps.Keys(c.unheard), unheard.compare) {
		switch {
		case u.said != "":
			c.to.remark("%d packets of payload type %d not heard: the SDP says %s; %s is not in it", c.unheard[u], u.pt, u.said, u)
		case u.name == "":
			c.to.remark("%d packets of payload type %d not understood: no SDP in the capture says what it is", c.unheard[u], u.pt)
		default:
			c.to.remark("%d packets of payload type %d not heard: %s is neither telephone-event nor PCMU, PCMA or G722", c.unheard[u], u.pt, u.name)
		}
	}
}

// tellFrames tells of what the capture has not, or not in a form that is understood.
func (c *capture) tellFrames() {
	for _, link := range slices.Sorted(maps.Keys(c.strange)) {
		c.to.remark("%d frames not understood, of link type %d (%s): capture with tcpdump -i any, or on Ethernet", c.strange[link], int(link), link)
	}
	if c.cut > 0 {
		c.to.remark("%d packets were cut short when they were captured: capture whole ones (tcpdump -s 0)", c.cut)
	}
}

// tellParts tells of what could not be put together.
func (c *capture) tellParts(parts *unpacker) {
	if n := len(parts.open); n > 0 {
		c.to.remark("%d datagrams came in fragments of which some are missing: the SIP of a call or a key may have been in them", n)
	}
	if n := parts.segments.missing; n > 0 {
		c.to.remark("%d gaps in TCP connections that carry SIP: the SDP of a call or a key may have been in them", n)
	}
}

// String is the number of a type, and its name if there is one.
func (u unheard) String() string {
	if u.name == "" {
		return strconv.Itoa(int(u.pt))
	}
	return fmt.Sprintf("%d (%s)", u.pt, u.name)
}

func (u unheard) compare(v unheard) int {
	return cmp.Or(cmp.Compare(u.pt, v.pt), cmp.Compare(u.name, v.name), cmp.Compare(u.said, v.said))
}
