package caller

import "time"

// longGap is a gap that a telephone's de-jitter buffer would let be heard.
const longGap = 40 * time.Millisecond

// tally sums up what the calls of a load run received. It belongs to the deck.
type tally struct {
	first, stop, next, pacing         Histogram
	longest, setupLongest             time.Duration // setup: before the measurement
	over40, setupOver40, keys, noNext uint64
	packets, lost, late, twice        uint64
	early, mute, complete             int
}

// measured begins the measurement: gaps so far were those of the set-up.
func (t *tally) measured() {
	t.setupLongest, t.longest = t.longest, 0
	t.setupOver40, t.over40 = t.over40, 0
}

// reception is what one call of a load run keeps of its packets: a few words, since
// the figures go to the tally at once. Times are nanoseconds of the wall clock, as
// the kernel stamps them.
type reception struct {
	begun             bool
	first, last       int64  // arrival of the first and of the last packet
	highest           int64  // extended sequence number
	seen              uint64 // bit n: highest-n came
	afterMarker       bool
	loud              bool // the last packet was no silence
	lost, late, twice uint64

	waiting  bool  // a measured key went down and no new talkspurt has begun since
	keyDown  int64 // when
	speaking bool  // a sentence sounded at that moment
	lastLoud int64 // arrival of the last packet with sound since then
}

// arrival is what matters of one RTP packet.
type arrival struct {
	at     int64
	seq    uint16
	marker bool
	loud   bool
}

// packet counts one packet. ptime is the agreed packet time.
func (r *reception) packet(t *tally, p arrival, ptime time.Duration) {
	t.packets++
	n := r.highest + int64(int16(p.seq-uint16(r.highest)))
	switch {
	case !r.begun:
		r.begun, r.first, n = true, p.at, int64(p.seq)+1<<16
		r.seen = 1
	case n <= r.highest:
		r.behind(t, r.highest-n)
		return
	default:
		r.lost += uint64(n - r.highest - 1)
		t.lost += uint64(n - r.highest - 1)
		r.seen = r.seen<<uint(min(n-r.highest, 64)) | 1
		r.gap(t, p, n == r.highest+1, ptime)
	}
	r.highest, r.last, r.afterMarker, r.loud = n, p.at, p.marker, p.loud
	r.answer(t, p)
}

// behind counts a packet that came after a later one.
func (r *reception) behind(t *tally, by int64) {
	if by < 64 && r.seen>>uint(by)&1 == 1 || by >= 64 {
		r.twice++
		t.twice++
		return
	}
	r.seen |= 1 << uint(by)
	r.late++
	t.late++
	r.lost--
	t.lost--
}

// gap judges the time since the last packet. A new talkspurt begins when it must, and
// its second packet goes to the sender's next slot: neither is pacing.
func (r *reception) gap(t *tally, p arrival, next bool, ptime time.Duration) {
	gap := time.Duration(p.at - r.last)
	t.longest = max(t.longest, gap)
	if gap > longGap {
		t.over40++
	}
	if next && !p.marker && !r.afterMarker {
		t.pacing.Record((gap - ptime).Abs())
	}
}

// answer watches what follows a key.
func (r *reception) answer(t *tally, p arrival) {
	if !r.waiting || p.at < r.keyDown {
		return
	}
	if !p.marker {
		if p.loud {
			r.lastLoud = p.at
		}
		return
	}
	t.next.Record(time.Duration(p.at - r.keyDown))
	r.stopped(t)
	r.waiting = false
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
	r.waiting, r.keyDown, r.speaking, r.lastLoud = true, at, r.loud, 0
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
	if r.lost == 0 && r.late == 0 && r.twice == 0 {
		t.complete++
	}
}
