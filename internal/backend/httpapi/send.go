package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"star97/internal/mailbox"
)

// send is one exchange. renewed tells that the answer is a 401 and that the next
// request goes with other credentials.
func (c *Client) send(ctx context.Context, r Request) (a Answer, renewed bool, f *fault) {
	began := time.Now()
	defer func() { c.note(r, a, f, time.Since(began)) }()
	req, err := c.request(r)
	if err != nil {
		return a, false, &fault{code: mailbox.Unavailable, detail: err, blame: untold}
	}
	auth, sessions := c.auth, c.sessions
	if req.Header.Get("Authorization") != "" {
		// Somebody else signs in: a session of star97's own account must not speak for him.
		auth, sessions = nil, nil
	}
	if auth != nil {
		if err := auth.Apply(ctx, req); err != nil {
			return a, false, &fault{code: mailbox.CodeOf(err), detail: err, blame: untold}
		}
	}
	session := sessions.onto(req)
	began = time.Now()
	if a, f = c.exchange(ctx, r, req); f != nil {
		return a, false, f
	}
	if a.Status == http.StatusUnauthorized {
		ended := sessions.ended(session, req)
		renewed = auth != nil && auth.Rejected(req) || ended
	} else {
		sessions.from(session, req.URL, a.Header)
	}
	return a, renewed, nil
}

// exchange sends req with r's body and reads the whole answer, within Timeout.
func (c *Client) exchange(ctx context.Context, r Request, req *http.Request) (Answer, *fault) {
	began := time.Now()
	try, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	body := lend(r.Body)
	defer body.take()
	trip, req := follow(try, req, body, r.Safe)
	res, err := c.transport.RoundTrip(req)
	if err != nil {
		return Answer{}, c.lost(ctx, r, began, trip.begun(), trip.left(), err)
	}
	defer res.Body.Close()
	a := Answer{Status: res.StatusCode, Header: res.Header, Tracking: c.tracking(res.Header), op: r.Op, safe: r.Safe}
	if a.Body, err = whole(res, c.o.LargestBody); err != nil {
		return Answer{}, c.lost(ctx, r, began, true, true, err)
	}
	return a, nil
}

// lost makes a fault of an exchange that began at a time and did not come to its end.
// connected and sent tell whether it had a connection and whether bytes left on it.
func (c *Client) lost(ctx context.Context, r Request, began time.Time, connected, sent bool, err error) *fault {
	f := &fault{code: unanswered(sent && !r.Safe), again: true, blame: failed}
	took := time.Since(began)
	switch {
	case ctx.Err() != nil:
		// A caller who waits no longer says nothing about the server, unless the server
		// had time enough.
		f.detail, f.again = fmt.Errorf("%s did not answer in the time there was: %w", c.base.Host, context.Cause(ctx)), false
		if took < c.o.Timeout/2 {
			f.blame = untold
		}
	case errors.Is(err, errUseless):
		f.detail, f.again, f.blame = fmt.Errorf("%s: %w", c.base.Host, err), false, alive
	case took >= c.o.Timeout:
		f.detail = fmt.Errorf("%s did not answer within %v", c.base.Host, c.o.Timeout)
	default:
		var lasting bool
		f.detail, lasting = c.plain(err, connected)
		f.again = !lasting
	}
	return f
}

// judge makes a fault of an answer that is not the system's word on a mailbox.
func (c *Client) judge(r Request, a Answer) *fault {
	if slices.Contains(r.AllowStatus, a.Status) {
		return nil
	}
	host := c.base.Host
	switch {
	case a.Status == http.StatusUnauthorized:
		return &fault{code: mailbox.ServiceRefused, login: true, detail: fmt.Errorf(
			"%s refuses the name, password or key of star97's own account (401): check them", host)}
	case a.Status == http.StatusForbidden:
		return &fault{code: mailbox.ServiceRefused, detail: fmt.Errorf(
			"%s does not let star97's own account do this (403): give it the right", host)}
	case a.Status == http.StatusTooManyRequests, a.Status == http.StatusServiceUnavailable && a.Header.Get("Retry-After") != "":
		return &fault{code: mailbox.Throttled, detail: &Later{After: retryAfter(a.Header, time.Now())}, again: true, blame: untold}
	case a.Status >= 500:
		return &fault{code: unanswered(!r.Safe), detail: fmt.Errorf("%s answers %d", host, a.Status), again: true, blame: failed}
	case a.Status < 200:
		return &fault{code: unanswered(!r.Safe), detail: fmt.Errorf("%s answers %d, which nobody asked for", host, a.Status)}
	case a.Status >= 300 && a.Status < 400:
		return &fault{code: unanswered(!r.Safe), detail: fmt.Errorf("%s answers %d, a redirect, and star97 follows none: let url be where it leads", host, a.Status)}
	case a.Status < 300 && len(a.Body) > 0 && !isForm(a.Header.Get("Content-Type"), r.Want):
		return &fault{code: unanswered(!r.Safe), detail: fmt.Errorf("%s answers %d with something that is not %s: check url", host, a.Status, r.Want)}
	}
	return nil
}

// unanswered is the code of a request without a usable answer.
func unanswered(mayBeDone bool) mailbox.Code {
	if mayBeDone {
		return mailbox.OutcomeUnknown
	}
	return mailbox.Unavailable
}

// isForm tells whether a Content-Type is of a form: json, xml, or empty for any.
func isForm(contentType, want string) bool {
	if want == "" {
		return true
	}
	media, _, _ := mime.ParseMediaType(contentType)
	_, sub, _ := strings.Cut(media, "/")
	// RFC 6839: application/soap+xml is xml, too.
	return sub == want || strings.HasSuffix(sub, "+"+want)
}

// request is r as net/http wants it, without credentials and Body.
func (c *Client) request(r Request) (*http.Request, error) {
	if r.Path != "" && !strings.HasPrefix(r.Path, "/") || strings.ContainsAny(r.Path, "?#") {
		return nil, errors.New("the path of a request begins with / and ends before the query")
	}
	for segment := range strings.SplitSeq(r.Path, "/") {
		if plain, err := url.PathUnescape(segment); err != nil || plain == "." || plain == ".." {
			return nil, errors.New("the path of a request is not escaped, or leads elsewhere")
		}
	}
	u := *c.base
	u.RawPath = u.EscapedPath() + r.Path
	u.Path, _ = url.PathUnescape(u.RawPath)
	// A space is %20 everywhere, and + only in the queries of forms.
	u.RawQuery = strings.ReplaceAll(r.Query.Encode(), "+", "%20")
	req := &http.Request{Method: r.Method, URL: &u, Host: u.Host, Header: http.Header{}}
	if r.Header != nil {
		req.Header = r.Header.Clone()
	}
	// RFC 9110 section 12.5.3: without this any coding would do. net/http would ask for gzip
	// and unpack it: a small answer could become a large one.
	req.Header.Set("Accept-Encoding", "identity")
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "star97")
	}
	return req, nil
}

// note logs an exchange. Its path can hold a number, its query a name: neither is told.
func (c *Client) note(r Request, a Answer, f *fault, took time.Duration) {
	if c.o.Log == nil || !c.o.Log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	attrs := []slog.Attr{
		slog.String("host", c.base.Host), slog.String("op", r.Op), slog.Int("status", a.Status),
		slog.Int("size", len(a.Body)), slog.Duration("took", took),
	}
	if a.Tracking != "" {
		attrs = append(attrs, slog.String("tracking", a.Tracking))
	}
	if f != nil {
		attrs = append(attrs, slog.String("code", f.code.String()), slog.Any("error", f.detail))
	}
	c.o.Log.LogAttrs(context.Background(), slog.LevelDebug, "backend asked", attrs...)
}

// longestTracking bounds a tracking id, in bytes.
const longestTracking = 128

// tracking is the server's own id of a request, if it is one that can be shown.
func (c *Client) tracking(h http.Header) string {
	for _, name := range []string{c.o.Tracking, "Trackingid", "X-Request-Id", "X-Correlation-Id"} {
		if id := h.Get(name); name != "" && id != "" {
			if len(id) > longestTracking || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) {
				return ""
			}
			return id
		}
	}
	return ""
}
