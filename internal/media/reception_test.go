package media

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestReception(t *testing.T) {
	tests := []struct {
		name     string
		offsets  []int // of the sequence numbers from the first one
		lost     uint64
		fraction uint8
	}{
		{"complete", []int{0, 1, 2, 3}, 0, 0},
		{"one of four lost", []int{0, 1, 3}, 1, 64},
		{"reordered is not lost", []int{0, 2, 1, 3}, 0, 0},
		{"copies do not hide in a negative count", []int{0, 1, 1, 1, 2}, 0, 0},
		{"a late packet fills its gap", []int{0, 2, 3, 1}, 0, 0},
		{"one packet far away is no restart", []int{0, 1, 20000, 2}, 0, 0},
		{"two in a row far away are a restart", []int{0, 1, 20000, 20001, 20002}, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, first := range wrapStarts() {
				var r reception
				for _, o := range tt.offsets {
					r.packet(7, first+uint16(o))
				}
				require.Equal(t, tt.lost, r.lost(), "from %d", first)
				require.Equal(t, tt.fraction, r.fraction(), "from %d", first)
				require.Zero(t, r.fraction(), "the fraction is of the time since the last report")
			}
		})
	}
}

func TestReceptionExtendsTheSequence(t *testing.T) {
	var r reception
	seq := uint16(65000)
	for range 70000 {
		r.packet(7, seq)
		seq++
	}
	require.Equal(t, uint32(65000+69999), r.highest)
	require.Zero(t, r.lost())
}

func TestReceptionOfAnotherSSRCBeginsAnew(t *testing.T) {
	var r reception
	r.packet(7, 10)
	r.packet(7, 12)
	r.packet(8, 40000)
	require.Zero(t, r.lost())
	require.Equal(t, uint64(1), r.past, "what was lost before is kept for the call")
}

// TestJitter compares with the recurrence of RFC 3550 section 6.4.1 in real numbers.
func TestJitter(t *testing.T) {
	for i := range 16 {
		var r reception
		ts, at := uint32(i-8)*160, time.Duration(0)
		want, last := 0.0, 0.0
		for n := range 200 {
			late := time.Duration(n%5) * 3 * time.Millisecond
			r.audio(7, ts, at+late, 8)
			if n > 0 {
				d := (late.Seconds() - last) * 8000
				want += (max(d, -d) - want) / 16
			}
			last = late.Seconds()
			ts += 160
			at += 20 * time.Millisecond
		}
		require.InDelta(t, want, float64(r.level>>4), 1.5)
	}
}

// Some send their events by another SSRC: the jitter is that of the audio before and after,
// which ends with the audio's own SSRC.
func TestJitterGoesOnBesideEvents(t *testing.T) {
	b := newBench(t, &sink{})
	audio := make([]byte, 160)
	for n := range 200 {
		b.now += time.Duration(n%2) * 10 * time.Millisecond
		b.audio(audio)
	}
	jitter := b.Stats().JitterIn
	require.Greater(t, jitter, 4*time.Millisecond)
	b.far.SSRC++
	b.hear(101, []byte{5, 10, 0, 160})
	require.Equal(t, jitter, b.Stats().JitterIn)
	require.Zero(t, b.session.block(b.now).Jitter, "nothing is known of the events")
	b.far.SSRC--
	b.far.Timestamp += 160
	b.audio(audio)
	require.InDelta(t, jitter, b.Stats().JitterIn, float64(2*time.Millisecond))
	require.NotZero(t, b.session.block(b.now).Jitter)
	b.far.SSRC = 99
	b.audio(audio)
	require.Zero(t, b.Stats().JitterIn, "other audio")
}
