package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/config"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/prompt"
	"star97/internal/script"
	"star97/internal/script/stage"
)

const (
	patience = 90 * time.Second       // how long hear and end wait
	margin   = 500 * time.Millisecond // "a little more" than a timer
	glance   = 10 * time.Millisecond  // between two looks at what was heard
)

// TestScenarios runs every scenario file against the whole program in simulated time.
// Every promise of a round holds in it too.
func TestScenarios(t *testing.T) {
	for _, one := range stage.All(t) {
		t.Run(one.Name, func(t *testing.T) {
			s := newScene(one.Lines)
			faults := s.round.play(t)
			require.NoError(t, s.failed, "%s", s.round.log)
			require.Empty(t, faults, "%s", s.round.log)
		})
	}
}

func TestScenarioRunnerFindsFaults(t *testing.T) {
	for name, text := range stage.MustFind {
		t.Run(name, func(t *testing.T) {
			s := newScene(stage.Lines(t, text))
			s.round.play(t)
			require.Error(t, s.failed)
		})
	}
}

// scene is one script being played.
type scene struct {
	round   *round
	lines   []script.Line
	answers stage.Answers
	dials   stage.Transfers
	phone   *phone
	cursor  int // sentences before it were spoken for by an earlier hear
	failed  error
}

func newScene(lines []script.Line) *scene {
	s := &scene{lines: lines, round: newRound(97)}
	s.round.plan = plan{
		sip: climates[0], rtp: climates[0], boxes: []box{{extension: "4001", code: stage.Codes["old"]}},
		callers: []caller{{
			number: "*97", scripted: true, ptime: 20 * time.Millisecond, talks: true,
			shortest: 60 * time.Millisecond, longest: 60 * time.Millisecond, gap: 60 * time.Millisecond,
		}},
	}
	c := &s.round.plan.callers[0]
	for _, l := range lines {
		if l.Verb == "given" {
			s.given(c, l.Args)
		}
	}
	c.mailbox = s.round.plan.boxes[0].extension
	if c.from == "" {
		c.from = c.mailbox
	}
	s.round.alter, s.round.act = s.furnish, s.play
	s.round.plant.asked = s.answers.Asked
	s.round.plant.backend = func(_ *round, store mailbox.Store) mailbox.Store { return stage.Answering(store) }
	return s
}

// given takes a fact about the caller or the mailbox.
func (s *scene) given(c *caller, args []string) {
	b := &s.round.plan.boxes[0]
	switch args[0] {
	case "door":
		c.number = map[string]string{"own": "*97", "any": "*98", "check": "*99"}[args[1]]
	case "caller":
		c.from = args[1]
	case "domain":
		b.domain = args[1]
	case "mailbox-language":
		b.language = args[1]
	case "forgotten":
		s.round.plan.site.forgotten = true
	case "first-use":
		s.round.plan.site.firstUse = true
	case "one-time":
		s.round.plan.site.oneTime = true
	case "mailbox":
		b.extension = args[1]
		b.flags, b.absent = stage.Flags(args[2:])
		s.answers.Age(b.flags)
		if b.flags.NoCode {
			b.flags.NoCode, b.code = false, ""
		}
	}
}

// furnish alters the dialplan as the facts are.
func (s *scene) furnish(c *config.Config) {
	c.Plan.Targets = map[string]string{}
	for _, l := range s.lines {
		if l.Verb != "given" {
			continue
		}
		if l.Args[0] == "target" {
			for _, name := range l.Args[1:] {
				c.Plan.Targets[name] = "sip:" + name + "@192.0.2.50"
			}
		}
		for i := range c.Plan.Routes {
			r := &c.Plan.Routes[i]
			switch l.Args[0] {
			case "domain":
				r.Domain = l.Args[1]
			case "layout":
				r.Layout = l.Args[1]
			case "language":
				r.Language = l.Args[1]
			case "slow":
				r.Slow = true
			}
			if r.Door == mailbox.OwnDoor {
				s.round.plan.site.help(r)
			}
		}
	}
}

// play runs the script; the error names its line.
func (s *scene) play(func()) {
	s.round.wire()
	s.phone = newPhone(s.round, 0, s.round.plan.callers[0])
	s.phone.referral = func() referral {
		to := s.dials.Take()
		return referral{after: to.After, status: to.Status}
	}
	s.round.phones = []*phone{s.phone}
	began := false
	for _, l := range s.lines {
		switch l.Verb {
		case "given":
			continue
		case "store":
			s.answers.Queue(l.Args[0], l.Args[1:]...)
			continue
		case "transfer":
			s.dials.Queue(l.Args)
			continue
		}
		if !began {
			began = true
			go s.phone.run()
		}
		if err := s.line(stage.Plain(l)); err != nil {
			s.failed = fmt.Errorf("line %d: %s: %w", l.Number, l, err)
			break
		}
	}
	s.phone.do(s.phone.bye)
	s.round.awaitEnds()
	if s.failed == nil {
		s.failed = errors.Join(s.dials.Unused(), s.answers.Unused())
	}
}

// do has something done by the telephone, soon.
func (p *phone) do(what func()) { p.at(time.Now(), what) }

func (s *scene) line(l script.Line) error {
	switch l.Verb {
	case "press":
		return s.press(l.Args)
	case "hear":
		for _, id := range l.Args {
			if err := s.hear(prompt.ID(id)); err != nil {
				return err
			}
		}
		return nil
	case "hear-not":
		for _, h := range s.phone.sentences() {
			if slices.Contains(l.Args, string(h.id)) && h.noticed() {
				return fmt.Errorf("%s was heard", h.id)
			}
		}
		return nil
	case "wait", "silence":
		return s.wait(l)
	case "hangup":
		s.phone.do(s.phone.bye)
		return s.until("the end", func() bool { return s.over() })
	case "end":
		return s.endsWith(l.Args[0])
	case "expect":
		return s.expect(l.Args)
	}
	return fmt.Errorf("the runner does not know the verb")
}

func (s *scene) over() bool {
	select {
	case <-s.phone.gone:
		return true
	default:
		return false
	}
}

// until looks again and again; the error says what never came.
func (s *scene) until(what string, come func() bool) error {
	for end := time.Now().Add(patience); !come(); {
		if time.Now().After(end) {
			return fmt.Errorf("%s did not come", what)
		}
		time.Sleep(glance)
	}
	return nil
}

func (s *scene) press(args []string) error {
	if err := s.post(args); err != nil {
		return err
	}
	keys, err := script.Keys(args, s.value)
	if err != nil {
		return err
	}
	if err := s.until("the answer", func() bool { return s.over() || s.phone.up.Load() }); err != nil {
		return err
	}
	done := make(chan struct{})
	s.phone.do(func() {
		s.phone.keys.press(keys)
		s.phone.at(s.phone.keys.free, func() { close(done) })
	})
	<-done
	if s.over() {
		return fmt.Errorf("the service hung up")
	}
	return nil
}

// post waits until a one-time code is there, if one is to be typed.
func (s *scene) post(args []string) error {
	if !slices.Contains(args, "{one-time}#") {
		return nil
	}
	return s.until("the one-time code", func() bool { return s.round.post.Latest() != "" })
}

// value fills in a placeholder: what the caller knows of codes by now.
func (s *scene) value(name string) (string, bool) {
	code := ""
	switch name {
	case "chosen":
		code = spelledTo(s.phone.sentences())
	case "one-time":
		code = s.round.post.Latest()
	default:
		return stage.Value(s.round.plan.boxes[0].extension)(name)
	}
	return code, code != ""
}

func (s *scene) hear(id prompt.ID) error {
	return s.until(string(id), func() bool {
		all := s.phone.sentences()
		for i := s.cursor; i < len(all); i++ {
			if all[i].id == id && all[i].ended && all[i].complete {
				s.cursor = i + 1
				return true
			}
		}
		return false
	})
}

func (s *scene) wait(l script.Line) error {
	timers := s.round.config.Plan.Timers
	d, err := script.Wait(l.Args[0], func(name string) (time.Duration, bool) {
		d, ok := timers.Named(name)
		return d + margin, ok
	})
	before := len(s.phone.sentences())
	time.Sleep(d)
	if all := s.phone.sentences(); l.Verb == "silence" && len(all) > before {
		return fmt.Errorf("%s was said", all[before].id)
	}
	return err
}

func (s *scene) endsWith(word string) error {
	if err := s.until("the end", func() bool { return s.round.log.records(s.phone.callID) > 0 }); err != nil {
		return err
	}
	if got := s.round.log.end(s.phone.callID); got != word {
		return fmt.Errorf("the call ended with %q", got)
	}
	return nil
}

func (s *scene) expect(args []string) error {
	time.Sleep(time.Second) // for what is on its way
	if err := s.until("the store's answer", s.answers.Idle); err != nil {
		return err
	}
	if args[0] == "changed" || args[0] == "unchanged" {
		old, _ := pin.Parse(stage.Codes["old"])
		err := s.round.stores.Backend.Verify(context.Background(), s.round.boxes[0], old, mailbox.Attempt{})
		if (err != nil) != (args[0] == "changed") {
			return fmt.Errorf("the code in force says otherwise")
		}
		return nil
	}
	got := s.answers.Count(args[0])
	switch args[0] {
	case "transfers":
		got = s.dials.Asked()
	case "sends":
		got = len(s.round.post.All())
	}
	if n, err := strconv.Atoi(args[1]); err != nil || n != got {
		return fmt.Errorf("it happened %d times", got)
	}
	return nil
}
