package flow_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/flow"
	"star97/internal/script"
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

// codes are what the placeholders stand for.
var codes = map[string]string{"old": "739152", "new": "482915", "other": "590837", "wrong": "268413"}

const flowFiles = "../../testdata/flows/*.txt"

func TestScenarios(t *testing.T) {
	files, err := filepath.Glob(flowFiles)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 36)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(name, func(t *testing.T) { runScenario(t, read(t, name)) })
	}
}

// The good path and every refusal, in each language.
func TestEveryLanguageIsSpoken(t *testing.T) {
	for _, tag := range []string{"en-US", "en-GB", "es-ES", "fr-FR", "de-DE", "it-IT"} {
		for _, name := range []string{"any-change", "refusals-of-the-rules", "refusals-of-the-store", "refusals-at-the-door"} {
			t.Run(tag+"/"+name, func(t *testing.T) { runScenario(t, script.In(read(t, name), tag)) })
		}
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
	for name, text := range map[string]string{
		"a sentence that is not said":      "hear changed",
		"a sentence in the wrong order":    "hear enter-code welcome",
		"a sentence that must not be said": "hear welcome\nhear-not enter-code",
		"the wrong end":                    "press *\nend no-input",
		"no end":                           "press {old}#\nend goodbye",
		"a change that was not made":       "hear welcome\nexpect changed",
		"a wrong count of questions":       "press {old}#\nhear option-change-2\nexpect verifies 2",
		"speech in a silence":              "hear enter-code\nsilence first-digit",
		"a transfer that nobody asked for": "transfer ok\nhear welcome",
		"a wrong count of transfers":       "hear welcome\nexpect transfers 1",
		"the wrong language":               "hear welcome\nhear-not en-US/welcome",
		"a layout that is not there":       "given layout nothing\nhear welcome",
		"an answer that nobody asked for":  "store change unknown\nhear welcome",
	} {
		t.Run(name, func(t *testing.T) {
			lines, err := script.Parse("text", []byte(text))
			require.NoError(t, err)
			_, err = play(lines)
			require.Error(t, err)
		})
	}
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
	if len(c.dials.next) > 0 {
		return c, fmt.Errorf("transfer %v was never asked for", c.dials.next[0])
	}
	return c, c.store.unused()
}

func (c *call) line(l script.Line) error {
	switch l.Verb {
	case "given":
		return c.given(l.Args)
	case "store":
		c.store.queue(l.Args)
		return nil
	case "transfer":
		c.dials.next = append(c.dials.next, l.Args)
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
	keys, err := script.Keys(args, func(name string) (string, bool) {
		if name == "ext" {
			return c.store.account.Extension, true
		}
		v, ok := codes[name]
		return v, ok
	})
	for _, k := range keys {
		c.step(flow.Event{Kind: flow.Key, Digit: digitOf(k)})
		c.advance(c.now + keyTime)
	}
	return err
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
		d, ok := c.layout.Timer(name)
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
		if changed := c.store.code != codes["old"]; changed != (args[0] == "changed") {
			return fmt.Errorf("the code in force says otherwise")
		}
		return nil
	}
	n, got := 0, map[string]int{"verifies": c.store.verifies, "changes": c.store.changes, "transfers": c.dials.asked}[args[0]]
	if n, _ = strconv.Atoi(args[1]); n != got {
		return fmt.Errorf("it was asked for %d times", got)
	}
	return nil
}
