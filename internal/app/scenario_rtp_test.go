package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/caller"
	"star97/internal/caller/callertest"
	"star97/internal/config"
	"star97/internal/dialplan"
	"star97/internal/mailbox"
	"star97/internal/script"
)

// codes are what the placeholders stand for.
var codes = map[string]string{"old": "739152", "new": "482915", "other": "590837", "wrong": "268413"}

const flowFiles = "../../testdata/flows/*.txt"

// TestScenarios runs every scenario file, each against a service of its own, over
// SIP and RTP. What was said is known by ear alone. Under the race detector a spread of
// them shows the same: it makes each call ten times as long.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob(flowFiles)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 36)
	scenarios := map[string][]script.Line{}
	for i, file := range files {
		if i%oneOf == 0 {
			name := strings.TrimSuffix(filepath.Base(file), ".txt")
			scenarios[name] = read(t, name)
		}
	}
	playAll(t, scenarios)
}

// playAll plays scenarios side by side, by their names. The ears that they need are made
// first, while no call is up that would come late by it.
func playAll(t *testing.T, scenarios map[string][]script.Line) {
	for _, lines := range scenarios {
		earOf(tagsOf(lines))
	}
	t.Parallel()
	for name, lines := range scenarios {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			callertest.InTime(t, func(t testing.TB) {
				s := newScenario(t)
				require.NoError(t, s.run(lines), "the call was:\n%s", s.timeline)
			})
		})
	}
}

// read reads the scenario of a name.
func read(t *testing.T, name string) []script.Line {
	file := strings.Replace(flowFiles, "*", name, 1)
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	lines, err := script.Parse(file, data)
	require.NoError(t, err)
	return lines
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
		"speech in a silence":              "hear enter-code\nsilence 8s",
		"a transfer that nobody asked for": "transfer ok\nhear welcome",
		"a wrong count of transfers":       "hear welcome\nexpect transfers 1",
		"the wrong language":               "hear welcome\nhear-not en-US/welcome",
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
	*house   // opened when the telephone is taken up
	t        testing.TB
	facts    []script.Line // given and store, before that
	tags     []string      // languages besides the usual one
	account  mailbox.Account
	language string // of the mailbox
	number   string // dialled
	from     string // asserted identity; empty: the mailbox's own number
	flags    mailbox.Flags
	hasCode  bool
	absent   bool
	call     *caller.Call
	player   *caller.Player
	exchange exchange
	timeline *record
	patience time.Duration
	free     func() // the line
}

// record is a call's time line, printed when the scenario fails.
type record struct{ strings.Builder }

// exchange is where callers are transferred to: what "transfer" lines say, one for
// each, and how often it was asked.
type exchange struct {
	mu    sync.Mutex
	next  []caller.Referral
	asked int
}

// refer is what becomes of a transfer to a target of the dialplan.
func (e *exchange) refer(target string) caller.Referral {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked++
	switch {
	case !strings.HasPrefix(target, targetPrefix):
		return caller.Referral{Status: 404}
	case len(e.next) == 0:
		return caller.Referral{Status: 200}
	}
	r := e.next[0]
	e.next = e.next[1:]
	return r
}

const targetPrefix = "sip:target-"

func newScenario(t testing.TB) *scenario {
	return &scenario{
		t: t, account: mailbox.Account{Extension: "4001"}, number: "*97", hasCode: true, timeline: new(record), patience: patience,
	}
}

// run runs one script; the error names its line. Each line has its own patience: how
// long the script waits for a free telephone line is nobody's fault.
func (s *scenario) run(lines []script.Line) error {
	ctx := s.t.Context()
	s.tags = tagsOf(lines)
	voice, _ := sounds()
	for _, tag := range s.tags {
		if !slices.Contains(voice.catalogue.Languages(), tag) {
			s.t.Skipf("nobody has recorded %s", tag)
		}
	}
	for _, line := range lines {
		if err := s.line(ctx, line); err != nil {
			s.finish(ctx)
			return fmt.Errorf("line %d: %s: %w", line.Number, line, err)
		}
	}
	s.finish(ctx)
	if len(s.exchange.next) > 0 {
		return fmt.Errorf("%d outcomes of transfers were never asked for", len(s.exchange.next))
	}
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
		s.facts = append(s.facts, l)
		return nil
	case "store":
		if s.house == nil {
			s.facts = append(s.facts, l)
		} else {
			s.faults.queue(l.Args[0], l.Args[1:]...)
		}
		return nil
	case "transfer":
		s.exchange.next = append(s.exchange.next, referral(l.Args))
		return nil
	case "hear", "hear-not":
		l.Args = inUsual(l.Args)
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

// referral is what a "transfer" line says.
func referral(args []string) caller.Referral {
	switch args[0] {
	case "fails":
		return caller.Referral{Status: 486}
	case "silent":
		return caller.Referral{}
	case "slow":
		after, _ := time.ParseDuration(args[1]) // package script has read it
		return caller.Referral{Status: 200, After: after}
	}
	return caller.Referral{Status: 200}
}

// furnish alters the configuration as the facts are.
func (s *scenario) furnish(c *config.Config) {
	c.Plan.Targets = map[string]string{}
	for _, f := range s.facts {
		if f.Verb == "given" {
			s.given(c.Plan, f.Args)
		}
	}
}

func (s *scenario) given(plan *dialplan.Plan, args []string) {
	switch args[0] {
	case "door":
		s.number = map[string]string{"own": "*97", "any": "*98", "check": "*99"}[args[1]]
	case "caller":
		s.from = args[1]
	case "target":
		for _, name := range args[1:] {
			plan.Targets[name] = targetPrefix + name + "@127.0.0.1"
		}
	case "mailbox":
		s.account.Extension = args[1]
		for _, f := range args[2:] {
			s.flag(f)
		}
	case "mailbox-language":
		s.language = args[1]
	}
	for i := range plan.Routes {
		r := &plan.Routes[i]
		switch args[0] {
		case "domain":
			s.account.Domain, r.Domain = args[1], args[1]
		case "layout":
			r.Layout = args[1]
		case "language":
			r.Language = args[1]
		case "slow":
			r.Slow = true
		}
	}
}

func (s *scenario) flag(word string) {
	switch word {
	case "must-change":
		s.flags.MustChange = true
	case "cannot-change":
		s.flags.CannotChange = true
	case "disabled":
		s.flags.Disabled = true
	case "slow":
		s.flags.Slow = true
	case "no-code":
		s.hasCode = false
	case "absent":
		s.absent = true
	}
}

// move opens the house and makes the mailbox.
func (s *scenario) move(ctx context.Context) error {
	s.house = openHouse(s.t, s.furnish)
	for _, f := range s.facts {
		if f.Verb == "store" {
			s.faults.queue(f.Args[0], f.Args[1:]...)
		}
	}
	if s.absent {
		return nil
	}
	digits := codes["old"]
	if !s.hasCode {
		digits = ""
	}
	s.account = s.add(s.account.Extension, digits, s.flags)
	if s.language == "" {
		return nil
	}
	_, err := s.stores.Edit(ctx, s.account, mailbox.Edit{Language: &s.language}, "test", "")
	return err
}

// begin makes the call.
func (s *scenario) begin(ctx context.Context) error {
	s.free = occupy()
	s.t.Cleanup(s.free)
	if err := s.move(ctx); err != nil {
		return err
	}
	if s.from == "" {
		s.from = s.account.Extension
	}
	phone := s.phone(s.number, s.from)
	phone.Refer = s.exchange.refer
	phone.Ear = earOf(s.tags)
	c, err := caller.Dial(ctx, phone)
	if err != nil {
		return err
	}
	s.t.Cleanup(c.Close)
	callertest.Heed(s.t, c)
	s.call = c
	s.player = &caller.Player{
		Call: c, Patience: s.patience, Timeline: &caller.Timeline{W: s.timeline}, Timer: s.config.Plan.Timers.Named, Other: s.expect,
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
	if l.Args[0] == "transfers" {
		s.exchange.mu.Lock()
		defer s.exchange.mu.Unlock()
		if n, err := strconv.Atoi(l.Args[1]); err != nil || n != s.exchange.asked {
			return fmt.Errorf("a transfer was asked for %d times", s.exchange.asked)
		}
		return nil
	}
	op := strings.TrimSuffix(strings.Replace(l.Args[0], "verifies", "verifys", 1), "s")
	if n, err := strconv.Atoi(l.Args[1]); err != nil || n != s.faults.count(op) {
		return fmt.Errorf("the store was asked %d times", s.faults.count(op))
	}
	return nil
}
