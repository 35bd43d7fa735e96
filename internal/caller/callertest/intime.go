package callertest

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"star97/internal/caller"
)

const (
	replays = 3 // of a play that failed while the machine lost time
	atATime = 6 // of them, once no play is in its first run
)

// InTime runs a test whose verdict holds only on a machine that kept time, such as one
// that listens to a call. A run that fails on a machine that kept time has failed. One
// that fails while the machine demonstrably lost time is played again when the others
// are through, at most three times; if it fails each time it has failed. What it is
// given stands for t and lasts for one run: clean-ups and the context end with it.
func InTime(t *testing.T, run func(t testing.TB)) {
	t.Helper()
	theatreHere.play(t, run)
}

// theatreHere is where the tests of this process play.
var theatreHere = newTheatre()

// theatre lets plays that have to be repeated wait for those that have not begun.
type theatre struct {
	metronome metronome
	lost      func(mark) string // in place of the metronome's, for tests of this

	mu     sync.Mutex
	change *sync.Cond
	first  int // plays in their first run
	again  int // plays in a later one
}

func newTheatre() *theatre {
	h := &theatre{}
	h.lost = h.metronome.lost
	h.change = sync.NewCond(&h.mu)
	return h
}

func (h *theatre) play(t testing.TB, run func(testing.TB)) {
	t.Helper()
	for n := 0; ; n++ {
		leave := h.enter(n > 0)
		since := h.metronome.begin()
		p := newPlay(t)
		p.perform(run)
		lost := p.judge(h.lost(since))
		h.metronome.end()
		leave()
		switch {
		case p.skipped:
			t.Skip(p.story())
		case !p.failed:
			if p.said.Len() > 0 {
				t.Log(p.story())
			}
			return
		case lost == "":
			t.Fatalf("on a machine that kept time:\n%s", p.story())
		case n == replays:
			t.Fatalf("played %d times, at last while %s:\n%s", n+1, lost, p.story())
		}
		t.Logf("played again: %s:\n%s", lost, p.story())
	}
}

// enter waits until a run may begin; the returned function tells that it is over.
func (h *theatre) enter(again bool) (leave func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	count := &h.first
	if again {
		count = &h.again
		for h.first > 0 || h.again == atATime {
			h.change.Wait()
		}
	}
	*count++
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		*count--
		h.change.Broadcast()
	}
}

// play is one run of a test: its failure is not the test's yet. It serves as the
// testing.TB of the run.
type play struct {
	testing.TB
	ctx   context.Context
	leave context.CancelFunc

	mu              sync.Mutex
	failed, skipped bool
	said            strings.Builder
	cleanups        []func()
	calls           []*caller.Call
}

func newPlay(t testing.TB) *play {
	p := &play{TB: t}
	p.ctx, p.leave = context.WithCancel(t.Context())
	return p
}

// perform runs the test to its end, clean-ups included.
func (p *play) perform(run func(testing.TB)) {
	over := make(chan struct{})
	// The run: started here, stops at its end or at FailNow, owns the clean-ups.
	go func() {
		defer close(over)
		defer p.cleanUp()
		defer p.leave()
		run(p)
	}()
	<-over
}

// cleanUp runs the clean-ups, the last one first; each may end the goroutine.
func (p *play) cleanUp() {
	p.mu.Lock()
	n := len(p.cleanups) - 1
	if n < 0 {
		p.mu.Unlock()
		return
	}
	last := p.cleanups[n]
	p.cleanups = p.cleanups[:n]
	p.mu.Unlock()
	defer p.cleanUp()
	last()
}

// judge says how time was lost: by the machine, or by a telephone of this run that was
// too busy to read or to listen.
func (p *play) judge(lost string) string {
	for _, c := range p.calls {
		if s := c.Media().Stats(); lost == "" && s.Lost+s.Unheard > 0 {
			lost = fmt.Sprintf("a telephone missed %d packets and did not listen to %d", s.Lost, s.Unheard)
		}
	}
	return lost
}

// Watch begins to watch the time. What it returns ends that, and says how the machine has
// lost time meanwhile; empty: it kept time. For a test of so many calls that one which the
// machine has spoiled has to be made again by itself.
func Watch() (end func() (lost string)) {
	since := theatreHere.metronome.begin()
	return func() string {
		defer theatreHere.metronome.end()
		return theatreHere.lost(since)
	}
}

// Calm waits until this process has kept time for a second, at most so long: who begins
// a call now takes time from those that are up. Within InTime only.
func Calm(limit time.Duration) { theatreHere.metronome.calm(limit) }

// Heed makes a call count for the question whether a run of InTime had the time it
// needs. Dial does it by itself.
func Heed(t testing.TB, c *caller.Call) {
	if p, ok := t.(*play); ok {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.calls = append(p.calls, c)
	}
}

// story is what the run said.
func (p *play) story() string { return strings.TrimSuffix(p.said.String(), "\n") }

func (p *play) say(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.said.WriteString(strings.TrimSuffix(text, "\n") + "\n")
}

// What follows is testing.TB for one run.

func (p *play) Helper()                  {}
func (p *play) Context() context.Context { return p.ctx }

func (p *play) Cleanup(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cleanups = append(p.cleanups, f)
}

func (p *play) Fail() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failed = true
}

func (p *play) Failed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failed
}

func (p *play) FailNow() {
	p.Fail()
	runtime.Goexit()
}

func (p *play) SkipNow() {
	p.mu.Lock()
	p.skipped = true
	p.mu.Unlock()
	runtime.Goexit()
}

func (p *play) Skipped() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.skipped
}

func (p *play) Log(args ...any)                   { p.say(fmt.Sprintln(args...)) }
func (p *play) Logf(format string, args ...any)   { p.say(fmt.Sprintf(format, args...)) }
func (p *play) Error(args ...any)                 { p.Log(args...); p.Fail() }
func (p *play) Errorf(format string, args ...any) { p.Logf(format, args...); p.Fail() }
func (p *play) Fatal(args ...any)                 { p.Log(args...); p.FailNow() }
func (p *play) Fatalf(format string, args ...any) { p.Logf(format, args...); p.FailNow() }
func (p *play) Skip(args ...any)                  { p.Log(args...); p.SkipNow() }
func (p *play) Skipf(format string, args ...any)  { p.Logf(format, args...); p.SkipNow() }
