package httpapi

import (
	"context"
	"crypto/tls"
	"crypto/x509"
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

// flight tells whether a byte of a request has left.
type flight struct {
	mu     sync.Mutex
	conn   *counted
	before int64
}

// trace puts body on req and follows it.
func trace(req *http.Request, body *loan) *flight {
	f := &flight{}
	*req = *req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{GotConn: f.got}))
	if n := len(body.bytes); n > 0 {
		req.Body, req.ContentLength = body, int64(n)
		req.GetBody = func() (io.ReadCloser, error) { return body.again(), nil }
	}
	return f
}

func (f *flight) got(info httptrace.GotConnInfo) {
	conn := info.Conn
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conn, _ = conn.(*counted)
	f.before = f.conn.written.Load()
}

// left ends a failed request's connection, which waits for a write under way, and tells
// whether a byte of the request has left on it.
func (f *flight) left() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.conn == nil {
		return false
	}
	f.conn.Conn.Close()
	return f.conn.written.Load() > f.before
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

var (
	errLarge  = errors.New("its answer is larger than was to be expected")
	errPacked = errors.New("its answer is packed though that was not asked for")
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

// plain is err as a sentence that holds nothing of an answer.
func plain(host string, err error) error {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	var op *net.OpError
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled),
		errors.Is(err, errLarge), errors.Is(err, errPacked), errors.Is(err, errPin):
		return fmt.Errorf("%s: %w", host, err)
	case errors.As(err, &unknown):
		return fmt.Errorf("%s: nobody trusted here has signed its certificate: name the authority in tls.ca_file or the certificate in tls.fingerprint", host)
	case errors.As(err, &invalid):
		return fmt.Errorf("%s: %w", host, invalid)
	case errors.As(err, &name):
		return fmt.Errorf("%s: its certificate is for other names: set tls.server_name to one of them", host)
	case errors.As(err, &op):
		return fmt.Errorf("%s: %w", host, op)
	}
	return fmt.Errorf("%s: the connection ended or its answer is no HTTP", host)
}
