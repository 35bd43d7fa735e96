package sim

import (
	"encoding/binary"
	"fmt"
	"time"
)

// eventPT is the telephones' payload type of telephone-event.
const eventPT = 101

// rtpOut numbers the telephone's RTP packets (RFC 3550 section 5.1).
type rtpOut struct {
	phone *phone
	seq   uint16
	ssrc  uint32
	base  uint32
	on    bool
	quiet time.Time // no silence frames before
}

func (o *rtpOut) begin() {
	o.seq, o.ssrc, o.base = uint16(o.phone.dice.Uint32()), o.phone.dice.Uint32(), o.phone.dice.Uint32()
}

// clock is the media clock.
func (o *rtpOut) clock(at time.Time) uint32 {
	return o.base + uint32(at.Sub(o.phone.epoch).Milliseconds()*8)
}

// packet sends one RTP packet; reached is told when each copy arrives.
func (o *rtpOut) packet(pt byte, marker bool, ts uint32, payload []byte, reached func(time.Time)) {
	p := o.phone
	o.seq++
	b := make([]byte, 12, 12+len(payload))
	b[0], b[1] = 0x80, pt
	if marker {
		b[1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[2:], o.seq)
	binary.BigEndian.PutUint32(b[4:], ts)
	binary.BigEndian.PutUint32(b[8:], o.ssrc)
	b = append(b, payload...)
	at, copies := p.round.wires[p.n].rtpUp.fate(b, time.Now())
	for i := range copies {
		if p.round.net.deliver(p.rtp, p.remote, b, at[i]) && reached != nil {
			reached(at[i])
		}
	}
}

// start begins to send silence, if this telephone does.
func (o *rtpOut) start() {
	o.on = true
	if o.phone.plan.talks {
		o.frame()
	}
}

func (o *rtpOut) stop() { o.on = false }

func (o *rtpOut) frame() {
	p := o.phone
	if !o.on {
		return
	}
	now := time.Now()
	if !p.held && !now.Before(o.quiet) {
		pt, fill := byte(0), byte(0xFF)
		if p.plan.alaw {
			pt, fill = 8, 0xD5
		}
		payload := make([]byte, p.plan.ptime.Milliseconds()*8)
		for i := range payload {
			payload[i] = fill
		}
		o.packet(pt, false, o.clock(now), payload, nil)
	}
	p.after(p.plan.ptime, o.frame)
}

// road is how a telephone sends its keys.
type road uint8

const (
	byEvents road = iota
	byInfo
	byBoth
)

// style is the habit of a telephone in sending events (RFC 4733 section 2.5).
type style uint8

const (
	plain     style = iota
	noMarker        // never a marker bit
	allMarked       // on every packet
	noEnds          // the end packets are lost
	endsOnly        // all others are
	oneEnd          // the end is sent once
	zeroFirst       // the first packet has duration 0
	newEndTS        // each end packet has a later timestamp
	growingTS       // each packet has the timestamp of its own moment
	styles
)

// frail styles need a network that neither loses packets nor holds them up: they name a
// press by more than one timestamp, or only its end is ever sent. Where that is lost or
// late besides, nobody can tell one press from two, nor from its INFO.
func (s style) frail() bool { return s == newEndTS || s == growingTS || s == endsOnly }

// keyboard presses keys one after the other.
type keyboard struct {
	phone   *phone
	free    time.Time // when the next key may go down
	pressed []*press
}

// press is one key press and what became of it.
type press struct {
	key byte
	at  time.Time
	// When the first packet of it arrives by each road; zero: none does.
	events, info time.Time
}

// earliest keeps the first of several arrivals.
func earliest(t *time.Time) func(time.Time) {
	return func(at time.Time) {
		if t.IsZero() || at.Before(*t) {
			*t = at
		}
	}
}

// before tells whether both moments came and a was first.
func before(a, b time.Time) bool { return !a.IsZero() && !b.IsZero() && a.Before(b) }

func (k *keyboard) busy() bool { return time.Now().Before(k.free) }

// press has keys pressed in a row.
func (k *keyboard) press(keys string) {
	p := k.phone
	k.free = later(k.free, time.Now())
	for i := range len(keys) {
		length := between(p.dice, p.plan.shortest, p.plan.longest)
		key := keys[i]
		p.at(k.free, func() { k.down(key, length) })
		k.free = k.free.Add(length + between(p.dice, p.plan.gap, 2*p.plan.gap))
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// down is a key going down now.
func (k *keyboard) down(key byte, length time.Duration) {
	p := k.phone
	if p.state != talking {
		return
	}
	one := &press{key: key, at: time.Now()}
	k.pressed = append(k.pressed, one)
	p.note("presses", string(key))
	if p.round.plant.key != nil {
		p.round.plant.key(k, key)
	}
	if p.plan.road != byInfo {
		k.events(key, length, earliest(&one.events))
	}
	if p.plan.road != byEvents {
		x := p.request("INFO", "application/dtmf-relay", fmt.Sprintf("Signal=%c\r\nDuration=%d\r\n", key, length.Milliseconds()), func(int, string) {})
		x.reached = earliest(&one.info)
		p.send(x)
	}
	if n := p.plan.keysToHangup; n > 0 && len(k.pressed) >= n {
		p.after(between(p.dice, 0, length+time.Second), p.bye)
	}
}

// events sends one press as RFC 4733 packets, one every 20 ms, the last three times.
func (k *keyboard) events(key byte, length time.Duration, reached func(time.Time)) {
	const step = 20 * time.Millisecond
	p, began := k.phone, time.Now()
	p.out.quiet = began.Add(length + 3*step)
	ts := p.out.clock(began)
	n := int(length / step)
	ends := 3
	if p.plan.style == oneEnd {
		ends = 1
	}
	for i := range n + ends {
		end := i >= n
		lost := end && p.plan.style == noEnds || !end && p.plan.style == endsOnly
		at, lasted, stamp := began.Add(time.Duration(i)*step), min(i+1, n), ts
		switch {
		case p.plan.style == zeroFirst && i == 0:
			lasted = 0
		case p.plan.style == newEndTS && end, p.plan.style == growingTS:
			stamp += uint32(i) * 160
		}
		marker := p.plan.style == allMarked || i == 0 && p.plan.style != noMarker
		payload := eventPayload(key, end, lasted*160)
		p.at(at, func() {
			if lost {
				p.out.seq++
				return
			}
			p.out.packet(eventPT, marker, stamp, payload, reached)
		})
	}
}

// eventPayload is section 2.3's: event, E and volume, duration.
func eventPayload(key byte, end bool, duration int) []byte {
	b := []byte{key - '0', 10, byte(duration >> 8), byte(duration)}
	switch key {
	case '*':
		b[0] = 10
	case '#':
		b[0] = 11
	}
	if end {
		b[1] |= 0x80
	}
	return b
}
