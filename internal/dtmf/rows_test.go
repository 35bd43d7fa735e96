package dtmf

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const ms = time.Millisecond

// rows are the pitfalls of RFC 4733 reception met in the field, each with senders
// or networks that show it.
var rows = []struct {
	name  string
	want  string
	in    func() []tx
	check func(*testing.T, Stats, []Report)
}{
	{name: "1 end packet three times", want: "5'",
		in: func() []tx { return new(phone).press('5', 100*ms) },
		check: func(t *testing.T, s Stats, r []Report) {
			require.EqualValues(t, 2, s.DupEnd)
			require.Equal(t, 0*ms, r[0].At, "key-down with the first packet")
			require.Equal(t, 100*ms, r[1].At, "key-up with the first end")
		}},
	{name: "2 all ends lost, next key within 150 ms", want: "5'6'",
		in: func() []tx { return without(joined(new(phone).presses("56")...), isEnd) },
		check: func(t *testing.T, s Stats, r []Report) {
			require.EqualValues(t, 1, s.ForcedEnd)
			require.Equal(t, r[2].At, r[1].At, "the next key ends the first")
		}},
	{name: "2 all ends lost, nothing follows", want: "5'",
		in: func() []tx { return without(new(phone).press('5', 100*ms), isEnd) },
		check: func(t *testing.T, s Stats, r []Report) {
			require.EqualValues(t, 1, s.ForcedEnd)
			require.Equal(t, (80+150)*ms, r[1].At, "150 ms after the last packet, by the call's clock")
		}},
	{name: "3 all starts lost", want: "5'6'",
		in:    func() []tx { return only(joined(new(phone).presses("56")...), isEnd) },
		check: func(t *testing.T, s Stats, _ []Report) { require.EqualValues(t, 4, s.DupEnd) }},
	{name: "3 only the very last end came", want: "5'5'",
		in: func() []tx {
			p := phone{gap: 120 * ms}
			return joined(p.press('5', 100*ms)[7:], p.press('5', 100*ms)[7:])
		}},
	{name: "4 same digit under a new timestamp, ends lost, within 150 ms", want: "5'5'5'",
		in: func() []tx {
			p := phone{gap: 20 * ms}
			return without(joined(p.presses("555")...), isEnd)
		}},
	{name: "5 timestamp wrap in the middle of a code", want: "1'2'3'3'",
		in: func() []tx { return joined(new(phone).presses("1233")...) }},
	{name: "6 duration beyond 65535 wraps in place", want: "5'5'",
		in: func() []tx {
			p := new(phone)
			return joined(wrapping(p, 20*time.Second), p.press('5', 100*ms))
		},
		check: func(t *testing.T, s Stats, _ []Report) { require.Zero(t, s.ReusedTS) }},
	{name: "6 duration wraps after a loss that forced the key-up", want: "5'",
		in: func() []tx {
			return without(wrapping(new(phone), 10*time.Second), func(p tx) bool { return p.at > 2*time.Second && p.at < 2200*ms })
		},
		check: func(t *testing.T, s Stats, _ []Report) { require.EqualValues(t, 1, s.ForcedEnd) }},
	{name: "6 ends of a wrapped press come late beside its updates", want: "5'",
		in: func() []tx {
			long := wrapping(new(phone), 9*time.Second)
			n := len(long)
			long[n-3].Packet, long[n-5].Packet = long[n-5].Packet, long[n-3].Packet
			return long
		}},
	{name: "7 segments of a long press", want: "5'6'",
		in: func() []tx {
			p := new(phone)
			return joined(p.press('5', 20*time.Second), p.press('6', 100*ms))
		},
		check: func(t *testing.T, s Stats, r []Report) {
			require.Zero(t, s.ForcedEnd)
			require.Equal(t, 20*time.Second, r[1].At)
		}},
	{name: "7 the packets around a segment's border are lost", want: "5'",
		in: func() []tx {
			return without(new(phone).press('5', 10*time.Second), func(p tx) bool { return p.at > 8150*ms && p.at < 8240*ms })
		}},
	{name: "7 a loss at the first border forced the key-up, the second border is seen", want: "5'",
		in: func() []tx {
			return without(new(phone).press('5', 20*time.Second), func(p tx) bool { return p.at > 8*time.Second && p.at < 8300*ms })
		},
		check: func(t *testing.T, s Stats, _ []Report) { require.EqualValues(t, 2, s.Moved) }},
	{name: "7 is not the same key pressed again where a segment would begin", want: "5'5'",
		in: func() []tx {
			p := new(phone)
			first := without(p.press('5', 8*time.Second), func(p tx) bool { return p.at > 7*time.Second && p.at < 7200*ms })
			p.now = 8180 * ms
			return joined(first, p.press('5', 100*ms)[1:])
		}},
	{name: "7 late packet of an earlier segment", want: "5'",
		in: func() []tx {
			long := new(phone).press('5', 10*time.Second)
			i := slices.IndexFunc(long, func(p tx) bool { return p.TS != long[0].TS })
			late := long[i-3]
			late.at = long[i+1].at
			return slices.Concat(long[:i-3], long[i-2:i+2], []tx{late}, long[i+2:])
		}},
	{name: "8 marker lost", want: "5'6'",
		in: func() []tx {
			return without(joined(new(phone).presses("56")...), func(p tx) bool { return p.Marker })
		}},
	{name: "8 marker never set", want: "5'5'6'",
		in: func() []tx {
			return each(joined(new(phone).presses("556")...), func(_ int, p *tx) { p.Marker = false })
		}},
	{name: "9 marker on every packet", want: "5'5'6'",
		in: func() []tx {
			return each(joined(new(phone).presses("556")...), func(_ int, p *tx) { p.Marker = true })
		}},
	{name: "10 late update after the end", want: "5'",
		in: func() []tx {
			p := new(phone).press('5', 100*ms)
			late := p[3]
			late.at = p[7].at + 10*ms
			return joined(p[:3], p[4:], []tx{late})
		},
		check: func(t *testing.T, s Stats, _ []Report) { require.EqualValues(t, 1, s.Late) }},
	{name: "10 late first packet with marker after the end", want: "5'",
		in: func() []tx {
			p := new(phone).press('5', 100*ms)
			late := p[0]
			late.at = p[7].at + 30*ms
			return joined(p[1:], []tx{late})
		}},
	{name: "10 late packet of an unknown press", want: "5'7'!",
		in: func() []tx {
			p := new(phone).presses("567")
			late := p[1][0]
			late.at = p[2][7].at
			return joined(p[0], p[2], []tx{late, late})
		},
		check: func(t *testing.T, s Stats, r []Report) {
			require.EqualValues(t, 1, s.Lost, "told once")
			require.Zero(t, r[4].Digit, "a loss names no digit")
		}},
	{name: "10 the sender starts a new sequence", want: "5'6'",
		in: func() []tx {
			p := new(phone).presses("56")
			return joined(p[0], each(p[1], func(_ int, p *tx) { p.Seq -= 20000 }))
		}},
	{name: "11 first packet with duration 0", want: "5'5'",
		in: func() []tx {
			return each(joined(new(phone).presses("55")...), func(_ int, p *tx) {
				if p.Marker {
					copy(p.Payload[2:], []byte{0, 0})
				}
			})
		},
		check: func(t *testing.T, s Stats, _ []Report) { require.EqualValues(t, 2, s.ZeroDur) }},
	{name: "11 every duration 0", want: "5'5'",
		in: func() []tx {
			return each(joined(new(phone).presses("55")...), func(_ int, p *tx) { copy(p.Payload[2:], []byte{0, 0}) })
		}},
	{name: "11 key 0 begins with a payload of zeros", want: "0'",
		in: func() []tx {
			return each(new(phone).press('0', 100*ms), func(i int, p *tx) {
				if i == 0 {
					clear(p.Payload)
				}
			})
		}},
	{name: "12 end repeats with new timestamps", want: "1'1'",
		in: func() []tx {
			p := phone{gap: 40 * ms}
			return joined(movedEnds(p.press('1', 100*ms), 160), movedEnds(p.press('1', 100*ms), 160))
		},
		check: func(t *testing.T, s Stats, _ []Report) { require.EqualValues(t, 4, s.Moved) }},
	{name: "12 end repeats carry the time of sending", want: "1'",
		in: func() []tx {
			return each(new(phone).press('1', 100*ms), func(i int, p *tx) {
				if i > 5 {
					p.TS = ticks(p.at, 8000)
				}
			})
		}},
	{name: "12 first end repeat lost, key of 40 ms, jitter", want: "1'",
		in: func() []tx {
			p := movedEnds(new(phone).press('1', 40*ms), 160)
			p[4].at += 35 * ms
			return slices.Delete(p, 3, 4)
		}},
	{name: "12 is not the same key pressed again, of which only the end came", want: "1'1'",
		in: func() []tx {
			p := phone{gap: 20 * ms}
			return joined(p.press('1', 60*ms), only(p.press('1', 60*ms), isEnd))
		}},
	{name: "13 timestamps grow with the durations", want: "2'2'",
		in: func() []tx {
			return each(joined(new(phone).presses("22")...), func(_ int, p *tx) { p.TS = ticks(p.at, 8000) })
		}},
	{name: "13 timestamps grow, durations stand", want: "2'",
		in: func() []tx {
			return each(new(phone).press('2', 100*ms), func(_ int, p *tx) {
				p.TS = ticks(p.at, 8000)
				copy(p.Payload[2:], []byte{0, 160})
			})
		}},
	{name: "13 timestamps grow, first duration 0", want: "2'",
		in: func() []tx {
			return each(new(phone).press('2', 100*ms), func(i int, p *tx) {
				p.TS = ticks(p.at, 8000)
				if i == 0 {
					copy(p.Payload[2:], []byte{0, 0})
				}
			})
		}},
	{name: "13 timestamps grow and a packet is lost", want: "2'",
		in: func() []tx {
			p := each(new(phone).press('2', 200*ms), func(_ int, p *tx) { p.TS = ticks(p.at, 8000) })
			return slices.Delete(p, 3, 4)
		}},
	{name: "13 timestamps grow, the first two swap", want: "2'",
		in: func() []tx {
			p := each(new(phone).press('2', 100*ms), func(_ int, p *tx) { p.TS = ticks(p.at, 8000) })
			p[0].Packet, p[1].Packet = p[1].Packet, p[0].Packet
			return p
		}},
	{name: "14 next digits reuse the timestamp", want: "1'2'1'1'",
		in: func() []tx {
			return each(joined(new(phone).presses("1211")...), func(_ int, p *tx) { p.TS = 0 })
		},
		check: func(t *testing.T, s Stats, _ []Report) { require.EqualValues(t, 2, s.ReusedTS) }},
	{name: "14 next digits reuse the timestamp, and every duration is 0", want: "1'2'1'1'",
		in: func() []tx {
			return each(joined(new(phone).presses("1211")...), func(_ int, p *tx) {
				p.TS = 0
				copy(p.Payload[2:], []byte{0, 0})
			})
		}},
	{name: "14 the timestamp stands during a press and goes on after it", want: "1'1'",
		in: func() []tx {
			p := new(phone).presses("11")
			return joined(p[0], each(p[1], func(_ int, p *tx) { p.TS = 480 }))
		}},
	{name: "17 several events in one packet", want: "1'2'2'3'",
		in: func() []tx {
			first := slices.Concat(payload('1', true, 800), payload('2', true, 400), payload('2', true, 400), payload('3', false, 160))
			again := slices.Concat(payload('1', true, 800), payload('2', true, 400), payload('2', true, 400), payload('3', false, 320))
			return []tx{
				{at: 0, Packet: Packet{Seq: 1, TS: 0, Marker: true, Payload: first}},
				{at: 20 * ms, Packet: Packet{Seq: 2, TS: 0, Payload: again}},
				{at: 40 * ms, Packet: Packet{Seq: 3, TS: 1600, Payload: payload('3', true, 480)}},
			}
		}},
	{name: "17 an event padded with zeros", want: "7'",
		in: func() []tx {
			return each(new(phone).press('7', 100*ms), func(_ int, p *tx) { p.Payload = append(p.Payload, 0, 0, 0, 0) })
		},
		check: func(t *testing.T, s Stats, _ []Report) { require.EqualValues(t, 8, s.Bad) }},
	{name: "18 flash and other codes are no keys", want: "5'",
		in: func() []tx {
			other := func(code byte) []tx {
				return []tx{{Packet: Packet{Seq: 0, TS: 0, Payload: []byte{code, 10, 1, 0}}}}
			}
			return joined(other(16), other(32), other(255), each(new(phone).press('5', 100*ms), func(_ int, p *tx) { p.Seq++ }))
		},
		check: func(t *testing.T, s Stats, _ []Report) {
			require.EqualValues(t, 1, s.Flash)
			require.EqualValues(t, 2, s.Other)
		}},
	{name: "19 any volume", want: "5'6'7'",
		in: func() []tx {
			p := new(phone).presses("567")
			for i, volume := range []byte{0, 36, 63} {
				p[i] = each(p[i], func(_ int, p *tx) { p.Payload[1] = p.Payload[1]&endBit | volume })
			}
			return joined(p...)
		}},
	{name: "20 reserved bit set", want: "5'",
		in: func() []tx {
			return each(new(phone).press('5', 100*ms), func(_ int, p *tx) { p.Payload[1] |= 0x40 })
		},
		check: func(t *testing.T, _ Stats, r []Report) { require.Equal(t, 100*ms, r[1].At) }},
	{name: "21 short payload", want: "6'",
		in: func() []tx {
			p := new(phone).presses("56")
			return joined(each(p[0], func(i int, p *tx) { p.Payload = p.Payload[:i%4] }), p[1])
		},
		check: func(t *testing.T, s Stats, _ []Report) { require.EqualValues(t, 8, s.Bad) }},
	{name: "21 odd rest behind an event", want: "5'",
		in: func() []tx {
			return each(new(phone).press('5', 100*ms), func(i int, p *tx) { p.Payload = append(p.Payload, 6, 6, 6)[:4+i%4] })
		}},
	{name: "22 SSRC changes between presses", want: "5'5'",
		in: func() []tx {
			p := new(phone).presses("55")
			return joined(p[0], each(p[1], func(_ int, p *tx) { p.SSRC, p.Seq, p.TS = 7, p.Seq+31000, 77 }))
		}},
	{name: "22 SSRC changes and its sequence is a little behind", want: "5'6'",
		in: func() []tx {
			p := new(phone).presses("56")
			return joined(p[0], each(p[1], func(_ int, p *tx) { p.SSRC, p.Seq = 7, p.Seq-20 }))
		}},
	{name: "22 SSRC changes in the middle of a press", want: "5'6'",
		in: func() []tx {
			s := new(phone)
			p := s.press('5', 200*ms)
			moved := each(p[4:], func(_ int, p *tx) { p.SSRC, p.Seq, p.TS = 7, p.Seq+31000, p.TS+99 })
			return joined(p[:4], moved, each(s.press('6', 100*ms), func(_ int, p *tx) { p.SSRC, p.Seq = 7, p.Seq+31000 }))
		},
		check: func(t *testing.T, s Stats, r []Report) {
			require.EqualValues(t, 1, s.Moved)
			require.Equal(t, 200*ms, r[1].At)
		}},
	{name: "22 SSRC changes between the ends of a press", want: "5'",
		in: func() []tx {
			return each(new(phone).press('5', 100*ms), func(i int, p *tx) {
				if i > 5 {
					p.SSRC, p.Seq, p.TS = 7, p.Seq+31000, p.TS+99
				}
			})
		}},
	{name: "22 two SSRCs send the same press", want: "5'",
		in: func() []tx {
			var both []tx
			for _, p := range new(phone).press('5', 100*ms) {
				twin := p
				twin.SSRC, twin.Seq, twin.TS = 7, p.Seq+31000, p.TS+99
				both = append(both, p, twin)
			}
			return both
		}},
	{name: "24 audio goes on during the event", want: "5'6'",
		in: func() []tx {
			// Audio packets between the events take every other sequence number.
			return each(joined(new(phone).presses("56")...), func(_ int, p *tx) { p.Seq *= 2 })
		}},
	{name: "55 without a pause", want: "5'5'",
		in: func() []tx {
			first, second := new(phone).press('5', 100*ms), new(phone).press('5', 100*ms)
			return joined(first[:6], each(second, func(i int, p *tx) { p.at, p.Seq, p.TS = p.at+120*ms, p.Seq+6, 800 }))
		}},
	{name: "55 without a pause, all ends of the first and the second's marker lost", want: "5'5'",
		in: func() []tx {
			first, second := new(phone).press('5', 100*ms), new(phone).press('5', 100*ms)
			return joined(first[:5], each(second, func(i int, p *tx) { p.at, p.Seq, p.TS = p.at+100*ms, p.Seq+5, 800 })[1:])
		}},
	{name: "updates stop for long in the middle of a press", want: "5'",
		in: func() []tx {
			return without(new(phone).press('5', 600*ms), func(p tx) bool { return p.at > 20*ms && p.at < 600*ms })
		},
		check: func(t *testing.T, s Stats, _ []Report) { require.EqualValues(t, 1, s.ForcedEnd) }},
}

// wrapping is a press of a sender that keeps one timestamp for ever and lets the
// 16-bit duration wrap.
func wrapping(p *phone, length time.Duration) []tx {
	base := ticks(p.now, 8000)
	return each(p.press('5', length), func(_ int, q *tx) {
		done := min(ticks(q.at+20*ms, 8000)-base, ticks(length, 8000))
		q.TS = base
		copy(q.Payload[2:], []byte{byte(done >> 8), byte(done)})
	})
}

// movedEnds gives the second and third end packet timestamps behind the press.
func movedEnds(in []tx, step uint32) []tx {
	n := len(in)
	return each(in, func(i int, p *tx) {
		if i > n-3 {
			p.TS += uint32(p.Payload[2])<<8 + uint32(p.Payload[3]) + step*uint32(i-n+3)
		}
	})
}

func TestRowsOfPitfalls(t *testing.T) {
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			check := row.check
			if check == nil {
				check = func(*testing.T, Stats, []Report) {}
			}
			everyStart(t, row.want, row.in(), check)
		})
	}
}
