package httpapi

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
)

// counted counts what was written to a connection, in bytes. A write counts before it
// begins, so that nothing leaves uncounted.
type counted struct {
	net.Conn
	written atomic.Int64
}

func (c *counted) Write(p []byte) (int, error) {
	c.written.Add(int64(len(p)))
	n, err := c.Conn.Write(p)
	c.written.Add(int64(n - len(p)))
	return n, err
}

// trip follows a request to tell whether a byte of it has left.
type trip struct {
	mu     sync.Mutex
	conn   *counted
	before int64 // what others had written on conn
}

// follow returns req for ctx, with body on it. net/http by itself repeats requests of
// some methods when a connection ends: it gets no way to repeat one that is not safe,
// but for one of which nothing was written.
func follow(ctx context.Context, req *http.Request, body *loan, safe bool) (*trip, *http.Request) {
	t := &trip{}
	req = req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: t.got}))
	switch size := int64(len(body.bytes)); {
	case !safe && repeatable(req):
		req.Body, req.ContentLength = body, size
	case size > 0:
		req.Body, req.ContentLength = body, size
		req.GetBody = func() (io.ReadCloser, error) { return body.again(), nil }
	}
	return t, req
}

// repeatable tells whether net/http would repeat a request that it can.
func repeatable(r *http.Request) bool {
	switch r.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return r.Header.Get("Idempotency-Key") != "" || r.Header.Get("X-Idempotency-Key") != ""
}

func (t *trip) got(info httptrace.GotConnInfo) {
	conn := info.Conn
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.conn = conn.(*counted) // transport dials no other
	t.before = t.conn.written.Load()
}

// begun tells whether the request had a connection.
func (t *trip) begun() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.conn != nil
}

// left tells of a request that failed whether a byte of it has left. Where none has yet,
// it closes the connection, so that none will: Close waits for a write under way.
func (t *trip) left() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.conn == nil || t.conn.written.Load() > t.before {
		return t.conn != nil
	}
	t.conn.Conn.Close()
	return t.conn.written.Load() > t.before
}

// loan is a caller's body until it is taken back: net/http may read on when RoundTrip
// has returned.
type loan struct {
	mu    *sync.Mutex
	bytes []byte
	at    int
	over  *bool
}

func lend(b []byte) *loan { return &loan{mu: new(sync.Mutex), bytes: b, over: new(bool)} }

func (l *loan) again() *loan { return &loan{mu: l.mu, bytes: l.bytes, over: l.over} }

func (l *loan) take() {
	l.mu.Lock()
	defer l.mu.Unlock()
	*l.over = true
}

func (l *loan) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if *l.over {
		return 0, errors.New("taken back")
	}
	if l.at == len(l.bytes) {
		return 0, io.EOF
	}
	n := copy(p, l.bytes[l.at:])
	l.at += n
	return n, nil
}

func (l *loan) Close() error { return nil }

// errUseless marks answers that came and cannot be used.
var errUseless = errors.New("its answer cannot be used")

var (
	errLarge  = fmt.Errorf("%w: it is larger than was to be expected", errUseless)
	errPacked = fmt.Errorf("%w: it is packed though that was not asked for", errUseless)
)

// whole reads the body of at most limit bytes. It leaves no copy of a part behind.
func whole(res *http.Response, limit int) ([]byte, error) {
	if coding := res.Header.Get("Content-Encoding"); coding != "" && coding != "identity" {
		return nil, errPacked
	}
	if res.ContentLength > int64(limit) {
		return nil, errLarge
	}
	body := make([]byte, 0, max(int(res.ContentLength), 1024)+1)
	for {
		n, err := res.Body.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case len(body) > limit:
			clear(body)
			return nil, errLarge
		case err == io.EOF:
			return body, nil
		case err != nil:
			clear(body)
			return nil, err
		case len(body) == cap(body):
			larger := make([]byte, len(body), 2*cap(body))
			copy(larger, body)
			clear(body)
			body = larger
		}
	}
}
