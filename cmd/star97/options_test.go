package main

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	webhookfake "star97/internal/backend/webhook/fake"
)

// wire is a port of this machine that leads to another one, and can be cut.
type wire struct {
	t    testing.TB
	at   string
	to   string
	mu   sync.Mutex
	ends []io.Closer
}

func newWire(t testing.TB, to string) *wire {
	w := &wire{t: t, at: "127.0.0.1:0", to: to}
	w.join()
	t.Cleanup(w.cut)
	return w
}

// join opens the port, the same one each time.
func (w *wire) join() {
	ln, err := net.Listen("tcp4", w.at)
	require.NoError(w.t, err)
	w.at = ln.Addr().String()
	w.keep(ln)
	// The way in: started by join, stops when it is cut; owns nothing.
	go func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp4", w.to)
			if err != nil {
				in.Close()
				continue
			}
			w.keep(in)
			w.keep(out)
			// The two ways: started for a connection; stop with it; own one end each.
			go func() { defer in.Close(); _, _ = io.Copy(in, out) }()
			go func() { defer out.Close(); _, _ = io.Copy(out, in) }()
		}
	}()
}

func (w *wire) keep(c io.Closer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ends = append(w.ends, c)
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.ends {
		c.Close()
	}
	w.ends = nil
}

// askOptions writes the n-th OPTIONS request to a connection of a transport, as Via names it,
// with so many hops to go.
func askOptions(conn net.Conn, transport string, hops int, n int64) error {
	_, err := fmt.Fprintf(conn, "OPTIONS sip:%[1]s SIP/2.0\r\nVia: SIP/2.0/%[3]s %[2]s;branch=z9hG4bK-%[5]d;rport\r\nMax-Forwards: %[4]d\r\n"+
		"From: <sip:dispatcher@%[2]s>;tag=1\r\nTo: <sip:%[1]s>\r\nCall-ID: %[5]d@%[2]s\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
		conn.RemoteAddr(), conn.LocalAddr(), transport, hops, n)
	return err
}

// options asks by UDP, as a dispatcher does, and returns the answer, empty if none came.
func options(to netip.AddrPort, hops int) string {
	conn, err := net.Dial("udp", to.String())
	if err != nil {
		return ""
	}
	defer conn.Close()
	if err := askOptions(conn, "UDP", hops, time.Now().UnixNano()); err != nil {
		return ""
	}
	_ = conn.SetReadDeadline(time.Now().Add(time.Second))
	buf := make([]byte, 2048)
	n, _ := conn.Read(buf)
	return string(buf[:n])
}

// A dispatcher in front of several nodes takes one out whose voicemail system is out of
// reach for a while, and takes it in again.
func TestOPTIONSTellsThatTheVoicemailSystemIsAwayAndBack(t *testing.T) {
	t.Parallel()
	server := webhookfake.New(t)
	at, err := url.Parse(server.URL)
	require.NoError(t, err)
	w := newWire(t, at.Host)
	v := startService(t, setup{Sections: map[string]string{
		"sip": `{listen: [{network: udp, address: "127.0.0.1:0"}], options_after: 1s}`,
		"store": fmt.Sprintf("{driver: webhook, webhook: {api: {url: %q, tls: {ca_file: %q}}, keys: [{id: %s, secret: {file: %q}}]}}",
			"https://"+w.at, server.CAFile, webhookfake.KeyID, server.KeyFile),
	}})
	answers := func(status string) {
		t.Helper()
		require.Eventually(t, func() bool { return strings.HasPrefix(options(v.UDP, 70), "SIP/2.0 "+status) },
			soundPatience, 200*time.Millisecond, "%s\n%s", status, v.Stderr)
	}
	answers("200")
	w.cut()
	answers("503")
	require.Contains(t, options(v.UDP, 70), "\r\nRetry-After: 30\r\n")
	w.join()
	answers("200")
}
