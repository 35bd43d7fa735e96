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
	// Transferred records how a transfer to a target of the site ended.
	Transferred(ctx context.Context, a mailbox.Account, at mailbox.Attempt, target string, result mailbox.Code) error
}

// Deps is what every call shares. All of it is safe for concurrent use.
type Deps struct {
	Store  mailbox.Store  // with lock-out, audit and settling around it
	Sender mailbox.Sender // of one-time codes, with the same around it; nil: none are sent
	Notes  Notes
	Log    *slog.Logger
	Ended  func(Record) // told of each call when it is over; nil: nobody is
}

// Site is what the dialplan and the recordings say. It is read-only; a call keeps
// the one that it began with.
type Site struct {
	Voice   Voice
	Layouts map[string]*flow.Layout  // every layout that an Arrival can name
	Targets map[string]string        // SIP URIs by name; {mailbox} stands for the verified extension
	Limit   time.Duration            // total time of a call
	Policy  string                   // name of the rules for new codes, for the audit trail
	Spoken  func(tag string) string  // the tag of the language that is spoken for one; nil: the same
	Speaks  func(tag string) bool    // whether a language is recorded, or one near it; nil: all are
	Prepare func(tag string)         // makes a language ready, which takes a while; nil: all are
	OneTime func(domain string) bool // whether a tenant's mailboxes are opened by one-time codes; nil: none is
	Begins  func(domain string) bool // whether a tenant's mailboxes can be given a first code; nil: all can

	TransfersPerHour int // of one mailbox; of one caller before the code is verified
}

// Service runs calls.
type Service struct {
	deps      Deps
	opts      Options
	calls     atomic.Uint64 // that began
	doubted   atomic.Int64  // the last warning of disbelieved RTP, as time.UnixNano
	transfers hourly
	spare     sync.Pool // of *flow.Effects, wiped: on the stack of each call they would double it

	// work counts store calls in flight: a change goes on after its caller has
	// hung up, and the process waits for it.
	work sync.WaitGroup
}

// New makes a Service; opts must be valid.
func New(deps Deps, opts Options) *Service {
	return &Service{deps: deps, opts: opts, spare: sync.Pool{New: func() any { return new(flow.Effects) }}}
}

// Sited runs a Service's calls under one Site.
type Sited struct {
	service *Service
	site    *Site
}

// With runs calls under a site. Calls under several may be up at a time.
func (s *Service) With(site *Site) Sited { return Sited{s, site} }

// Run carries one call from the INVITE to its end and returns when the dialog is
// over. It closes neither leg nor session. When ctx ends the caller is told that
// the time is up; a change in flight is finished all the same.
func (s Sited) Run(ctx context.Context, leg Leg, session media.Session, a *Arrival) {
	r := newRun(s.service, s.site, leg, session, a)
	defer r.close()
	r.loop(ctx)
	r.tell(ctx)
}

// tell has the end record logged and counted. It is not part of Run, whose stack the
// whole call has below it.
func (r *run) tell(ctx context.Context) {
	end := r.record()
	r.deps.Log.LogAttrs(ctx, slog.LevelInfo, "call ended", end.attrs()...)
	if r.deps.Ended != nil {
		r.deps.Ended(end)
	}
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
