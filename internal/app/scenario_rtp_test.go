package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/caller"
	"star97/internal/dialplan"
	"star97/internal/flow"
	"star97/internal/mailbox"
	"star97/internal/script"
)

// codes are what the placeholders stand for.
var codes = map[string]string{"old": "739152", "new": "482915", "other": "590837", "wrong": "268413"}

const flowFiles = "../../testdata/flows/*.txt"

// TestScenarios runs every scenario file, each against a service of its own, over
// SIP and RTP. What was said is known by ear alone.
func TestScenarios(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(flowFiles)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 36)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			lines, err := script.Parse(file, data)
			require.NoError(t, err)
			s := newScenario(t)
			require.NoError(t, s.run(lines), "the call was:\n%s", s.timeline)
		})
	}
}

// A runner that hears what was not said proves nothing.
func TestScenarioRunnerFindsFaults(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a sentence that is not said":      "press *\nhear changed",
		"a sentence that is cut off":       "press *\nhear enter-code",
		"a sentence in the wrong order":    "hear enter-code welcome",
		"a sentence that must not be said": "hear welcome\nhear-not welcome",
		"the wrong end":                    "press *\nend no-input",
		"no end":                           "hear welcome\nend goodbye",
		"the end of another":               "hangup\nend goodbye",
		"a change that was not made":       "hear welcome\nexpect changed",
		"a code that stays":                "press {old}#2{new}#{new}#\nhear changed\nexpect unchanged",
		"a wrong count of questions":       "press {old}#\nhear option-change-2\nexpect verifies 2",
		"speech in a silence":              "hear enter-code\nsilence 4s",
		"an answer that nobody asked for":  "store change unknown\nhear welcome",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lines, err := script.Parse("text", []byte(text))
			require.NoError(t, err)
			s := newScenario(t)
			s.patience = 6 * time.Second
			err = s.run(lines)
			require.Error(t, err)
			require.NotErrorIs(t, err, context.DeadlineExceeded)
		})
	}
}

// scenario is one file being run.
type scenario struct {
	*house
	account  mailbox.Account
	number   string // dialled
	from     string // asserted identity; empty: the mailbox's own number
	flags    mailbox.Flags
	hasCode  bool
	absent   bool
	call     *caller.Call
	player   *caller.Player
	timeline *record
	patience time.Duration
	free     func() // the line
}

// record is a call's time line, printed when the scenario fails.
type record struct{ strings.Builder }

func newScenario(t testing.TB) *scenario {
	free := occupy()
	t.Cleanup(free)
	return &scenario{
		house: newHouse(t), free: free, account: mailbox.Account{Extension: "4001"}, number: "*97", hasCode: true,
		timeline: new(record), patience: patience,
	}
}

// run runs one script; the error names its line.
func (s *scenario) run(lines []script.Line) error {
	ctx, cancel := context.WithTimeout(s.t.Context(), 3*time.Minute)
	defer cancel()
	for _, line := range lines {
		if err := s.line(ctx, line); err != nil {
			s.finish(ctx)
			return fmt.Errorf("line %d: %s: %w", line.Number, line, err)
		}
	}
	s.finish(ctx)
	return s.faults.unused()
}

func (s *scenario) finish(ctx context.Context) {
	if s.player == nil {
		return
	}
	_ = s.call.Hangup(ctx) // how the call ended was judged by the script
	s.player.Finish()
	s.free()
}

func (s *scenario) line(ctx context.Context, l script.Line) error {
	switch l.Verb {
	case "given":
		return s.given(l.Args)
	case "store":
		s.faults.queue(l.Args[0], l.Args[1:]...)
		return nil
	}
	if s.player == nil {
		if err := s.begin(ctx); err != nil {
			return err
		}
	}
	if err := s.player.Do(ctx, l); err != nil {
		return err
	}
	if l.Verb == "end" {
		return s.endsWith(l.Args[0])
	}
	return nil
}

func (s *scenario) given(args []string) error {
	switch args[0] {
	case "door":
		s.number = map[string]string{"own": "*97", "any": "*98"}[args[1]]
	case "caller":
		s.from = args[1]
	case "domain":
		s.account.Domain = args[1]
		for i := range s.config.Plan.Routes {
			s.config.Plan.Routes[i].Domain = args[1]
		}
	case "mailbox":
		s.account.Extension = args[1]
		for _, f := range args[2:] {
			switch f {
			case "must-change":
				s.flags.MustChange = true
			case "cannot-change":
				s.flags.CannotChange = true
			case "disabled":
				s.flags.Disabled = true
			case "no-code":
				s.hasCode = false
			case "absent":
				s.absent = true
			}
		}
	}
	return nil
}

// begin makes the mailbox and the call.
func (s *scenario) begin(ctx context.Context) error {
	digits := codes["old"]
	if !s.hasCode {
		digits = ""
	}
	if !s.absent {
		s.account = s.add(s.account.Extension, digits, s.flags)
	}
	if s.from == "" {
		s.from = s.account.Extension
	}
	c, err := caller.Dial(ctx, s.phone(s.number, s.from))
	if err != nil {
		return err
	}
	s.t.Cleanup(c.Close)
	s.call = c
	timers := s.layout()
	s.player = &caller.Player{
		Call: c, Patience: s.patience, Timeline: &caller.Timeline{W: s.timeline}, Timer: timers.Timer, Other: s.expect,
		Value: func(name string) (string, bool) {
			if name == "ext" {
				return s.account.Extension, true
			}
			v, ok := codes[name]
			return v, ok
		},
	}
	s.player.Begin()
	return nil
}

func (s *scenario) layout() *flow.Layout {
	l, err := flow.NewLayout(s.config.Plan, dialplan.DefaultLayout, s.config.Policy.Policy)
	require.NoError(s.t, err)
	return l
}

// endsWith reads the end record.
func (s *scenario) endsWith(word string) error {
	r, ok := s.log.end(s.call.CallID(), s.patience)
	if !ok {
		return fmt.Errorf("the call has no end record")
	}
	if r["end"] != word {
		return fmt.Errorf("the call ended with %q", r["end"])
	}
	return nil
}

// expect is about the store. Once the call is over the service is stopped first:
// then every change that was under way has ended.
func (s *scenario) expect(_ context.Context, l script.Line) error {
	if s.call.End() != caller.NotEnded {
		s.stop()
	}
	for end := time.Now().Add(s.patience); !s.faults.idle() && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	switch l.Args[0] {
	case "changed", "unchanged":
		if changed := !s.inForce(s.account, codes["old"]); changed != (l.Args[0] == "changed") {
			return fmt.Errorf("the code in force says otherwise")
		}
		return nil
	}
	op := strings.TrimSuffix(strings.Replace(l.Args[0], "verifies", "verifys", 1), "s")
	if n, err := strconv.Atoi(l.Args[1]); err != nil || n != s.faults.count(op) {
		return fmt.Errorf("the store was asked %d times", s.faults.count(op))
	}
	return nil
}
