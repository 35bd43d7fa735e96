package trouble

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Server is a fake's front on loopback.
type Server struct {
	*Cert
	Addr string // host:port
	URL  string // scheme://host:port
	stop func()
}

// Close ends the server and every connection, as a system that goes down. It may be
// called more than once; the test's end calls it too.
func (s *Server) Close() { s.stop() }

// Serve answers HTTP/1.1 with h until the test ends, without TLS if c is nil.
func Serve(t testing.TB, h http.Handler, c *Cert) *Server {
	t.Helper()
	c, l := listen(t, c)
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: 30 * time.Second,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0), // refused handshakes are what tests are about
	}
	var all sync.WaitGroup
	// Started here; stops when the server is closed.
	all.Go(func() { _ = srv.Serve(l) })
	s := &Server{Cert: c, Addr: l.Addr().String(), URL: c.Scheme() + "://" + l.Addr().String(), stop: sync.OnceFunc(func() {
		srv.Close()
		all.Wait()
	})}
	t.Cleanup(s.Close)
	return s
}

// Listen serves each connection with serve, which returns when it has ended or ctx has,
// and then closes it. The test's end closes every connection and waits for serve.
func Listen(t testing.TB, c *Cert, serve func(ctx context.Context, conn net.Conn)) *Server {
	t.Helper()
	c, l := listen(t, c)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	g := newGroup()
	// The accept loop: started here; stops when the listener is closed.
	g.all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if !g.add(conn) {
				continue
			}
			// One connection: started by the accept loop; stops when serve returns, at the
			// latest after its connection was closed; owns the connection.
			g.all.Go(func() {
				defer g.remove(conn)
				serve(ctx, conn)
			})
		}
	})
	s := &Server{Cert: c, Addr: l.Addr().String(), URL: c.Scheme() + "://" + l.Addr().String(), stop: sync.OnceFunc(func() {
		cancel()
		l.Close()
		g.close()
		g.all.Wait()
	})}
	t.Cleanup(s.Close)
	return s
}

// listen opens a port for c; a nil Cert is one of Plain.
func listen(t testing.TB, c *Cert) (*Cert, net.Listener) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	if c == nil {
		c = &Cert{}
	}
	if c.TLS != nil {
		return c, tls.NewListener(l, c.TLS)
	}
	return c, l
}

// group is the connections that are open.
type group struct {
	all   sync.WaitGroup
	mu    sync.Mutex
	conns map[net.Conn]bool
	ended bool
}

func newGroup() *group { return &group{conns: map[net.Conn]bool{}} }

// add is false, and the connection closed, after the end.
func (g *group) add(c net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		c.Close()
		return false
	}
	g.conns[c] = true
	return true
}

func (g *group) remove(c net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.conns, c)
	c.Close()
}

// hang closes every connection.
func (g *group) hang() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.conns {
		c.Close()
	}
}

// close closes every connection and those that come.
func (g *group) close() {
	g.mu.Lock()
	g.ended = true
	g.mu.Unlock()
	g.hang()
}
