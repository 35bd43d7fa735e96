package caller

import "time"

// gapSlack is how much later than the packet time a packet may follow the one before: what
// a telephone's de-jitter buffer holds. A longer gap is heard. With packets of 20 ms that
// is a gap over 40 ms.
const gapSlack = 20 * time.Millisecond

// tally sums up what the calls of a load run received. Whoever counts owns it.
type tally struct {
	first, stop, next, audible, pacing Histogram
	settingUp                          bool // the measurement has not begun
	longest, setupLongest              time.Duration
	over40, setupOver40, keys, noNext  uint64
	packets, lost, late, twice         uint64
	unopened                           uint64 // by SRTP: they count as lost, too
	early, mute, complete, gapped      int
	keyless                            int // calls that could press no key
	quality                            qualities
}

// measured begins the measurement: gaps so far were those of the set-up, and so was the
// pacing, which is not kept.
func (t *tally) measured() {
	t.settingUp = false
	t.pacing = Histogram{}
}

// gap counts a time without packets, and tells whether it was a long one of the measurement.
func (t *tally) gap(gap, ptime time.Duration) bool {
	long := gap > ptime+gapSlack
	longest, over := &t.longest, &t.over40
	if t.settingUp {
		longest, over = &t.setupLongest, &t.setupOver40
	}
	*longest = max(*longest, gap)
	if long {
		*over++
	}
	return long && !t.settingUp
}

// reception is what one call of a load run keeps of its packets: a few words, since
// the figures go to the tally at once. Times are nanoseconds of the wall clock, as
// the kernel stamps them.
type reception struct {
	begun             bool
	first, last       int64  // arrival of the first and of the last packet
	lowest, highest   int64  // extended sequence numbers
	seen              window // which of the last ones came
	ssrc, ts          uint32 // of the last packet
	afterMarker       bool
	marks             bool // its sender marks where a talkspurt begins (RFC 3551 section 4.1)
	loud              bool // the last packet was no silence
	got               uint64
	lost, late, twice uint64
	gapped            bool  // there was a long gap in the measurement
	cut               bool  // the far end ended the call before its measurement was over
	ended             bool  // nothing more is due
	pausing           bool  // the last packet was comfort noise: a time without packets may follow
	transit           int64 // of the last packet, from a zero of its own
	jitter            time.Duration

	waiting   bool  // a measured key went down and no new talkspurt has begun since
	listening bool  // one has, and nothing of it could be heard yet
	keyDown   int64 // when
	speaking  bool  // a sentence sounded at that moment
	lastLoud  int64 // arrival of the last packet with sound since then
}

// arrival is what matters of one RTP packet.
type arrival struct {
	at     int64
	seq    uint16
	ts     uint32 // RTP timestamp, 8 per ms
	ssrc   uint32
	marker bool
	loud   bool
	sound  int // which of its samples is the first that can be heard; -1: none
}

// samplesPerMs is the RTP clock of every codec that a load run offers.
const samplesPerMs = 8

// packet counts one packet. ptime is the agreed packet time.
func (r *reception) packet(t *tally, p arrival, ptime time.Duration) {
	t.packets++
	r.got++
	n := r.highest + int64(int16(p.seq-uint16(r.highest)))
	joined := false // the packet goes on where the one before ended
	switch {
	case !r.begun || p.ssrc != r.ssrc:
		if r.begun {
			r.gap(t, p, false, ptime)
		} else {
			r.begun, r.first = true, p.at
		}
		n = int64(p.seq) + 1<<16
		r.lowest, r.seen = n, window{}
		r.seen.came(n, n)
	case n <= r.highest:
		r.behind(t, n)
		return
	default:
		r.missed(t, n-r.highest-1)
		r.seen.came(r.highest+1, n)
		joined = p.ts-r.ts == uint32(n-r.highest)*uint32(ptime/time.Millisecond)*samplesPerMs
		r.gap(t, p, n == r.highest+1, ptime)
		r.spread(p)
	}
	r.transit = p.at - sentAt(p.ts)
	r.highest, r.last, r.afterMarker, r.loud, r.ts, r.ssrc = n, p.at, p.marker, p.loud, p.ts, p.ssrc
	r.pausing = false
	r.marks = r.marks || p.marker
	r.answer(t, p, p.marker || !r.marks && !joined)
}

// aside counts a packet of another payload type: it takes a sequence number of the audio's,
// and comfort noise stands for a silence of which nothing else may come.
func (r *reception) aside(t *tally, at int64, seq uint16, ssrc uint32, noise bool) {
	if !r.begun || ssrc != r.ssrc {
		return
	}
	n := r.highest + int64(int16(seq-uint16(r.highest)))
	if n <= r.highest {
		if n > max(r.highest-windowSize, r.lowest) && !r.seen.has(n) {
			r.seen.set(n)
			r.missed(t, -1)
		}
		return
	}
	r.missed(t, n-r.highest-1)
	r.seen.came(r.highest+1, n)
	r.highest, r.last, r.pausing = n, at, noise
}

// window remembers which of the last sequence numbers came: n is bit n%windowSize.
type window [windowSize / 64]uint64

const windowSize = 512 // about 10 s: what comes later than that is not told from what came

// came notes that highest came, and nothing from first up to it.
func (w *window) came(first, highest int64) {
	for n := max(first, highest-windowSize+1); n < highest; n++ {
		w[n%windowSize/64] &^= 1 << (n % 64)
	}
	w.set(highest)
}

func (w *window) set(n int64)      { w[n%windowSize/64] |= 1 << (n % 64) }
func (w *window) has(n int64) bool { return w[n%windowSize/64]>>(n%64)&1 == 1 }

// missed counts packets that have not come yet; less than none: some of them came.
func (r *reception) missed(t *tally, n int64) {
	r.lost += uint64(n)
	t.lost += uint64(n)
}

// behind counts a packet that came after a later one. One that stands before all others of
// its source was missed by nobody yet.
func (r *reception) behind(t *tally, n int64) {
	if n <= r.highest-windowSize || r.seen.has(n) {
		r.twice++
		t.twice++
		return
	}
	r.late++
	t.late++
	if n < r.lowest {
		r.missed(t, r.lowest-n-1)
		r.lowest = n
	} else {
		r.missed(t, -1)
	}
	r.seen.set(n)
}

// gap judges the time since the last packet. A new talkspurt begins when it must, and
// its second packet goes to the sender's next slot: neither is pacing, unless it is as late
// as one that follows frames which a late sender left out.
func (r *reception) gap(t *tally, p arrival, next bool, ptime time.Duration) {
	if r.pausing {
		return
	}
	gap := time.Duration(p.at - r.last)
	r.gapped = t.gap(gap, ptime) || r.gapped
	if next && (gap > ptime+gapSlack || !p.marker && !r.afterMarker) {
		t.pacing.Record((gap - ptime).Abs())
	}
}

// end judges the time from the last packet to a moment after which none is due: a far end
// that stops sending for good leaves a gap that no packet ends. Only the first end counts.
func (r *reception) end(t *tally, at int64, ptime time.Duration) {
	if !r.begun || r.ended || r.pausing {
		return
	}
	r.ended = true
	if gap := time.Duration(at - r.last); gap > ptime+gapSlack {
		r.gapped = t.gap(gap, ptime) || r.gapped
	}
}

// sentAt is the moment of an RTP timestamp in nanoseconds, from a zero of its own.
func sentAt(ts uint32) int64 { return int64(ts) * int64(time.Millisecond) / samplesPerMs }

// spread takes a packet into the jitter (RFC 3550 appendix A.8). What a sender leaves out
// between two talkspurts is not the network's.
func (r *reception) spread(p arrival) {
	d := time.Duration(p.at - sentAt(p.ts) - r.transit).Abs()
	if !p.marker && d < time.Minute {
		r.jitter += (d - r.jitter) / 16
	}
}

// answer watches what follows a key. begins: the packet is the first of a talkspurt; a
// sender that marks none is judged by its timestamps.
func (r *reception) answer(t *tally, p arrival, begins bool) {
	switch {
	case p.at < r.keyDown:
		return
	case r.waiting && begins:
		t.next.Record(time.Duration(p.at - r.keyDown))
		r.stopped(t)
		r.waiting, r.listening = false, true
	case r.waiting && p.loud:
		r.lastLoud = p.at
	}
	if r.listening && p.sound >= 0 {
		t.audible.Record(time.Duration(p.at-r.keyDown) + time.Duration(p.sound)*time.Millisecond/samplesPerMs)
		r.listening = false
	}
}

// stopped records how long the sentence that the key interrupted went on.
func (r *reception) stopped(t *tally) {
	if r.speaking {
		t.stop.Record(time.Duration(max(r.lastLoud-r.keyDown, 0)))
	}
}

// press begins to watch for what follows a key that goes down now.
func (r *reception) press(t *tally, at int64) {
	r.release(t)
	t.keys++
	r.waiting, r.listening, r.keyDown, r.speaking, r.lastLoud = true, false, at, r.loud, 0
}

// release ends the watch: no new talkspurt came. If silence followed, the sentence
// was stopped all the same.
func (r *reception) release(t *tally) {
	if !r.waiting {
		return
	}
	t.noNext++
	if !r.loud {
		r.stopped(t)
	}
	r.waiting = false
}

// close adds what can be said of the whole call; acked is when its ACK left, 0 if
// there was none.
func (r *reception) close(t *tally, acked int64) {
	r.release(t)
	switch {
	case acked == 0: // the call never came to be
		return
	case !r.begun:
		t.mute++
		return
	case r.first < acked:
		t.early++
	default:
		t.first.Record(time.Duration(r.first - acked))
	}
	switch {
	case r.cut || r.lost != 0 || r.late != 0 || r.twice != 0:
	case r.gapped:
		t.gapped++
	default:
		t.complete++
	}
	t.quality.heard(r.got, r.lost, r.jitter)
}

// hearing is what a report says of the call so far.
func (r *reception) hearing() hearing {
	return hearing{ssrc: r.ssrc, highest: r.highest, lost: r.lost, jitter: r.jitter}
}
