// Package httpapi is the way of the adapters to systems that speak HTTP: TLS with a
// pinned authority or certificate, deadlines, bounds on bodies, retries of what changes
// nothing, a rate limit, a circuit breaker, and errors in mailbox's own codes. It logs
// sizes, status and tracking ids, never a header, a query or a body.
//
// It follows no redirect, asks no proxy and unpacks nothing. What a system's answers
// mean is its adapter's matter.
package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/cenkalti/backoff/v5"

	"star97/internal/mailbox"
)

const (
	// firstPause is the mean wait before a safe request is sent again; each further one
	// is twice as long, up to longestPause.
	firstPause   = 100 * time.Millisecond
	longestPause = 2 * time.Second
)

// Client talks to one server. It is safe for concurrent use.
type Client struct {
	o         Options
	base      *url.URL
	transport *http.Transport
	auth      Auth
	gate      *gate
	sessions  *sessions // nil: cookies are not kept
}

// New makes a Client and opens no connection. auth may be nil. Errors are sentences
// with place and remedy.
func New(o Options, auth Auth) (*Client, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	base, err := address(o.URL)
	if err != nil {
		return nil, err
	}
	transport, err := o.transport(base)
	if err != nil {
		return nil, err
	}
	c := &Client{o: o, base: base, transport: transport, auth: auth, gate: newGate(o, base.Host)}
	if o.Cookies {
		c.sessions = newSessions()
	}
	return c, nil
}

// Format shows the server's host and port.
func (c *Client) Format(f fmt.State, _ rune) { io.WriteString(f, "client of "+c.base.Host) }

// Close gives the idle connections up, and what the Auth holds open. Requests under way
// go on to their end.
func (c *Client) Close() error {
	c.transport.CloseIdleConnections()
	if held, ok := c.auth.(io.Closer); ok {
		return held.Close()
	}
	return nil
}

// Request is one question. Whoever makes it wipes Body when Do has returned.
type Request struct {
	Op     string // lookup, verify, change: for errors
	Method string
	Path   string // below Options.URL: empty or from its / on, its segments already escaped
	Query  url.Values
	// Header is Content-Type, Accept and what else the system wants. An Authorization takes
	// the Auth's place; such a request goes without cookies, and none are kept of its answer.
	Header http.Header
	Body   []byte
	Safe   bool // changes nothing and counts nowhere: may be sent again
	// Want is the form that an answer from 200 to 299 that has a body must be of, by its
	// Content-Type: json, xml, or empty for any. A proxy's page of HTML is not mistaken
	// for the system's word.
	Want string
	// AllowStatus lists the answers that are returned although Do would make errors of
	// them: 401 or 403 where they speak of one mailbox, 500 where faults come with it.
	// They open no breaker.
	AllowStatus []int
}

// Answer is a whole one. Whoever got it wipes Body where a code may be in it.
type Answer struct {
	Status   int
	Header   http.Header
	Body     []byte
	Tracking string // the server's own id of the request, if it gives one

	op   string
	safe bool
}

// Format shows neither path nor query, header and body.
func (r Request) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "request for %s of %d bytes", r.Op, len(r.Body))
}

// MarshalText writes the same.
func (r Request) MarshalText() ([]byte, error) { return fmt.Append(nil, r), nil }

// Format shows neither header nor body.
func (a Answer) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "answer %d of %d bytes", a.Status, len(a.Body))
}

// MarshalText writes the same.
func (a Answer) MarshalText() ([]byte, error) { return fmt.Append(nil, a), nil }

// Do sends r and returns every answer from 200 to 499 but 3xx, 401, 403 and 429, and
// those of r.AllowStatus. All else is a *mailbox.Error whose text holds nothing of an
// answer: ServiceRefused for 401 and 403; Throttled for 429 and for 503 with Retry-After
// (its detail is a *Later); Busy where Options' own limits left no room in time;
// OutcomeUnknown where a request that is not Safe may have been carried out: bytes of it
// have left and no whole answer came, or one of 1xx, 3xx, 5xx or not of the form Want;
// Unavailable for the rest.
//
// A Safe request is sent again where that may help and ctx leaves the time. Any request
// is sent a second time after a 401 that says no more than that a token or a session has
// ended: it was not carried out (RFC 9110 section 15.5.2).
func (c *Client) Do(ctx context.Context, r Request) (Answer, error) {
	pauses := backoff.ExponentialBackOff{
		InitialInterval: firstPause, MaxInterval: longestPause, Multiplier: 2, RandomizationFactor: 0.5,
	}
	pauses.Reset()
	var last *fault
	for tries := 0; ; tries++ {
		a, f := c.try(ctx, r)
		if f == nil {
			return a, nil
		}
		if last == nil || !f.own {
			last = f // what the server did tells more than that it is left alone since
		}
		if !r.Safe || !f.again || tries == c.o.Retries || !c.pause(ctx, max(pauses.NextBackOff(), f.wait())) {
			return Answer{}, mailbox.Fail(r.Op, last.code, last.detail)
		}
	}
}

// pause waits for d and tells whether another try makes sense: not where that would take
// longer than a try may, or than ctx has.
func (c *Client) pause(ctx context.Context, d time.Duration) bool {
	if end, ok := ctx.Deadline(); d > c.o.Timeout || ok && time.Until(end) <= d {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// try asks once, when it may.
func (c *Client) try(ctx context.Context, r Request) (a Answer, f *fault) {
	if ctx.Err() != nil {
		return Answer{}, &fault{code: mailbox.Unavailable, detail: context.Cause(ctx), own: true}
	}
	leave, f := c.gate.enter(ctx)
	if f != nil {
		return Answer{}, f
	}
	defer func() { leave(f) }()
	a, renewed, f := c.send(ctx, r)
	if f == nil && renewed {
		clear(a.Body)
		a, _, f = c.send(ctx, r)
	}
	if f == nil {
		f = c.judge(r, a)
	}
	if f != nil {
		clear(a.Body)
		a = Answer{}
	}
	return a, f
}

// Later is the detail of Throttled: the system's own word on when to ask again.
type Later struct{ After time.Duration }

// Error is a clause.
func (l *Later) Error() string {
	return "the system has too much to do and wants to be asked again in " + l.After.Round(time.Millisecond).String()
}

// fault is why a try brought no answer, and what follows from it.
type fault struct {
	code   mailbox.Code
	detail error
	again  bool  // the same question may be answered soon
	own    bool  // star97 itself did not ask
	login  bool  // star97's own account was not let in
	blame  blame // what the breaker learns
}

// blame is what a fault says about the server.
type blame uint8

const (
	alive  blame = iota // it works
	failed              // it does not
	untold              // neither
)

// wait is how long the system wants to be left alone.
func (f *fault) wait() time.Duration {
	var l *Later
	if errors.As(f.detail, &l) {
		return l.After
	}
	return 0
}
