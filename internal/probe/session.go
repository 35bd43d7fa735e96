package probe

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"star97/internal/caller"
	"star97/internal/pin"
)

// session is one call while its script is played. It is for one goroutine.
type session struct {
	o      Options
	call   *caller.Call
	known  Fingerprints
	enough float64

	learning bool // sentences of the way are not known yet: silence is waited for
	parts    []part

	audio []int16 // all that was heard
	from  int     // of audio: heard since the last key
	began time.Time
	typed bool // a key of the code has been pressed
}

// part is what was heard before a step.
type part struct {
	name string // that it is given; may be empty
	pcm  []int16
}

// look is how often what was heard is looked at.
const look = 20 * time.Millisecond

var errHungUp = errors.New("the voicemail system hung up")

// play goes through the script until the last key is pressed.
func (s *session) play(ctx context.Context, extension string, code pin.PIN) error {
	for _, step := range s.o.Script {
		s.began = time.Now()
		if err := s.await(ctx, step); err != nil {
			return err
		}
		if err := s.pause(ctx, step.Wait); err != nil {
			return err
		}
		s.parts = append(s.parts, part{step.Until, s.audio[s.from:]})
		if err := s.press(ctx, strings.ReplaceAll(step.Press, extensionMark, extension), code); err != nil {
			return err
		}
	}
	return nil
}

// await waits for what a step is to be done after.
func (s *session) await(ctx context.Context, step Step) error {
	if step.Until == "" {
		return nil
	}
	end := s.began.Add(step.AtMost)
	if step.Until == silence || s.learning {
		for time.Now().Before(end) && !s.silent() {
			if err := s.hear(ctx); err != nil {
				return err
			}
		}
		return nil
	}
	l := listen(s.known.named(step.Until), s.enough)
	for fed := s.from; ; {
		l.feed(s.audio[fed:])
		fed = len(s.audio)
		if l.decided > 0 {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("the sentence %s was not heard within %v", step.Until, step.AtMost)
		}
		if err := s.hear(ctx); err != nil {
			return err
		}
	}
}

// silent tells that something was said since the last key and is over.
func (s *session) silent() bool {
	last := s.call.Media().LastSound()
	return last.After(s.began) && time.Since(last) >= s.o.Quiet
}

// hear waits a moment and takes in what came.
func (s *session) hear(ctx context.Context) error {
	t := time.NewTimer(look)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.call.Done():
		s.take()
		return errHungUp
	}
	s.take()
	return nil
}

func (s *session) take() { s.audio = append(s.audio, s.call.Media().RecordingFrom(len(s.audio))...) }

func (s *session) pause(ctx context.Context, d time.Duration) error {
	for end := time.Now().Add(d); time.Now().Before(end); {
		if err := s.hear(ctx); err != nil {
			return err
		}
	}
	return nil
}

// press presses keys one by one; the code's are not put together anywhere.
func (s *session) press(ctx context.Context, keys string, code pin.PIN) error {
	before, after, hasCode := strings.Cut(keys, codeMark)
	if err := s.keys(ctx, []byte(before)); err != nil || !hasCode {
		return err
	}
	s.typed = true
	var err error
	code.Reveal(func(digits []byte) { err = s.keys(ctx, digits) })
	if err != nil {
		return err
	}
	return s.keys(ctx, []byte(after))
}

func (s *session) keys(ctx context.Context, keys []byte) error {
	for i := range keys {
		s.take()
		s.from = len(s.audio)
		if err := s.call.Press(ctx, string(keys[i:i+1])); err != nil {
			return err
		}
	}
	return nil
}

// answer listens to what is said of the code: the name of a sentence, empty if it was
// none or several. A hang-up after one was recognised takes nothing from it.
func (s *session) answer(ctx context.Context) (string, error) {
	l := listen(s.known.named(Right, Wrong, Locked), s.enough)
	var err error
	for fed, end := s.from, time.Now().Add(s.o.Listen); err == nil && !l.sure() && time.Now().Before(end); {
		err = s.hear(ctx)
		l.feed(s.audio[fed:])
		fed = len(s.audio)
	}
	if name := l.verdict(); name != "" {
		return name, nil
	}
	if err == nil {
		err = fmt.Errorf("what was heard after the code is no learned sentence for sure (%s)", l.described())
	}
	return "", err
}
