// Package app builds, starts, drains and stops the whole service in one visible order.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"star97/internal/audit"
	"star97/internal/call"
	"star97/internal/config"
	"star97/internal/ledger"
	"star97/internal/lockout"
	"star97/internal/media"
	"star97/internal/prompt"
	"star97/internal/strictyaml"
	"star97/internal/uas"
	"star97/prompts"
)

// Options of a run beside the configuration.
type Options struct {
	Data  string // folder
	Log   *slog.Logger
	Ready func(Ready) error // called once, when calls are taken; its error ends the service

	// What a simulation puts in the place of the real thing; nil: that.
	Voice        call.Voice // the prompts that the configuration names
	ListenPacket func(ctx context.Context, network, address string) (uas.PacketConn, error)
}

// Ready is where the service can be reached.
type Ready struct {
	Listening []uas.Bound
}

// farewell is how long callers may still hear that their time is up after the
// drain limit.
const farewell = 20 * time.Second

// Serve runs the service until ctx ends, drains and stops it. Stores are opened
// by the caller, who closes them after Serve has returned.
func Serve(ctx context.Context, c config.Config, stores *Stores, o Options) error {
	unlock, err := lockFolder(o.Data)
	if err != nil {
		return err
	}
	defer unlock()
	for _, sentence := range append(c.Warnings(), shortfalls(c, openFiles())...) {
		o.Log.Warn(sentence)
	}
	if err := closeOpenChanges(ctx, stores, o.Log); err != nil {
		return err
	}
	if o.Voice == nil {
		voice, problems := LoadVoice(c)
		if len(problems) > 0 {
			return problems[0]
		}
		o.Voice = voice
	}
	return serve(ctx, c, stores, o)
}

// serve is Serve once everything that is read at the start was read.
func serve(ctx context.Context, c config.Config, stores *Stores, o Options) error {
	site, err := siteOf(c, o.Voice)
	if err != nil {
		return err
	}
	c.Media.OnPanic = func(cause any) {
		o.Log.Error("a call's media were ended by a program error; please report it", "error", call.Survived(cause))
	}
	engine, err := media.NewPortable(c.Media)
	if err != nil {
		return err
	}
	defer engine.Close()
	calls := call.New(call.Deps{Store: stores.Trail, Notes: stores.Trail, Log: o.Log}, c.Call)
	server, err := uas.New(c.SIP, uas.Deps{Media: engine, Plan: c.Plan, Calls: calls.With(site), Log: o.Log, ListenPacket: o.ListenPacket})
	if err != nil {
		return err
	}
	return run(ctx, c, server, calls, o)
}

// run serves until ctx ends; then new calls get 503 and those in progress have the
// drain limit. However it ends, changes in flight are finished first: the stores
// are closed next.
func run(ctx context.Context, c config.Config, server *uas.Server, calls *call.Service, o Options) (err error) {
	defer func() { err = errors.Join(err, settle(c, calls)) }()
	serving, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 1)
	// The server: started by run; stops when serving ends or a socket fails.
	go func() { ended <- server.Serve(serving) }()
	select {
	case <-server.Ready():
	case err := <-ended:
		return err
	}
	if err := o.Ready(Ready{Listening: server.Addrs()}); err != nil {
		stop()
		return errors.Join(err, <-ended)
	}
	select {
	case <-ctx.Done():
	case err := <-ended:
		return fmt.Errorf("the SIP side stopped: %w", err)
	}
	o.Log.Info("draining", "calls", server.Calls(), "limit", c.Drain)
	drain(server, c.Drain, o.Log)
	stop()
	return <-ended
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
	for _, tag := range languages(c.Plan) {
		problems = append(problems, catalogue.Prepare(tag)...)
	}
	return Voice{catalogue}, problems
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
