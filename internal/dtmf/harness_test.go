package dtmf

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// tx is a packet on its way: sent and received at a time.
type tx struct {
	at time.Duration
	Packet
}

// starts are sequence numbers and timestamps around every wrap; each row runs from
// every pair.
var starts = struct {
	seq [16]uint16
	ts  [16]uint32
}{
	seq: [16]uint16{0, 1, 2, 9, 1<<15 - 9, 1<<15 - 3, 1<<15 - 2, 1<<15 - 1, 1 << 15, 1<<15 + 1, 65520, 65529, 65532, 65533, 65534, 65535},
	ts: [16]uint32{
		0, 1, 160, 1<<15 - 480, 1 << 15, 1<<16 - 800, 1<<16 - 160, 1<<16 - 1, 1 << 16,
		1<<31 - 800, 1<<31 - 160, 1<<31 - 1, 1 << 31, 1<<32 - 800, 1<<32 - 160, 1<<32 - 1,
	},
}

// phone is a sender that keeps to RFC 4733, one packet each 20 ms of which each is
// either audio or an event.
type phone struct {
	rate int
	now  time.Duration // sending time of the next press
	gap  time.Duration // from the last end packet of a press to the next press
	more int           // packets sent beyond one each 20 ms
}

// slot is the number of 20 ms packets before t.
func slot(t time.Duration) int { return int(t / (20 * time.Millisecond)) }

// press sends key c (a character) for length. Sequence and timestamp follow time.
func (s *phone) press(c byte, length time.Duration) []tx {
	if s.rate == 0 {
		s.rate = 8000
	}
	if s.gap == 0 {
		s.gap = 60 * time.Millisecond
	}
	digit, ok := DigitOf(c)
	if !ok {
		panic("no such key")
	}
	var out []tx
	base := ticks(s.now, s.rate)
	pieces := Encode(nil, Press{Digit: digit, Length: length, Volume: 10}, s.rate, 20*time.Millisecond)
	for i, p := range pieces {
		if i > 0 && p.After == pieces[i-1].After {
			s.more++ // a segment ends and the next begins
		}
		out = append(out, tx{at: s.now + p.After, Packet: Packet{
			Seq: uint16(slot(s.now+p.After) + s.more), TS: base + p.Offset, Marker: p.Marker, Payload: p.Payload[:],
		}})
	}
	s.now = (out[len(out)-1].at + s.gap).Truncate(20 * time.Millisecond)
	return out
}

// presses sends the keys of s one after another, 100 ms each.
func (s *phone) presses(keys string) [][]tx {
	var out [][]tx
	for i := range len(keys) {
		out = append(out, s.press(keys[i], 100*time.Millisecond))
	}
	return out
}

func isEnd(p tx) bool { return p.Payload[1]&endBit != 0 }

// without drops what match finds.
func without(in []tx, match func(tx) bool) []tx {
	var out []tx
	for _, p := range in {
		if !match(p) {
			out = append(out, p)
		}
	}
	return out
}

func only(in []tx, match func(tx) bool) []tx {
	return without(in, func(p tx) bool { return !match(p) })
}

// each applies change to a copy of every packet.
func each(in []tx, change func(i int, p *tx)) []tx {
	out := make([]tx, len(in))
	for i, p := range in {
		out[i] = p
		out[i].Payload = append([]byte(nil), p.Payload...)
		change(i, &out[i])
	}
	return out
}

func joined(parts ...[]tx) []tx {
	var out []tx
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func payload(c byte, end bool, duration uint16) []byte {
	d, _ := DigitOf(c)
	b := []byte{byte(d), 10, 0, 0}
	if end {
		b[1] |= endBit
	}
	binary.BigEndian.PutUint16(b[2:], duration)
	return b
}

// trace writes reports as keys, ' for key-up and ! for lost: "5'6'!".
func trace(reports []Report) string {
	var b strings.Builder
	for _, r := range reports {
		switch r.Kind {
		case Down:
			b.WriteByte(r.Digit.Char())
		case Up:
			b.WriteByte('\'')
		case Lost:
			b.WriteByte('!')
		default:
			fmt.Fprintf(&b, "?%d", uint8(r.Kind))
		}
	}
	return b.String()
}

// downs writes only the key-downs and the losses.
func downs(reports []Report) string { return strings.ReplaceAll(trace(reports), "'", "") }

// feed decodes the packets shifted by seq and ts, and ends what is open.
func feed(d *EventDecoder, in []tx, seq uint16, ts uint32) []Report {
	var out []Report
	var last time.Duration
	for _, p := range in {
		q := p.Packet
		q.Seq += seq
		q.TS += ts
		out = d.Decode(q, p.at, out)
		last = p.at
	}
	return d.Expire(last+10*time.Second, out)
}

// everyStart runs the packets from each pair of starts and wants the same trace.
func everyStart(t *testing.T, want string, in []tx, check ...func(*testing.T, Stats, []Report)) {
	t.Helper()
	for _, seq := range starts.seq {
		for _, ts := range starts.ts {
			var d EventDecoder
			got := feed(&d, in, seq, ts)
			require.Equal(t, want, trace(got), "sequence from %d, timestamp from %d", seq, ts)
			for _, c := range check {
				c(t, d.Stats(), got)
			}
		}
	}
}
