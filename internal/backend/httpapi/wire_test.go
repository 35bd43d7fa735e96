package httpapi

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/mailbox"
)

// raw starts a server that speaks TLS and then does as act says with each connection.
func raw(t *testing.T, act func(net.Conn)) Options {
	ca := authority(t)
	l, err := tls.Listen("tcp", "127.0.0.1:0", ca.server(t, cert{}))
	require.NoError(t, err)
	ended := make(chan struct{})
	// Started here, stops when l is closed, owns the connections.
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if conn.(*tls.Conn).Handshake() == nil {
				act(conn)
				// What the other side still says is heard, lest the kernel answer it by a
				// reset that overtakes what was said here.
				conn.(*tls.Conn).CloseWrite()
				conn.SetDeadline(time.Now().Add(10 * time.Second))
				io.Copy(io.Discard, conn)
			}
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-ended })
	o := patient()
	o.URL, o.TLS.CAFile = "https://"+l.Addr().String(), ca.file
	return o
}

// heard reads a request.
func heard(conn net.Conn) {
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	conn.Read(make([]byte, 4096))
}

// says answers every request with text as it stands and ends the connection.
func says(text string) func(net.Conn) {
	return func(conn net.Conn) { heard(conn); io.WriteString(conn, text) }
}

func TestWhatHasLeftDecidesWhetherAWriteIsInDoubt(t *testing.T) {
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	nobody.Close()
	deaf := httptest.NewServer(http.NotFoundHandler()) // knows no TLS
	defer deaf.Close()
	at := func(url string) func(t *testing.T) Options {
		return func(*testing.T) Options { o := patient(); o.URL = url; return o }
	}
	with := func(act func(net.Conn)) func(t *testing.T) Options {
		return func(t *testing.T) Options { return raw(t, act) }
	}
	const down, doubt = mailbox.Unavailable, mailbox.OutcomeUnknown
	for name, c := range map[string]struct {
		server func(*testing.T) Options
		write  mailbox.Code
		want   string
	}{
		"nobody listens":         {at("https://" + nobody.Addr().String()), down, "connection refused"},
		"no TLS there":           {at(strings.Replace(deaf.URL, "http:", "https:", 1)), down, "cannot be reached: "},
		"cut when it was heard":  {with(heard), doubt, "ended the connection"},
		"cut within the status":  {with(says("HTTP/1.1 20")), doubt, "ended the connection"},
		"cut within the header":  {with(says("HTTP/1.1 200 OK\r\nContent-Le")), doubt, "ended the connection"},
		"cut within the body":    {with(says("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")), doubt, "ended the connection"},
		"cut within a chunk":     {with(says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf")), doubt, "ended the connection"},
		"no HTTP":                {with(says("220 mail.example ESMTP\r\n\r\n")), doubt, "not HTTP"},
		"a header beyond bounds": {with(says("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 2*largestHeader) + "\r\nContent-Length: 0\r\n\r\n")), doubt, "not HTTP"},
		"another protocol":       {with(says("HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")), doubt, "answers 101"},
		"a body beyond bounds":   {with(says("HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n")), doubt, "larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := c.server(t)
			o.Retries = 0
			client := open(t, o, nil)
			code, err := ask(client, ctx, write)
			require.Equal(t, c.write, code, "%v", err)
			require.ErrorContains(t, err, c.want)
			code, err = ask(client, ctx, read)
			require.Equal(t, mailbox.Unavailable, code, "%v", err)
		})
	}
}

func TestASlowServer(t *testing.T) {
	h := func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "PUT" {
			w.(http.Flusher).Flush() // the header comes, the body does not
		}
		time.Sleep(time.Minute)
	}
	o := DefaultOptions()
	o.Retries = 0
	simulate(t, o, nil, h, func(t *testing.T, c *Client) {
		for _, method := range []string{"POST", "PUT"} {
			began := time.Now()
			code, err := ask(c, ctx, Request{Op: "change", Method: method})
			require.Equal(t, mailbox.OutcomeUnknown, code)
			require.ErrorContains(t, err, "did not answer within 3s")
			require.Equal(t, o.Timeout, time.Since(began))
		}
		code, _ := ask(c, ctx, read)
		require.Equal(t, mailbox.Unavailable, code)

		over, cancel := context.WithCancelCause(ctx)
		time.AfterFunc(time.Second, func() { cancel(errors.New("the caller hung up")) })
		for _, want := range []mailbox.Code{mailbox.OutcomeUnknown, mailbox.Unavailable} {
			code, err := ask(c, over, write)
			require.Equal(t, want, code, "it was sent, and was not when the caller was gone before")
			require.ErrorContains(t, err, "the caller hung up")
		}
	})
}

func TestAGoodAnswerHasItsWholeBody(t *testing.T) {
	o := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("stated") == "false" {
			w.(http.Flusher).Flush()
		}
		size, _ := strconv.Atoi(r.FormValue("size"))
		w.Write(bytes.Repeat([]byte("x"), size))
	})
	c := open(t, o, nil)
	for _, size := range []int{0, 1, 1023, 1024, 1025, 5000, 1<<20 - 1, 1 << 20} {
		for _, stated := range []string{"true", "false"} {
			r := read
			r.Query = url.Values{"size": {strconv.Itoa(size)}, "stated": {stated}}
			a, err := c.Do(ctx, r)
			require.NoError(t, err)
			require.Equal(t, strings.Repeat("x", size), string(a.Body))
		}
	}
}

func TestABodyIsBounded(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	z.Write(make([]byte, 100_000))
	z.Close()
	require.Less(t, bomb.Len(), 1024)
	for name, c := range map[string]struct {
		h    http.HandlerFunc
		want string
	}{
		"one byte more, stated": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1025")
			w.Write(make([]byte, 1025))
		}, "larger than"},
		"one byte more, not stated": {func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush()
			w.Write(make([]byte, 1025))
		}, "larger than"},
		"without end": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
		}, "larger than"},
		"packed": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(bomb.Bytes())
		}, "packed"},
	} {
		t.Run(name, func(t *testing.T) {
			o := serve(t, c.h)
			o.LargestBody = 1024
			client := open(t, o, nil)
			code, err := ask(client, ctx, write)
			require.Equal(t, mailbox.OutcomeUnknown, code)
			require.ErrorContains(t, err, c.want)
			code, _ = ask(client, ctx, read)
			require.Equal(t, mailbox.Unavailable, code)
		})
	}
}

// TestAPartOfAnAnswerIsWiped looks at the buffers that whole read into.
func TestAPartOfAnAnswerIsWiped(t *testing.T) {
	for name, end := range map[string]error{"cut": io.ErrUnexpectedEOF, "too large": nil, "whole": io.EOF} {
		t.Run(name, func(t *testing.T) {
			src := &filler{end: end, size: 40_000}
			limit := 1 << 20
			if end == nil {
				limit = 30_000
			}
			body, err := whole(&http.Response{Body: src, ContentLength: -1, Header: http.Header{}}, limit)
			require.Equal(t, end == io.EOF, err == nil)
			require.Greater(t, len(src.seen), 3)
			for _, b := range src.seen {
				if err != nil || !same(b, body) {
					require.Equal(t, make([]byte, len(b)), b)
				}
			}
			if err == nil {
				require.Equal(t, strings.Repeat("7", src.size), string(body))
			}
		})
	}
}

// same tells whether two slices end in the same memory.
func same(a, b []byte) bool { return &a[:cap(a)][cap(a)-1] == &b[:cap(b)][cap(b)-1] }

// filler is a body of sevens that keeps where it was read into.
type filler struct {
	size, done int
	end        error
	seen       [][]byte
}

func (f *filler) Read(p []byte) (int, error) {
	n := min(len(p), f.size-f.done)
	if n == 0 {
		return 0, f.end
	}
	for i := range n {
		p[i] = '7'
	}
	f.done += n
	f.seen = append(f.seen, p[:n])
	return n, nil
}

func (f *filler) Close() error { return nil }

func TestTheBodyIsTheCallersAgain(t *testing.T) {
	body := []byte("7777")
	l := lend(body)
	p := make([]byte, 2)
	n, err := l.Read(p)
	require.NoError(t, err)
	require.Equal(t, "77", string(p[:n]))
	once := l.again()
	l.take()
	for _, r := range []io.Reader{l, once, l.again()} {
		n, err = r.Read(p)
		require.Zero(t, n)
		require.Error(t, err)
		require.NotErrorIs(t, err, io.EOF, "else a part would be sent as if it were all")
	}
}

func TestAWriteThatIsHalfSentIsInDoubt(t *testing.T) {
	h := func(http.ResponseWriter, *http.Request) { time.Sleep(time.Minute) } // reads no body
	simulate(t, DefaultOptions(), nil, h, func(t *testing.T, c *Client) {
		code, _ := ask(c, ctx, Request{Op: "change", Method: "POST", Body: bytes.Repeat([]byte("7"), 1<<20)})
		require.Equal(t, mailbox.OutcomeUnknown, code)
	})
}

// TestNetHTTPRepeatsNothingByItself: it sends GET and the like once more when a
// connection that was used before ends without an answer.
func TestNetHTTPRepeatsNothingByItself(t *testing.T) {
	for _, c := range []struct {
		r       Request
		repeats bool
	}{
		{Request{Op: "verify", Method: "GET"}, false},
		{Request{Op: "verify", Method: "HEAD"}, false},
		{Request{Op: "verify", Method: "OPTIONS"}, false},
		{Request{Op: "verify", Method: "DELETE"}, false},
		{Request{Op: "verify", Method: "POST", Body: []byte("x")}, false},
		{Request{Op: "verify", Method: "PUT", Body: []byte("x"), Header: http.Header{"Idempotency-Key": {"1"}}}, false},
		{Request{Op: "lookup", Method: "GET", Safe: true}, true}, // shows that the test can fail
	} {
		t.Run(fmt.Sprint(c.r.Method, c.r.Safe), func(t *testing.T) {
			var asked atomic.Int32
			o := serve(t, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				if asked.Add(1) == 2 {
					conn, _, err := w.(http.Hijacker).Hijack()
					if err == nil {
						conn.Close()
					}
				}
			})
			o.Retries = 0
			client := open(t, o, nil)
			client.transport.IdleConnTimeout = 0
			_, err := client.Do(ctx, Request{Op: "lookup", Method: "GET", Safe: true})
			require.NoError(t, err)
			code, _ := ask(client, ctx, c.r)
			if c.repeats {
				require.Equal(t, mailbox.OK, code)
				require.EqualValues(t, 3, asked.Load())
				return
			}
			require.Equal(t, mailbox.OutcomeUnknown, code)
			require.EqualValues(t, 2, asked.Load())
		})
	}
}

// stale is a connection that can be made to refuse what is written to it.
type stale struct {
	net.Conn
	dead *atomic.Bool
}

func (s stale) Write(p []byte) (int, error) {
	if s.dead.Load() {
		return 0, errors.New("dead")
	}
	return s.Conn.Write(p)
}

func TestOnAStaleConnectionNothingHasLeft(t *testing.T) {
	for _, c := range []struct {
		r    Request
		code mailbox.Code
	}{
		{Request{Op: "verify", Method: "GET"}, mailbox.Unavailable},
		{Request{Op: "change", Method: "PUT", Body: []byte("whole body")}, mailbox.OK}, // sent on a fresh one
	} {
		var bodies []string
		o := serve(t, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			bodies = append(bodies, string(body))
		})
		client := open(t, o, nil)
		client.transport.IdleConnTimeout = 0
		var dead *atomic.Bool
		dial := client.transport.DialContext
		client.transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dial(ctx, network, addr)
			if err == nil {
				dead = &atomic.Bool{}
				conn.(*counted).Conn = stale{conn.(*counted).Conn, dead}
			}
			return conn, err
		}
		_, err := client.Do(ctx, Request{Op: "lookup", Method: "GET"})
		require.NoError(t, err)
		dead.Store(true)
		code, err := ask(client, ctx, c.r)
		require.Equal(t, c.code, code, "%v", err)
		if c.code == mailbox.OK {
			require.Equal(t, []string{"", "whole body"}, bodies)
		}
	}
}

func TestAConnectionUnderWayIsClosedBeforeItIsSaidThatNothingHasLeft(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	tr := &trip{conn: &counted{Conn: near}}
	require.False(t, tr.left())
	_, err := tr.conn.Write([]byte("late"))
	require.ErrorIs(t, err, io.ErrClosedPipe)

	near, far = net.Pipe()
	defer far.Close()
	tr = &trip{conn: &counted{Conn: near}}
	wrote := make(chan struct{})
	// Started here, stops when the pipe is closed.
	go func() { defer close(wrote); tr.conn.Write([]byte("half")) }()
	_, err = far.Read(make([]byte, 2))
	require.NoError(t, err)
	require.True(t, tr.left(), "two bytes have left")
	near.Close()
	<-wrote
}
