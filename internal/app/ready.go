package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"star97/internal/backend"
	"star97/internal/console"
	"star97/internal/lockout"
	"star97/internal/mailbox"
	"star97/internal/uas"
)

// readiness says what keeps the service from taking calls.
type readiness struct {
	server   atomic.Pointer[uas.Server] // nil while starting
	draining atomic.Bool
	log      *slog.Logger // of what the pages do not show; nil: nowhere
	store    *console.Probe
	ledger   *console.Probe

	every   time.Duration
	doubted chan struct{} // healthy wants to know anew
	down    atomic.Int64  // since when either is out of reach, in Unix nanoseconds; 0: neither is
}

// How long a question of readiness may take, and how old its answer may be.
const (
	probeWithin = 2 * time.Second
	probeEvery  = 10 * time.Second
)

func newReadiness(s *Stores) *readiness {
	r := &readiness{every: probeEvery, doubted: make(chan struct{}, 1)}
	r.store = console.NewProbe(probeWithin, probeEvery, r.told("store", s.askable))
	r.ledger = console.NewProbe(probeWithin, probeEvery, r.told("ledger", s.countable))
	return r
}

// told has the log say what a question meets, each time that it is something else: the
// pages show only of what kind it is. A Probe asks one question at a time.
func (r *readiness) told(word string, ask func(context.Context) error) func(context.Context) error {
	last := ""
	return func(ctx context.Context) error {
		err := ask(ctx)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if text != last && r.log != nil {
			if err != nil {
				r.log.Warn("star97 is not ready", "reason", word, "error", err)
			} else {
				r.log.Info("star97 is ready again", "reason", word)
			}
		}
		last = text
		return err
	}
}

// reasons is empty if calls are taken.
func (r *readiness) reasons(ctx context.Context) (all []console.Reason) {
	add := func(word, text string) { all = append(all, console.Reason{Word: word, Text: text}) }
	trouble := func(word, text string, err error) {
		all = append(all, console.Reason{Word: word, Class: mailbox.CodeOf(err).String(), Text: text})
	}
	server := r.server.Load()
	switch {
	case r.draining.Load():
		add("draining", fmt.Sprintf("star97 is shutting down; calls up: %d.", server.Calls()))
	case server == nil:
		add("starting", "star97 is starting.")
		return all
	}
	for _, l := range server.Gone() {
		add("listener", fmt.Sprintf("Nobody reads %s %s any more; restart star97.", l.Network, l.Addr))
	}
	if err := r.store.Ask(ctx); err != nil {
		trouble("store", "The voicemail system cannot be asked; the log says why.", err)
	}
	if err := r.ledger.Ask(ctx); err != nil {
		trouble("ledger", "Tries cannot be counted, so no code is looked at; the log says why.", err)
	}
	return all
}

// healthy says whether calls can be served, as far as is known, and returns at once. Store
// or ledger may have been out of reach for so long.
func (r *readiness) healthy(within time.Duration) bool {
	select {
	case r.doubted <- struct{}{}:
	default:
	}
	since := r.down.Load()
	return since == 0 || time.Since(time.Unix(0, since)) < within
}

// Run keeps what healthy says: it looks whenever that is asked, and, so that the end of a
// trouble is known soon, every while as long as there is one. How often store and ledger are
// really asked is their Probe's to say. It owns down.
func (r *readiness) Run(ctx context.Context) {
	var again <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.doubted:
		case <-again:
		}
		again = nil
		if errors.Join(r.store.Ask(ctx), r.ledger.Ask(ctx)) == nil {
			r.down.Store(0)
			continue
		}
		r.down.CompareAndSwap(0, time.Now().UnixNano())
		again = time.After(r.every)
	}
}

// askable asks every store for a mailbox. A service of several is well while one of
// them answers: the others' callers are told, and metrics show it.
func (s *Stores) askable(ctx context.Context) error {
	var troubles []error
	for _, b := range s.Backend.All() {
		_, err := b.Lookup(ctx, mailbox.Query{Number: "0"})
		if err == nil {
			return nil
		}
		troubles = append(troubles, err)
	}
	return errors.Join(troubles...)
}

// countable has the ledger keep a counter that nobody reads, as it keeps each try: a disk
// that is full shows only where something is written. So does a record of the last minute
// that was not.
func (s *Stores) countable(ctx context.Context) error {
	if last := s.unwritten.Load(); last != nil && time.Since(last.at) < unwrittenFor {
		return last.err
	}
	return s.Ledger.Update(ctx, []string{"readiness"}, func(c []lockout.Counter) bool {
		c[0].Last = time.Now()
		c[0].Expires = c[0].Last.Add(time.Hour)
		return true
	})
}

// unwrittenFor is how long a record that could not be kept is held against the service.
const unwrittenFor = time.Minute

// failure is one, and when it was met.
type failure struct {
	at  time.Time
	err error
}

// waiting is the number of callers that wait for a code to be checked.
func (s *Stores) waiting() (n int) {
	for _, b := range s.Backend.All() {
		if q, ok := b.Backend.(interface{ Waiting() int }); ok {
			n += q.Waiting()
		}
	}
	return n
}

// identities are what accounts of the open stores say in Account.Backend.
func (s *Stores) identities() (all []string) {
	for _, n := range s.Backend.All() {
		all = append(all, backend.Identity(n.Driver, n.Name))
	}
	return all
}

// openConsole answers health and metrics, if it is to. The default address is what
// nobody asked for: where another program has it, as a second star97 on the machine
// does, calls are answered all the same. An address that was chosen has to be free.
func openConsole(o console.Options, d console.Deps) (*console.Console, error) {
	if o.Listen == "" {
		return nil, nil
	}
	c, err := console.Open(o, d)
	if errors.Is(err, console.ErrTaken) && o.Listen == console.DefaultOptions().Listen && len(o.Hosts) == 0 {
		d.Log.Warn("health and metrics are not answered: another program, perhaps another star97, has the default address; "+
			"choose one for this service in http.listen", slog.String("address", o.Listen))
		return nil, nil
	}
	return c, err
}
