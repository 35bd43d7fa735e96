package probe

import (
	"errors"
	"fmt"
)

const (
	printFrames = perSec // of a print: a second
	perSentence = 3      // prints of a sentence at most
	choiceStep  = 5      // frames between the places that are tried
	soundShare  = 2      // one frame of so many must be sound
	leastCommon = 0.88   // likeness, to every call of its kind
	mostForeign = 0.62   // likeness, to any other
)

// errNothing: no stretch of what was heard serves.
var errNothing = errors.New("nothing is heard there that each of these calls says and no other one does")

// choose takes prints of one sentence out of calls that all say it. What foreign ones
// say too, at whatever place, is left out, and what is not the same each time: a
// greeting that both have, the number of messages. The first stretches are taken, since
// a caller waits for them.
func choose(name string, own, foreign []picture) ([]print, error) {
	var all []print
	for at := 0; at+printFrames <= len(own[0].frames) && len(all) < perSentence; at += choiceStep {
		p := print{name, make([]frame, printFrames)}
		if own[0].sounding(at) < printFrames/soundShare || !centred(p.frames, own[0].frames[at:at+printFrames]) {
			continue
		}
		if serves(p, own[1:], foreign) {
			all = append(all, p)
			at += printFrames - choiceStep
		}
	}
	if len(all) == 0 {
		return nil, errNothing
	}
	return all, nil
}

func serves(p print, own, foreign []picture) bool {
	for i := range own {
		if own[i].likeness(p) < leastCommon {
			return false
		}
	}
	for i := range foreign {
		if foreign[i].likeness(p) > mostForeign {
			return false
		}
	}
	return true
}

// sounding counts the frames of sound in a stretch.
func (p *picture) sounding(at int) (n int) {
	for _, loud := range p.loud[at : at+printFrames] {
		if loud {
			n++
		}
	}
	return n
}

// likeness is how like a print the picture is where it is most like it.
func (p *picture) likeness(to print) (most float64) {
	for at := 0; at+len(to.frames) <= len(p.frames); at++ {
		most = max(most, alike(to.frames, p.frames[at:at+len(to.frames)]))
	}
	return most
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
			best := map[string]float64{}
			for _, p := range prints {
				best[p.name] = max(best[p.name], pictures[i].likeness(p))
			}
			for name, likeness := range best {
				if name == said {
					least = min(least, likeness)
				} else {
					most = max(most, likeness)
				}
			}
		}
	}
	a := Apart{int(100 * least), int(100*most + 1)}
	if least-most < 2*margin {
		return a, fmt.Errorf("what is said is too alike: %d percent where it is the same, %d where it is not", a.Own, a.Foreign)
	}
	return a, nil
}
