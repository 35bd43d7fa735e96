package dtmf

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Row 15: the rules count in the event's own clock.
func TestRow15AnyClockRate(t *testing.T) {
	for _, rate := range []int{8000, 16000, 48000} {
		moved := func(in []tx) []tx {
			return each(in, func(_ int, p *tx) { p.TS = ticks(p.at, rate) })
		}
		p := phone{rate: rate}
		in := joined(p.press('1', 100*ms), movedEnds(p.press('1', 100*ms), ticks(20*ms, rate)),
			moved(p.press('2', 100*ms)), p.press('3', 6*time.Second), p.press('3', 100*ms))
		for _, seq := range starts.seq {
			for _, ts := range starts.ts {
				var d EventDecoder
				d.Set(rate, 20*ms)
				require.Equal(t, "1'1'2'3'3'", trace(feed(&d, in, seq, ts)), "%d Hz, from %d and %d", rate, seq, ts)
			}
		}
	}
}

// The hold before a forced key-up is three packet times, at least 150 ms.
func TestForcedKeyUpFollowsThePacketTime(t *testing.T) {
	for _, c := range []struct{ interval, want time.Duration }{
		{0, 150 * ms}, {20 * ms, 150 * ms}, {50 * ms, 150 * ms}, {60 * ms, 180 * ms},
	} {
		var d EventDecoder
		d.Set(8000, c.interval)
		_, open := d.Deadline()
		require.False(t, open)
		d.Decode(Packet{Payload: payload('5', false, 160)}, time.Second, nil)
		at, open := d.Deadline()
		require.True(t, open)
		require.Equal(t, time.Second+c.want, at)
		require.Empty(t, d.Expire(at-1, nil))
		up := d.Expire(at+time.Hour, nil)
		require.Equal(t, []Report{{Kind: Up, Source: FromEvent, Digit: 5, At: at}}, up)
		require.Empty(t, d.Expire(at+2*time.Hour, nil), "once")
	}
}

// However many presses come too late, the open one stays known.
func TestOvertakenPressesDoNotDriveOutTheOpenOne(t *testing.T) {
	var d EventDecoder
	out := d.Decode(Packet{Seq: 1000, TS: 1 << 20, Payload: payload('5', false, 160)}, 0, nil)
	for i := range 40 {
		out = d.Decode(Packet{Seq: 990 - uint16(i), TS: uint32(i) * 1600, Payload: payload('6', true, 800)}, 20*ms, out)
	}
	out = d.Decode(Packet{Seq: 1001, TS: 1 << 20, Payload: payload('5', false, 320)}, 40*ms, out)
	require.Equal(t, "5", strings.ReplaceAll(trace(out), "!", ""))
	require.EqualValues(t, 40, d.Stats().Lost)
}

// Sequence numbers of audio are not seen: once 2^16 packets have passed, an event
// carries one that the last key had, or one shortly before.
func TestAKeyAfterMinutesOfAudioIsNotLate(t *testing.T) {
	for _, minutes := range []time.Duration{5, 10, 11, 22} { // a quarter, half and the whole of the numbers
		for _, keys := range []string{"56", "55"} {
			for before := range 110 {
				var p phone
				first := p.press(keys[0], 100*ms)
				full := minutes * 65536 / 22 * 20 * ms
				p.now = full - time.Duration(before)*20*ms
				in := joined(first, p.press(keys[1], 100*ms))
				for _, seq := range starts.seq {
					var d EventDecoder
					require.Equal(t, keys[:1]+"'"+keys[1:]+"'", trace(feed(&d, in, seq, 0)), "%d minutes, %d numbers before, from %d", minutes, before, seq)
					require.Zero(t, d.Stats().Late)
				}
			}
		}
	}
}
