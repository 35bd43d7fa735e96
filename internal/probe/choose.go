package probe

import (
	"errors"
	"fmt"
)

const (
	leastFrames = perSec         // of a print: a second
	mostFrames  = 3 * perSec / 2 // more would make callers wait
	choiceStep  = 5              // frames between the places, and a tenth of a second between the lengths, that are tried
	growth      = perSec / 10
	leastSound  = 0.6  // share of a print that must be sound: what is told apart is speech, not that it begins
	heardSound  = 0.35 // share of what is heard that must be: the noise of a codec has a picture too
	leastCommon = 0.88 // likeness, to every call of its kind
	mostForeign = 0.62 // likeness, to any other
	reserve     = 0.1  // that a rough road may take of a margin
)

// errNothing: no stretch of what was heard serves.
var errNothing = errors.New("nothing is heard there that each of these calls says and no other one does")

// choose takes the print of a sentence out of calls that all say it. What foreign ones
// say too, at whatever place, is left out, and what is not the same each time: a
// greeting that all have, the number of messages. Of the stretches that begin within a
// second of the first one that serves, since a caller waits, it is the longest: the
// more there is of a sentence, up to most frames, the less does another one resemble it
// that has some of its words.
func choose(name string, own, foreign []picture, most int) (best print, err error) {
	first := &own[0]
	for at, end := 0, len(first.frames); at+leastFrames <= min(end, len(first.frames)); at += choiceStep {
		p, ok := first.cut(name, at, leastFrames)
		if !ok || !first.loud[at] || !p.isIn(own) || p.likeliest(foreign) > mostForeign {
			continue
		}
		if p = first.grow(p, at, own, most); len(p.frames) > len(best.frames) {
			best = p
		}
		end = min(end, at+leastFrames+perSec)
	}
	if best.frames == nil {
		return best, errNothing
	}
	return best, nil
}

// grow makes a print longer as long as all calls go on alike.
func (p *picture) grow(from print, at int, own []picture, most int) print {
	for n := leastFrames + growth; n <= most; n += growth {
		tail, common := p.cut(from.name, at+n-leastFrames, leastFrames)
		longer, ok := p.cut(from.name, at, n)
		if !common || !ok || !tail.isIn(own) || !longer.isIn(own) {
			break
		}
		from = longer
	}
	return from
}

// cut takes a print; false if it is no speech, or beyond the end.
func (p *picture) cut(name string, at, n int) (print, bool) {
	if at+n > len(p.frames) || p.sounding(at, n) < leastSound {
		return print{}, false
	}
	one := print{name, make([]frame, n)}
	return one, centred(one.frames, p.frames[at:at+n])
}

// isIn tells whether each of the calls says it.
func (p print) isIn(calls []picture) bool {
	for i := range calls {
		if calls[i].likeness(p) < leastCommon {
			return false
		}
	}
	return true
}

// likeliest is how like it any of the calls is.
func (p print) likeliest(calls []picture) (most float64) {
	for i := range calls {
		most = max(most, calls[i].likeness(p))
	}
	return most
}

// sounding is the share of sound in a stretch.
//
//go:norace
func (p *picture) sounding(at, n int) float64 {
	loud := 0
	for _, l := range p.loud[at : at+n] {
		if l {
			loud++
		}
	}
	return float64(loud) / float64(n)
}

// likeness is how like a print the picture is where it is most like it.
func (p *picture) likeness(to print) (most float64) {
	for at := 0; at+len(to.frames) <= len(p.frames); at++ {
		most = max(most, p.likenessAt(at, to))
	}
	return most
}

// likenessAt is 0 where there is hardly any sound.
//
//go:norace
func (p *picture) likenessAt(at int, to print) float64 {
	n := len(to.frames)
	if p.sounding(at, n) < heardSound {
		return 0
	}
	return alike(to.frames, p.frames[at:at+n])
}

// Apart is how well sentences are told apart, in percent.
type Apart struct {
	Own     int // at least, how like its sentence a call is that says it
	Foreign int // at most, how like another one
}

// tell compares every call with every print, as calls to come will be.
func tell(prints []print, calls map[string][]picture) (Apart, error) {
	least, most := 1.0, 0.0
	for said, pictures := range calls {
		for i := range pictures {
			for _, p := range prints {
				if likeness := pictures[i].likeness(p); p.name == said {
					least = min(least, likeness)
				} else {
					most = max(most, likeness)
				}
			}
		}
	}
	a := Apart{int(100 * least), int(100*most + 1)}
	if least-most < margin+reserve {
		return a, fmt.Errorf("what is said is too alike: %d percent where it is the same, %d where it is not; more calls tell better what is said each time", a.Own, a.Foreign)
	}
	return a, nil
}
