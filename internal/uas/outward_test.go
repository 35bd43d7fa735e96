package uas

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/stretchr/testify/require"
)

// registrarHost is a far end on an address that no peer lists.
const registrarHost = "127.0.0.7"

const idleShort = 50 * time.Millisecond

// onlyRegistered is a house whose one peer is known by its registration.
func onlyRegistered(t testing.TB, listen ...Listen) *house {
	return newHouse(t, setting{server: func(s *Server) { s.gate.idleWait = idleShort }, options: func(o *Options) {
		o.Peers = []Peer{{Name: "provider", Registration: "account"}}
		if len(listen) > 0 {
			o.Listen = listen
		}
	}})
}

func registerRequest(t testing.TB) *sip.Request {
	t.Helper()
	var uri sip.Uri
	require.NoError(t, sip.ParseUri("sip:example.org", &uri))
	req := sip.NewRequest(sip.REGISTER, uri)
	for _, h := range [][2]string{{"From", "<sip:a@example.org>;tag=1"}, {"To", "<sip:a@example.org>"}, {"Call-ID", "c-" + randomToken()}, {"Max-Forwards", "70"}} {
		req.AppendHeader(sip.NewHeader(h[0], h[1]))
	}
	req.AppendHeader(&sip.CSeqHeader{SeqNo: 1, MethodName: sip.REGISTER})
	req.SetBody(nil)
	return req
}

// farEnd is a UDP socket of the registrar's, as a phone that any message comes to.
func farEnd(t testing.TB, h *house) (*phone, netip.AddrPort) {
	t.Helper()
	conn, err := net.DialUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(registrarHost+":0")), net.UDPAddrFromAddrPort(h.Addrs()[0].Addr))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	p := &phone{t: t, network: "udp", conn: conn, ruri: "sip:*97@" + h.at(0), callID: "call-" + randomToken(), tag: "t1"}
	p.contact = "<sip:p@" + conn.LocalAddr().String() + ">"
	return p, conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

type answered struct {
	res *sip.Response
	err error
}

func (h *house) sends(req *sip.Request, network string, to netip.AddrPort, name string) <-chan answered {
	done := make(chan answered, 1)
	go func() {
		res, err := h.Send(context.Background(), req, network, to, name)
		done <- answered{res, err}
	}()
	return done
}

func TestARegistrarIsAnsweredToAndCallsOnlyWhileItIsPlaced(t *testing.T) {
	h := onlyRegistered(t)
	p, at := farEnd(t, h) // connected: it takes only what our listener sends
	done := h.sends(registerRequest(t), "udp", at, "")
	asked := p.expectRequest("REGISTER")
	require.Contains(t, asked.get("Via"), "SIP/2.0/UDP "+h.at(0)+";")
	require.Contains(t, asked.get("Via"), "rport")
	p.reply(asked, "200 OK")
	got := <-done
	require.NoError(t, got.err)
	require.Equal(t, 200, got.res.StatusCode)

	p.send("OPTIONS", "", "")
	p.expect(403)
	h.Place("another", []netip.Addr{at.Addr()}, "", netip.AddrPort{})
	p.send("OPTIONS", "", "")
	p.expect(403)
	h.Place("account", []netip.Addr{at.Addr()}, "", netip.AddrPort{})
	p.dial()
	require.Equal(t, "provider", h.calls.next(t).arrival.Peer)
	h.Place("account", nil, "", netip.AddrPort{})
	p.send("BYE", "", "")
	p.expect(200) // of a call that is up
	p.toTag, p.callID = "", "other"
	h.over(t)
	p.send("OPTIONS", "", "")
	p.expect(403)
}

// What is awaited is an answer: a request from there is a stranger's, and an answer from
// elsewhere is nobody's.
func TestWhileAnAnswerIsAwaitedNothingElseIsLetIn(t *testing.T) {
	h := onlyRegistered(t)
	p, at := farEnd(t, h)
	done := h.sends(registerRequest(t), "udp", at, "")
	asked := p.expectRequest("REGISTER")
	p.send("INVITE", offerText, "application/sdp")
	p.expect(403)
	forger := h.udp(t)
	forger.reply(asked, "403 Forbidden")
	forger.send("OPTIONS", "", "")
	forger.expect(403) // the one before was read
	p.reply(asked, "200 OK")
	got := <-done
	require.NoError(t, got.err)
	require.Equal(t, 200, got.res.StatusCode)
}

// Two accounts at one provider cannot be told apart by its address.
func TestAnAddressOfTwoRegistrationsIsTold(t *testing.T) {
	h := newHouse(t, setting{options: func(o *Options) {
		o.Peers = []Peer{{Name: "one", Registration: "a"}, {Name: "two", Registration: "b"}}
	}})
	p, at := farEnd(t, h)
	h.Place("b", []netip.Addr{at.Addr()}, "udp", netip.AddrPort{})
	require.NotContains(t, h.log.String(), "are taken for")
	h.Place("a", []netip.Addr{at.Addr()}, "udp", netip.AddrPort{})
	h.Place("b", []netip.Addr{at.Addr(), netip.MustParseAddr("192.0.2.1")}, "udp", netip.AddrPort{})
	require.Contains(t, h.log.String(), `msg="a registration's calls are taken for those of another peer, which has the same address" registration=b peer=one`)
	p.dial()
	require.Equal(t, "one", h.calls.next(t).arrival.Peer)
}

func TestPlacesOutliveAnExchange(t *testing.T) {
	h := onlyRegistered(t)
	p, at := farEnd(t, h)
	h.Place("account", []netip.Addr{at.Addr()}, "", netip.AddrPort{})
	o := h.opts
	o.Peers = []Peer{{Name: "renamed", Registration: "account"}}
	require.NoError(t, h.Exchange(o, plan{defaultRoutes}, h.calls))
	p.dial()
	require.Equal(t, "renamed", h.calls.next(t).arrival.Peer)
}

func TestWhatANATShowsIsContactInCallsToo(t *testing.T) {
	h := onlyRegistered(t)
	p, at := farEnd(t, h)
	shown := netip.MustParseAddrPort("203.0.113.9:40000")
	h.Place("account", []netip.Addr{at.Addr()}, "udp", shown)
	answer := p.dial()
	require.Equal(t, "<sip:star97@203.0.113.9:40000>", answer.get("Contact"))
	c := h.calls.next(t)
	require.Contains(t, answer.body, "c=IN IP4 127.0.0.1", "no port of the audio is known outside")
	c.leg.Hangup()
	bye := p.expectRequest("BYE")
	require.Contains(t, bye.get("Via"), "203.0.113.9:40000;")
	p.reply(bye, "200 OK")
	h.over(t)
	h.Place("account", []netip.Addr{at.Addr()}, "tcp", shown)
	q, _ := farEnd(t, h)
	require.Contains(t, q.dial().get("Contact"), h.at(0))
}

func TestByTCPWithoutAListenerCallsComeByTheRegistrationsConnection(t *testing.T) {
	h := onlyRegistered(t, Listen{Network: "udp", Address: "127.0.0.1:0"})
	ln, err := net.Listen("tcp", registrarHost+":0")
	require.NoError(t, err)
	defer ln.Close()
	at := ln.Addr().(*net.TCPAddr).AddrPort()
	h.Place("account", []netip.Addr{at.Addr()}, "", netip.AddrPort{})
	local, chosen, err := h.Local(context.Background(), "tcp", at, "")
	require.NoError(t, err)
	require.False(t, chosen)
	conn, err := ln.Accept()
	require.NoError(t, err)
	defer conn.Close()
	require.Equal(t, conn.RemoteAddr().String(), local.String())
	p := &phone{t: t, network: "tcp", conn: conn, reader: bufio.NewReader(conn), ruri: "sip:*97@" + local.String(), callID: "call-" + randomToken(), tag: "t1"}
	p.contact = "<sip:p@" + at.String() + ";transport=tcp>"
	done := h.sends(registerRequest(t), "tcp", at, "")
	p.reply(p.expectRequest("REGISTER"), "200 OK")
	require.NoError(t, (<-done).err)

	time.Sleep(4 * idleShort) // others are closed then
	require.NoError(t, h.Ping("tcp", at, ""))
	ping := make([]byte, 4)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
	_, err = io.ReadFull(p.reader, ping)
	require.NoError(t, err)
	require.Equal(t, "\r\n\r\n", string(ping))
	p.dial()
	require.Equal(t, "tcp", h.calls.next(t).arrival.Transport)

	require.NoError(t, conn.Close())
	soon(t, func() bool { return h.Ping("tcp", at, "") != nil }, "a connection that is gone is told")
	require.NoError(t, ln.Close())
	soon(t, func() bool { // the call may have dialled before that, to be reset
		_, _, err := h.Local(context.Background(), "tcp", at, "")
		return err != nil
	}, "nobody is there any more")
}

// A registrar that says nothing on its connection may be gone: the next request makes another.
func TestAConnectionThatBringsNoAnswerIsClosed(t *testing.T) {
	h := onlyRegistered(t)
	ln, err := net.Listen("tcp", registrarHost+":0")
	require.NoError(t, err)
	defer ln.Close()
	at := ln.Addr().(*net.TCPAddr).AddrPort()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, err = h.Send(ctx, registerRequest(t), "tcp", at, "")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	soon(t, func() bool { return !h.connected("tcp", at.String()) })
}

func TestARegistrarByTLSHasToShowItsName(t *testing.T) {
	a := newAuthority(t)
	a.host("registrar")
	h := newHouse(t, setting{options: func(o *Options) {
		o.Peers = []Peer{{Name: "provider", Registration: "account"}}
		o.CAFile = a.file("ca.pem")
	}})
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{a.pair("registrar")}})
	require.NoError(t, err)
	defer ln.Close()
	conns := make(chan net.Conn, 10)
	go func() {
		for conn, err := ln.Accept(); err == nil; conn, err = ln.Accept() {
			_ = conn.(*tls.Conn).Handshake() // refused by one test
			conns <- conn
		}
	}()
	at := ln.Addr().(*net.TCPAddr).AddrPort()
	_, _, err = h.Local(context.Background(), "tls", at, "unproven.example.org")
	require.ErrorContains(t, err, "unproven.example.org")
	_ = (<-conns).Close()
	_, _, err = h.Local(context.Background(), "tls", at, "127.0.0.1")
	require.NoError(t, err)
	_, _, err = h.Local(context.Background(), "tls", at, "other.example.org")
	require.ErrorContains(t, err, "other.example.org", "although a connection is up")

	conn := <-conns
	defer conn.Close()
	p := &phone{t: t, network: "tls", conn: conn, reader: bufio.NewReader(conn), ruri: "sip:*97@example.org", callID: "call-" + randomToken(), tag: "t1"}
	p.contact = "<sip:p@" + at.String() + ";transport=tls>"
	done := h.sends(registerRequest(t), "tls", at, "127.0.0.1")
	p.reply(p.expectRequest("REGISTER"), "200 OK")
	require.NoError(t, (<-done).err)
	h.Place("account", []netip.Addr{at.Addr()}, "tls", netip.AddrPort{})
	p.dial()
	require.Equal(t, "tls", h.calls.next(t).arrival.Transport)
	p.send("BYE", "", "")
	p.expect(200)
}

func TestOurEndIsTheListenerThatTheWayLeadsFrom(t *testing.T) {
	h := onlyRegistered(t, Listen{Network: "udp", Address: "127.0.0.3:0", Advertise: "198.51.100.9:5070"}, Listen{Network: "udp", Address: "127.0.0.1:0"})
	at, chosen, err := h.Local(context.Background(), "udp", netip.MustParseAddrPort("127.0.0.1:5060"), "")
	require.NoError(t, err)
	require.False(t, chosen)
	require.Equal(t, h.at(1), at.String(), "the system sends to the loopback from 127.0.0.1")
	_, _, err = h.Local(context.Background(), "udp", netip.MustParseAddrPort("[::1]:5060"), "")
	require.ErrorContains(t, err, "no UDP listener")

	outside := newHouse(t, setting{server: func(s *Server) { s.local = nil }, options: func(o *Options) { // the loopback is outside
		o.Listen = []Listen{{Network: "udp", Address: "127.0.0.1:0", Advertise: "198.51.100.9:5070"}}
	}})
	at, chosen, err = outside.Local(context.Background(), "udp", netip.MustParseAddrPort("127.0.0.1:5060"), "")
	require.NoError(t, err)
	require.True(t, chosen)
	require.Equal(t, "198.51.100.9:5070", at.String())
}

func TestNothingIsSentByAServerThatIsClosed(t *testing.T) {
	h := onlyRegistered(t)
	_, at := farEnd(t, h)
	done := h.sends(registerRequest(t), "udp", at, "")
	soon(t, func() bool { return h.gate.awaited.any.Load() > 0 })
	require.NoError(t, h.Close())
	require.Error(t, (<-done).err)
	require.Zero(t, h.gate.awaited.any.Load())
	_, err := h.Send(context.Background(), registerRequest(t), "udp", at, "")
	require.ErrorIs(t, err, ErrClosed)
}
