package console

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Probe asks something slow whether it is well, at most once in a while, however
// often it is itself asked. One that does not answer is not asked again before it
// has. It is safe for concurrent use.
type Probe struct {
	ask           func(context.Context) error
	within, every time.Duration

	mu     sync.Mutex
	asked  time.Time     // when the last answer came
	answer error         // the last answer
	open   chan struct{} // closed when the question under way is answered; nil: none is
}

// NewProbe asks by ask, waits so long for its answer and keeps it for every.
func NewProbe(within, every time.Duration, ask func(context.Context) error) *Probe {
	return &Probe{ask: ask, within: within, every: every}
}

// Ask is nil if all is well.
func (p *Probe) Ask(ctx context.Context) error {
	open, fresh, err := p.begin()
	if fresh {
		return err
	}
	late := time.NewTimer(p.within)
	defer late.Stop()
	select {
	case <-open:
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.answer
	case <-late.C:
		return fmt.Errorf("no answer within %v", p.within)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// begin returns the last answer while it is fresh, else the question under way.
func (p *Probe) begin() (open <-chan struct{}, fresh bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open == nil {
		if !p.asked.IsZero() && time.Since(p.asked) < p.every {
			return nil, true, p.answer
		}
		p.open = make(chan struct{})
		// The question: started by whoever asks first; stops with its answer; owns nothing.
		go p.put()
	}
	return p.open, false, nil
}

func (p *Probe) put() {
	ctx, cancel := context.WithTimeout(context.Background(), p.within)
	defer cancel()
	err := p.try(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer, p.asked = err, time.Now()
	close(p.open)
	p.open = nil
}

// try asks. A question that panics has not been answered; the service goes on.
func (p *Probe) try(ctx context.Context) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("the question was ended by a program error; please report it")
		}
	}()
	return p.ask(ctx)
}
