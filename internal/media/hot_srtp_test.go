//go:build !race

package media

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The race detector makes the hashes of SRTP allocate.
func TestProtectedHotPathsAllocateNothing(t *testing.T) {
	payload, pieces := make([]byte, 160), keyPieces()
	b := newBench(t, &sink{})
	b.protect(t)
	require.Zero(t, testing.AllocsPerRun(1000, func() { b.audio(payload) }), "an audio packet")
	require.Zero(t, testing.AllocsPerRun(1000, func() { require.Equal(t, 2, b.press(pieces)) }), "a key")
	require.Equal(t, uint64(1001+7*1001), b.Stats().PacketsIn)

	b = newBench(t, &sink{})
	b.protect(t)
	b.Start(0)
	b.Say(Utterance{Clips: [MaxClips]Clip{make(bytesClip, 1<<20)}})
	for range 20 { // let the ring's cells grow
		b.frame()
	}
	require.Zero(t, testing.AllocsPerRun(1000, b.frame), "a frame")
}
