package media_test

import (
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/dtmf"
	"star97/internal/media"
)

// playout is a telephone with a fixed de-jitter buffer: a sample is played by its
// timestamp, so long after the first packet came, and one that comes later is lost.
type playout struct {
	depth   time.Duration
	began   time.Time // when the first sample is played
	first   uint32
	line    map[uint32]byte // what is played, by timestamp
	network *rand.Rand
	most    time.Duration // that the network holds a packet up
}

func (b *playout) take(h heard) {
	at := h.at.Add(time.Duration(b.network.Int64N(int64(b.most) + 1)))
	if b.line == nil {
		b.began, b.first, b.line = at.Add(b.depth), h.Timestamp, map[uint32]byte{}
	}
	for i, v := range h.Payload {
		ts := h.Timestamp + uint32(i)
		if !at.After(b.began.Add(time.Duration(ts-b.first) * time.Second / 8000)) {
			b.line[ts] = v
		}
	}
}

// whole tells whether each of these samples is played, from a timestamp on.
func (b *playout) whole(ts uint32, said clip) bool {
	for i, v := range said {
		if got, played := b.line[ts+uint32(i)]; !played || got != v {
			return false
		}
	}
	return true
}

// noise is a sentence in which no place is like another one.
func noise(r *rand.Rand, ms int) clip {
	c := make(clip, ms*8)
	for i := range c {
		c[i] = byte(r.IntN(255)) // never silence
	}
	return c
}

// testPlayout: whenever a key stops a sentence, the next one is heard from its first
// sample on, through a de-jitter buffer of 40 ms behind a network with 15 ms of jitter.
func testPlayout(t *testing.T, w world) {
	times, most := 100, 15*time.Millisecond
	if !w.exact {
		times, most = 5, 0
	}
	if os.Getenv("STAR97_LONG") != "" {
		times = 1000
	}
	s, p := w.call(t)
	s.Set(p.stream())
	s.Start(0)
	r := rand.New(rand.NewPCG(5, 5))
	// A real machine can be busy elsewhere for a while: there the packets have to hold the
	// samples, and it is told in how many sentences some were not played, or played behind
	// a hole, where a late sender let the time of a packet pass.
	buffer := &playout{depth: 40 * time.Millisecond, network: r, most: most}
	lacking, torn := 0, 0
	for n := range times {
		said := noise(r, 5000)
		p.press(p.rtp, dtmf.Digit(n%10))
		want(t, s, media.Pressed, media.Pressed)
		s.Stop()
		s.Say(speak(uint32(n), said))
		want(t, s, media.Started)
		next := func() heard {
			h := p.hear()
			buffer.take(h)
			return h
		}
		spurt := next()
		for spurt.Payload[0] != said[0] || spurt.Payload[1] != said[1] || spurt.Payload[2] != said[2] {
			spurt = next()
		}
		missed, holes := false, false
		var sent clip
		for h, ts := spurt, spurt.Timestamp; ; h = next() {
			missed = missed || !buffer.whole(h.Timestamp, h.Payload)
			holes = holes || h.Timestamp != ts
			sent, ts = append(sent, h.Payload...), h.Timestamp+uint32(len(h.Payload))
			if len(sent) >= 800 {
				break
			}
		}
		require.Equal(t, said[:800], sent, "sentence %d", n)
		require.False(t, w.exact && (missed || holes), "samples of sentence %d are missing", n)
		if missed {
			lacking++
		}
		if holes {
			torn++
		}
		clear(buffer.line)
		time.Sleep(time.Duration(r.IntN(200_000)) * time.Microsecond)
	}
	t.Logf("of the first 100 ms of %d sentences %d lacked a sample, %d had a hole", times, lacking, torn)
}
