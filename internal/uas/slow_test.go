package uas

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// drip writes byte by byte for as long as somebody takes it.
func drip(conn net.Conn, text string) {
	for i := range len(text) {
		if _, err := conn.Write([]byte(text[i : i+1])); err != nil {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// say writes at once, and no more. Its requests have branches of their own: one that another
// connection has sent already is a repetition of that one's, which is answered there (RFC
// 3261 section 17.2.3).
func say(text string) func(net.Conn) {
	return func(conn net.Conn) {
		_, _ = conn.Write([]byte(strings.ReplaceAll(text, "BRANCH", randomToken())))
	}
}

// lengthy is an OPTIONS with other lengths than it has.
func lengthy(lines string) string {
	return strings.NewReplacer("/UDP", "/TCP", "Content-Length: 0\r\n", lines).Replace(plain("OPTIONS"))
}

// idlers are far ends that hold a connection, and what each does with it.
var idlers = []struct {
	name   string
	secure bool // over TLS, after the handshake
	raw    bool // on the TLS listener, before it
	do     func(net.Conn)
	says   string // statuses that it is answered with
}{
	{"says nothing", false, false, func(net.Conn) {}, ""},
	{"pings only", false, false, say("\r\n\r\n"), ""},
	{"header byte by byte", false, false, func(c net.Conn) { drip(c, strings.Repeat("OPTIONS ", 1000)) }, ""},
	{"body byte by byte", false, false, func(c net.Conn) {
		_, _ = c.Write([]byte(lengthy("Content-Length: 5000\r\n")))
		drip(c, strings.Repeat("x", 5000))
	}, ""},
	{"header without an end", false, false, func(c net.Conn) {
		for _, err := c.Write(make([]byte, 4096)); err == nil; _, err = c.Write(make([]byte, 4096)) {
		}
	}, ""},
	{"length too large", false, false, say(lengthy("Content-Length: 16000\r\n") + "x"), ""},
	{"length beyond the limit", false, false, say(lengthy("Content-Length: 17000\r\n")), "513"},
	{"length too small", false, false, say(strings.Replace(lengthy("Content-Length: 2\r\n"), "\r\n\r\n", "\r\n\r\nabXYZ\r\n\r\n", 1)), "200"},
	{"negative length", false, false, say(lengthy("Content-Length: -1\r\n")), "400"},
	{"two lengths", false, false, say(lengthy("Content-Length: 1\r\nl: 2\r\n")), "400"},
	{"length of 2**64", false, false, say(lengthy("Content-Length: 18446744073709551616\r\n")), "400"},
	{"no length", false, false, say(lengthy("")), "400"},
	{"handshake not begun", false, true, func(net.Conn) {}, ""},
	{"half a ClientHello", false, true, say("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), ""},
	{"handshake byte by byte", false, true, func(c net.Conn) { drip(c, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"+strings.Repeat("x", 500)) }, ""},
	{"no TLS at all", false, true, say(plain("OPTIONS")), ""},
	{"a TLS record too large", false, true, say("\x16\x03\x01\xff\xff" + strings.Repeat("x", 60000)), ""},
	{"header byte by byte over TLS", true, false, func(c net.Conn) { drip(c, strings.Repeat("OPTIONS ", 1000)) }, ""},
	{"says nothing over TLS", true, false, func(net.Conn) {}, ""},
	{"length too large over TLS", true, false, say(lengthy("Content-Length: 16000\r\n") + "x"), ""},
}

// Whoever holds a connection without using it loses it in the time of one message, and
// nobody else notices.
func TestSlowAndCrookedFarEnds(t *testing.T) {
	a := newAuthority(t)
	h := secureHouse(t, a, func(o *Options) { o.Limits.Rate, o.Limits.Burst = 1000000, 1000000 }, func(s *Server) {
		s.gate.partWait, s.gate.firstWait, s.gate.lingerWait = 2*time.Second, 2*time.Second, patience
	})
	p := h.tcp(t)
	c := begun(t, h, p)
	before := levelNow()
	var worst atomic.Int64
	stop, others := make(chan struct{}), sync.WaitGroup{}
	others.Go(func() { // a call goes on meanwhile
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				asked := time.Now()
				c.hearsNext(p)
				worst.Store(max(worst.Load(), int64(time.Since(asked))))
			}
		}
	})
	took := make([]atomic.Int64, len(idlers)) // the longest
	var all sync.WaitGroup
	for i, row := range idlers {
		for range 4 {
			conn := h.hold(t, a, row.secure, row.raw)
			all.Go(func() {
				begin := time.Now()
				var reader sync.WaitGroup
				reader.Go(func() {
					_ = conn.SetReadDeadline(time.Now().Add(patience))
					text, err := io.ReadAll(conn)
					var cut net.Error
					require.False(t, errors.As(err, &cut) && cut.Timeout(), "%s: it is held", row.name)
					if row.says != "" {
						require.Equal(t, 1, strings.Count(string(text), "SIP/2.0 "+row.says), "%s: %q", row.name, text)
					} else {
						require.NotContains(t, string(text), "SIP/2.0", row.name)
					}
				})
				row.do(conn)
				reader.Wait()
				took[i].Store(max(took[i].Load(), int64(time.Since(begin))))
			})
		}
	}
	all.Wait()
	close(stop)
	others.Wait()
	soon(t, func() bool { return len(h.connections) == 1 }, "every place is free again")
	after := fallsTo(t, before, 2, 4<<20)
	for i, row := range idlers {
		t.Logf("%-30s gone after %v", row.name, time.Duration(took[i].Load()).Round(10*time.Millisecond))
	}
	t.Logf("slowest key of a call meanwhile: %v; before: %v; after: %v", time.Duration(worst.Load()).Round(time.Millisecond), &before, &after)
	c.hearsNext(p)
}

// hold is a connection to a house that listens on TLS first and TCP second.
func (h *house) hold(t *testing.T, a *authority, secure, raw bool) net.Conn {
	at := h.at(1)
	if secure || raw {
		at = h.at(0)
	}
	conn, err := net.Dial("tcp", at)
	require.NoError(t, err)
	if secure {
		secured := tls.Client(conn, &tls.Config{RootCAs: a.pool(), ServerName: "127.0.0.1"})
		require.NoError(t, secured.Handshake())
		conn = secured
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// One that asks and asks, and never reads an answer, is given up.
func TestAFarEndThatOnlyAsksIsGivenUp(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	h := secureHouse(t, a, func(o *Options) { o.Limits.Rate, o.Limits.Burst = 1000000, 1000000 }, nil)
	p := h.tcp(t)
	c := begun(t, h, p)
	for _, secure := range []bool{false, true} {
		conn := h.hold(t, a, secure, false)
		text := strings.Repeat(strings.Replace(plain("OPTIONS"), "/UDP", "/TCP", 1), 20)
		begin, asked := time.Now(), 0
		for err := error(nil); err == nil; asked += 20 {
			require.NoError(t, conn.SetWriteDeadline(time.Now().Add(patience)))
			branch := fmt.Sprintf("BRANCH-%d-", asked)
			if _, err = conn.Write([]byte(strings.ReplaceAll(text, "BRANCH", branch))); err != nil {
				require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
			}
		}
		t.Logf("TLS %v: given up after %v and %d questions", secure, time.Since(begin).Round(time.Millisecond), asked)
		c.hearsNext(p)
	}
	soon(t, func() bool { return len(h.connections) == 1 })
}

// A client of TLS 1.2 may ask for another handshake as often as it likes, each of which
// costs the server more than the client: none is made.
func TestNoHandshakeIsMadeTwice(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	a := newAuthority(t)
	h := secureHouse(t, a, nil, nil)
	client := exec.Command("openssl", "s_client", "-tls1_2", "-connect", h.at(0), "-CAfile", a.file("ca.pem"))
	in, err := client.StdinPipe()
	require.NoError(t, err)
	var said syncBuffer
	client.Stdout, client.Stderr = &said, &said
	require.NoError(t, client.Start())
	soon(t, func() bool {
		return len(h.connections) == 1 && strings.Contains(said.String(), "Verify return code: 0")
	})
	_, err = in.Write([]byte("R\n"))
	require.NoError(t, err)
	_ = client.Wait() // the connection ends
	require.Contains(t, said.String(), "RENEGOTIATING")
	require.Contains(t, said.String(), "alert")
	soon(t, func() bool { return len(h.connections) == 0 })
}

// One source opens as many connections as it can; another still gets in, and its call goes on.
func TestOneSourceDoesNotTakeAllConnections(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.tcp(t)
	c := begun(t, h, p)
	var up atomic.Int64
	var all sync.WaitGroup
	var held []net.Conn
	for range 600 {
		conn := dialFrom(t, "tcp", netip.MustParseAddrPort("127.0.0.9:0"), h.Addrs()[1].Addr)
		if conn == nil {
			t.Skip("this system has no such loopback address")
		}
		held = append(held, conn)
		all.Go(func() {
			_, _ = conn.Write([]byte("\r\n\r\n"))
			if n, _ := conn.Read(make([]byte, 2)); n > 0 { // the pong: it is in
				up.Add(1)
				_, _ = io.Copy(io.Discard, conn)
			}
		})
	}
	soon(t, func() bool { return up.Load() == 256 })
	other := h.tcp(t)
	other.dial()
	h.calls.next(t)
	c.hearsNext(p)
	for _, conn := range held {
		_ = conn.Close()
	}
	all.Wait()
	require.EqualValues(t, 256, up.Load(), "half of sip.limits.connections")
	soon(t, func() bool { return len(h.connections) == 2 })
	t.Logf("600 connections from one address: %d were in at a time", up.Load())
}

// Connections that come and go, in whatever state, leave nothing.
func TestConnectionsThatComeAndGo(t *testing.T) {
	count := 300
	if long() {
		count = 10000
	}
	a := newAuthority(t)
	h := secureHouse(t, a, func(o *Options) { o.Limits.Connections, o.Limits.Burst = 64, 1000000 }, nil)
	p := h.tcp(t)
	c := begun(t, h, p)
	before, files, begin := levelNow(), openFiles(), time.Now()
	for n := range count {
		conn, err := net.Dial("tcp", h.at(n%2))
		require.NoError(t, err)
		switch n / 2 % 4 {
		case 0:
			_, _ = conn.Write([]byte("\x16\x03\x01\x02"))
		case 1:
			_, _ = conn.Write([]byte(lengthy("Content-Length: 0\r\n")))
		case 2:
			_, _ = conn.Write([]byte(lengthy("Content-Length: 9\r\n")))
		}
		if n%3 == 0 {
			require.NoError(t, conn.(*net.TCPConn).SetLinger(0)) // a reset
		}
		require.NoError(t, conn.Close())
	}
	took := time.Since(begin)
	soon(t, func() bool { return len(h.connections) == 1 })
	h.log.cut()
	after := fallsTo(t, before, 2, 4<<20)
	soon(t, func() bool { return openFiles() <= files })
	t.Logf("%d connections in %v; before: %v; after: %v", count, took.Round(time.Millisecond), &before, &after)
	c.hearsNext(p)
}

// openFiles is how many descriptors this process has, 0 where the system does not tell.
func openFiles() int {
	all, _ := os.ReadDir("/proc/self/fd")
	return len(all)
}
