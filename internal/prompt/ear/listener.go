package ear

import (
	"slices"
	"time"

	"star97/internal/prompt"
)

// Sound is one thing that was heard: first that it began, and later, with the same
// Start, how it ended.
//
// An empty ID with Among is a part that these sentences share and that ended before
// it was decided which one it was; it is told once, at its end. An empty ID without
// Among is a strange sound: none of ours.
type Sound struct {
	ID         prompt.ID
	Start      int64 // sample, since the first one fed, at which the sentence began or would have begun; without an ID, at which something was heard
	Ended      bool
	Complete   bool          // Ended: all of its sound was heard, but for at most endSlack
	Heard      time.Duration // Ended: how far into the sentence it sounded
	Confidence float64       // 0 to 1: the share of the sound's energy that the sentence explains
	Among      []prompt.ID   // sorted
}

// Listener hears one call. It is for one goroutine.
type Listener struct {
	ear *Ear

	hist  [memory * frameLen]int16 // the last samples, the newest at the end
	fill  int                      // samples of the newest frame that are in
	now   int64                    // samples judged
	props []proposal
	out   []Sound

	speaking bool // current was announced and has not ended
	current  proposal

	common []prompt.ID // what the undecided sound may be, sorted
	part   span        // where it was heard

	strange strangeness
}

// span is a stretch of what was fed, in samples.
type span struct{ from, to int64 }

// strangeness counts frames of sound that nobody explains.
type strangeness struct {
	loud, silent int
	told         bool
	heard        span
}

// Listen starts hearing a call.
func (e *Ear) Listen() *Listener {
	return &Listener{ear: e, props: make([]proposal, 0, maxProps), common: make([]prompt.ID, 0, maxProps)}
}

// Feed takes the next samples of a call, 16-bit PCM at prompt.Rate; what was lost or
// not sent is fed as silence. It returns what became clear by them, valid until the
// next Feed.
func (l *Listener) Feed(pcm []int16) []Sound {
	l.out = l.out[:0]
	for len(pcm) > 0 {
		n := copy(l.hist[newest+l.fill:], pcm)
		pcm = pcm[n:]
		if l.fill += n; l.fill == frameLen {
			l.now += frameLen
			l.judge()
			copy(l.hist[:newest], l.hist[frameLen:])
			l.fill = 0
		}
	}
	return l.out
}

// Candidates are the sentences that what is sounding now may be: one if it is
// decided, none if nothing of ours sounds.
func (l *Listener) Candidates() []prompt.ID {
	if l.speaking {
		return []prompt.ID{l.name(&l.current)}
	}
	return slices.Clone(l.common)
}

// judge works on the newest frame.
func (l *Listener) judge() {
	heard := energy(l.hist[newest:])
	for i := range l.props {
		l.follow(&l.props[i], heard)
	}
	if !l.explained() {
		l.propose()
	}
	l.compare()
	if l.speaking {
		l.watch()
	}
	l.props = slices.DeleteFunc(l.props, func(p proposal) bool { return (p.over() || l.stale(&p)) && !l.isCurrent(&p) })
	if !l.speaking {
		l.choose()
	}
	l.listenForStrangers(heard)
}

func (l *Listener) isCurrent(p *proposal) bool {
	return l.speaking && p.master == l.current.master && p.start == l.current.start
}

// explained tells that the current sentence leaves nothing of the newest frame for
// others to explain, which spares looking for them.
func (l *Listener) explained() bool {
	return slices.ContainsFunc(l.props, func(p proposal) bool { return l.isCurrent(&p) && p.left >= 0 && p.left < beyond })
}

// watch ends the current sentence when it is over, or when another one has begun in
// its place.
func (l *Listener) watch() {
	ended := false
	for i := range l.props {
		if p := &l.props[i]; l.isCurrent(p) {
			l.current = *p
			ended = p.past || p.over() || p.worse >= rethink
		}
	}
	for i := range l.props {
		if p := &l.props[i]; p.matched >= settle && p.born > l.current.upTo {
			ended = true
		}
	}
	if ended {
		l.end()
	}
}

// end tells that the current sentence ended, and forgets the proposals that only
// explained what it explained.
func (l *Listener) end() {
	m := &l.ear.masters[l.current.master]
	heard := min(l.current.upTo-l.current.start, int64(m.end))
	l.out = append(l.out, Sound{
		ID: l.name(&l.current), Start: l.current.start, Ended: true,
		Complete:   heard >= int64(m.end-endSlack),
		Heard:      duration(heard),
		Confidence: l.current.confidence(),
	})
	l.speaking = false
	if l.current.past {
		l.props = l.props[:0]
		return
	}
	l.forget(l.current.upTo)
}

// forget drops the proposals that have matched nothing after a sample.
func (l *Listener) forget(upTo int64) {
	l.props = slices.DeleteFunc(l.props, func(p proposal) bool { return p.upTo <= upTo })
}

// choose announces the sentence if one alone explains what is heard. Only a frame
// that matches decides between candidates: in silence all are equally good. What noise
// hides may be the sentence itself, while another one that begins alike is found.
func (l *Listener) choose() {
	best := l.best()
	switch {
	case best != nil:
		if len(l.common) > 0 && best.born >= l.part.to {
			l.tellCommon()
		}
		if len(l.common) == 0 {
			l.part.from = best.born
		}
		l.part.to = l.now
		if l.candidates(best); len(l.common) == 1 && (best.matched >= inNoise || best.confidence() >= clean) {
			l.announce(best)
		}
	case len(l.common) > 0 && !slices.ContainsFunc(l.props, goingOn):
		l.conclude()
	}
}

// best is the proposal that has matched longest, of those that matched the newest
// frame as well as any; nil if none can be named.
func (l *Listener) best() *proposal {
	var best *proposal
	for i := range l.props {
		p := &l.props[i]
		if settled(*p) && p.upTo == l.now && p.worse == 0 && p.confidence() >= nameAt && (best == nil || p.matched > best.matched) {
			best = p
		}
	}
	return best
}

// conclude ends the undecided sound: one candidate may have come to its end while
// the others were refuted by what followed.
func (l *Listener) conclude() {
	var left *proposal
	for i := range l.props {
		p := &l.props[i]
		if !settled(*p) || p.worse > 0 {
			continue
		}
		if left != nil && l.name(left) != l.name(p) {
			l.tellCommon()
			return
		}
		left = p
	}
	if left == nil {
		l.tellCommon()
		return
	}
	l.announce(left)
}

// candidates lists in common what may be sounding: what has settled or has matched at
// least half as long as the best one, and explains as much as it. Before it stands
// alone, it meets its rivals.
func (l *Listener) candidates(best *proposal) {
	l.common = append(l.common[:0], l.name(best))
	left, heard := l.weigh(best.master, best.start, best.born)
	for i := range l.props {
		p := &l.props[i]
		if p.worse > 0 || p.matched < min(settle, (best.matched+1)/2) || slices.Contains(l.common, l.name(p)) {
			continue
		}
		if rest, _ := l.weigh(p.master, p.start, best.born); !outdoes(left, rest, heard, steadily, throughout) {
			l.common = append(l.common, l.name(p))
		}
	}
	if len(l.common) == 1 {
		l.meetRivals(*best, left, heard)
	}
	slices.Sort(l.common)
}

// name is the sentence's id; of masters that are the same, the first.
func (l *Listener) name(p *proposal) prompt.ID {
	return l.ear.masters[l.ear.masters[p.master].twin].id
}

func settled(p proposal) bool { return p.matched >= settle }

func goingOn(p proposal) bool { return settled(p) && !p.past }

func (l *Listener) announce(p *proposal) {
	l.tellStrange()
	l.common = l.common[:0]
	l.speaking, l.current = true, *p
	l.out = append(l.out, Sound{ID: l.name(p), Start: p.start, Confidence: p.confidence()})
	if p.past {
		l.end()
	}
}

// tellCommon gives up: the part that several sentences share is over.
func (l *Listener) tellCommon() {
	l.tellStrange()
	l.out = append(l.out, Sound{
		Start: l.part.from, Ended: true,
		Heard: duration(l.part.to - l.part.from), Confidence: 1, Among: slices.Clone(l.common),
	})
	l.common = l.common[:0]
	l.forget(l.part.to)
}

// listenForStrangers tells of sound that no sentence explains.
func (l *Listener) listenForStrangers(heard float64) {
	s := &l.strange
	if l.speaking || len(l.common) > 0 {
		s.loud, s.silent = 0, 0
		return
	}
	if heard < strangeSound {
		s.silent++
		if s.silent >= silentFor {
			l.tellStrange()
		}
		return
	}
	s.silent = 0
	if s.loud++; s.loud == 1 {
		s.heard.from = l.now - frameLen
	}
	s.heard.to = l.now
	if s.loud == strangeFor {
		s.told = true
		l.out = append(l.out, Sound{Start: s.heard.from})
	}
}

// tellStrange ends a strange sound, if one was told.
func (l *Listener) tellStrange() {
	if s := l.strange; s.told {
		l.out = append(l.out, Sound{Start: s.heard.from, Ended: true, Heard: duration(s.heard.to - s.heard.from)})
	}
	l.strange = strangeness{}
}

func duration(samples int64) time.Duration { return time.Duration(samples) * time.Second / prompt.Rate }
