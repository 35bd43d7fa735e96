// Package app builds, starts, drains and stops the whole service in one visible order.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"star97/internal/audit"
	"star97/internal/call"
	"star97/internal/config"
	"star97/internal/console"
	"star97/internal/dialplan"
	"star97/internal/ledger"
	"star97/internal/lockout"
	"star97/internal/mailbox"
	"star97/internal/media"
	"star97/internal/metrics"
	"star97/internal/prompt"
	"star97/internal/register"
	"star97/internal/strictyaml"
	"star97/internal/syslog"
	"star97/internal/uas"
	"star97/prompts"
)

// Options of a run beside the configuration.
type Options struct {
	Data       string // folder
	Version    string // of the program
	Recordings Voice  // what LoadVoice has found; a simulation has its own Voice instead
	Log        *slog.Logger
	Ready      func(Ready) error // called once, when calls are taken; its error ends the service

	// Each signal of Reload has Load read the configuration again, and what can be
	// exchanged is. Level is then the log's. All may be nil.
	Reload <-chan os.Signal
	Load   func() (config.Config, []strictyaml.Problem)
	Level  *slog.LevelVar

	// What a simulation puts in the place of the real thing; nil: that.
	Voice        call.Voice // Recordings
	ListenPacket func(ctx context.Context, network, address string) (uas.PacketConn, error)
}

// Ready is where the service can be reached.
type Ready struct {
	Listening []uas.Bound
	HTTP      netip.AddrPort // health and metrics; not valid: nowhere
	Media     string         // the engine that carries RTP
}

// service is one run of the program.
type service struct {
	Options
	stores *Stores
	count  *metrics.Metrics
	health *readiness
	page   *console.Console // nil: none
	warmer *warmer

	engine media.Engine
	calls  *call.Service
	server *uas.Server
	roll   *register.Registrar

	inForce atomic.Pointer[config.Config]
}

func newService(c config.Config, stores *Stores, o Options) *service {
	s := &service{Options: o, stores: stores, count: newMetrics(o.Version), health: newReadiness(stores), warmer: newWarmer()}
	s.health.log = o.Log
	s.inForce.Store(&c)
	stores.asked.count.Store(s.count)
	return s
}

// farewell is how long callers may still hear that their time is up after the
// drain limit.
const farewell = 20 * time.Second

// Serve runs the service until ctx ends, drains and stops it. Stores are opened
// by the caller, who closes them after Serve has returned.
func Serve(ctx context.Context, c config.Config, stores *Stores, o Options) (err error) {
	unlock, err := lockFolder(o.Data)
	if err != nil {
		return err
	}
	defer unlock()
	s := newService(c, stores, o)
	if o.ListenPacket == nil { // a simulation has no socket of the system
		if s.page, err = openConsole(c.HTTP, console.Deps{Metrics: s.count.Handler(), Ready: s.health.reasons, Log: o.Log}); err != nil {
			return c.At("http.listen", err)
		}
	}
	if s.page != nil {
		defer s.page.Close()
	}
	for _, w := range c.Warnings() {
		o.Log.Warn(w.Error())
	}
	for _, sentence := range shortfalls(c, openFiles()) {
		o.Log.Warn(sentence)
	}
	if err := closeOpenChanges(ctx, stores, o.Log); err != nil {
		return err
	}
	if s.Voice == nil {
		s.Voice = o.Recordings
		s.warmer.take(o.Recordings)
	}
	return s.serve(ctx)
}

// serve is Serve once everything that is read at the start was read.
func (s *service) serve(ctx context.Context) error {
	c := *s.inForce.Load()
	site, err := siteOf(c, s.Voice, s.stores)
	if err != nil {
		return err
	}
	s.stores.remember(c.Policy.History)
	s.count.Allow(namesOf(c, s.Voice, s.stores))
	c.Media.Metrics = s.count
	c.Media.OnPanic = func(cause any) {
		survived := call.Survived(cause) // with the stack of this goroutine
		// Started here, for each, as a log may wait and the calls of an engine's thread may not;
		// stops when it is told; owns nothing.
		go s.Log.Error("a call's media were ended by a program error; please report it", "error", survived)
	}
	c.Media.OnRingLost = func(why error) {
		s.Log.Warn("io_uring was given up; media go on without it, which takes more processor time", "reason", why)
	}
	if s.engine, err = media.New(c.Media); err != nil {
		return err
	}
	defer s.engine.Close()
	if why := c.Media.Unfiltered(); why != nil {
		s.Log.Info("kernel filter off", "reason", why)
	} else {
		s.Log.Info("kernel filter on")
	}
	store := watched{s.stores.Trail, s.count, &s.stores.unwritten}
	s.calls = call.New(call.Deps{
		Store: store, Notes: store, Sender: s.sender(), Log: s.Log, Ended: s.callEnded,
	}, c.Call)
	s.server, err = uas.New(c.SIP, uas.Deps{
		Media: s.engine, Plan: c.Plan, Calls: s.calls.With(site), Log: s.Log, Metrics: s.count, ListenPacket: s.ListenPacket,
		Healthy: func() bool { return s.health.healthy(c.SIP.OptionsAfter) },
	})
	if err != nil {
		return err
	}
	s.roll = register.New(register.Deps{Sender: s.server, Resolver: net.DefaultResolver, Log: s.Log, Metrics: s.count})
	s.gauges()
	return s.run(ctx)
}

// sender sends one-time codes; nil: there is no way for them.
func (s *service) sender() mailbox.Sender {
	if !s.stores.carries {
		return nil
	}
	return s.stores.Trail
}

// callEnded counts a call, and has its owner told soon of what became of the code.
func (s *service) callEnded(end call.Record) {
	countCall(s.count, end)
	if n := s.stores.Notifier; n != nil && end.Change != call.NoChange {
		n.Wake()
	}
}

// follower is somebody who works behind the calls: who reads the audit trail, who
// watches the stores, and who makes recordings ready. Run returns when ctx has ended and
// what is due was tried once more.
type follower interface{ Run(ctx context.Context) }

// followed starts them; the returned function stops them and waits for them. It is called
// when the last call has written its records.
func (s *service) followed() (stop func(), err error) {
	all := []follower{s.health, s.warmer}
	if n := s.stores.Notifier; n != nil {
		all = append(all, n)
	}
	if c := s.inForce.Load().Audit; c.Syslog.On() {
		f, err := syslog.New(s.stores.Ledger, c.Syslog, c.Node, s.Version, s.Log)
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, f := range all {
		// Each started here; stops when the returned function is called; owns what it reads.
		running.Go(func() { f.Run(ctx) })
	}
	return func() { cancel(); running.Wait() }, nil
}

// run serves until ctx ends; then new calls get 503 and those in progress have the
// drain limit. However it ends, changes in flight are finished first: the stores
// are closed next.
func (s *service) run(ctx context.Context) (err error) {
	leave, err := s.followed()
	if err != nil {
		return err
	}
	defer leave()
	defer func() { err = errors.Join(err, settle(*s.inForce.Load(), s.calls)) }()
	serving, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 1)
	// The server: started by run; stops when serving ends or a socket fails.
	go func() { ended <- s.server.Serve(serving) }()
	select {
	case <-s.server.Ready():
	case err := <-ended:
		if unbound := new(uas.BindError); errors.As(err, &unbound) {
			return s.inForce.Load().At(fmt.Sprintf("sip.listen[%d]", unbound.At), err)
		}
		return err
	}
	s.health.server.Store(s.server)
	s.Log.Info("taking calls", "numbers", s.numbers())
	if err := s.Ready(s.reached()); err != nil {
		stop()
		return errors.Join(err, <-ended)
	}
	s.roll.Exchange(s.inForce.Load().Registrations)
	defer s.roll.Close()
	for running := true; running; {
		select {
		case <-s.Reload:
			s.reload()
		case <-ctx.Done():
			running = false
		case err := <-ended:
			return fmt.Errorf("the SIP side stopped: %w", err)
		}
	}
	s.health.draining.Store(true)
	s.roll.Close() // first nobody sends new calls any more
	limit := s.inForce.Load().Drain
	s.Log.Info("draining", "calls", s.server.Calls(), "limit", limit)
	drain(s.server, limit, s.Log)
	stop()
	return <-ended
}

func (s *service) reached() Ready {
	r := Ready{Listening: s.server.Addrs(), Media: s.engine.Name()}
	if s.page != nil {
		r.HTTP = s.page.Addr()
	}
	return r
}

// gauges are what is read whenever somebody looks.
func (s *service) gauges() {
	s.count.Gauge("star97_calls_in_progress", "Calls that are up.", func() float64 { return float64(s.server.Calls()) })
	s.count.Gauge("star97_rtp_ports_free", "Port pairs for one more call each.", func() float64 { return float64(s.engine.FreePorts()) })
	s.count.Registrations(func() (all []metrics.Registration) {
		for _, r := range s.roll.States() {
			all = append(all, metrics.Registration{Name: r.Name, Registered: r.Registered, Left: time.Until(r.Expires), Failed: r.Failed})
		}
		return all
	})
	s.count.Gauge("star97_hash_waiting", "Callers who wait for a code to be checked or made.", func() float64 { return float64(s.stores.waiting()) })
}

// settle waits for the store calls in flight: each has its deadline, and after it
// the lock-out and the trail wait for a commit each.
func settle(c config.Config, calls *call.Service) error {
	within, cancel := context.WithTimeout(context.Background(),
		c.Call.StoreDeadline+lockout.SettleWithin+audit.WriteWithin+2*ledger.WriteWithin)
	defer cancel()
	if err := calls.Settle(within); err != nil {
		return fmt.Errorf("a change was cut off while the store had not answered; the next start closes it in the audit trail: %w", err)
	}
	return nil
}

func drain(server *uas.Server, limit time.Duration, log *slog.Logger) {
	within, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if server.Drain(within) == nil {
		return
	}
	log.Warn("calls are ended because the drain limit is over", "calls", server.Calls())
	last, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	if err := server.Drain(last); err != nil {
		log.Warn("calls are cut off", "calls", server.Calls())
	}
}

func closeOpenChanges(ctx context.Context, stores *Stores, log *slog.Logger) error {
	if err := stores.claim(ctx); err != nil {
		return err
	}
	closed, err := stores.Trail.CloseOpen(ctx)
	for _, r := range closed {
		what := "a change was under way when star97 last stopped; nobody was told that it was made"
		if r.Actor != "" {
			what = "an administrator's action was under way when its process ended; look whether it was done"
		}
		log.Warn(what, "action", r.Action, "outcome", r.Outcome, "mailbox", r.Mailbox, "extension", r.Extension,
			"actor", r.Actor, "call", r.CallID)
	}
	return err
}

// LoadVoice loads the prompts that the configuration names, and makes the languages
// of its routes ready to be spoken.
func LoadVoice(c config.Config) (Voice, []strictyaml.Problem) {
	catalogue, problems := prompt.Open(c.Prompts, prompts.FS)
	v := Voice{catalogue}
	return v, append(c.Placed("prompts", problems), v.prepare(c.Plan)...)
}

// prepare makes the languages of a dialplan's routes ready to be spoken.
func (v Voice) prepare(p *dialplan.Plan) (problems []strictyaml.Problem) {
	for _, tag := range languages(p) {
		problems = append(problems, v.catalogue.Prepare(tag)...)
	}
	return problems
}

// Voice lends the catalogue's recordings to calls.
type Voice struct{ catalogue *prompt.Catalogue }

// Clip finds a sentence.
func (v Voice) Clip(language string, words prompt.Words, id prompt.ID) (media.Clip, bool) {
	a, ok := v.catalogue.Audio(language, id, words)
	if !ok {
		return nil, false
	}
	return a, true
}

// Languages are those that it speaks.
func (v Voice) Languages() []string { return v.catalogue.Languages() }

// Speaks says whether a language is recorded, or one near it.
func (v Voice) Speaks(language string) bool { return v.catalogue.Speaks(language) }

// Prepare makes a language ready to be spoken. What is wrong with a site's own recordings
// was told when they were loaded.
func (v Voice) Prepare(language string) { v.catalogue.Prepare(language) }

// Spoken is the language that is spoken for one.
func (v Voice) Spoken(language string) string { return v.catalogue.Spoken(language) }
