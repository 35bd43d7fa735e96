package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
	"golang.org/x/time/rate"

	"star97/internal/mailbox"
)

const (
	// crowd is how many may wait for each request that is under way.
	crowd = 8
	// soon is how long a system is left alone that throttles and does not say for how long.
	soon = time.Second
	// longestHold bounds what a Retry-After can ask for.
	longestHold = 5 * time.Minute
)

// gate lets no more requests to a server than it can bear.
type gate struct {
	o       Options
	host    string
	places  chan struct{}
	waiting atomic.Int32
	rate    *rate.Limiter
	breaker *gobreaker.TwoStepCircuitBreaker[struct{}]

	mu      sync.Mutex
	until   time.Time    // nobody is let in before
	why     mailbox.Code // Throttled or ServiceRefused
	refused int          // refusals of star97's own account in a row
	last    error        // what the server did last when it failed
}

var (
	errFailed = errors.New("failed")
	errUntold = errors.New("untold")
)

func newGate(o Options, host string) *gate {
	g := &gate{o: o, host: host, places: make(chan struct{}, o.Concurrent), rate: rate.NewLimiter(rate.Inf, 1)}
	if o.PerSecond > 0 {
		g.rate.SetLimit(rate.Limit(o.PerSecond))
	}
	g.breaker = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		MaxRequests:   1,
		Timeout:       o.BreakPause,
		ReadyToTrip:   func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= uint32(o.BreakAfter) },
		IsExcluded:    func(err error) bool { return err == errUntold },
		OnStateChange: g.turned,
	})
	return g
}

// turned logs that the server is left alone, or answers again.
func (g *gate) turned(_ string, _, to gobreaker.State) {
	switch {
	case g.o.Log == nil:
	case to == gobreaker.StateOpen:
		g.o.Log.Warn("backend fails and is left alone", slog.String("host", g.host), slog.Duration("for", g.o.BreakPause))
	case to == gobreaker.StateClosed:
		g.o.Log.Info("backend answers again", slog.String("host", g.host))
	}
}

// enter waits for leave to ask, at most Timeout. Whoever got in calls leave.
func (g *gate) enter(ctx context.Context) (leave func(*fault), f *fault) {
	if f := g.shut(); f != nil {
		return nil, f
	}
	if g.breaker.State() == gobreaker.StateOpen {
		return nil, g.broken()
	}
	if f := g.place(ctx); f != nil {
		return nil, f
	}
	done, f := g.pass()
	if f != nil {
		<-g.places
		return nil, f
	}
	return func(f *fault) {
		g.learn(f)
		done(f.verdict())
		<-g.places
	}, nil
}

// place takes a place and the next moment that PerSecond allows.
func (g *gate) place(ctx context.Context) *fault {
	ctx, cancel := context.WithTimeout(ctx, g.o.Timeout)
	defer cancel()
	select {
	case g.places <- struct{}{}:
	default:
		defer g.waiting.Add(-1)
		if g.waiting.Add(1) > int32(crowd*g.o.Concurrent) {
			return g.full(ctx)
		}
		select {
		case g.places <- struct{}{}:
		case <-ctx.Done():
			return g.full(ctx)
		}
	}
	if err := g.rate.Wait(ctx); err != nil {
		<-g.places
		return g.full(ctx)
	}
	return nil
}

// pass asks again, after the wait, whether the server wants to be asked.
func (g *gate) pass() (done func(error), f *fault) {
	if f := g.shut(); f != nil {
		return nil, f
	}
	done, err := g.breaker.Allow()
	if err != nil {
		return nil, g.broken()
	}
	return done, nil
}

// verdict is what the breaker learns of a try.
func (f *fault) verdict() error {
	switch {
	case f == nil || f.blame == alive:
		return nil
	case f.blame == failed:
		return errFailed
	}
	return errUntold
}

// learn remembers what a try tells about the next ones. A system counts wrong passwords
// of star97's own account, too, and may lock it: after a few refusals it is asked less.
func (g *gate) learn(f *fault) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case f == nil:
		g.refused = 0
	case f.code == mailbox.Throttled:
		g.hold(f.wait(), mailbox.Throttled)
	case f.login:
		if g.refused++; g.refused >= g.o.BreakAfter {
			g.refused = 0
			g.hold(g.o.BreakPause, mailbox.ServiceRefused)
		}
	case f.blame == failed:
		g.last = f.detail
	case f.blame == alive:
		g.refused = 0
	}
}

// hold lets nobody in for d. Its lock is held.
func (g *gate) hold(d time.Duration, why mailbox.Code) {
	if until := time.Now().Add(d); until.After(g.until) {
		g.until, g.why = until, why
	}
}

// shut is the fault of who comes while the system wants to be left alone.
func (g *gate) shut() *fault {
	g.mu.Lock()
	defer g.mu.Unlock()
	left := time.Until(g.until)
	switch {
	case left <= 0:
		return nil
	case g.why == mailbox.Throttled:
		return &fault{code: mailbox.Throttled, detail: &Later{After: left}, own: true}
	}
	return &fault{code: g.why, own: true, detail: fmt.Errorf(
		"%s refused star97's own account %d times in a row and is left alone for %v, lest it lock the account: check name and password",
		g.host, g.o.BreakAfter, left.Round(time.Millisecond))}
}

// broken is the fault of who comes while the breaker is open.
func (g *gate) broken() *fault {
	g.mu.Lock()
	defer g.mu.Unlock()
	return &fault{code: mailbox.Unavailable, own: true, detail: fmt.Errorf(
		"%s failed and is left alone for up to %v; the last failure: %w", g.host, g.o.BreakPause, g.last)}
}

// full is the fault of who found no room before ctx ended.
func (g *gate) full(ctx context.Context) *fault {
	if errors.Is(ctx.Err(), context.Canceled) {
		return &fault{code: mailbox.Unavailable, own: true, detail: context.Cause(ctx)}
	}
	return &fault{code: mailbox.Busy, own: true, detail: fmt.Errorf(
		"as many requests to %s are under way as its options concurrent and per_second allow", g.host)}
}

// retryAfter reads how long to wait: seconds, or a date, which is compared with the
// server's own clock where it tells it (RFC 9110 section 10.2.3).
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(seconds, uint64(longestHold/time.Second))) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return soon
	}
	if clock, err := http.ParseTime(h.Get("Date")); err == nil {
		now = clock
	}
	return min(max(at.Sub(now), 0), longestHold)
}
