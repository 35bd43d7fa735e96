// Package httpapi is the way of the adapters to systems that speak HTTP: TLS with a
// pinned authority or certificate, deadlines, bounds on bodies, retries of what changes
// nothing, a rate limit, a circuit breaker, and errors in mailbox's own codes. It logs
// sizes, status and tracking ids, never a header, a query or a body.
package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"star97/internal/mailbox"
)

// Client talks to one server. It is safe for concurrent use.
type Client struct {
	o         Options
	base      *url.URL
	transport *http.Transport
	auth      Auth
}

// New makes a Client. auth may be nil. Errors are sentences with place and remedy.
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
	return &Client{o: o, base: base, transport: transport, auth: auth}, nil
}

// Close gives the idle connections up.
func (c *Client) Close() error {
	c.transport.CloseIdleConnections()
	return nil
}

// Request is one question. Whoever makes it wipes Body afterwards.
type Request struct {
	Op     string // lookup, verify, change: for errors
	Method string
	Path   string // below Options.URL, its segments already escaped
	Query  url.Values
	Header http.Header // Content-Type, Accept and what else the system wants; an Authorization takes Auth's place
	Body   []byte
	Safe   bool // changes nothing: may be sent again
	// AllowStatus lists the answers that are returned although Do would make errors of
	// them: 401 or 403 where they speak of one mailbox, 500 where faults come with it.
	AllowStatus []int
}

// Answer is a whole one. Whoever got it wipes Body where a code may be in it.
type Answer struct {
	Status   int
	Header   http.Header
	Body     []byte
	Tracking string // the server's own id of the request, if it gives one
}

// Do sends r and returns every answer below 500 but 3xx, 401, 403 and 429, and those of
// r.AllowStatus. All else is a *mailbox.Error: ServiceRefused for 401 and 403, Throttled
// for 429, and for 503 with Retry-After (its detail is a *Later), OutcomeUnknown where a
// request that is not Safe may have been carried out (it was sent and no whole answer
// came, or 3xx or 5xx), Unavailable for the rest: not sent, breaker open, 5xx of a Safe
// request. No redirect is followed.
func (c *Client) Do(ctx context.Context, r Request) (Answer, error) {
	if ctx.Err() != nil {
		return Answer{}, mailbox.Expired(ctx, r.Op)
	}
	try, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	req, err := c.request(try, r)
	if err != nil {
		return Answer{}, mailbox.Fail(r.Op, mailbox.Unavailable, err)
	}
	if c.auth != nil && req.Header.Get("Authorization") == "" {
		if err := c.auth.Apply(try, req); err != nil {
			return Answer{}, mailbox.Fail(r.Op, mailbox.CodeOf(err), err)
		}
	}
	body := lend(r.Body)
	defer body.take()
	sent := trace(req, body)
	res, err := c.transport.RoundTrip(req)
	if err != nil {
		return Answer{}, c.lost(r, sent.left(), err)
	}
	defer res.Body.Close()
	a := Answer{Status: res.StatusCode, Header: res.Header, Tracking: tracking(res.Header)}
	if a.Body, err = whole(res, c.o.LargestBody); err != nil {
		return Answer{}, c.lost(r, true, err)
	}
	return a, c.judge(r, a)
}

func (c *Client) lost(r Request, sent bool, err error) error {
	code := mailbox.Unavailable
	if sent && !r.Safe {
		code = mailbox.OutcomeUnknown
	}
	return mailbox.Fail(r.Op, code, plain(c.base.Host, err))
}

// judge makes an error of an answer that says nothing about the mailbox.
func (c *Client) judge(r Request, a Answer) error {
	if slices.Contains(r.AllowStatus, a.Status) {
		return nil
	}
	said := fmt.Errorf("%s answered %d", c.base.Host, a.Status)
	switch {
	case a.Status == http.StatusUnauthorized, a.Status == http.StatusForbidden:
		return mailbox.Fail(r.Op, mailbox.ServiceRefused, said)
	case a.Status == http.StatusTooManyRequests,
		a.Status == http.StatusServiceUnavailable && a.Header.Get("Retry-After") != "":
		return mailbox.Fail(r.Op, mailbox.Throttled, &Later{After: time.Second})
	case a.Status >= 300 && a.Status < 400, a.Status >= 500:
		return c.lost(r, true, said)
	}
	return nil
}

// request is r as net/http wants it, without Body.
func (c *Client) request(ctx context.Context, r Request) (*http.Request, error) {
	if r.Path != "" && !strings.HasPrefix(r.Path, "/") || strings.ContainsAny(r.Path, "?#") {
		return nil, errors.New("the path of a request begins with / and has no query")
	}
	u := *c.base
	raw := u.EscapedPath() + r.Path
	path, err := url.PathUnescape(raw)
	if err != nil {
		return nil, errors.New("the path of a request is not escaped")
	}
	u.Path, u.RawPath, u.RawQuery = path, raw, r.Query.Encode()
	req := (&http.Request{Method: r.Method, URL: &u, Host: u.Host, Header: http.Header{}}).WithContext(ctx)
	if r.Header != nil {
		req.Header = r.Header.Clone()
	}
	// RFC 9110 section 12.5.3: without this any coding would do.
	req.Header.Set("Accept-Encoding", "identity")
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "star97")
	}
	return req, nil
}

// tracking is the server's own id of a request.
func tracking(h http.Header) string {
	for _, name := range []string{"Trackingid", "X-Request-Id"} {
		if id := h.Get(name); id != "" {
			return id
		}
	}
	return ""
}

// Later is the detail of Throttled: the system's own word on when to ask again.
type Later struct{ After time.Duration }

// Error is a clause.
func (l *Later) Error() string { return "ask again in " + l.After.String() }
