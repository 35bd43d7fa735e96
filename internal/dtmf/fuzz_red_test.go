package dtmf

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const redEvents = 101

// wrapped puts packets into RFC 2198 with their own payload alone, or with junk of other
// payload types before it.
func wrapped(in []tx, junk []byte) []tx {
	return each(in, func(_ int, p *tx) {
		var blocks []redBlock
		for i, b := range junk {
			blocks = append(blocks, redBlock{pt: b & 63, back: uint32(b) << 2, data: junk[i:min(len(junk), i+int(b)%8)]})
		}
		p.Payload = packRED(append(blocks, redBlock{pt: redEvents, data: p.Payload})...)
	})
}

func feedRED(d *EventDecoder, in []tx) (out []Report) {
	var last time.Duration
	for _, p := range in {
		out = d.DecodeRED(p.Packet, redEvents, 0, p.at, out)
		last = p.at
	}
	return d.Expire(last+10*time.Second, out)
}

// Events in RFC 2198 without redundancy, whatever else is with them, are heard as they are
// without RFC 2198; a payload that is cut off tells no more keys than a whole one, and
// no others.
func FuzzDecodeRED(f *testing.F) {
	f.Add([]byte("\x14\x01\x10\x00\x02\x05\x14\x00\x10\x00\x04\x05\x14\x20\x10\x00\x06\x05"), []byte{0, 13, 8}, uint8(3))
	f.Add([]byte("\x14\xc1\x10\x00\x02\x05\x02\x00\xf0\x7f\x04\x05\x50\x26\x20\x81\xff\x01"), []byte{}, uint8(0))
	f.Fuzz(func(t *testing.T, data, junk []byte, cut uint8) {
		in := anyPackets(&bytesOf{data})
		if len(in) == 0 {
			return
		}
		red := wrapped(in, junk[:min(len(junk), maxBlocks-1)])
		var plain, d, less EventDecoder
		require.Equal(t, feed(&plain, in, 0, 0), feedRED(&d, red))
		short := each(red, func(_ int, p *tx) { p.Payload = p.Payload[:len(p.Payload)-min(len(p.Payload), int(cut)%16)] })
		for _, c := range downs(feedRED(&less, short)) {
			require.True(t, c == '!' || sent(in, byte(c)), "nobody sent %c", c)
		}
	})
}

// Of senders that keep to RFC 4733 section 2.6.2 each press counts once, in its order, of
// which a packet comes or one of the two presses after it; loss and duplicates are all
// that happens.
func FuzzRedundantPresses(f *testing.F) {
	f.Add([]byte{5, 1, 0, 5, 1, 0xFF, 5, 1, 0x0F})
	f.Add([]byte{5, 1, 0xFF, 5, 1, 0xFF, 5, 1, 0xFF, 5, 1, 0x7F, 6, 9, 0x40})
	f.Fuzz(func(t *testing.T, data []byte) {
		b, p := &bytesOf{data}, new(phone)
		var in []tx
		var code, want []byte
		var older []redBlock // with the timestamp in back
		var came []bool
		for len(b.data) > 0 && len(code) < 20 {
			key := keys[b.next()%16]
			length := 40*ms + time.Duration(b.next()%64)*4*ms
			fate := b.next()
			got := false
			packets := p.press(key, length)
			for n, q := range packets {
				var blocks []redBlock
				for _, o := range older {
					if back := q.TS - o.back; back < 1<<14 {
						blocks = append(blocks, redBlock{pt: redEvents, back: back, data: o.data})
					}
				}
				if fate>>(n%8)&1 != 0 {
					continue
				}
				got = true
				whole := q
				whole.Payload = packRED(append(blocks, redBlock{pt: redEvents, data: q.Payload})...)
				in = append(in, whole)
				if fate&0x41 == 0x40 {
					in = append(in, whole)
				}
			}
			last := packets[len(packets)-1]
			older = append(older, redBlock{back: last.TS, data: last.Payload})
			older = older[max(0, len(older)-2):]
			code, came = append(code, key), append(came, got)
		}
		for i, key := range code {
			for _, got := range came[i:min(i+3, len(code))] {
				if got {
					want = append(want, key)
					break
				}
			}
		}
		var d EventDecoder
		require.Equal(t, string(want), downs(feedRED(&d, in)))
	})
}
