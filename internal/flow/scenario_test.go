package flow_test

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/flow"
	"star97/internal/script"
	"star97/internal/script/stage"
)

// The files run here against Step alone, in virtual time: a sentence lasts
// sentenceTime, its first packet leaves at once, a key every keyTime.
const (
	sentenceTime  = 2 * time.Second
	keyTime       = 150 * time.Millisecond
	storeTime     = 20 * time.Millisecond
	storeDeadline = 8 * time.Second
	margin        = 300 * time.Millisecond // "a little more" than a timer
	patience      = 90 * time.Second       // how long hear and end wait
)

func TestScenarios(t *testing.T) {
	for _, s := range stage.All(t) {
		t.Run(s.Name, func(t *testing.T) { runScenario(t, s.Lines) })
	}
}

// The good path and every refusal, in each language.
func TestEveryLanguageIsSpoken(t *testing.T) {
	for _, tag := range []string{"en-US", "en-GB", "es-ES", "fr-FR", "de-DE", "it-IT"} {
		for _, name := range []string{"any-change", "refusals-of-the-rules", "refusals-of-the-store", "refusals-at-the-door"} {
			t.Run(tag+"/"+name, func(t *testing.T) { runScenario(t, stage.In(stage.Read(t, name), tag)) })
		}
	}
}

func TestScenarioRunnerFindsFaults(t *testing.T) {
	for name, text := range stage.MustFind {
		t.Run(name, func(t *testing.T) {
			_, err := play(stage.Lines(t, text))
			require.Error(t, err)
		})
	}
	_, err := play(stage.Lines(t, "given layout nothing\nhear welcome"))
	require.Error(t, err)
}

func runScenario(t *testing.T, lines []script.Line) {
	t.Helper()
	c, err := play(lines)
	require.NoError(t, err, "heard so far:\n%s", c)
}

// play runs one script; the error names its line.
func play(lines []script.Line) (*call, error) {
	c := newCall()
	for _, line := range lines {
		if err := c.line(line); err != nil {
			return c, fmt.Errorf("line %d: %s: %w", line.Number, line, err)
		}
	}
	c.hangUp()
	return c, errors.Join(c.dials.Unused(), c.store.answers.Unused())
}

func (c *call) line(l script.Line) error {
	switch l.Verb {
	case "given":
		return c.given(l.Args)
	case "store":
		c.store.answers.Queue(l.Args[0], l.Args[1:]...)
		return nil
	case "transfer":
		c.dials.Queue(l.Args)
		return nil
	}
	if err := c.answer(); err != nil {
		return err
	}
	switch l.Verb {
	case "press":
		return c.press(l.Args)
	case "hear":
		return c.hear(l.Args)
	case "hear-not":
		return c.hearNot(l.Args)
	case "wait", "silence":
		return c.wait(l.Args[0], l.Verb == "silence")
	case "hangup":
		c.hangUp()
		return nil
	case "end":
		return c.endsWith(l.Args[0])
	case "expect":
		return c.expect(l.Args)
	}
	return fmt.Errorf("the runner does not know the verb")
}

func (c *call) given(args []string) error {
	switch args[0] {
	case "door":
		return c.start.Door.UnmarshalText([]byte(args[1]))
	case "layout":
		c.name = args[1]
	case "target":
		if c.plan.Targets == nil {
			c.plan.Targets = map[string]string{}
		}
		for _, name := range args[1:] {
			c.plan.Targets[name] = "sip:" + name + "@127.0.0.1"
		}
	case "language":
		c.start.Language = args[1]
	case "slow":
		c.start.Slow = true
	case "forgotten":
		c.start.Forgotten = true
	case "first-use":
		c.start.FirstUse = true
	case "one-time":
		c.start.OneTime = true
	case "mailbox":
		c.store.set(args[1], args[2:])
	case "mailbox-language":
		c.store.account.Language = args[1]
	case "caller":
		c.store.caller = args[1]
	case "domain":
		c.store.account.Domain = args[1]
	}
	return nil
}

func (c *call) press(args []string) error {
	keys, err := script.Keys(args, c.value)
	if c.gone || c.end != 0 {
		return fmt.Errorf("the call is over")
	}
	for _, k := range keys {
		c.step(flow.Event{Kind: flow.Key, Digit: digitOf(k)})
		c.advance(c.now + keyTime)
	}
	return err
}

// value fills in a placeholder: what the caller knows of codes by now.
func (c *call) value(name string) (string, bool) {
	switch name {
	case "chosen":
		return c.chosen, c.chosen != ""
	case "one-time":
		return stage.Codes[name], c.store.sent
	}
	return stage.Value(c.store.account.Extension)(name)
}

func (c *call) hear(ids []string) error {
	for _, id := range ids {
		deadline := c.now + patience
		for !c.heardNext(id) {
			if !c.tick(deadline) {
				return fmt.Errorf("%s was not heard", id)
			}
		}
	}
	return nil
}

func (c *call) hearNot(ids []string) error {
	for _, s := range c.said {
		for _, id := range ids {
			if s.id == id || s.in+"/"+s.id == id {
				return fmt.Errorf("%s was said at %v", id, s.from)
			}
		}
	}
	return nil
}

func (c *call) wait(arg string, silent bool) error {
	d, err := script.Wait(arg, func(name string) (time.Duration, bool) {
		d, ok := c.plan.Timers.Named(name)
		return d + margin, ok
	})
	before := len(c.said)
	c.advance(c.now + d)
	if silent && len(c.said) > before {
		return fmt.Errorf("%s was said", c.said[before].id)
	}
	return err
}

func (c *call) endsWith(word string) error {
	for deadline := c.now + patience; c.end == 0; {
		if !c.tick(deadline) {
			return fmt.Errorf("the call goes on in state %v", c.state.At())
		}
	}
	if c.end.String() != word {
		return fmt.Errorf("the call ended with %q", c.end)
	}
	return nil
}

func (c *call) expect(args []string) error {
	switch args[0] {
	case "changed", "unchanged":
		for deadline := c.now + patience; c.store.busy() && c.tick(deadline); {
		}
		if changed := c.store.code != stage.Codes["old"]; changed != (args[0] == "changed") {
			return fmt.Errorf("the code in force says otherwise")
		}
		return nil
	}
	got := c.store.answers.Count(args[0])
	switch args[0] {
	case "transfers":
		got = c.dials.Asked()
	case "sends":
		got = c.store.sends
	}
	if n, err := strconv.Atoi(args[1]); err != nil || n != got {
		return fmt.Errorf("it was asked for %d times", got)
	}
	return nil
}
