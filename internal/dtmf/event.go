package dtmf

import (
	"encoding/binary"
	"time"
)

// The second octet of an event (RFC 4733 section 2.3).
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|     event     |E|R| volume    |          duration             |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
const (
	endBit     = 0x80
	volumeMask = 0x3F
)

// flash is the event code of a hook flash (RFC 2833 section 3.10); RFC 4733 section 3.2 has
// it no more, telephones still send it.
const flash = 16

const (
	defaultRate     = 8000
	defaultInterval = 20 * time.Millisecond
	// minHold is the least silence that is taken as key-up when no end came.
	minHold = 150 * time.Millisecond
	// minPause is the least time between two presses that share a timestamp; it
	// is the shortest pause between keys that a receiver must know (Q.24).
	minPause = 40 * time.Millisecond
	// rehoming is how soon an open press may go on under another SSRC.
	rehoming = 100 * time.Millisecond
	// maxMisorder is how far back a packet may be late; further back the sender
	// has started a new sequence (RFC 3550 appendix A.1).
	maxMisorder = 100
	// forgetting is how long a sequence number of an event says what is late.
	// Audio is numbered in between, unseen here: after 21.8 minutes of it, in
	// packets of 20 ms, the next event would seem to come just before the last one.
	// A packet that is late by more than this is past maxMisorder too.
	forgetting = 2 * time.Second
	// wrapFrom is the duration from which a fall means a 16-bit wrap.
	wrapFrom = 60000
	// segmentFrom is the least duration after which a new segment may begin.
	segmentFrom = 0xF000
	// segmentGap is the longest loss across which a segment is still recognised.
	segmentGap = time.Second
	// maxPacked bounds the events read from one packet (RFC 4733 section 2.5.1.5).
	maxPacked = 8
	// recentKeys is the number of keys (SSRC, timestamp, code) remembered; more
	// than a person presses in maxMisorder packets.
	recentKeys = 16
)

// MaxReports bounds what one Decode, or one Expire, appends.
const MaxReports = 3*maxPacked + 1

// Packet is one RTP packet of a telephone-event payload type. Payload is only read
// during the call. Redundant marks an older block of an RFC 2198 packet.
type Packet struct {
	SSRC      uint32
	Seq       uint16
	TS        uint32
	Marker    bool
	Redundant bool
	Payload   []byte
}

// EventDecoder is the receiver of RFC 4733 telephone events for one RTP stream. A
// digit counts with the first packet that tells of its press, whichever packet
// that is. Volume is not judged: a key of a phone that sends a wrong volume was
// pressed all the same. The zero value is ready for an 8000 Hz clock and 20 ms
// packets; a decoder belongs to one goroutine and allocates nothing.
type EventDecoder struct {
	rate     int
	interval time.Duration

	started bool          // ssrc and high are valid
	ssrc    uint32        // of the latest packet
	high    uint16        // highest sequence number of ssrc
	heard   time.Duration // when the latest packet came

	keys [recentKeys]eventKey
	next int // where the next key is stored
	last int // the key of the latest press
	open bool
	seen time.Duration // latest packet of the open press

	stats Stats
}

// eventKey is one press, or one part of a press, as the sender names it: SSRC,
// timestamp and code.
type eventKey struct {
	used   bool
	ended  bool // an end packet came, or the key-up was concluded
	forced bool // the key-up was concluded from silence
	moving bool // its updates came with growing timestamps
	digit  Digit
	ssrc   uint32
	start  uint32        // timestamp
	length uint32        // duration so far in timestamp units, wraps undone
	moved  uint32        // the furthest that a packet's own timestamp was behind start
	origin time.Duration // key-down by the sender's duration
	end    time.Duration // when it ended
}

// event is one report of a payload.
type event struct {
	Packet
	digit    Digit
	end      bool
	packed   bool // it follows another one in its packet
	again    bool // one of its key and timestamp came before it in its packet
	duration uint16
	ahead    int // of the highest sequence number before; below 0 if overtaken
}

// Set gives the negotiated clock rate in Hz and packet time of the stream. What is
// known of earlier presses stays.
func (d *EventDecoder) Set(rate int, interval time.Duration) { d.rate, d.interval = rate, interval }

// Stats returns the counters.
func (d *EventDecoder) Stats() Stats { return d.stats }

// Deadline is when Expire has to be called if no packet comes before; false while
// no key is down.
func (d *EventDecoder) Deadline() (time.Duration, bool) {
	return d.seen + max(3*d.packetTime(), minHold), d.open
}

// Expire appends the key-up of a press whose end packets were lost. The key-up is
// told at the deadline, however late the call is.
func (d *EventDecoder) Expire(now time.Duration, out []Report) []Report {
	if at, open := d.Deadline(); open && now >= at {
		d.stats.ForcedEnd++
		d.keys[d.last].forced = true
		out = d.release(at, out)
	}
	return out
}

// Decode appends what p tells at time now: up to MaxReports. Times must not fall.
func (d *EventDecoder) Decode(p Packet, now time.Duration, out []Report) []Report {
	return d.decode(p, d.advance(p, now), now, d.Expire(now, out))
}

// decode reads the events of one payload.
func (d *EventDecoder) decode(p Packet, ahead int, now time.Duration, out []Report) []Report {
	if len(p.Payload) < 4 {
		d.stats.Bad++
		return out
	}
	e := event{Packet: p, ahead: ahead}
	var told uint16 // a bit for each key under this timestamp
	for n := 0; len(e.Payload) >= 4; n++ {
		word := binary.BigEndian.Uint32(e.Payload)
		if n == maxPacked || n > 0 && word == 0 { // more than allowed, or padding
			d.stats.Bad++
			break
		}
		e.digit, e.end, e.duration = Digit(word>>24), word>>16&endBit != 0, uint16(word)
		d.stats.Events++
		switch {
		case e.digit.Valid():
			e.again = told>>e.digit&1 != 0
			told |= 1 << e.digit
			out = d.take(&e, now, out)
		case e.digit == flash:
			d.stats.Flash++
		default:
			d.stats.Other++
		}
		// Packed events follow one another without a gap (RFC 4733 section 2.5.1.5).
		if e.duration > 0 {
			told = 0
		}
		e.TS += uint32(e.duration)
		e.packed, e.Marker, e.Payload = true, false, e.Payload[4:]
	}
	return out
}

// advance notes p's SSRC and sequence number and returns how far p is ahead of
// all packets before.
func (d *EventDecoder) advance(p Packet, now time.Duration) int {
	ahead := int(int16(p.Seq - d.high))
	if !d.started || p.SSRC != d.ssrc || ahead <= -maxMisorder || now-d.heard > forgetting {
		ahead = maxMisorder
	}
	d.heard = now
	if ahead > 0 {
		d.started, d.ssrc, d.high = true, p.SSRC, p.Seq
	}
	return ahead
}

// take handles one event that is a key. Twice the same timestamp in a packet, which takes
// an event without duration, are no two presses (RFC 4733 section 2.2.1).
func (d *EventDecoder) take(e *event, now time.Duration, out []Report) []Report {
	if e.duration == 0 {
		d.stats.ZeroDur++
	}
	if e.ahead < 0 {
		d.stats.Late++
	}
	k := d.find(e)
	switch {
	case k != nil && !e.again && reused(k, e, now):
		d.stats.ReusedTS++
		return d.press(e, now, out)
	case k != nil:
		return d.update(k, e, now, out)
	case e.again:
		return out
	case e.ahead <= 0 && !e.Redundant && d.partOfKnown(e):
		return out
	case e.Redundant && d.stale(e) && d.partOfKnown(e):
		return out
	case d.stale(e):
		return d.overtaken(e, now, out)
	case d.goesOn(e, now):
		d.stats.Moved++
		return d.adopt(e, now, out)
	}
	return d.press(e, now, out)
}

// press begins a new press: the key-up of the one before, the key-down of this
// one, and its key-up if its end is all that came.
func (d *EventDecoder) press(e *event, now time.Duration, out []Report) []Report {
	out = d.release(now, out)
	held := d.span(uint32(e.duration)) + d.lateness(e, now)
	d.last = d.store(e, now)
	d.open, d.seen = true, now
	out = append(out, Report{Kind: Down, Source: FromEvent, Digit: e.digit, At: now, Held: min(held, heldMost)})
	if e.end {
		out = d.release(now, out)
	}
	return out
}

// update handles a further packet of a known key; it never makes a digit, whatever
// its marker says.
func (d *EventDecoder) update(k *eventKey, e *event, now time.Duration, out []Report) []Report {
	if !k.ended || k.forced {
		k.grow(e) // also after a long loss: the next segment is known by it
	}
	if k.ended {
		if e.end {
			d.stats.DupEnd++
			k.forced = false
		}
		return out
	}
	d.seen = now
	if e.end {
		out = d.release(now, out)
	}
	return out
}

// release ends the open press, if there is one.
func (d *EventDecoder) release(at time.Duration, out []Report) []Report {
	if !d.open {
		return out
	}
	k := &d.keys[d.last]
	k.ended, k.end = true, at
	d.open = false
	return append(out, Report{Kind: Up, Source: FromEvent, Digit: k.digit, At: at})
}

// store remembers e's key in place of the oldest, but never of the latest press.
func (d *EventDecoder) store(e *event, now time.Duration) int {
	if d.next == d.last && d.keys[d.last].used {
		d.next = (d.next + 1) % recentKeys
	}
	i := d.next
	d.next = (i + 1) % recentKeys
	d.keys[i] = eventKey{
		used:   true,
		digit:  e.digit,
		ssrc:   e.SSRC,
		start:  e.TS,
		length: uint32(e.duration),
		origin: now - d.span(uint32(e.duration)),
	}
	return i
}

// grow notes the duration of a further packet.
func (k *eventKey) grow(e *event) {
	if e.ahead >= 0 {
		k.length = max(k.length, k.unwrap(e.duration))
	}
}

// unwrap reads a duration field as the continuation of k: a great fall near the
// field's end is its 16-bit wrap.
func (k *eventKey) unwrap(duration uint16) uint32 {
	length := k.length&^0xFFFF | uint32(duration)
	if k.length&0xFFFF > wrapFrom && length+0x8000 < k.length {
		length += 0x10000
	}
	return length
}

func (d *EventDecoder) clock() int {
	if d.rate <= 0 {
		return defaultRate
	}
	return d.rate
}

func (d *EventDecoder) packetTime() time.Duration {
	if d.interval <= 0 {
		return defaultInterval
	}
	return d.interval
}

// span converts timestamp units to time.
func (d *EventDecoder) span(units uint32) time.Duration {
	return time.Duration(int64(units) * int64(time.Second) / int64(d.clock()))
}
