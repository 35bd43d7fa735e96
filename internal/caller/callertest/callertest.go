// Package callertest drives the scripted telephone from tests: Dial, Press, Hear
// and Hangup fail the test with the call's time line instead of returning errors.
// It knows the sentences of this program and prints no key.
package callertest

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/caller"
	"star97/internal/prompt"
	"star97/internal/prompt/ear"
	"star97/internal/script"
	"star97/prompts"
)

// Patience is how long one sentence is waited for; whole calls get Limit.
const (
	Patience = 30 * time.Second
	Limit    = 10 * time.Minute
)

// Phone is one call of a test. It is for one goroutine.
type Phone struct {
	*caller.Call
	Player *caller.Player // its Value, Timer and Other serve Run

	t   testing.TB
	ctx context.Context
}

// Ear knows every sentence of a language of this program. Making one takes a while.
func Ear(t testing.TB, language string) *ear.Ear {
	t.Helper()
	e, err := hearing(language)
	require.NoError(t, err)
	return e
}

func hearing(language string) (*ear.Ear, error) {
	catalogue, problems := prompt.Load(prompts.FS)
	problems = append(problems, catalogue.Prepare(language)...)
	if len(problems) > 0 {
		return nil, problems[0]
	}
	return ear.Of(catalogue, language), nil
}

// defaultEar is shared by the calls of a test binary.
var defaultEar = sync.OnceValues(func() (*ear.Ear, error) { return hearing(prompt.DefaultOptions().Language) })

// Dial calls o.URI; without o.Ear it recognises the default language. The call is hung up when the
// test ends.
func Dial(t testing.TB, o caller.Options) *Phone {
	t.Helper()
	p, err := TryDial(t, o)
	require.NoError(t, err)
	return p
}

// TryDial is Dial for calls that may be refused.
func TryDial(t testing.TB, o caller.Options) (*Phone, error) {
	t.Helper()
	if o.Ear == nil {
		var err error
		o.Ear, err = defaultEar()
		require.NoError(t, err)
	}
	ctx, stop := context.WithTimeout(context.Background(), Limit)
	t.Cleanup(stop)
	call, err := caller.Dial(ctx, o)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		// Left alone it would be spoken to for a minute yet, at a port that may be the next
		// telephone's. The far end may be gone: then there is nobody to tell.
		_ = call.Hangup(ctx)
		call.Close()
	})
	Heed(t, call)
	p := &Phone{Call: call, Player: &caller.Player{Call: call, Patience: Patience}, t: t, ctx: ctx}
	p.Player.Begin()
	t.Cleanup(p.Player.Finish)
	return p, nil
}

// Press presses keys one after the other.
func (p *Phone) Press(keys string) {
	p.t.Helper()
	p.must(p.Call.Press(p.ctx, keys))
}

// Hear waits until these sentences were heard to their end, in this order; others
// may come between.
func (p *Phone) Hear(ids ...prompt.ID) {
	p.t.Helper()
	p.do("hear", ids)
}

// Spelled hears the code that the service has chosen.
func (p *Phone) Spelled() string {
	p.t.Helper()
	p.Hear(prompt.ChosenCode, prompt.ChosenTypeBack)
	code, ok := p.Player.Spelled()
	require.True(p.t, ok, "no code was spelled")
	return code
}

// HearNot fails if one of these was heard so far.
func (p *Phone) HearNot(ids ...prompt.ID) {
	p.t.Helper()
	p.do("hear-not", ids)
}

func (p *Phone) do(verb string, ids []prompt.ID) {
	p.t.Helper()
	words := make([]string, len(ids))
	for i, id := range ids {
		words[i] = string(id)
	}
	p.must(p.Player.Do(p.ctx, script.Line{Verb: verb, Args: words}))
}

// Ended waits for the far end to hang up.
func (p *Phone) Ended() {
	p.t.Helper()
	p.do("end", nil)
	require.Equal(p.t, caller.TheyHung, p.End())
}

// Hangup sends BYE and expects its answer.
func (p *Phone) Hangup() {
	p.t.Helper()
	p.must(p.Call.Hangup(p.ctx))
}

// Run executes script lines as Player is told to.
func (p *Phone) Run(lines ...script.Line) {
	p.t.Helper()
	for _, line := range lines {
		p.must(p.Player.Do(p.ctx, line))
	}
}

// Timeline is what happened so far, in words.
func (p *Phone) Timeline() string {
	var b strings.Builder
	for _, e := range p.Player.Timeline.Entries() {
		b.WriteString(e.String() + "\n")
	}
	return b.String()
}

func (p *Phone) must(err error) {
	p.t.Helper()
	if err != nil {
		require.NoError(p.t, err, "outcome %d, media %+v, time line:\n%s", caller.OutcomeOf(err), p.Media().Stats(), p.Timeline())
	}
}
