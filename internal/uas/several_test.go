package uas

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/stretchr/testify/require"
)

func TestTheTextsOfOneAddressDifferButAreReadAsOne(t *testing.T) {
	for _, at := range []string{"192.0.2.1:5061", "[2001:db8::1]:5060", "[::ffff:192.0.2.1]:1"} {
		want := netip.MustParseAddrPort(at)
		want = netip.AddrPortFrom(want.Addr().Unmap(), want.Port())
		seen := map[string]bool{}
		for n := range severalMost {
			text := nth(netip.MustParseAddrPort(at), n)
			require.False(t, seen[text])
			seen[text] = true
			require.Equal(t, want, netip.MustParseAddrPort(text))
			host, port, err := sip.ParseAddr(text)
			require.NoError(t, err)
			require.Equal(t, want.String(), (&sip.Addr{IP: net.ParseIP(host), Port: port}).String())
		}
		require.True(t, seen[want.String()])
	}
}

// provider is a far end of connections that we open.
type provider struct {
	t     *testing.T
	h     *house
	at    netip.AddrPort
	conns chan net.Conn
}

// taking takes connections until the test is over.
func (h *house) taking(t *testing.T, ln net.Listener) *provider {
	f := &provider{t, h, ln.Addr().(*net.TCPAddr).AddrPort(), make(chan net.Conn, 10)}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for conn, err := ln.Accept(); err == nil; conn, err = ln.Accept() {
			if secured, ok := conn.(*tls.Conn); ok {
				_ = secured.Handshake()
			}
			f.conns <- conn
		}
	}()
	h.Place("account", []netip.Addr{f.at.Addr()}, "", netip.AddrPort{})
	return f
}

// next is a telephone on the connection that was opened next.
func (f *provider) next(network string) *phone {
	select {
	case conn := <-f.conns:
		f.t.Cleanup(func() { _ = conn.Close() })
		p := &phone{t: f.t, network: network, conn: conn, reader: bufio.NewReader(conn), ruri: "sip:*97@example.org", callID: "call-" + randomToken(), tag: "t1"}
		p.contact = "<sip:p@" + f.at.String() + ";transport=" + network + ">"
		return p
	case <-time.After(patience):
		require.FailNow(f.t, "no connection came")
		return nil
	}
}

// registers sends a request of ours, which comes by this connection.
func (f *provider) registers(p *phone, name string) {
	done := f.h.sends(registerRequest(f.t), p.network, f.at, name)
	p.reply(p.expectRequest("REGISTER"), "200 OK")
	require.NoError(f.t, (<-done).err)
}

// goesOn proves that a call is served by a connection in both directions.
func (c *taken) goesOn(p *phone) {
	c.hearsNext(p)
	c.leg.Hangup()
	p.reply(p.expectRequest("BYE"), "200 OK")
}

// A registrar gives no answer by a connection that a call came by: the call keeps it, and
// the next request makes another.
func TestAConnectionWithCallsIsNotClosedForAnAnswerThatDidNotCome(t *testing.T) {
	h := onlyRegistered(t, Listen{Network: "udp", Address: "127.0.0.1:0"})
	ln, err := net.Listen("tcp", registrarHost+":0")
	require.NoError(t, err)
	f := h.taking(t, ln)
	_, _, err = h.Local(context.Background(), "tcp", f.at, "")
	require.NoError(t, err)
	first := f.next("tcp")
	f.registers(first, "")
	c := begun(t, h, first)

	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, err = h.Send(ctx, registerRequest(t), "tcp", f.at, "")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	first.expectRequest("REGISTER")
	require.Error(t, h.Ping("tcp", f.at, ""), "no way is kept open that leads nowhere")

	_, _, err = h.Local(context.Background(), "tcp", f.at, "")
	require.NoError(t, err)
	second := f.next("tcp")
	f.registers(second, "")
	d := begun(t, h, second) // answered where it came by
	require.NoError(t, h.Ping("tcp", f.at, ""))
	ping := make([]byte, 4)
	require.NoError(t, second.conn.SetReadDeadline(time.Now().Add(patience)))
	_, err = io.ReadFull(second.reader, ping)
	require.NoError(t, err)
	require.Equal(t, "\r\n\r\n", string(ping))

	c.goesOn(first)
	d.goesOn(second)
	h.over(t)
	soon(t, func() bool { return !h.connected("tcp", f.at.String()) }, "nobody wants the first one any more")
	f.registers(second, "")
}

// Two providers have one address, which shows the certificate of the name that it is asked
// for: each has a connection of its own.
func TestTwoNamesAtOneAddressHaveTheirOwnConnections(t *testing.T) {
	a := newAuthority(t)
	pairs := map[string]*tls.Certificate{}
	for _, name := range []string{"one.example.org", "two.example.org"} {
		a.named(name)
		pair := a.pair(name)
		pairs[name] = &pair
	}
	h := newHouse(t, setting{options: func(o *Options) {
		o.Peers = []Peer{{Name: "provider", Registration: "account"}}
		o.CAFile = a.file("ca.pem")
	}})
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{GetCertificate: func(c *tls.ClientHelloInfo) (*tls.Certificate, error) {
		return pairs[c.ServerName], nil
	}})
	require.NoError(t, err)
	f := h.taking(t, ln)
	phones := map[string]*phone{}
	for _, name := range []string{"one.example.org", "two.example.org"} {
		_, _, err := h.Local(context.Background(), "tls", f.at, name)
		require.NoError(t, err)
		phones[name] = f.next("tls")
		require.Equal(t, name, phones[name].conn.(*tls.Conn).ConnectionState().ServerName)
	}
	for range 2 {
		for name, p := range phones {
			f.registers(p, name)
			require.NoError(t, h.Ping("tls", f.at, name))
		}
	}
	for _, p := range phones {
		p.callID, p.toTag = "call-"+randomToken(), ""
		begun(t, h, p).goesOn(p)
		h.over(t)
	}
	require.Len(t, h.connections, 2)

	one := phones["one.example.org"]
	require.NoError(t, one.conn.Close())
	soon(t, func() bool { return h.Ping("tls", f.at, "one.example.org") != nil })
	f.registers(phones["two.example.org"], "two.example.org")
	done := h.sends(registerRequest(t), "tls", f.at, "one.example.org")
	again := f.next("tls")
	again.reply(again.expectRequest("REGISTER"), "200 OK")
	require.NoError(t, (<-done).err)
}

func TestConnectionsToOneAddressAreBounded(t *testing.T) {
	at := netip.MustParseAddrPort("192.0.2.1:5061")
	n, err := free(at, func(to string) bool { return !strings.HasSuffix(to, ":0005061") })
	require.NoError(t, err)
	require.Equal(t, 3, n)
	_, err = free(at, func(string) bool { return true })
	require.ErrorContains(t, err, "16 connections to 192.0.2.1:5061")
}

// A far end that names its host is found at the address that we have a connection to already.
func TestANameAddsNoConnectionToTheOneThatIsUp(t *testing.T) {
	h := newHouse(t, setting{})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	f := h.taking(t, ln)
	var dials atomic.Int32
	h.dials(func(ctx context.Context, network, address string) (net.Conn, error) {
		dials.Add(1)
		return new(net.Dialer).DialContext(ctx, network, address)
	})
	_, port, _ := net.SplitHostPort(f.at.String())
	var back *phone
	for range 3 {
		p := h.udp(t)
		p.contact = "<sip:4001@localhost:" + port + ";transport=tcp>"
		begun(t, h, p).leg.Hangup()
		if back == nil {
			back = f.next("tcp")
		}
		back.reply(back.expectRequest("BYE"), "200 OK")
		h.over(t)
	}
	soon(t, func() bool { return len(h.connections) == 1 })
	require.EqualValues(t, 1, dials.Load(), "none is made to be thrown away")

	require.NoError(t, back.conn.Close())
	soon(t, func() bool { return len(h.connections) == 0 })
	p := h.udp(t)
	p.contact = "<sip:4001@localhost:" + port + ";transport=tcp>"
	begun(t, h, p).leg.Hangup()
	again := f.next("tcp")
	again.reply(again.expectRequest("BYE"), "200 OK")
	h.over(t)
}

func TestNamesAreForgotten(t *testing.T) {
	var n names
	at, now := netip.MustParseAddrPort("192.0.2.1:5061"), time.Now()
	for i := range 3 * namesMost {
		n.learn(fmt.Sprintf("host-%d.example.org:5061", i), at, now)
	}
	require.Len(t, n.at, namesMost)
	last := fmt.Sprintf("host-%d.example.org:5061", 3*namesMost-1)
	got, known := n.find(last, now.Add(nameKept-1))
	require.True(t, known)
	require.Equal(t, at, got)
	_, known = n.find(last, now.Add(nameKept))
	require.False(t, known)
	require.Len(t, n.at, namesMost-1)
}
