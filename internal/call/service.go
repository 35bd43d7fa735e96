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
	// Clip returns the sentence in a language, or in the default one, with the words
	// of a route where they are recorded, or false.
	Clip(language string, words prompt.Words, id prompt.ID) (media.Clip, bool)
}

// Notes keeps what was decided without the store: *audit.Trail is one.
type Notes interface {
	// Refused records that one of our own rules refused a new code.
	Refused(ctx context.Context, a mailbox.Account, at mailbox.Attempt, rule pin.Rule) error
}

// Deps is what every call shares. All of it is safe for concurrent use.
type Deps struct {
	Store mailbox.Store // with lock-out, audit and settling around it
	Notes Notes
	Log   *slog.Logger
}

// Site is what the dialplan and the recordings say. It is read-only; a call keeps
// the one that it began with.
type Site struct {
	Voice   Voice
	Layouts map[string]*flow.Layout // every layout that an Arrival can name
	Targets map[string]string       // SIP URIs by name; {mailbox} stands for the verified extension
	Limit   time.Duration           // total time of a call

	TransfersPerHour int // of one mailbox; of one caller before the code is verified
}

// Service runs calls.
type Service struct {
	deps Deps
	opts Options
	site atomic.Pointer[Site]

	calls     atomic.Uint64 // that began
	doubted   atomic.Int64  // the last warning of disbelieved RTP, as time.UnixNano
	transfers hourly

	// work counts store calls in flight: a change goes on after its caller has
	// hung up, and the process waits for it.
	work sync.WaitGroup
}

// New makes a Service; opts must be valid.
func New(deps Deps, site *Site, opts Options) *Service {
	s := &Service{deps: deps, opts: opts}
	s.site.Store(site)
	return s
}

// Use exchanges the site for the calls that begin from now on.
func (s *Service) Use(site *Site) { s.site.Store(site) }

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
