package media

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/codec"
)

func format(t *testing.T, id codec.ID) *codec.Format {
	f, ok := codec.ByID(id)
	require.True(t, ok)
	return f
}

// numbered is n bytes that differ from silence and tell their place.
func numbered(n int, first byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = (first + byte(i)) & 0x7F
	}
	return b
}

func TestPlayerFrames(t *testing.T) {
	a, b, c := numbered(1000, 1), numbered(333, 50), numbered(160, 90)
	tests := []struct {
		name  string
		audio [MaxClips][]byte
	}{
		{"one clip", [MaxClips][]byte{a}},
		{"clips follow each other without a gap", [MaxClips][]byte{a, b, c}},
		{"a clip that is missing in this codec is passed over", [MaxClips][]byte{a, nil, c}},
		{"an exact number of frames", [MaxClips][]byte{a[:960]}},
	}
	for _, tt := range tests {
		for ms := 10; ms <= 60; ms += 5 {
			for _, lead := range []int{0, 200, 7} {
				t.Run(fmt.Sprintf("%s/%d ms/lead %d", tt.name, ms, lead), func(t *testing.T) {
					p := player{format: format(t, codec.PCMU), lead: lead}
					p.say(&Utterance{}, &tt.audio)
					want := append(bytes.Repeat([]byte{p.format.Silence}, lead*8), bytes.Join(tt.audio[:], nil)...)
					var got []byte
					for frame := make([]byte, ms*8); ; {
						before := len(got)
						started, finished := p.fill(frame)
						got = append(got, frame...)
						require.Equal(t, before <= lead*8 && lead*8 < len(got), started, "Started with the first byte")
						if finished {
							break
						}
						require.Less(t, len(got), len(want))
					}
					require.Less(t, len(got)-len(want), ms*8, "Finished with the last byte")
					require.Equal(t, want, got[:len(want)])
					require.Equal(t, bytes.Repeat([]byte{p.format.Silence}, len(got)-len(want)), got[len(want):])
				})
			}
		}
	}
}

func TestPlayerSaysNothingInOneFrame(t *testing.T) {
	p := player{format: format(t, codec.PCMA)}
	p.say(&Utterance{}, &[MaxClips][]byte{})
	frame := make([]byte, 160)
	started, finished := p.fill(frame)
	require.True(t, started)
	require.True(t, finished)
	require.Equal(t, bytes.Repeat([]byte{p.format.Silence}, 160), frame)
	started, finished = p.fill(frame)
	require.False(t, started || finished)
}

func TestPlayerStopAndRewind(t *testing.T) {
	p := player{format: format(t, codec.PCMU)}
	audio := [MaxClips][]byte{numbered(320, 0), numbered(320, 9)}
	frame := make([]byte, 240)
	p.say(&Utterance{}, &audio)
	p.fill(frame)
	p.fill(frame)
	p.rewind()
	started, _ := p.fill(frame)
	require.False(t, started, "Started is told once")
	require.Equal(t, audio[0][:240], frame)
	p.stop()
	_, finished := p.fill(frame)
	require.False(t, finished)
	require.Equal(t, bytes.Repeat([]byte{0xFF}, 240), frame)
}

func TestPlayerChangesCodecAtTheSameMoment(t *testing.T) {
	mu, a := [MaxClips][]byte{numbered(333, 1), numbered(500, 1)}, [MaxClips][]byte{numbered(333, 60), numbered(500, 60)}
	wide := *format(t, codec.PCMA)
	wide.BytesPerMs = 16
	double := [MaxClips][]byte{numbered(666, 3), numbered(1000, 3)}
	p := player{format: format(t, codec.PCMU)}
	p.say(&Utterance{}, &mu)
	frame := make([]byte, 160)
	p.fill(frame)
	p.fill(frame)
	p.recode(format(t, codec.PCMA), &a)
	p.fill(frame)
	require.Equal(t, append(bytes.Clone(a[0][320:]), a[1][:147]...), frame)
	p.recode(&wide, &double)
	p.fill(frame)
	require.Equal(t, double[1][288:448], frame, "at 18 ms of the second clip")
}

func TestFrameTime(t *testing.T) {
	for ptime, want := range map[time.Duration]time.Duration{0: 20, -5: 20, 1: 10, 10: 10, 12: 10, 15: 15, 20: 20, 30: 30, 40: 40, 60: 60, 120: 60} {
		require.Equal(t, want*time.Millisecond, frameTime(ptime*time.Millisecond), "ptime %d", ptime)
	}
}
