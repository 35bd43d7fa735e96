package flow_test

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"star97/internal/dialplan"
	"star97/internal/dtmf"
	"star97/internal/flow"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/prompt"
	"star97/internal/script/stage"
)

// call is one call in virtual time: the shell's part, done with a sorted list of
// what is due.
type call struct {
	plan    *dialplan.Plan
	name    string // of its layout
	layout  *flow.Layout
	start   flow.Start
	state   flow.State
	store   *fakeStore
	now     time.Duration
	entered time.Duration // when the current code was complete
	up      bool
	gone    bool
	end     flow.EndReason
	due     []event
	dials   stage.Transfers
	said    []sentence
	cursor  int    // sentences before it were matched by hear
	chosen  string // spelled last
}

// event is due at a time. what tells which running thing it belongs to.
type event struct {
	at   time.Duration
	what string // phrase, timer, store, limit
	e    flow.Event
}

// sentence is one that began; whole once it was heard to its end.
type sentence struct {
	id    string
	in    string // language
	from  time.Duration
	to    time.Duration
	whole bool
}

func newCall() *call {
	return &call{plan: dialplan.Default(), name: dialplan.DefaultLayout, start: flow.Start{Door: mailbox.OwnDoor}, store: newFakeStore()}
}

func digitOf(c rune) dtmf.Digit {
	switch c {
	case '*':
		return dtmf.Star
	case '#':
		return dtmf.Pound
	}
	return dtmf.Digit(c - '0')
}

// answer is the ACK.
func (c *call) answer() (err error) {
	if c.up {
		return nil
	}
	if c.layout, err = flow.NewLayout(c.plan, c.name, pin.DefaultPolicy()); err != nil {
		return err
	}
	c.up = true
	c.state = flow.New(c.layout, c.start)
	c.step(flow.Event{Kind: flow.Answered})
	return nil
}

func (c *call) hangUp() {
	if c.up && !c.gone {
		c.step(flow.Event{Kind: flow.HungUp})
	}
	c.gone = true
}

func (c *call) step(e flow.Event) {
	if c.gone || c.end != 0 {
		return
	}
	var out flow.Effects
	waited := c.waitsForCode()
	c.state, out = flow.Step(c.state, e)
	if c.waitsForCode() && !waited {
		c.entered = c.now
	}
	for _, fx := range out.List[:out.N] {
		c.perform(fx)
	}
}

func (c *call) waitsForCode() bool {
	return c.state.At() == flow.Finding || c.state.At() == flow.Verifying
}

func (c *call) perform(fx flow.Effect) {
	switch fx.Kind {
	case flow.Say:
		c.drop("phrase")
		c.say(fx)
	case flow.Hush:
		c.drop("phrase")
	case flow.Timer:
		c.drop("timer")
		if fx.After > 0 {
			c.add(event{c.now + fx.After, "timer", flow.Event{Kind: flow.TimedOut, Step: fx.Step}})
		}
	case flow.Lookup, flow.Verify, flow.Change:
		took, e := c.store.answer(fx)
		at := c.now + took
		if fx.Kind == flow.Verify && fx.Door == mailbox.AnyDoor {
			at = c.entered + beat(at-c.entered)
		}
		c.add(event{at, "store", e})
	case flow.Choose:
		code, err := c.state.Choose(rand.Reader)
		if err != nil {
			panic(err)
		}
		c.add(event{c.now, "store", flow.Event{Kind: flow.Chosen, Step: fx.Step, Choice: code}})
	case flow.Send:
		c.store.send()
	case flow.Transfer:
		c.transfer(fx)
	case flow.Limit:
		c.add(event{c.now + fx.After, "limit", flow.Event{Kind: flow.LimitHit}})
	case flow.End:
		c.end = fx.End
		c.drop("phrase")
		c.drop("timer")
	}
}

// transfer asks the exchange, which may never answer.
func (c *call) transfer(fx flow.Effect) {
	if to := c.dials.Take(); to.Status > 0 {
		c.add(event{c.now + to.After + storeTime, "store", flow.Event{Kind: flow.Transferred, Step: fx.Step, OK: to.Status == 200}})
	}
}

func (c *call) say(fx flow.Effect) {
	at := c.now
	for _, id := range fx.Phrase {
		if id == "" {
			break
		}
		at = c.sentence(id, fx.Language, at)
		if id == prompt.ChosenCode {
			c.chosen = digits(fx.Spell)
			for _, d := range []byte(c.chosen) {
				at = c.sentence(prompt.Digit(d), fx.Language, at)
			}
		}
	}
	c.add(event{c.now, "phrase", flow.Event{Kind: flow.Started, Step: fx.Step}})
	c.add(event{at, "phrase", flow.Event{Kind: flow.Spoken, Step: fx.Step}})
}

// sentence is said from then on; it returns when it ends.
func (c *call) sentence(id prompt.ID, language string, at time.Duration) time.Duration {
	c.said = append(c.said, sentence{id: string(id), in: cmp.Or(language, "en-US"), from: at, to: at + sentenceTime})
	return at + sentenceTime
}

func (c *call) add(e event) { c.due = append(c.due, e) }

// drop forgets what will not come any more, and sentences that do not begin.
func (c *call) drop(what string) {
	kept := c.due[:0]
	for _, d := range c.due {
		if d.what != what {
			kept = append(kept, d)
		}
	}
	c.due = kept
	if what != "phrase" {
		return
	}
	for i := range c.said {
		if s := &c.said[i]; !s.whole && s.to > c.now {
			s.to = -1
		}
	}
	for len(c.said) > 0 && c.said[len(c.said)-1].to < 0 && c.said[len(c.said)-1].from >= c.now {
		c.said = c.said[:len(c.said)-1]
	}
}

// tick lets the next due thing happen; false: there is none before the deadline.
func (c *call) tick(deadline time.Duration) bool {
	next := -1
	for i, d := range c.due {
		if d.at <= deadline && (next < 0 || d.at < c.due[next].at) {
			next = i
		}
	}
	if next < 0 {
		c.hearUntil(deadline)
		return false
	}
	d := c.due[next]
	c.due = append(c.due[:next], c.due[next+1:]...)
	c.hearUntil(d.at)
	c.now = max(c.now, d.at)
	if d.what == "store" {
		c.store.done(d.e)
	}
	c.step(d.e)
	return true
}

func (c *call) advance(until time.Duration) {
	for c.tick(until) {
	}
	c.now = max(c.now, until)
}

// hearUntil marks the sentences that came to their end.
func (c *call) hearUntil(t time.Duration) {
	for i := range c.said {
		if s := &c.said[i]; s.to >= 0 && s.to <= t {
			s.whole = true
		}
	}
}

// heardNext moves the cursor behind the next sentence of that name that was heard
// to its end.
func (c *call) heardNext(id string) bool {
	for i := c.cursor; i < len(c.said); i++ {
		if s := c.said[i]; s.whole && (s.id == id || s.in+"/"+s.id == id) {
			c.cursor = i + 1
			return true
		}
	}
	return false
}

// String is the call as the caller heard it.
func (c *call) String() string {
	var b strings.Builder
	for _, s := range c.said {
		cut := ""
		if !s.whole {
			cut = " (cut off)"
		}
		fmt.Fprintf(&b, "%8v %s/%s%s\n", s.from, s.in, prompt.ID(s.id), cut)
	}
	fmt.Fprintf(&b, "%8v in state %v, end %v\n", c.now, c.state.At(), c.end)
	return b.String()
}
