package media_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/media"
)

// testSparse: while nothing is said a frame a second is sent, each a talkspurt on the
// media clock; a sentence begins at once and has all of its packets.
func testSparse(t *testing.T, w world) {
	s, p := w.call(t)
	st := p.stream()
	st.Sparse = true
	s.Set(st)
	began := time.Now()
	s.Start(0)
	first := p.hear()
	last := p.hear() // as silent as the first: from now on there is no hurry
	p.follows(first, last, 160)
	for range 2 {
		next := p.hear()
		require.True(t, next.Marker)
		require.Equal(t, last.SequenceNumber+1, next.SequenceNumber)
		require.Equal(t, silence, next.Payload)
		if w.exact {
			require.Equal(t, time.Second, next.at.Sub(last.at))
			require.Equal(t, uint32(8000), next.Timestamp-last.Timestamp)
		}
		require.GreaterOrEqual(t, next.Timestamp-last.Timestamp, uint32(8000-20), "less half a slot")
		p.onClock(first, next, began, last.at)
		last = next
	}

	asked := time.Now()
	s.Say(speak(1, sentence(60, 1)))
	spurt := p.hear()
	require.True(t, spurt.Marker)
	require.Equal(t, byte(1), spurt.Payload[0])
	p.onClock(first, spurt, began, asked)
	for n := byte(2); n <= 3; n++ {
		next := p.hear()
		p.follows(spurt, next, 160)
		require.Equal(t, n, next.Payload[0])
		spurt = next
	}
	want(t, s, media.Started, media.Finished)
	last = p.hear()
	p.follows(spurt, last, 160)
	next := p.hear()
	require.True(t, next.Marker)
	require.Equal(t, last.SequenceNumber+1, next.SequenceNumber)
	require.GreaterOrEqual(t, next.Timestamp-last.Timestamp, uint32(8000-20), "nothing for a second again")

	s.Set(p.held())
	want(t, s, media.Held)
	p.forget()
	p.quiet(1200 * time.Millisecond)
	s.Set(st)
	want(t, s, media.Resumed)
	require.True(t, p.hear().Marker)
	s.Close()
	p.forget()
	p.quiet(1200 * time.Millisecond)
}
