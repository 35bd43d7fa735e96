package ear

import (
	"math"
	"slices"

	"star97/internal/prompt"
)

// The patience of a Listener, in frames.
const (
	settle     = 5  // that must match before a sentence can be named,
	inNoise    = 12 // and where more is left unexplained than telephones leave
	otherFor   = 3  // of other sound that end a sentence
	silentFor  = 10 // of silence in a sentence that end it: more than a burst of lost packets
	strangeFor = 25 // of sound that nobody explains
	outdone    = 2  // that a rival explains better before a proposal is dropped
	rethink    = 5  // that a rival explains better before the current sentence is dropped
	memory     = 8  // that are kept
)

const newest = (memory - 1) * frameLen // where the newest frame begins in a Listener's memory

const (
	unsure   = 3                        // samples of a key whose sign is tried both ways
	maxProps = 48                       // proposals followed at once
	endSlack = 120 * prompt.Rate / 1000 // samples at the end of a sentence that may be missing: the k of "work"
)

// What counts as a match. Energies are sums over a frame.
const (
	bornAt       = 0.9       // correlation over two frames at which a proposal is made
	nameAt       = 0.9       // confidence at which a sentence is named,
	clean        = 0.995     // and at which nothing but telephones changed it: two codecs leave 0.0003
	matchAt      = 0.7       // correlation of a frame that matches
	takeover     = 32 * loud // in a pause of the sentence, is other sound: -32 dBov
	strangeSound = 8 * loud  // -38 dBov
	silence      = loud / 2  // at most; -50 dBov
	clearly      = 3         // times as much is left unexplained of a frame,
	beyond       = 0.02      // and this share of the energy more,
	steadily     = 2         // or so many times as much of all frames in memory,
	throughout   = 0.005     // and this share more,
	audibly      = 4 * loud  // and this much: outdone
)

// proposal is a sentence that may be sounding since start.
type proposal struct {
	master int
	start  int64 // sample
	born   int64 // sample from which it explained something
	upTo   int64 // sample after the last frame that matched

	matched       int     // frames
	other, silent int     // frames in a row
	worse         int     // frames in a row
	left          float64 // share of the newest frame's energy left unexplained; -1: not judged
	expected      float64 // energy of the master in the newest frame
	past          bool    // its last sound is behind us
	energy, rest  float64 // of all frames: heard, and left unexplained
}

// over tells that a proposal is refuted.
func (p *proposal) over() bool {
	if p.matched < settle {
		return p.other > 0 || p.silent >= silentFor
	}
	return p.other >= otherFor || p.silent >= silentFor
}

// stale tells that a proposal has come to its end and nobody waits for it.
func (l *Listener) stale(p *proposal) bool {
	return p.past && (!settled(*p) || len(l.common) == 0 && p.upTo < l.now)
}

func (p *proposal) confidence() float64 {
	if p.energy == 0 {
		return 0
	}
	return 1 - p.rest/p.energy
}

// follow judges the newest frame, of the energy heard, as the sentence's next one.
func (l *Listener) follow(p *proposal, heard float64) {
	p.left = -1
	m := &l.ear.masters[p.master]
	at := l.now - frameLen - p.start // of the frame in the master
	if p.past = at+frameLen >= int64(m.end); at >= int64(m.end) {
		return
	}
	like, expected := l.correlate(p.master, p.start, l.now, frameLen)
	p.expected = expected
	switch {
	case expected < loud:
		if heard >= takeover {
			p.other++
		}
	case like >= matchAt:
		p.matched++
		p.other, p.silent = 0, 0
		p.upTo = l.now
		p.left = 1 - like*like
		p.energy += heard
		p.rest += heard * p.left
	case heard < silence:
		p.silent++
	case expected < takeover && heard < takeover:
		// Weak on both sides: noise may be all there is.
	default:
		p.other++
		p.left = 1
		p.energy += heard
		p.rest += heard
	}
}

// correlate compares the n samples in memory before end with a master that began at
// start: the normalised correlation, and the master's energy there.
//
//go:norace
func (l *Listener) correlate(master int, start, end int64, n int) (like, expected float64) {
	pcm := l.ear.masters[master].pcm
	at := end - int64(n) - start
	frame := l.before(end, n)
	if at < 0 {
		frame, at = frame[min(-at, int64(n)):], 0
	}
	expect := pcm[min(at, int64(len(pcm))):]
	k := min(len(frame), len(expect))
	frame, expect = frame[:k], expect[:k]
	var xx, yy, xy int64
	for i, v := range frame {
		x, y := int64(v), int64(expect[i])
		xx += x * x
		yy += y * y
		xy += x * y
	}
	return normal(float64(xx), float64(yy), float64(xy)), float64(yy)
}

// before is the n samples in memory before end.
func (l *Listener) before(end int64, n int) []int16 {
	last := len(l.hist) - int(l.now-end)
	return l.hist[last-n : last]
}

// normal is the correlation of two signals of energies xx and yy, 0 if one is silent
// or if they are opposed.
func normal(xx, yy, xy float64) float64 {
	if xx == 0 || yy == 0 || xy <= 0 {
		return 0
	}
	return xy / math.Sqrt(xx*yy)
}

// propose looks up the keys that end in the newest frame, and takes in what they
// point to if it explains the newest samples.
func (l *Listener) propose() {
	scan(l.hist[:], newest-keyLen+1, len(l.hist)-keyLen, func(at int, key uint64) {
		for _, variant := range variants(key, l.hist[at:at+keyLen]) {
			for _, place := range l.ear.find(variant) {
				l.take(int(place.master), l.now-int64(len(l.hist)-at)-int64(place.at))
			}
		}
	})
}

// variants are the key itself and those that differ where the sign is least sure: in
// the smallest samples, which noise may have carried over zero.
//
//go:norace
func variants(key uint64, pcm []int16) [1 << unsure]uint64 {
	var bits [unsure]int
	var size [unsure]int16
	for i := range size {
		size[i] = math.MaxInt16
	}
	for k, v := range pcm[1:] { // the first sample is the crossing itself
		v = max(v, -v)
		for i := range size {
			if v >= 0 && v < size[i] {
				copy(size[i+1:], size[i:])
				copy(bits[i+1:], bits[i:])
				size[i], bits[i] = v, k+1
				break
			}
		}
	}
	var all [1 << unsure]uint64
	for n := range all {
		all[n] = key
		for i, bit := range bits {
			if n&(1<<i) != 0 {
				all[n] ^= 1 << bit
			}
		}
	}
	return all
}

// take adds a proposal. If there are too many, the least likely one that has not
// settled goes: regular sounds, such as a hum, look like many places at once.
//
//go:norace
func (l *Listener) take(master int, start int64) {
	for i := range l.props {
		if p := &l.props[i]; p.master == master && p.start == start {
			return
		}
	}
	like, _ := l.correlate(master, start, l.now, 2*frameLen)
	if like < bornAt {
		return
	}
	p := proposal{
		master: master, start: start, born: max(start, l.now-frameLen), left: 1 - like*like,
		past: l.now-start >= int64(l.ear.masters[master].end),
	}
	if len(l.props) < maxProps {
		l.props = append(l.props, p)
		return
	}
	worst := &p
	for i := range l.props {
		if q := &l.props[i]; !settled(*q) && q.left > worst.left {
			worst = q
		}
	}
	*worst = p
}

// compare counts how often others explained a frame clearly better, and drops the
// proposals that were outdone: all of them heard the same losses and noise.
func (l *Listener) compare() {
	best := 1.0
	for i := range l.props {
		if p := &l.props[i]; p.left >= 0 {
			best = min(best, p.left)
		}
	}
	for i := range l.props {
		p := &l.props[i]
		switch {
		case p.left < 0:
		case outdoes(best, p.left, p.expected, clearly, beyond):
			p.worse++
		default:
			p.worse = 0
		}
	}
	l.props = slices.DeleteFunc(l.props, func(p proposal) bool {
		return !l.isCurrent(&p) && (p.worse >= outdone || p.past && l.goesOn(&p))
	})
}

// outdoes tells whether one sentence, which leaves a share of so much energy
// unexplained, explains clearly more than another one: that leaves so many times as
// much and a share more, and one can hear it.
func outdoes(left, other, energy, times, share float64) bool {
	return other > times*left+share && (other-left)*energy > audibly
}

// meetRivals adds to the candidates those that explain as much as the best one does
// and were found too late to be among them, or not at all: noise hides the keys of one
// sentence and not those of another that sounds the same for a while. The keys of the
// best one's master have no noise. left and heard are what weigh says of the best one.
func (l *Listener) meetRivals(best proposal, left, heard float64) {
	m := &l.ear.masters[best.master]
	at := int(l.now - best.start)
	scan(m.pcm, max(1, at-len(l.hist)), min(at, m.end)-keyLen, func(at int, key uint64) {
		for _, variant := range variants(key, m.pcm[at:at+keyLen]) {
			for _, place := range l.ear.find(variant) {
				p := best
				p.master, p.start = int(place.master), best.start+int64(at)-int64(place.at)
				p.past = l.now-p.start >= int64(l.ear.masters[p.master].end)
				if l.name(&p) == l.name(&best) {
					continue
				}
				if rest, _ := l.weigh(p.master, p.start, best.born); !outdoes(left, rest, heard, steadily, throughout) {
					l.admit(p)
				}
			}
		}
	})
}

// weigh is the share of the energy in memory since a sample that a sentence leaves
// unexplained, and that energy.
func (l *Listener) weigh(master int, start, since int64) (left, heard float64) {
	for end := l.now; end > since && end > l.now-int64(len(l.hist)); end -= frameLen {
		like, _ := l.correlate(master, start, end, frameLen)
		here := energy(l.before(end, frameLen))
		left += here * (1 - like*like)
		heard += here
	}
	return left / max(heard, 1), heard
}

// admit makes a rival a candidate.
func (l *Listener) admit(p proposal) {
	if id := l.name(&p); !slices.Contains(l.common, id) {
		l.common = append(l.common, id)
	}
	for i := range l.props {
		if q := &l.props[i]; q.master == p.master && q.start == p.start {
			q.matched, q.upTo, q.worse = max(q.matched, settle), l.now, 0
			return
		}
	}
	if len(l.props) < maxProps {
		l.props = append(l.props, p)
	}
}

// goesOn tells whether another sentence, the same up to the end of p, has matched
// beyond it.
func (l *Listener) goesOn(p *proposal) bool {
	end := p.start + int64(l.ear.masters[p.master].end) + frameLen
	return slices.ContainsFunc(l.props, func(q proposal) bool { return q.matched >= settle && q.upTo > end })
}
