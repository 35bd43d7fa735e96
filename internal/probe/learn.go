package probe

import (
	"context"
	"errors"
	"fmt"
	"time"

	"star97/internal/pin"
)

// Lesson is what fingerprints are learned from.
type Lesson struct {
	Extension, Domain string
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
	said, way, err := l.calls(ctx, o, []string{Right, Wrong}, []pin.PIN{right, wrong})
	if err != nil {
		return Fingerprints{}, Apart{}, err
	}
	before := all(way)
	var f Fingerprints
	for _, one := range []struct {
		name         string
		own, foreign []picture
	}{{Right, said[Right], append(said[Wrong], before...)}, {Wrong, said[Wrong], append(said[Right], before...)}} {
		prints, err := choose(one.name, one.own, one.foreign)
		if err != nil {
			return Fingerprints{}, Apart{}, fmt.Errorf("after a %s code: %w", one.name, err)
		}
		f.all = append(f.all, prints...)
	}
	apart, err := tell(f.all, said)
	if err != nil {
		return Fingerprints{}, apart, err
	}
	err = f.learnWay(o, way)
	return f, apart, err
}

// LearnLocked calls a mailbox that the system has locked, and adds to f what is said
// then.
func LearnLocked(ctx context.Context, o Options, l Lesson, f Fingerprints, code pin.PIN) (Fingerprints, Apart, error) {
	said, way, err := l.calls(ctx, o, []string{Locked}, []pin.PIN{code})
	if err != nil {
		return f, Apart{}, err
	}
	prints, err := choose(Locked, said[Locked], all(way))
	if err != nil {
		return f, Apart{}, fmt.Errorf("at a locked mailbox: %w", err)
	}
	grown := Fingerprints{append(prints, f.without(Locked)...)}
	apart, err := tell(grown.named(Right, Wrong, Locked), said)
	return grown, apart, err
}

func (f Fingerprints) without(name string) (rest []print) {
	for _, p := range f.all {
		if p.name != name {
			rest = append(rest, p)
		}
	}
	return rest
}

// learnWay adds the sentences that the script waits for.
func (f *Fingerprints) learnWay(o Options, way [][]picture) error {
	for i, s := range o.Script {
		if s.Until == "" || s.Until == silence || len(f.named(s.Until)) > 0 {
			continue
		}
		prints, err := choose(s.Until, way[i], nil)
		if err != nil {
			return fmt.Errorf("script[%d].until is %s, but: %w", i, s.Until, err)
		}
		f.all = append(f.all, prints...)
	}
	return nil
}

func all(way [][]picture) (flat []picture) {
	for _, step := range way {
		flat = append(flat, step...)
	}
	return flat
}

// calls makes the calls of a lesson and returns what was said after the code by name,
// and before it by step.
func (l Lesson) calls(ctx context.Context, o Options, names []string, codes []pin.PIN) (said map[string][]picture, way [][]picture, err error) {
	if l.Times < leastTimes || l.Times > mostTimes {
		return nil, nil, fmt.Errorf("%d calls for each code are asked for: %d to %d serve", l.Times, leastTimes, mostTimes)
	}
	said, way = map[string][]picture{}, make([][]picture, len(o.Script))
	for n := range l.Times {
		for i, name := range names {
			l.Tell(fmt.Sprintf("call %d of %d, %s", n*len(names)+i+1, l.Times*len(names), name))
			s := &session{o: o, learning: true}
			if err := l.call(ctx, s, codes[i]); err != nil {
				return nil, nil, fmt.Errorf("call %d: %w", n*len(names)+i+1, err)
			}
			said[name] = append(said[name], pictureOf(s.audio[s.from:]))
			for step, p := range s.parts {
				way[step] = append(way[step], pictureOf(p.pcm))
			}
		}
	}
	return said, way, nil
}

func pictureOf(pcm []int16) (p picture) {
	p.feed(pcm)
	return p
}

// call makes one call and listens to its end. That the system hangs up after a code is
// no failure.
func (l Lesson) call(ctx context.Context, s *session, code pin.PIN) error {
	ctx, cancel := context.WithTimeout(ctx, lessonTime)
	defer cancel()
	if err := s.dial(ctx, l.Extension, l.Domain); err != nil {
		return err
	}
	defer s.hangUp()
	if err := s.play(ctx, l.Extension, code); err != nil {
		return err
	}
	if err := s.pause(ctx, s.o.Listen); err != nil && !errors.Is(err, errHungUp) {
		return err
	}
	return nil
}
