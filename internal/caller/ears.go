package caller

import (
	"sync"
	"time"

	"star97/internal/prompt"
	"star97/internal/prompt/ear"
)

// Heard is what the ear made out, with the moments at which it reached this telephone.
type Heard struct {
	ear.Sound
	At    time.Time // when the sound's first sample arrived
	Known time.Time // when it was recognised
}

const (
	sampleRate    = prompt.Rate
	maxFrame      = 60 * sampleRate / 1000  // samples in the longest packet
	maxFrames     = 512                     // packets waiting for the ear: 10 s
	maxHeard      = 4096                    // sounds kept of a call
	maxRecording  = 15 * 60 * sampleRate    // samples recorded of a call
	longestGap    = 2 * sampleRate          // samples: a longer one is cut to this
	maxMoments    = 64                      // pairs of sample and arrival kept to date a Sound
	momentSamples = 250 * sampleRate / 1000 // their distance
)

// frame is the decoded audio of one packet.
type frame struct {
	pcm       [maxFrame]int16
	n         int
	at        time.Time
	timestamp uint32
	ssrc      uint32
	marker    bool
}

// ears line up the audio by its timestamps and give it to the listener: what was
// lost is heard as silence.
type ears struct {
	listener *ear.Listener // nil: nothing is recognised; owned by run
	frames   chan frame    // closed when nothing more will come

	mu        sync.Mutex
	heard     []Heard
	changed   chan struct{} // closed and replaced when heard grows
	recording []int16
	overrun   uint64
	loud      time.Time // arrival of the last frame that was not silent

	// Owned by run.
	fed     int64
	next    uint32
	ssrc    uint32
	begun   bool
	moments []moment
	dated   bool // the last of moments holds for what follows
}

// moment ties a sample to its arrival.
type moment struct {
	sample int64
	at     time.Time
}

func newEars(known *ear.Ear) *ears {
	e := &ears{frames: make(chan frame, maxFrames), changed: make(chan struct{})}
	if known != nil {
		e.listener = known.Listen()
	}
	return e
}

// offer queues one frame; a full queue is counted and the gap is fed as silence.
func (e *ears) offer(f *frame) {
	select {
	case e.frames <- *f:
	default:
		e.mu.Lock()
		e.overrun++
		e.mu.Unlock()
	}
}

// run takes frames until there will be no more. Started by openMedia, stops when
// frames is closed, owns the listener and the line-up.
func (e *ears) run() {
	for f := range e.frames {
		e.take(&f)
	}
}

// take puts a frame in its place on the media clock. A talkspurt begins right after
// the one before, as a de-jitter buffer may play it (RFC 3551 section 4.1): where the
// sender paused in a sentence, or came late to it, the sentence goes on.
func (e *ears) take(f *frame) {
	gap := int64(int32(f.timestamp - e.next))
	switch {
	case !e.begun || f.ssrc != e.ssrc:
		gap = 0
	case f.marker && gap > -int64(f.n):
		gap = 0
		e.dated = false
	case gap < 0:
		return // late: its place was fed as silence
	case gap > longestGap:
		gap = longestGap
	}
	e.begun, e.ssrc, e.next = true, f.ssrc, f.timestamp+uint32(f.n)
	var quiet frame
	for gap > 0 {
		quiet.n = int(min(gap, maxFrame))
		e.feed(quiet.pcm[:quiet.n], f.at)
		gap -= int64(quiet.n)
	}
	if isLoud(f.pcm[:f.n]) {
		e.mu.Lock()
		e.loud = f.at
		e.mu.Unlock()
	}
	e.feed(f.pcm[:f.n], f.at)
}

func (e *ears) feed(pcm []int16, at time.Time) {
	if !e.dated || e.fed-e.moments[len(e.moments)-1].sample >= momentSamples {
		e.dated = true
		if len(e.moments) == maxMoments {
			e.moments = append(e.moments[:0], e.moments[1:]...)
		}
		e.moments = append(e.moments, moment{e.fed, at})
	}
	e.mu.Lock()
	if len(e.recording)+len(pcm) <= maxRecording {
		e.recording = append(e.recording, pcm...)
	}
	e.mu.Unlock()
	e.fed += int64(len(pcm))
	if e.listener == nil {
		return
	}
	for _, s := range e.listener.Feed(pcm) {
		e.note(Heard{Sound: s, At: e.when(s.Start), Known: time.Now()})
	}
}

// when dates a sample by the nearest noted moment before it.
func (e *ears) when(sample int64) time.Time {
	m := e.moments[0]
	for _, n := range e.moments {
		if n.sample > sample {
			break
		}
		m = n
	}
	return m.at.Add(time.Duration(sample-m.sample) * time.Second / sampleRate)
}

func (e *ears) note(h Heard) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.heard) == maxHeard {
		return
	}
	e.heard = append(e.heard, h)
	close(e.changed)
	e.changed = make(chan struct{})
}

// since returns what was heard from the n-th sound on, and a channel that closes
// when there is more.
func (e *ears) since(n int) ([]Heard, <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]Heard(nil), e.heard[min(n, len(e.heard)):]...), e.changed
}

// isLoud tells speech from silence: digital silence of both laws decodes to 0 or 8,
// and a comfort noise stays well below this.
func isLoud(pcm []int16) bool {
	for _, s := range pcm {
		if s > 256 || s < -256 {
			return true
		}
	}
	return false
}

// Heard returns every Sound so far, in order.
func (m *Media) Heard() []Heard {
	all, _ := m.ears.since(0)
	return all
}

// Recording is the received audio so far, 16-bit PCM at 8000 Hz, at most 15 minutes.
func (m *Media) Recording() []int16 { return m.RecordingFrom(0) }

// RecordingFrom is the part of Recording from a sample on.
func (m *Media) RecordingFrom(sample int) []int16 {
	m.ears.mu.Lock()
	defer m.ears.mu.Unlock()
	return append([]int16(nil), m.ears.recording[min(sample, len(m.ears.recording)):]...)
}

// LastSound is when the last packet arrived that was not silent; zero if none did.
func (m *Media) LastSound() time.Time {
	m.ears.mu.Lock()
	defer m.ears.mu.Unlock()
	return m.ears.loud
}
