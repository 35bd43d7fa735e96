package media

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"
)

// until lets the thread do all that is due by at, each thing in its time.
func (h *hand) until(at time.Duration) {
	for {
		next := h.serve()
		if next > at {
			h.at = at
			return
		}
		h.at = max(h.at, next)
	}
}

// frames reads what the session has sent since it was last asked.
func (c *talker) frames(t testing.TB, asked *uint64) (frames []rtp.Packet) {
	data := make([]byte, maxDatagram)
	for ; *asked < c.Stats().PacketsOut; *asked++ {
		require.NoError(t, c.far.SetReadDeadline(time.Now().Add(time.Minute)))
		n, err := c.far.Read(data)
		require.NoError(t, err)
		var p rtp.Packet
		require.NoError(t, p.Unmarshal(append([]byte(nil), data[:n]...)))
		frames = append(frames, p)
	}
	return frames
}

func TestReactorLateFrames(t *testing.T) {
	for _, tt := range lateFrames {
		t.Run(tt.name, func(t *testing.T) {
			h := newHand(t)
			c := h.call(t)
			c.Start(0)
			due, ts, sent := c.due, c.out.header.Timestamp, c.Stats().PacketsOut
			c.alarm.stop() // a report may be due in a second
			h.at = time.Duration(due)*slot + tt.late
			next := h.serve()
			require.Equal(t, sent+1, c.Stats().PacketsOut)
			require.Equal(t, ts+160*tt.missed, c.out.last)
			require.Equal(t, due+4*int64(tt.missed+1), c.due, "the schedule is the one of before")
			require.Equal(t, time.Duration(c.due)*slot, next)
		})
	}
}

// A minute of sentences at random moments, as the suite has it for the other engine.
func TestReactorSchedule(t *testing.T) {
	h := newHand(t)
	c := h.call(t)
	type sent struct {
		rtp.Packet
		at time.Duration
	}
	var all []sent
	asked := uint64(0)
	hear := func() {
		for _, p := range c.frames(t, &asked) {
			all = append(all, sent{p, h.at})
		}
	}
	c.Start(0)
	hear()
	for end := h.at + time.Minute; h.at < end; {
		next := h.at + time.Duration(rand.N(300000))*time.Microsecond
		for h.at < next {
			h.until(min(next, time.Duration(c.due)*slot))
			hear()
		}
		c.Say(Utterance{Clips: [MaxClips]Clip{speech(100)}})
		hear()
		c.events()
	}
	require.Greater(t, len(all), 2900)
	last, spurt := all[0], true
	for _, p := range all[1:] {
		gap := p.at - last.at
		require.Equal(t, last.SequenceNumber+1, p.SequenceNumber)
		require.Positive(t, int32(p.Timestamp-last.Timestamp))
		switch {
		case p.Marker:
			require.Less(t, gap, 22500*time.Microsecond)
			require.Equal(t, byte(1), p.Payload[0])
		case spurt:
			require.InDelta(t, 20*time.Millisecond, gap, float64(2500*time.Microsecond))
		default:
			require.Equal(t, 20*time.Millisecond, gap)
		}
		last, spurt = p, p.Marker
	}
}

// speech is ms milliseconds that are no silence.
func speech(ms int) bytesClip {
	c := make(bytesClip, 8*ms)
	for i := range c {
		c[i] = 1
	}
	return c
}

// What is no frame has its time on the reactor's own clock as well.
func TestReactorKeepsDeadlines(t *testing.T) {
	h := newHand(t)
	c := h.call(t)
	stream := c.stream
	stream.Sparse, stream.RemoteRTCP = true, stream.Remote
	c.Set(stream)
	began := h.at
	c.Start(0)
	h.until(began + time.Minute - 1)
	require.Zero(t, c.events())
	h.until(began + time.Minute)
	require.Equal(t, 1, c.events(), "the media time-out")
	h.until(began + 90*time.Second)
	c.say(t, 0, make([]byte, 160))
	h.await(t, c, 1)
	h.until(began + 150*time.Second - 1)
	require.Zero(t, c.events())
	h.until(began + 150*time.Second)
	require.Equal(t, 1, c.events(), "counted from the last packet")
	require.InDelta(t, 2+150, c.Stats().PacketsOut, 3, "a frame a second to a sparse peer")
	require.True(t, c.rtcp.sent, "a report")

	c.say(t, 101, []byte{5, 10, 0, 160})
	h.await(t, c, 2)
	require.Equal(t, 1, c.events(), "key-down")
	h.until(h.at + 150*time.Millisecond - 1)
	require.Zero(t, c.events())
	h.until(h.at + 1)
	require.Equal(t, 1, c.events(), "key-up by our own clock")
}

// rows is a sender that counts the frames of each row, and those that leave outside of one.
type rows struct {
	atOnce
	open  bool
	all   []int
	alone int
}

func (r *rows) begin() { r.open, r.all = true, append(r.all, 0) }
func (r *rows) flush() { r.open = false }

func (r *rows) send(c *rawConn, b []byte) error {
	if r.open {
		r.all[len(r.all)-1]++
	} else {
		r.alone++
	}
	return r.atOnce.send(c, b)
}

// Calls that begin at the same moment share a slot, each frame of which leaves in one row,
// until their callers press keys.
func TestReactorServesABurstInOneRow(t *testing.T) {
	const many = 200
	out := new(rows)
	h := newHandFor(t, many+20, out)
	calls := make([]*talker, many)
	first := h.call(t)
	for i := range calls {
		calls[i] = first
		if i > 0 {
			s, err := h.Open(loopback)
			require.NoError(t, err)
			s.Set(first.stream)
			calls[i] = &talker{session: s.(*session)}
		}
	}
	h.at += 3 * time.Millisecond
	for _, c := range calls {
		c.Start(0)
	}
	require.Equal(t, many, out.alone, "each first packet leaves from Start itself")
	began, due := h.at, time.Duration(first.due)*slot
	require.InDelta(t, 20*time.Millisecond, due-began, float64(2500*time.Microsecond))
	real := time.Now()
	h.until(due)
	t.Logf("a row of %d frames took %v", many, time.Since(real))
	h.until(due + 60*time.Millisecond)
	require.Equal(t, []int{many, many, many, many}, out.all)

	for i, c := range calls { // a key each, within 20 ms
		h.until(due + 60*time.Millisecond + time.Duration(i)*20*time.Millisecond/many)
		c.Say(Utterance{Clips: [MaxClips]Clip{speech(100)}})
	}
	require.Equal(t, 2*many, out.alone)
	h.until(h.at + 40*time.Millisecond)
	out.all = nil
	h.until(h.at + 20*time.Millisecond)
	require.Len(t, out.all, 4)
	for _, n := range out.all {
		require.InDelta(t, many/4, n, 2, "spread over all slots of a frame")
	}
}
