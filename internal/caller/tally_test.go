package caller

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const ms = int64(time.Millisecond)

func TestReceptionCountsAroundTheWrap(t *testing.T) {
	for start := range uint32(16) {
		first := uint16(65536 - 8 + start)
		var total tally
		var r reception
		at := int64(0)
		for _, n := range []uint16{0, 1, 2, 5, 4, 6, 6, 7, 12, 13} { // 3 and 8-11 never come, 4 is late, 6 comes twice
			at += 20 * ms
			r.packet(&total, arrival{at: at, seq: first + n}, 20*time.Millisecond)
		}
		r.close(&total, 10*ms)
		require.EqualValues(t, []uint64{10, 5, 1, 1}, []uint64{total.packets, total.lost, total.late, total.twice}, "start %d", first)
		require.Zero(t, total.complete)
		require.Equal(t, 10*time.Millisecond, total.first.At(1), "ACK -> first RTP")
	}
}

func TestReceptionJudgesPacing(t *testing.T) {
	var total tally
	var r reception
	arrive := func(at int64, seq uint16, marker bool) {
		r.packet(&total, arrival{at: at * ms, seq: seq, marker: marker}, 20*time.Millisecond)
	}
	arrive(0, 1, true)
	arrive(17, 2, false) // the slot after a talkspurt's first packet: not pacing
	arrive(37, 3, false) // 0 ms off
	arrive(60, 4, false) // 3 ms off
	arrive(63, 5, true)  // a new talkspurt at once: not pacing
	arrive(83, 6, false)
	arrive(145, 7, false) // 42 ms off
	r.close(&total, -5*ms)
	p := total.pacing.Percentiles()
	require.EqualValues(t, 3, p.N)
	require.Equal(t, 42.0, p.Max)
	require.Equal(t, 62*time.Millisecond, total.longest)
	require.EqualValues(t, 1, total.over40)
	require.Equal(t, 1, total.complete)
}

func TestReceptionTimesWhatFollowsAKey(t *testing.T) {
	const loud, quiet = true, false
	for name, road := range map[string]struct {
		before bool // a sentence sounds when the key goes down
		after  []arrival
		stop   []int64 // ms; none: not recorded
		next   []int64
		noNext uint64
	}{
		"interrupted at once":        {loud, []arrival{{at: 1 * ms, marker: true, loud: loud}}, []int64{0}, []int64{1}, 0},
		"old packets still came":     {loud, []arrival{{at: 5 * ms, loud: loud}, {at: 25 * ms, loud: loud}, {at: 90 * ms, marker: true, loud: loud}}, []int64{25}, []int64{90}, 0},
		"silence before the next":    {loud, []arrival{{at: 5 * ms, loud: loud}, {at: 25 * ms, loud: quiet}, {at: 90 * ms, marker: true, loud: loud}}, []int64{5}, []int64{90}, 0},
		"nothing sounded":            {quiet, []arrival{{at: 9 * ms, marker: true, loud: loud}}, nil, []int64{9}, 0},
		"stopped, nothing new":       {loud, []arrival{{at: 3 * ms, loud: loud}, {at: 23 * ms, loud: quiet}}, []int64{3}, nil, 1},
		"the key had no effect":      {loud, []arrival{{at: 3 * ms, loud: loud}, {at: 23 * ms, loud: loud}}, nil, nil, 1},
		"packet of before read late": {loud, []arrival{{at: -2 * ms, marker: true, loud: loud}, {at: 4 * ms, marker: true, loud: loud}}, []int64{0}, []int64{4}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var total tally
			var r reception
			r.packet(&total, arrival{at: -20 * ms, seq: 1, loud: road.before}, 20*time.Millisecond)
			r.press(&total, 0)
			for i, p := range road.after {
				p.seq = uint16(i) + 2
				r.packet(&total, p, 20*time.Millisecond)
			}
			r.close(&total, 0)
			require.EqualValues(t, 1, total.keys)
			require.Equal(t, road.noNext, total.noNext)
			require.EqualValues(t, len(road.stop), total.stop.n)
			require.EqualValues(t, len(road.next), total.next.n)
			for _, want := range road.stop {
				require.Equal(t, time.Duration(want*ms), total.stop.At(1))
			}
			for _, want := range road.next {
				require.Equal(t, time.Duration(want*ms), total.next.At(1))
			}
		})
	}
}

func TestCallWithoutRTPIsMute(t *testing.T) {
	var total tally
	var r, early reception
	r.close(&total, 1)
	early.packet(&total, arrival{at: 5}, 0)
	early.close(&total, 6)
	require.Equal(t, 1, total.mute)
	require.Equal(t, 1, total.early, "RTP before the ACK")
	require.Zero(t, total.first.n)
}
