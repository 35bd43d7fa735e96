package sim

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/config"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/prompt"
	"star97/internal/script"
)

const (
	flowFiles = "../../testdata/flows/*.txt"
	patience  = 90 * time.Second       // how long hear and end wait
	margin    = 500 * time.Millisecond // "a little more" than a timer
	glance    = 10 * time.Millisecond  // between two looks at what was heard
)

// codes are what the placeholders stand for.
var codes = map[string]string{"old": "739152", "new": "482915", "other": "590837", "wrong": "268413"}

// TestScenarios runs every scenario file against the whole program in simulated time.
// Every promise of a round holds in it too.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob(flowFiles)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 60)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			lines, err := script.Parse(file, data)
			require.NoError(t, err)
			s := newScene(lines)
			faults := s.round.play(t)
			require.NoError(t, s.failed, "%s", s.round.log)
			require.Empty(t, faults, "%s", s.round.log)
		})
	}
}

// A runner that hears what was not said proves nothing.
func TestScenarioRunnerFindsFaults(t *testing.T) {
	for name, text := range map[string]string{
		"a sentence that is not said":      "hear changed",
		"a sentence that is cut off":       "press *\nhear enter-code",
		"a sentence in the wrong order":    "hear enter-code welcome",
		"a sentence that must not be said": "hear welcome\nhear-not welcome",
		"the wrong end":                    "press *\nend no-input",
		"no end":                           "press {old}#\nhear option-change-2\nend goodbye",
		"a change that was not made":       "hear welcome\nexpect changed",
		"a code that stays":                "press {old}#2{new}#{new}#\nhear changed\nexpect unchanged",
		"a wrong count of questions":       "press {old}#\nhear option-change-2\nexpect verifies 2",
		"a transfer that nobody asked for": "given target operator\nhear welcome\nexpect transfers 1",
		"speech in a silence":              "hear enter-code\nsilence first-digit",
		"an answer that nobody asked for":  "store change unknown\nhear welcome",
	} {
		t.Run(name, func(t *testing.T) {
			lines, err := script.Parse("text", []byte(text))
			require.NoError(t, err)
			s := newScene(lines)
			s.round.play(t)
			require.Error(t, s.failed)
		})
	}
}

// scene is one script being played.
type scene struct {
	round  *round
	lines  []script.Line
	answer *answers
	phone  *phone
	cursor int // sentences before it were spoken for by an earlier hear
	failed error
}

func newScene(lines []script.Line) *scene {
	s := &scene{lines: lines, round: newRound(97), answer: &answers{next: map[string][][]string{}, asked: map[string]int{}}}
	s.round.plan = plan{
		sip: climates[0], rtp: climates[0], boxes: []box{{extension: "4001", code: codes["old"]}},
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
	s.round.plant.asked = func(store mailbox.Store) mailbox.Store { return questioned{store, s.answer} }
	s.round.plant.backend = func(_ *round, store mailbox.Store) mailbox.Store { return answering{store} }
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
	case "mailbox":
		b.extension = args[1]
		for _, f := range args[2:] {
			switch f {
			case "must-change":
				b.flags.MustChange = true
			case "cannot-change":
				b.flags.CannotChange = true
			case "disabled":
				b.flags.Disabled = true
			case "slow":
				b.flags.Slow = true
			case "no-code":
				b.code = ""
			case "absent":
				b.absent = true
			}
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
		}
	}
}

// play runs the script; the error names its line.
func (s *scene) play(func()) {
	s.round.wire()
	s.phone = newPhone(s.round, 0, s.round.plan.callers[0])
	s.round.phones = []*phone{s.phone}
	began := false
	for _, l := range s.lines {
		switch l.Verb {
		case "given":
			continue
		case "store":
			s.answer.queue(l.Args[0], l.Args[1:])
			continue
		case "transfer":
			s.phone.do(func() { s.phone.plan.referrals = append(s.phone.plan.referrals, outcomeOf(l.Args)) })
			continue
		}
		if !began {
			began = true
			go s.phone.run()
		}
		if err := s.line(l); err != nil {
			s.failed = fmt.Errorf("line %d: %s: %w", l.Number, l, err)
			break
		}
	}
	s.phone.do(s.phone.bye)
	s.round.awaitEnds()
	if s.failed == nil {
		s.failed = s.answer.unused()
	}
}

func outcomeOf(args []string) referral {
	switch args[0] {
	case "fails":
		return referral{status: 486}
	case "silent":
		return referral{}
	case "slow":
		after, _ := time.ParseDuration(args[1]) // package script has read it
		return referral{status: 200, after: after}
	}
	return referral{status: 200}
}

// do has something done by the telephone, soon.
func (p *phone) do(what func()) { p.at(time.Now(), what) }

func (s *scene) line(l script.Line) error {
	switch l.Verb {
	case "press":
		return s.press(l.Args)
	case "hear":
		for _, id := range l.Args {
			if err := s.hear(prompt.ID(strings.TrimPrefix(id, usual+"/"))); err != nil {
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
	keys, err := script.Keys(args, func(name string) (string, bool) {
		if name == "ext" {
			return s.round.plan.boxes[0].extension, true
		}
		v, ok := codes[name]
		return v, ok
	})
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
	if err := s.until("the store's answer", s.answer.idle); err != nil {
		return err
	}
	if args[0] == "changed" || args[0] == "unchanged" {
		old, _ := pin.Parse(codes["old"])
		err := s.round.stores.Backend.Verify(context.Background(), s.round.boxes[0], old, mailbox.Attempt{})
		if (err != nil) != (args[0] == "changed") {
			return fmt.Errorf("the code in force says otherwise")
		}
		return nil
	}
	got := s.phone.referrals
	if args[0] != "transfers" {
		got = s.answer.count(strings.TrimSuffix(strings.Replace(args[0], "verifies", "verifys", 1), "s"))
	}
	if n, err := strconv.Atoi(args[1]); err != nil || n != got {
		return fmt.Errorf("it happened %d times", got)
	}
	return nil
}
