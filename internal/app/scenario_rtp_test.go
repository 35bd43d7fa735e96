package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/caller"
	"star97/internal/caller/callertest"
	"star97/internal/config"
	"star97/internal/dialplan"
	"star97/internal/mailbox"
	"star97/internal/script"
	"star97/internal/script/stage"
)

// codes are what the placeholders stand for.
var codes = stage.Codes

// TestScenarios runs every scenario file, each against a service of its own, over
// SIP and RTP. What was said is known by ear alone. Under the race detector a spread of
// them shows the same: it makes each call ten times as long.
func TestScenarios(t *testing.T) {
	scenarios := map[string][]script.Line{}
	for i, one := range stage.All(t) {
		if i%oneOf == 0 {
			scenarios[one.Name] = one.Lines
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

func TestScenarioRunnerFindsFaults(t *testing.T) {
	t.Parallel()
	for name, text := range stage.MustFind {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScenario(t)
			s.patience = 6 * time.Second
			err := s.run(stage.Lines(t, text))
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
	age      mailbox.Flags // which of the flags that the age of its code brings it has
	absent   bool
	oneTime  bool // one-time codes open it
	call     *caller.Call
	player   *caller.Player
	dials    stage.Transfers
	timeline *record
	patience time.Duration
	free     func()                                  // the line
	open     func(alter func(*config.Config)) *house // opens one with mailboxes of its own; nil: move does
}

// record is a call's time line, printed when the scenario fails.
type record struct{ strings.Builder }

// refer is what becomes of a transfer to a target of the dialplan.
func (s *scenario) refer(target string) caller.Referral {
	to := caller.Referral(s.dials.Take())
	if !strings.HasPrefix(target, targetPrefix) {
		return caller.Referral{Status: 404}
	}
	return to
}

const targetPrefix = "sip:target-"

func newScenario(t testing.TB) *scenario {
	return &scenario{
		t: t, account: mailbox.Account{Extension: "4001"}, number: "*97", timeline: new(record), patience: patience,
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
	return errors.Join(s.dials.Unused(), s.faults.Unused())
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
			s.faults.Queue(l.Args[0], l.Args[1:]...)
		}
		return nil
	case "transfer":
		s.dials.Queue(l.Args)
		return nil
	}
	if s.player == nil {
		if err := s.begin(ctx); err != nil {
			return err
		}
	}
	if err := s.player.Do(ctx, stage.Plain(l)); err != nil {
		return err
	}
	if l.Verb == "end" {
		return s.endsWith(l.Args[0])
	}
	return nil
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
		s.flags, s.absent = stage.Flags(args[2:])
		s.age, s.flags.Expired, s.flags.Expiring, s.flags.TooSoon = s.flags, false, false, false
	case "one-time":
		s.oneTime = true
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
		switch own := r.Door == mailbox.OwnDoor; {
		case own && args[0] == "forgotten":
			r.Forgotten = dialplan.ForgottenOffer
		case own && args[0] == "first-use":
			r.FirstUse = dialplan.FirstUseAllow
		}
	}
}

// move opens the house and makes the mailbox.
func (s *scenario) move(ctx context.Context) error {
	if s.open != nil {
		s.house = s.open(s.furnish)
		return nil
	}
	s.house = openHouseWith(s.t, s.furnish, seams{oneTime: func(string) bool { return s.oneTime }})
	s.faults.Age(s.age)
	for _, f := range s.facts {
		if f.Verb == "store" {
			s.faults.Queue(f.Args[0], f.Args[1:]...)
		}
	}
	if s.absent {
		return nil
	}
	digits := codes["old"]
	if s.flags.NoCode {
		digits, s.flags.NoCode = "", false
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
	phone.Refer = s.refer
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
		Value: s.value,
	}
	s.player.Begin()
	return nil
}

// value fills in a placeholder. A one-time code is waited for: it comes by mail.
func (s *scenario) value(name string) (string, bool) {
	if name != "one-time" {
		return stage.Value(s.account.Extension)(name)
	}
	for end := time.Now().Add(s.patience); s.post.Latest() == "" && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	code := s.post.Latest()
	return code, code != ""
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
	for end := time.Now().Add(s.patience); !s.faults.Idle() && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	switch l.Args[0] {
	case "changed", "unchanged":
		if changed := !s.inForce(s.account, codes["old"]); changed != (l.Args[0] == "changed") {
			return fmt.Errorf("the code in force says otherwise")
		}
		return nil
	}
	got := s.faults.Count(l.Args[0])
	switch l.Args[0] {
	case "transfers":
		got = s.dials.Asked()
	case "sends":
		got = len(s.post.All())
	}
	if n, err := strconv.Atoi(l.Args[1]); err != nil || n != got {
		return fmt.Errorf("it was asked for %d times", got)
	}
	return nil
}
