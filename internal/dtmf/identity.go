package dtmf

import (
	"slices"
	"time"
)

// Which press a packet belongs to. RFC 4733 section 2.2.1 names a press by its
// timestamp; this file holds what is done for senders that do not keep to it.

// find returns the latest press with e's key, or nil. Of presses that share a timestamp
// a redundant block tells of the one that has been as long already.
func (d *EventDecoder) find(e *event) (latest *eventKey) {
	for i := range recentKeys {
		k := &d.keys[(d.next+recentKeys-1-i)%recentKeys]
		if !k.used || k.start != e.TS || k.digit != e.digit || k.ssrc != e.SSRC {
			continue
		}
		if !e.Redundant || k.length >= uint32(e.duration) {
			return k
		}
		if latest == nil {
			latest = k
		}
	}
	return latest
}

// reused says whether e begins a new press although its timestamp lies in the
// ended press k: senders whose timestamp does not advance with an event do that. A
// press that was only concluded to have ended may as well go on and wrap.
func reused(k *eventKey, e *event, now time.Duration) bool {
	if e.ahead <= 0 || e.Redundant || e.end || !k.ended || now-k.end < minPause {
		return false
	}
	if k.forced {
		return k.unwrap(e.duration) < k.length
	}
	return uint32(e.duration) < k.length || k.length == 0
}

// stale says whether e is older than the latest press, so that an unknown key in
// it is a press that was overtaken. Where another SSRC begins, redundancy of a key that was
// pressed before the latest may be that press or one of its own.
func (d *EventDecoder) stale(e *event) bool {
	k := &d.keys[d.last]
	switch {
	case !k.used:
		return false
	case e.ahead < 0:
		return true
	case e.Redundant && k.ssrc != e.SSRC:
		return k.digit != e.digit && d.remembers(e.digit)
	}
	return e.Redundant && int32(e.TS-k.start) < 0
}

// remembers says whether one of the latest presses was of this key.
func (d *EventDecoder) remembers(key Digit) bool {
	return slices.ContainsFunc(d.keys[:], func(k eventKey) bool { return k.used && k.digit == key })
}

// partOfKnown says whether e, late or doubled, meets a press that is remembered,
// as a packet with a timestamp of its own does. Of a redundant block, which may be all
// that came of its press, that is sure where the timestamps moved.
func (d *EventDecoder) partOfKnown(e *event) bool {
	for i := range d.keys {
		k := &d.keys[i]
		if k.used && (k.moved > 0 || !e.Redundant) && k.digit == e.digit && k.ssrc == e.SSRC && d.touches(k, e) {
			return true
		}
	}
	return false
}

// overtaken handles a press that comes too late to take its place; it is told once.
func (d *EventDecoder) overtaken(e *event, now time.Duration, out []Report) []Report {
	k := &d.keys[d.store(e, now)]
	k.ended, k.end = true, now
	d.stats.Lost++
	return append(out, Report{Kind: Lost, Source: FromEvent, At: now})
}

// touches says whether e's span meets that of k.
func (d *EventDecoder) touches(k *eventKey, e *event) bool {
	offset := int32(e.TS - k.start)
	return offset+int32(e.duration) >= 0 && (offset <= d.reach(k, e) || offset <= int32(k.moved))
}

// reach is the greatest offset at which e may still belong to k: up to its end,
// and three packets more for an end packet or after timestamps that moved.
func (d *EventDecoder) reach(k *eventKey, e *event) int32 {
	reach := int32(k.length)
	if e.end || k.moving && !k.ended {
		reach += 3 * int32(d.step())
	}
	return reach
}

// goesOn says whether e, of an unknown key, belongs to the latest press.
func (d *EventDecoder) goesOn(e *event, now time.Duration) bool {
	k := &d.keys[d.last]
	switch {
	case !k.used || k.digit != e.digit || e.packed:
		return false
	case k.ssrc != e.SSRC:
		return d.rehomed(k, e, now)
	}
	offset := int32(e.TS - k.start)
	switch {
	case offset < 0:
		return false
	case e.Redundant && k.moved > 0 && offset <= d.retold(k, e):
		return true
	case d.nextSegment(k, e):
		return true
	case offset > d.reach(k, e) && !d.afterZero(k, e):
		return false
	case offset < int32(k.length):
		return !reused(k, e, now)
	case e.Marker:
		return false
	case e.end:
		return d.endAgain(k, e, now)
	case offset == int32(k.length):
		// The same key again without a pause begins with a small duration.
		return !k.ended && uint32(e.duration) >= k.length
	}
	return true
}

// retold is the greatest offset at which a redundant block of k, whose timestamps moved,
// tells of a packet that came, or of one of those that are missing since.
func (d *EventDecoder) retold(k *eventKey, e *event) int32 {
	missing := min(max(e.ahead-1, 0), 3)
	return int32(k.moved) + int32(missing)*int32(d.step())
}

// nextSegment says whether e begins the next segment of k, a press that outlasts
// the duration field (RFC 4733 section 2.5.1.3): where k's latest packet ends, or
// where the field is full if packets were lost in between.
func (d *EventDecoder) nextSegment(k *eventKey, e *event) bool {
	offset := e.TS - k.start
	switch {
	case e.Marker || !d.open && !k.forced || offset < k.length:
		return false
	case offset < segmentFrom || offset > maxSegment+1:
		return false
	case offset == k.length:
		return true
	}
	return offset+d.step() > maxSegment && d.span(offset-k.length) <= segmentGap
}

// rehomed says whether e continues the latest press k under another SSRC, as when
// a border element takes over the stream in the middle of a press.
func (d *EventDecoder) rehomed(k *eventKey, e *event, now time.Duration) bool {
	if d.open {
		return now-d.seen <= rehoming
	}
	return e.end && now-k.end <= rehoming
}

// afterZero says whether e is the first packet of k that has a duration, under a
// timestamp that moved.
func (d *EventDecoder) afterZero(k *eventKey, e *event) bool {
	return k.length == 0 && !k.ended && e.TS-k.start <= d.step()
}

// endAgain says whether the end packet e behind the end of k repeats the end of k
// under a new timestamp, or is all that came of a new press of the same key. A
// repeat follows at once; a new press cannot have ended before the time that it
// says it took has passed.
func (d *EventDecoder) endAgain(k *eventKey, e *event, now time.Duration) bool {
	if e.ahead <= 2 && !e.Redundant || e.duration == 0 {
		return true
	}
	return now-k.origin < d.span(e.TS-k.start+uint32(e.duration)/2)
}

// adopt adds e to the latest press, which goesOn has confirmed. A packet with an
// SSRC or a segment of its own brings a key of its own.
func (d *EventDecoder) adopt(e *event, now time.Duration, out []Report) []Report {
	k := &d.keys[d.last]
	offset := e.TS - k.start
	if k.ssrc == e.SSRC && offset < segmentFrom {
		k.moved = max(k.moved, offset)
		if !k.ended {
			k.moving = true
			k.length = max(k.length, offset)
		}
		return d.update(k, e, now, out)
	}
	was := *k
	k.ended, k.end = true, now
	d.last = d.store(e, now)
	k = &d.keys[d.last]
	k.ended, k.forced, k.end = was.ended, was.forced, was.end
	return d.update(k, e, now, out)
}

// lateness is how much longer e, the first that comes of a press, was on its way than
// the fastest of the presses before: the sender's clock stands in their timestamps. A
// clock that has not moved since, or is further off than Held can say, tells nothing.
func (d *EventDecoder) lateness(e *event, now time.Duration) (late time.Duration) {
	for i := range d.keys {
		k := &d.keys[i]
		if !k.used || k.ssrc != e.SSRC {
			continue
		}
		apart := int32(e.TS - k.start)
		if apart == 0 {
			return 0
		}
		by := time.Duration(int64(apart) * int64(time.Second) / int64(d.clock()))
		late = max(late, now-d.span(uint32(e.duration))-k.origin-by)
	}
	if late > heldMost {
		return 0
	}
	return late
}

// step is the packet time in timestamp units.
func (d *EventDecoder) step() uint32 { return ticks(d.packetTime(), d.clock()) }
