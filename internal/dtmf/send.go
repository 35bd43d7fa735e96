package dtmf

import (
	"encoding/binary"
	"time"
)

// Press is a key to be sent as RFC 4733 events.
type Press struct {
	Digit  Digit
	Length time.Duration // from key-down to key-up
	Volume uint8         // attenuation, 0-63 for 0 to -63 dBm0 (RFC 4733 section 2.3.4)
}

// Piece is one packet of a press, to be sent After key-down with the press's RTP
// timestamp plus Offset. Payload is complete.
type Piece struct {
	After   time.Duration
	Offset  uint32 // not 0 only in the later segments of a very long press
	Marker  bool
	Payload [4]byte
}

// maxSegment is the longest duration under one timestamp (RFC 4733 section
// 2.5.1.3); a longer press goes on in a new segment without marker.
const maxSegment = 0xFFFF

// endCount is how often the last packet is sent (RFC 4733 section 2.5.1.4).
const endCount = 3

// Encode appends the packets of p to dst in sending order: one each interval from
// key-down on, the first with the marker, then the end three times. rate is the
// event's clock rate in Hz, interval the packet time; both must be positive.
func Encode(dst []Piece, p Press, rate int, interval time.Duration) []Piece {
	first := len(dst)
	total := ticks(p.Length, rate)
	step := max(ticks(interval, rate), 1)
	var after time.Duration
	var done, offset uint32
	for more := true; more; more = done < total {
		// Like audio, a packet tells of the interval that its slot begins.
		done = min(done+step, total)
		for done-offset > maxSegment {
			dst = append(dst, p.piece(after, offset, maxSegment, false))
			offset += maxSegment
		}
		dst = append(dst, p.piece(after, offset, done-offset, false))
		after += interval
	}
	for range endCount {
		dst = append(dst, p.piece(after, offset, total-offset, true))
		after += interval
	}
	dst[first].Marker = true
	return dst
}

// piece builds one packet with the RFC 4733 section 2.3 payload.
func (p Press) piece(after time.Duration, offset, duration uint32, end bool) Piece {
	out := Piece{After: after, Offset: offset}
	out.Payload[0] = byte(p.Digit)
	out.Payload[1] = min(p.Volume, volumeMask)
	if end {
		out.Payload[1] |= endBit
	}
	binary.BigEndian.PutUint16(out.Payload[2:], uint16(duration))
	return out
}

// ticks converts to RTP timestamp units.
func ticks(d time.Duration, rate int) uint32 {
	return uint32(int64(d) * int64(rate) / int64(time.Second))
}
