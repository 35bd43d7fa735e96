package caller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"star97/internal/prompt"
	"star97/internal/script"
)

const (
	// DefaultPatience is how long a sentence is waited for.
	DefaultPatience = 20 * time.Second
	// lastWords is how long after the far end's BYE audio under way is still heard.
	lastWords = 300 * time.Millisecond
	// beyondTimer is "a little more" of a wait for one of the flow's timers.
	beyondTimer = 500 * time.Millisecond
)

// Player runs a script on a call. Only Call is needed.
type Player struct {
	Call     *Call
	Value    func(name string) (keys string, ok bool)          // fills {old}, {new}, ..., but not {chosen}, which is heard
	Timer    func(name string) (length time.Duration, ok bool) // the flow's timers
	Patience time.Duration                                     // longest wait for one sentence; 0: DefaultPatience
	Timeline *Timeline                                         // nil: none
	// Other runs the lines that are no telephone's business (given, store, expect).
	// nil refuses them.
	Other func(context.Context, script.Line) error

	cursor  int // sounds before it were spoken for by an earlier hear
	stop    chan struct{}
	stopped chan struct{}
	writing sync.Mutex
	written int // sounds that are in the time line
}

// NotHeard is a hear that failed, or a sentence that must not have come.
type NotHeard struct {
	Line    int // of the script
	Want    prompt.ID
	Instead []string // heard since the sentence before; may be empty
	Hint    string   // what the audio was like when nothing was recognised
	Not     bool     // it was heard and must not be
}

func (e *NotHeard) Error() string {
	at := atLine(e.Line)
	if e.Not && e.Want == "" {
		return at + "silence was expected, but " + strings.Join(e.Instead, ", ") + " was heard"
	}
	if e.Not {
		return at + fmt.Sprintf("%s was heard and must not be", e.Want)
	}
	s := at + fmt.Sprintf("%s was not heard to its end", e.Want)
	if len(e.Instead) > 0 {
		return s + "; heard instead: " + strings.Join(e.Instead, ", ")
	}
	return s + "; " + e.Hint
}

// HungUp tells that the far end ended the call while the script had more to do.
type HungUp struct {
	Line int
	Want prompt.ID // what was waited for, if anything
}

func (e *HungUp) Error() string {
	if e.Want != "" {
		return atLine(e.Line) + fmt.Sprintf("the far end hung up before %s was heard", e.Want)
	}
	return atLine(e.Line) + "the far end hung up early"
}

// atLine begins an error; a built-in script has no lines.
func atLine(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("line %d: ", n)
}

// ErrScript is wrapped by what is wrong with a script or its codes.
var ErrScript = errors.New("the script cannot be run")

// Run executes the lines and hangs up if they did not. Errors: *NotHeard, *HungUp,
// ErrNoMedia, ErrScript, those of Press, or ctx's.
func (p *Player) Run(ctx context.Context, lines []script.Line) error {
	return p.play(ctx, func() error { return p.steps(ctx, lines) })
}

// play runs what is to be done on the call, with a time line, and hangs up after it.
func (p *Player) play(ctx context.Context, do func() error) error {
	p.Begin()
	defer p.Finish()
	err := do()
	if err == nil && p.Call.End() == NotEnded {
		err = p.hangup(ctx)
	}
	return err
}

// Begin starts the time line; Run does it by itself. Finish must follow.
func (p *Player) Begin() {
	if p.Timeline == nil {
		p.Timeline = &Timeline{}
	}
	if p.Patience == 0 {
		p.Patience = DefaultPatience
	}
	p.Timeline.Begin(p.Call.Times().Invite)
	p.Timeline.Say(p.Call.Times().Answered, "answered", "answered")
	p.stop, p.stopped = make(chan struct{}), make(chan struct{})
	go p.report(p.stop, p.stopped)
}

// Finish completes the time line.
func (p *Player) Finish() {
	close(p.stop)
	<-p.stopped
}

// Do executes one line between Begin and Finish. Errors as for Run.
func (p *Player) Do(ctx context.Context, line script.Line) error { return p.step(ctx, line) }

func (p *Player) steps(ctx context.Context, lines []script.Line) error {
	for _, line := range lines {
		if err := p.step(ctx, line); err != nil {
			return err
		}
	}
	return nil
}

func (p *Player) step(ctx context.Context, line script.Line) error {
	switch line.Verb {
	case "press":
		return p.press(ctx, line)
	case "hear":
		for _, id := range line.Args {
			if err := p.hear(ctx, line, prompt.ID(id)); err != nil {
				return err
			}
		}
		return nil
	case "hear-not":
		return p.hearNot(line)
	case "wait", "silence":
		return p.wait(ctx, line)
	case "hangup":
		return p.hangup(ctx)
	case "end":
		return p.end(ctx, line)
	}
	if p.Other != nil {
		return p.Other(ctx, line)
	}
	return fmt.Errorf("%w: line %d: %q is for the scenario tests; a telephone can press, hear, hear-not, wait, silence, hangup and end", ErrScript, line.Number, line.Verb)
}

func (p *Player) press(ctx context.Context, line script.Line) error {
	if _, ok := p.Spelled(); !ok && strings.Contains(strings.Join(line.Args, ""), "{"+theChosen+"}") {
		return p.missed(line.Number, prompt.ChosenCode, p.Call.media.Heard())
	}
	keys, err := script.Keys(line.Args, p.value)
	if err != nil {
		return fmt.Errorf("%w: line %d: %w", ErrScript, line.Number, err)
	}
	shown := len(keys)
	if holdsCode(line.Args) {
		shown = 0
	}
	p.catchUp()
	p.Timeline.Pressed(time.Now(), shown)
	return p.ended(line, "", p.Call.Press(ctx, keys))
}

// holdsCode tells whether a press fills in a code, whose length is a secret too.
func holdsCode(args []string) bool {
	return strings.Contains(strings.ReplaceAll(strings.Join(args, ""), "{ext}", ""), "{")
}

// ended makes a HungUp of an error that only says that the call is over.
func (p *Player) ended(line script.Line, want prompt.ID, err error) error {
	if errors.Is(err, ErrEnded) && p.Call.End() != WeHungUp {
		return &HungUp{Line: line.Number, Want: want}
	}
	return err
}

// hear waits until id was heard to its end, after what earlier lines heard.
func (p *Player) hear(ctx context.Context, line script.Line, id prompt.ID) error {
	_, err := p.await(ctx, line.Number, id, func(heard prompt.ID) bool { return heard == id }, nil)
	return err
}

// await waits until a sentence that suits was heard to its end, and returns it. A
// sentence that is wrong fails it at once; nil: none is. want stands for what suits
// in errors.
func (p *Player) await(ctx context.Context, line int, want prompt.ID, suits, wrong func(prompt.ID) bool) (prompt.ID, error) {
	patience := time.NewTimer(p.Patience)
	defer patience.Stop()
	var over <-chan time.Time
	done := p.Call.Done()
	for {
		sounds, more := p.Call.media.ears.since(p.cursor)
		for i, s := range sounds {
			switch {
			case !s.Ended || !s.Complete:
			case suits(s.ID):
				p.cursor += i + 1
				return s.ID, nil
			case wrong != nil && wrong(s.ID):
				return "", p.missed(line, want, sounds)
			}
		}
		select {
		case <-more:
		case <-done:
			done, over = nil, time.After(lastWords)
		case <-over:
			return "", &HungUp{Line: line, Want: want}
		case <-patience.C:
			return "", p.missed(line, want, sounds)
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// missed explains why a sentence was not heard.
func (p *Player) missed(line int, id prompt.ID, sounds []Heard) error {
	e := &NotHeard{Line: line, Want: id, Instead: namesOf(sounds)}
	stats := p.Call.media.Stats()
	switch {
	case stats.Received == 0:
		return fmt.Errorf("%s%s was not heard: %w", atLine(line), id, ErrNoMedia)
	case stats.Unheard > 0:
		e.Hint = fmt.Sprintf("this telephone was too busy to listen to %d packets", stats.Unheard)
	case p.Call.o.Ear == nil:
		e.Hint = "this telephone was given no recogniser"
	case p.Call.media.LastSound().IsZero():
		e.Hint = "the audio was silent all the time"
	default:
		e.Hint = "there was sound, but no sentence was recognised in it"
	}
	return e
}

// namesOf lists what was heard; only the last sound can be going on still.
func namesOf(sounds []Heard) (names []string) {
	for i, s := range sounds {
		switch {
		case s.isDigit():
			if n := len(names); n == 0 || names[n-1] != aDigit {
				names = append(names, aDigit)
			}
		case s.Ended:
			names = append(names, nameOf(s))
		case i == len(sounds)-1:
			names = append(names, nameOf(s)+" (begun)")
		}
	}
	return names
}

// nameOf says what was heard, in words.
func nameOf(h Heard) string {
	switch {
	case h.isDigit():
		return aDigit
	case h.ID == "" && len(h.Among) == 0:
		return "something that is no sentence of ours"
	case h.ID == "":
		words := make([]string, len(h.Among))
		for i, id := range h.Among {
			words[i] = string(id)
		}
		return "the beginning of " + strings.Join(words, " or ")
	case h.Ended && !h.Complete:
		return string(h.ID) + " (cut)"
	}
	return string(h.ID)
}

func (p *Player) hearNot(line script.Line) error {
	for _, s := range p.Call.media.Heard() {
		if slices.Contains(line.Args, string(s.ID)) {
			return &NotHeard{Line: line.Number, Want: s.ID, Not: true}
		}
	}
	return nil
}

// wait does nothing for a while; for silence no sentence may begin meanwhile.
func (p *Player) wait(ctx context.Context, line script.Line) error {
	timer := p.Timer
	if timer == nil {
		timer = func(string) (time.Duration, bool) { return 0, false }
	}
	d, err := script.Wait(line.Args[0], func(name string) (time.Duration, bool) {
		d, ok := timer(name)
		return d + beyondTimer, ok
	})
	if err != nil {
		return fmt.Errorf("%w: line %d: %w", ErrScript, line.Number, err)
	}
	begin := time.Now()
	if !p.Call.pause(ctx, d) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &HungUp{Line: line.Number}
	}
	if line.Verb == "wait" {
		return nil
	}
	for _, s := range p.Call.media.Heard() {
		if !s.Ended && s.At.After(begin) {
			return &NotHeard{Line: line.Number, Instead: []string{nameOf(s)}, Not: true}
		}
	}
	return nil
}

func (p *Player) hangup(ctx context.Context) error {
	p.catchUp()
	p.Timeline.Say(time.Now(), "hung-up", "hung up")
	return p.Call.Hangup(ctx)
}

// end waits for the far end's BYE; its reason is not visible to a telephone.
func (p *Player) end(ctx context.Context, line script.Line) error {
	patience := time.NewTimer(p.Patience)
	defer patience.Stop()
	select {
	case <-p.Call.Done():
		return nil
	case <-patience.C:
		return &NotHeard{Line: line.Number, Want: "the end of the call", Instead: namesOf(p.Call.media.Heard()[p.cursor:]), Hint: "the far end did not hang up"}
	case <-ctx.Done():
		return ctx.Err()
	}
}

// report copies what is heard and signalled to the time line. Started by Begin, stops
// at Finish, when everything known by then is written.
func (p *Player) report(stop <-chan struct{}, stopped chan<- struct{}) {
	defer close(stopped)
	for {
		more := p.catchUp()
		select {
		case <-more:
		case n := <-p.Call.notes:
			p.Timeline.Say(n.At, "far-end", "%s", n.Text)
		case <-stop:
			p.catchUp()
			return
		}
	}
}

// catchUp writes what is known by now; the channel closes when there is more heard.
func (p *Player) catchUp() <-chan struct{} {
	p.writing.Lock()
	defer p.writing.Unlock()
	sounds, more := p.Call.media.ears.since(p.written)
	for _, s := range sounds {
		p.written++
		if s.Ended {
			p.Timeline.Heard(s)
		}
	}
	for {
		select {
		case n := <-p.Call.notes:
			p.Timeline.Say(n.At, "far-end", "%s", n.Text)
		default:
			return more
		}
	}
}
