package call

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"star97/internal/flow"
	"star97/internal/mailbox"
	"star97/internal/media"
	"star97/internal/pin"
	"star97/internal/prompt"
)

// Voice finds the recording of a sentence; app makes it from the catalogue.
type Voice interface {
	// Clip returns the sentence in a language, or in the default one, or false.
	Clip(language string, id prompt.ID) (media.Clip, bool)
}

// Notes keeps what was decided without the store: *audit.Trail is one.
type Notes interface {
	// Refused records that one of our own rules refused a new code.
	Refused(ctx context.Context, a mailbox.Account, at mailbox.Attempt, rule pin.Rule) error
}

// Deps is what every call shares. All of it is safe for concurrent use.
type Deps struct {
	Store  mailbox.Store // with lock-out, audit and settling around it
	Notes  Notes
	Voice  Voice
	Layout *flow.Layout
	Limit  time.Duration // total time of a call
	Log    *slog.Logger
}

// Service runs calls.
type Service struct {
	deps Deps
	opts Options

	calls atomic.Uint64 // that began

	// work counts store calls in flight: a change goes on after its caller has
	// hung up, and the process waits for it.
	work sync.WaitGroup
}

// New makes a Service; opts must be valid.
func New(deps Deps, opts Options) *Service {
	return &Service{deps: deps, opts: opts}
}

// Run carries one call from the INVITE to its end and returns when the dialog is
// over. It closes neither leg nor session. When ctx ends the caller is told that
// the time is up; a change in flight is finished all the same.
func (s *Service) Run(ctx context.Context, leg Leg, session media.Session, a Arrival) {
	r := newRun(s, leg, session, a)
	defer r.close()
	r.loop(ctx)
	s.deps.Log.Info("call ended", r.record()...)
}

// Settle waits until every store call in flight has ended, or ctx has.
func (s *Service) Settle(ctx context.Context) error {
	done := make(chan struct{})
	// Started by Settle; stops when the last store call ends; owns nothing.
	go func() { s.work.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
