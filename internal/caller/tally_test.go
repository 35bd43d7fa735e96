package caller

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/codec"
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
			r.packet(&total, arrival{at: at, seq: first + n, ts: uint32(first+n) * 160}, 20*time.Millisecond)
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
	arrive(230, 8, true)  // three frames left out: 65 ms off
	r.close(&total, -5*ms)
	p := total.pacing.Percentiles()
	require.EqualValues(t, 4, p.N)
	require.Equal(t, 65.0, p.Max)
	require.Equal(t, 85*time.Millisecond, total.longest)
	require.EqualValues(t, 2, total.over40)
	require.Equal(t, [2]int{0, 1}, [2]int{total.complete, total.gapped})
}

// What comes before the first packet of a source was missed by nobody; what comes long after
// its time is late and not double.
func TestReceptionKnowsWhatCameBefore(t *testing.T) {
	long := []int64{5, 6}
	for n := int64(8); n < 8+600; n++ {
		long = append(long, n)
	}
	with := func(n ...int64) []int64 { return append(append([]int64(nil), long...), n...) }
	for name, road := range map[string]struct {
		seqs              []int64 // negative: from here on another source, at its absolute value
		lost, late, twice uint64
	}{
		"the first two swapped":                {[]int64{5, 4, 6}, 0, 1, 0},
		"one missing before the first":         {[]int64{5, 3, 6}, 1, 1, 0},
		"which comes":                          {[]int64{5, 3, 4, 4}, 0, 2, 1},
		"swapped where another source begins":  {[]int64{1, 3, -9, 8, 10}, 1, 1, 0},
		"a hundred packets late":               {with()[:100:100], 1, 0, 0},
		"it comes":                             {append(with()[:100:100], 7), 0, 1, 0},
		"and again":                            {append(with()[:100:100], 7, 7), 0, 1, 1},
		"double after a hundred":               {append(with()[:100:100], 6), 1, 0, 1},
		"beyond what is remembered":            {with(7), 1, 0, 1},
		"its place was taken by a later one":   {with(607-511, 607-511), 1, 0, 2},
		"a hole as long as what is remembered": {[]int64{5, 5 + 512, 6}, 510, 1, 0},
		"a longer hole":                        {[]int64{5, 5 + 1024, 5 + 1023}, 1022, 1, 0},
	} {
		for start := range int64(16) {
			var total tally
			var r reception
			source := uint32(1)
			for i, n := range road.seqs {
				if n < 0 {
					source, n = 2, -n
				}
				r.packet(&total, arrival{at: int64(i) * ms, seq: uint16(65536 - 8 + start + n), ssrc: source}, 20*time.Millisecond)
			}
			require.Equal(t, [3]uint64{road.lost, road.late, road.twice}, [3]uint64{total.lost, total.late, total.twice}, "%s, from %d", name, start)
			require.Equal(t, [3]uint64{r.lost, r.late, r.twice}, [3]uint64{total.lost, total.late, total.twice}, name)
		}
	}
}

// Frames that a late sender leaves out have no sequence numbers that are missing.
func TestACallWithAGapIsNotComplete(t *testing.T) {
	const ptime = 20 * time.Millisecond
	for name, road := range map[string]struct {
		after  int64 // ms since the last packet
		ptime  time.Duration
		source uint32
		gapped bool
	}{
		"25 frames left out, and marked":    {520, ptime, 0, true},
		"a little late":                     {40, ptime, 0, false},
		"another source after a while":      {520, ptime, 7, true},
		"packets of 60 ms, one a bit late":  {75, 60 * time.Millisecond, 0, false},
		"packets of 60 ms, one 25 ms late":  {85, 60 * time.Millisecond, 0, true},
		"packets of 10 ms, two at one time": {31, 10 * time.Millisecond, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, settingUp := range []bool{false, true} {
				total := tally{settingUp: settingUp}
				var r reception
				r.packet(&total, arrival{at: 0, seq: 1}, road.ptime)
				r.packet(&total, arrival{at: road.after * ms, seq: 2, ts: uint32(road.after * samplesPerMs), marker: true, ssrc: road.source}, road.ptime)
				total.measured()
				r.close(&total, -1)
				require.Zero(t, total.lost)
				gaps := [2]uint64{total.over40, total.setupOver40}
				if settingUp {
					gaps = [2]uint64{gaps[1], gaps[0]}
				}
				require.Equal(t, road.gapped, gaps[0] == 1)
				require.Zero(t, gaps[1])
				incomplete := road.gapped && !settingUp // which gaps of the set-up are not
				require.Equal(t, incomplete, total.gapped == 1)
				require.Equal(t, !incomplete, total.complete == 1)
			}
		})
	}
}

// Comfort noise and events take sequence numbers of the audio's; after noise nothing need come
// for a while.
func TestPacketsOfAnotherTypeAreNotLost(t *testing.T) {
	var total tally
	var r reception
	audio := func(at int64, seq uint16, marker bool) {
		r.packet(&total, arrival{at: at * ms, seq: seq, ssrc: 7, marker: marker}, 20*time.Millisecond)
	}
	r.aside(&total, 0, 65532, 7, true) // of a stream that has not begun
	audio(20, 65534, true)
	audio(40, 65535, false)
	r.aside(&total, 60*ms, 0, 7, true)
	r.aside(&total, 61*ms, 100, 8, true) // another's
	audio(400, 1, true)
	audio(420, 2, false)
	audio(440, 4, false)
	r.aside(&total, 441*ms, 3, 7, false) // late
	r.aside(&total, 442*ms, 3, 7, false) // and again
	r.aside(&total, 460*ms, 5, 7, true)
	r.end(&total, 900*ms, 20*time.Millisecond)
	r.close(&total, 10*ms)
	require.EqualValues(t, []uint64{5, 0, 0, 0}, []uint64{total.packets, total.lost, total.late, total.twice})
	require.Equal(t, [2]int{1, 0}, [2]int{total.complete, total.gapped})
	require.Zero(t, total.over40)
	r.aside(&total, 920*ms, 6, 7, false)
	r.end(&total, 1000*ms, 20*time.Millisecond)
	require.EqualValues(t, 1, total.over40) // after an event something is due
}

func TestPacingIsOfTheMeasurement(t *testing.T) {
	total := tally{settingUp: true}
	var r reception
	for n := range int64(10) {
		if n == 5 {
			total.measured()
		}
		r.packet(&total, arrival{at: n * 20 * ms, seq: uint16(n)}, 20*time.Millisecond)
	}
	require.EqualValues(t, 5, total.pacing.n)
}

func TestWhatStopsForGoodIsAGap(t *testing.T) {
	for at, gapped := range map[int64]int{-5: 0, 40: 0, 41: 1, 9000: 1} {
		var total tally
		var r, mute reception
		r.packet(&total, arrival{seq: 1}, 20*time.Millisecond)
		r.end(&total, at*ms, 20*time.Millisecond)
		r.end(&total, (at+9000)*ms, 20*time.Millisecond) // what is over is over
		mute.end(&total, at*ms, 20*time.Millisecond)
		r.close(&total, -1)
		require.Equal(t, [2]int{1 - gapped, gapped}, [2]int{total.complete, total.gapped}, "%d ms", at)
		require.EqualValues(t, gapped, total.over40)
		require.Equal(t, time.Duration(int64(gapped)*at*ms), total.longest)
	}
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
			r.packet(&total, arrival{at: -20 * ms, seq: 1, ts: 160, loud: road.before}, 20*time.Millisecond)
			r.press(&total, 0)
			for i, p := range road.after {
				p.seq = uint16(i) + 2
				p.ts = 160 * uint32(p.seq)
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

func TestReceptionHearsTheFirstSoundAfterAKey(t *testing.T) {
	packet := func(at int64, seq uint16, ts uint32, marker bool, sound int) arrival {
		return arrival{at: at * ms, seq: seq, ts: ts, marker: marker, loud: sound >= 0, sound: sound}
	}
	for name, road := range map[string]struct {
		marks       bool // its first packet has the marker
		after       []arrival
		next, sound float64 // ms; negative: none
	}{
		"within the first packet":            {true, []arrival{packet(1, 2, 777, true, 24)}, 1, 4},
		"after two packets of silence":       {true, []arrival{packet(1, 2, 777, true, -1), packet(20, 3, 937, false, -1), packet(40, 4, 1097, false, 80)}, 1, 50},
		"the old sentence does not count":    {true, []arrival{packet(3, 2, 320, false, 0), packet(23, 3, 555, true, -1)}, 23, -1},
		"a sender that marks nothing":        {false, []arrival{packet(3, 2, 320, false, 0), packet(30, 3, 5000, false, 8)}, 30, 31},
		"a sender that marks, and goes on":   {true, []arrival{packet(3, 2, 320, false, 0), packet(30, 3, 5000, false, 8)}, -1, -1},
		"one that marks nothing and goes on": {false, []arrival{packet(3, 2, 320, false, 0), packet(43, 4, 640, false, 8)}, -1, -1},
		"another source":                     {false, []arrival{{at: 7 * ms, seq: 9, ts: 1, ssrc: 8, loud: true, sound: 16}}, 7, 9},
	} {
		t.Run(name, func(t *testing.T) {
			var total tally
			var r reception
			first := packet(-20, 1, 160, road.marks, 0)
			r.packet(&total, first, 20*time.Millisecond)
			r.press(&total, 0)
			for _, p := range road.after {
				r.packet(&total, p, 20*time.Millisecond)
			}
			for _, c := range []struct {
				want float64
				is   Percentiles
			}{{road.next, total.next.Percentiles()}, {road.sound, total.audible.Percentiles()}} {
				if c.want < 0 {
					require.Zero(t, c.is.N)
					continue
				}
				require.EqualValues(t, 1, c.is.N)
				require.Equal(t, c.want, c.is.Max)
			}
		})
	}
}

func TestReceptionTellsJitterAndTheWorstLoss(t *testing.T) {
	var total tally
	steady, uneven := reception{}, reception{}
	for n := range int64(500) {
		p := arrival{at: 20 * ms * n, seq: uint16(65300 + n), ts: uint32(1<<32 - 16000 + 160*n)}
		steady.packet(&total, p, 20*time.Millisecond)
		if n%10 == 5 {
			continue
		}
		p.at += n % 2 * 8 * ms // each second packet is 8 ms late
		uneven.packet(&total, p, 20*time.Millisecond)
	}
	steady.close(&total, -1)
	uneven.close(&total, -1)
	q := total.quality
	require.Zero(t, steady.jitter)
	require.InDelta(t, float64(8*time.Millisecond), float64(uneven.jitter), float64(time.Millisecond), "RFC 3550 appendix A.8")
	require.Equal(t, 1, q.withLoss)
	require.InDelta(t, 10, q.worst, 0.1)
}

func TestSoundIsFoundInAPacket(t *testing.T) {
	for id, quiet := range map[codec.ID]byte{codec.PCMU: 0xFE, codec.PCMA: 0xD4} {
		f, _ := codec.ByID(id)
		l := loudnessOf(f)
		payload := bytes.Repeat([]byte{f.Silence}, 160)
		loud, sound := audible(f, l, payload)
		require.False(t, loud)
		require.Equal(t, -1, sound)
		payload[3] = quiet
		loud, sound = audible(f, l, payload)
		require.True(t, loud, "no digital silence")
		require.Equal(t, -1, sound, "nobody hears it")
		f.Encode(payload[77:], []int16{-3000})
		loud, sound = audible(f, l, payload)
		require.True(t, loud)
		require.Equal(t, 77, sound)
	}
	f, _ := codec.ByID(codec.G722)
	require.Nil(t, loudnessOf(f), "its octets are no samples")
	loud, sound := audible(f, nil, []byte{f.Silence, 1})
	require.True(t, loud)
	require.Zero(t, sound)
}
