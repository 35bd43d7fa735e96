package probe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"star97/internal/pin"
)

// Lesson is what fingerprints are learned from.
type Lesson struct {
	Extension, Domain string
	Locked            string         // a mailbox that the system has locked; empty: what is said then is not learned
	Times             int            // calls for each sentence, 2 to 5
	Tell              func(f string) // is told of each step, for people; without a digit of a code
}

const (
	leastTimes = 2
	mostTimes  = 5
	lessonTime = 2 * time.Minute // for one call
)

// Learn calls the mailbox with its right code and with a wrong one in turns, so that
// wrong ones do not add up, and learns what is said to each, and the sentences that
// the script waits for. The wrong tries count where the system counts.
func Learn(ctx context.Context, o Options, l Lesson, right, wrong pin.PIN) (Fingerprints, Apart, error) {
	if right.Equal(&wrong) || right.Empty() || wrong.Empty() {
		return Fingerprints{}, Apart{}, errors.New("a right and a wrong code are needed, and these are not two")
	}
	asked := []question{{Right, l.Extension, right}, {Wrong, l.Extension, wrong}}
	if l.Locked != "" {
		asked = append(asked, question{Locked, l.Locked, wrong})
	}
	said, way, err := l.calls(ctx, o, asked)
	if err != nil {
		return Fingerprints{}, Apart{}, err
	}
	f, apart, err := learned(said, slices.Concat(way...))
	if err == nil {
		err = f.learnWay(o, way)
	}
	return f, apart, err
}

// question is one kind of call.
type question struct {
	name, extension string
	code            pin.PIN
}

// learned takes the fingerprints of what was said after the code, by name; before is
// what was said until then.
func learned(said map[string][]picture, before []picture) (f Fingerprints, apart Apart, err error) {
	for _, name := range []string{Right, Wrong, Locked} {
		if said[name] == nil {
			continue
		}
		foreign := slices.Clone(before)
		for other, calls := range said {
			if other != name {
				foreign = append(foreign, calls...)
			}
		}
		print, err := choose(name, said[name], foreign, mostFrames)
		if err != nil {
			return f, apart, fmt.Errorf("the answer %s: %w", name, err)
		}
		f.all = append(f.all, print)
	}
	apart, err = tell(f.all, said)
	return f, apart, err
}

// learnWay adds the sentences that the script waits for.
func (f *Fingerprints) learnWay(o Options, way [][]picture) error {
	for i, s := range o.Script {
		if s.Until == "" || s.Until == silence || len(f.named(s.Until)) > 0 {
			continue
		}
		print, err := choose(s.Until, way[i], nil, leastFrames)
		if err != nil {
			return fmt.Errorf("script[%d].until is %s, but: %w", i, s.Until, err)
		}
		f.all = append(f.all, print)
	}
	return nil
}

// calls makes the calls of a lesson and returns what was said after the code by name,
// and before it by step.
func (l Lesson) calls(ctx context.Context, o Options, asked []question) (said map[string][]picture, way [][]picture, err error) {
	if l.Times < leastTimes || l.Times > mostTimes {
		return nil, nil, fmt.Errorf("%d calls for each answer are asked for: %d to %d serve", l.Times, leastTimes, mostTimes)
	}
	said, way = map[string][]picture{}, make([][]picture, len(o.Script))
	for n := range l.Times * len(asked) {
		q := asked[n%len(asked)]
		l.Tell(fmt.Sprintf("call %d of %d, %s", n+1, l.Times*len(asked), q.name))
		s := &session{o: o, learning: true}
		if err := l.call(ctx, s, q); err != nil {
			return nil, nil, fmt.Errorf("call %d: %w", n+1, err)
		}
		said[q.name] = append(said[q.name], pictureOf(s.audio[s.from:]))
		for step, p := range s.parts {
			way[step] = append(way[step], pictureOf(p.pcm))
		}
	}
	return said, way, nil
}

// pictureOf is the picture of a call's part between two pauses: a sound that begins is
// compared with one that begins too.
func pictureOf(pcm []int16) (p picture) {
	var pause [rate]int16
	p.feed(pause[:])
	p.feed(pcm)
	p.feed(pause[:])
	return p
}

// call makes one call and listens to its end. That the system hangs up after a code is
// no failure.
func (l Lesson) call(ctx context.Context, s *session, q question) error {
	ctx, cancel := context.WithTimeout(ctx, lessonTime)
	defer cancel()
	if err := s.dial(ctx, q.extension, l.Domain); err != nil {
		return err
	}
	defer s.hangUp()
	if err := s.play(ctx, q.extension, q.code); err != nil {
		return err
	}
	if err := s.pause(ctx, s.o.Listen); err != nil && !errors.Is(err, errHungUp) {
		return err
	}
	return nil
}
