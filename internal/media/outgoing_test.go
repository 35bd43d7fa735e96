package media

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestOutgoingNumbers runs talkspurts from 16 starts around the wraps of the
// timestamp and of the sequence.
func TestOutgoingNumbers(t *testing.T) {
	for i := range uint32(16) {
		o := newOutgoing()
		ts, seq := (i-8)*160, uint16(i)-8
		o.header.Timestamp, o.header.SequenceNumber = ts, seq
		start := 7 * time.Second
		o.talkspurt(start)
		require.True(t, o.header.Marker)
		require.Equal(t, ts, o.header.Timestamp)
		for n := range uint32(10) {
			require.Equal(t, ts+160*n, o.header.Timestamp)
			require.Equal(t, n == 0, o.header.Marker)
			require.Equal(t, seq+uint16(n), o.header.SequenceNumber)
			o.advance(160, 20*time.Millisecond)
		}
		o.talkspurt(start + 187*time.Millisecond)
		require.True(t, o.header.Marker)
		require.Equal(t, ts+187*8, o.header.Timestamp, "the media clock at the moment of sending")
		require.Equal(t, seq+10, o.header.SequenceNumber)
		o.advance(160, 20*time.Millisecond)
		o.skip(40 * time.Millisecond)
		require.Equal(t, ts+187*8+480, o.header.Timestamp)
		require.True(t, o.header.Marker)
		o.advance(160, 20*time.Millisecond)
		o.talkspurt(start + 188*time.Millisecond)
		require.Equal(t, o.last+1, o.header.Timestamp, "time never runs backwards")
		require.Equal(t, uint32(12), o.packets)
		require.Equal(t, uint32(12*160), o.octets)
	}
}

func TestOutgoingBeginsAtRandom(t *testing.T) {
	ssrcs, stamps := map[uint32]bool{}, map[uint32]bool{}
	for range 100 {
		o := newOutgoing()
		require.Less(t, o.header.SequenceNumber, uint16(1<<15))
		ssrcs[o.header.SSRC], stamps[o.header.Timestamp] = true, true
	}
	require.Greater(t, len(ssrcs), 95)
	require.Greater(t, len(stamps), 95)
}
