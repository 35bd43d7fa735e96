package dtmf

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// bytesOf hands out fuzz input, zeros when it is used up.
type bytesOf struct{ data []byte }

func (b *bytesOf) next() byte {
	if len(b.data) == 0 {
		return 0
	}
	c := b.data[0]
	b.data = b.data[1:]
	return c
}

// anyPackets reads packets of every kind, near each other in sequence and time.
func anyPackets(b *bytesOf) []tx {
	var out []tx
	var p Packet
	var at time.Duration
	for len(b.data) > 0 && len(out) < 200 {
		at += time.Duration(b.next()%80) * ms
		flags := b.next()
		p.Seq += uint16(int16(int8(b.next())) / 16)
		p.TS += uint32(int32(int8(b.next())) * 40)
		p.Marker = flags&1 != 0
		p.SSRC = uint32(flags >> 1 & flags >> 2 & 1)
		duration := uint16(b.next()) * 80
		if flags&0x18 == 0x18 {
			duration *= 4
		}
		c := keys[b.next()%3]
		p.Payload = payload(c, flags&0x20 != 0, duration)
		if flags&0xC0 == 0xC0 {
			p.Payload = append(p.Payload, payload(keys[b.next()%3], flags&1 != 0, duration/2)...)
		}
		out = append(out, tx{at: at, Packet: p})
	}
	return out
}

// Whatever comes: keys go down and up in turns; only keys that were sent are told;
// a packet that comes twice changes nothing; and nothing depends on where sequence
// and timestamp start.
func FuzzDecode(f *testing.F) {
	f.Add([]byte("\x14\x01\x10\x00\x02\x05\x14\x00\x10\x00\x04\x05\x14\x20\x10\x00\x06\x05"), uint16(65530), uint32(1<<32-300))
	f.Add([]byte("\x14\xc1\x10\x00\x02\x05\x02\x00\xf0\x7f\x04\x05\x50\x26\x20\x81\xff\x01"), uint16(32760), uint32(1<<31-300))
	f.Fuzz(func(t *testing.T, data []byte, seq uint16, ts uint32) {
		in := anyPackets(&bytesOf{data})
		if len(in) == 0 {
			return
		}
		var d, shifted, doubled EventDecoder
		got := feed(&d, in, 0, 0)

		open := false
		var last time.Duration
		for i, r := range got {
			require.Equal(t, FromEvent, r.Source)
			require.GreaterOrEqual(t, r.At, last, "time falls")
			last = r.At
			switch r.Kind {
			case Down:
				require.False(t, open, "down twice")
				open = true
			case Up:
				require.True(t, open, "up without down")
				open = false
				require.Equal(t, lastDown(got[:i]), r.Digit)
			}
		}
		require.False(t, open, "left open")
		for _, c := range downs(got) {
			require.True(t, c == '!' || sent(in, byte(c)), "nobody sent %c", c)
		}

		require.Equal(t, trace(got), trace(feed(&shifted, in, seq, ts)), "depends on its start")
		var twice []tx
		for _, p := range in {
			twice = append(twice, p, p)
		}
		if distinctKeys(in) <= recentKeys { // else a key is forgotten before its duplicate comes
			require.Equal(t, trace(got), trace(feed(&doubled, twice, 0, 0)), "duplicates count")
		}
	})
}

func distinctKeys(in []tx) int {
	type key struct {
		ssrc, ts uint32
		code     byte
	}
	found := map[key]bool{}
	for _, p := range in {
		ts := p.TS
		for e := p.Payload; len(e) > 0; e = e[4:] {
			found[key{p.SSRC, ts, e[0]}] = true
			ts += uint32(e[2])<<8 | uint32(e[3])
		}
	}
	return len(found)
}

func lastDown(reports []Report) Digit {
	for _, r := range slices.Backward(reports) {
		if r.Kind == Down {
			return r.Digit
		}
	}
	return flash
}

func sent(in []tx, c byte) bool {
	return slices.ContainsFunc(in, func(p tx) bool {
		return keys[p.Payload[0]] == c || len(p.Payload) == 8 && keys[p.Payload[4]] == c
	})
}

// naive is RFC 4733 section 2.2.1 taken at its word: each timestamp is one press,
// and presses count in the order in which their first packets come.
func naive(in []tx) string {
	seen := map[uint32]bool{}
	var out []byte
	for _, p := range in {
		if !seen[p.TS] {
			seen[p.TS] = true
			out = append(out, keys[p.Payload[0]])
		}
	}
	return string(out)
}

// For senders that keep to the RFC, all the leniency for others changes nothing:
// through loss, duplication and small delays the decoder tells what naive tells.
func FuzzDecodeLikeNaive(f *testing.F) {
	f.Add([]byte{5, 1, 20, 3, 5, 1, 20, 3, 0x80, 0x11, 0x22, 0x43}, uint16(65530), uint32(1<<32-300))
	f.Add([]byte("the same key again and again, 000 and 111"), uint16(0), uint32(1<<31))
	f.Fuzz(func(t *testing.T, data []byte, seq uint16, ts uint32) {
		b := &bytesOf{data}
		p := new(phone)
		var in []tx
		for n := 0; len(b.data) > 0 && n < 20; n++ {
			p.gap = 60*ms + time.Duration(b.next()%60)*10*ms
			for _, q := range p.press(keys[b.next()%16], 40*ms+time.Duration(b.next())*8*ms) {
				fate := b.next()
				q.at += time.Duration(fate>>2%36) * ms
				if fate&3 != 3 {
					in = append(in, q)
				}
				if fate&3 == 1 {
					in = append(in, q)
				}
			}
		}
		if len(in) == 0 {
			return
		}
		slices.SortStableFunc(in, func(a, b tx) int { return int(a.at - b.at) })
		var d EventDecoder
		require.Equal(t, naive(in), downs(feed(&d, in, seq, ts)))
	})
}
