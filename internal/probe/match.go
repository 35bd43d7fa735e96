package probe

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The names of what is said after a code; others are those of sentences on the way
// to it.
const (
	Right  = "right"
	Wrong  = "wrong"
	Locked = "locked"
)

// Likenesses, of 1.
const (
	margin   = 0.2 // by which a verdict must be likelier than any other
	settling = 30  // frames: after a sentence is recognised, another one may be as well
)

// print is a second or more of a learned sentence.
type print struct {
	name   string
	frames []frame // centred
}

// listener compares what it is fed with prints. It is for one goroutine.
type listener struct {
	prints []print
	enough float64 // likeness from which a sentence is recognised

	heard   picture
	judged  int                // frames
	best    map[string]float64 // by name
	decided int                // the frame at which the first was recognised, 0: none yet
}

func listen(prints []print, enough float64) *listener {
	return &listener{prints: prints, enough: enough, best: map[string]float64{}}
}

// feed takes the next samples.
func (l *listener) feed(pcm []int16) {
	l.heard.feed(pcm)
	for l.judged < len(l.heard.frames) {
		l.judged++
		for _, p := range l.prints {
			if from := l.judged - len(p.frames); from >= 0 {
				l.best[p.name] = max(l.best[p.name], l.heard.likenessAt(from, p))
			}
		}
		if l.decided == 0 && l.likeliest() != "" {
			l.decided = l.judged
		}
	}
}

// sure tells that nothing more need be waited for: something was recognised, and in
// time enough nothing else was.
func (l *listener) sure() bool {
	return l.decided > 0 && l.judged >= l.decided+settling && l.verdict() != ""
}

// likeliest is the sentence most like what was heard, empty if none is like it.
func (l *listener) likeliest() (name string) {
	top := l.enough
	for n, likeness := range l.best {
		if likeness >= top {
			name, top = n, likeness
		}
	}
	return name
}

// verdict is the one sentence that was heard; empty if it was none or several.
func (l *listener) verdict() string {
	top := l.likeliest()
	for n, likeness := range l.best {
		if top != "" && n != top && (likeness >= l.enough || likeness > l.best[top]-margin) {
			return ""
		}
	}
	return top
}

// described is how like each sentence it was, for people.
func (l *listener) described() string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(l.best)) {
		all = append(all, fmt.Sprintf("%.0f percent like %s", 100*l.best[name], name))
	}
	if all == nil {
		return "nothing came"
	}
	return strings.Join(all, ", ")
}
