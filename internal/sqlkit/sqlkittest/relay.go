package sqlkittest

import (
	"bytes"
	"io"
	"net"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// Cut is a moment at which a Relay ends a connection.
type Cut int32

// The moments.
const (
	Never        Cut = iota
	Always           // no connection comes through any more
	BeforeCommit     // the server does not hear of the commit
	AfterCommit      // the server hears of it and its answer is lost
)

// Relay stands between star97 and a server. Its zero Cut is Never.
type Relay struct {
	Port   int // on 127.0.0.1
	server int
	cut    atomic.Int32
}

// Relay is a new one to the server, until the test ends.
func (s *Server) Relay(t testing.TB) *Relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &Relay{Port: l.Addr().(*net.TCPAddr).Port, server: s.Port}
	t.Cleanup(func() { l.Close() })
	// The listener: started here; stops when the test ends; owns nothing.
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			// One for each connection: started here; stops when either side ends; owns both ends.
			go r.pass(client)
		}
	}()
	return r
}

// Set is heeded from the next words of the client on.
func (r *Relay) Set(c Cut) { r.cut.Store(int32(c)) }

func (r *Relay) now() Cut { return Cut(r.cut.Load()) }

// cancelRequest is how a client that has given up has the server do so too. No Relay
// lets it through: what the server does shall not depend on it.
var cancelRequest = []byte{0x04, 0xd2, 0x16, 0x2e}

// pass ends when one of the sides ends.
func (r *Relay) pass(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(r.server)))
	if err != nil {
		return
	}
	defer server.Close()
	// The way back: started here; stops with the connection; owns nothing.
	go func() {
		io.Copy(client, server)
		client.Close()
	}()
	chunk := make([]byte, 64<<10)
	for {
		n, err := client.Read(chunk)
		if err != nil || r.now() == Always || bytes.Contains(chunk[:n], cancelRequest) {
			return
		}
		if bytes.Contains(chunk[:n], []byte("commit\x00")) { // what pgx says, as one message
			switch r.now() {
			case BeforeCommit:
				return
			case AfterCommit:
				client.Close()
			}
		}
		if _, err := server.Write(chunk[:n]); err != nil {
			return
		}
	}
}
