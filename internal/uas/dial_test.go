package uas

import (
	"bufio"
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/stretchr/testify/require"
)

func TestOurBYEOverUDPLeavesByAListener(t *testing.T) {
	h := newHouse(t, setting{})
	for range 3 {
		p, sink := h.tcp(t), h.udp(t)
		p.contact = sink.contact // transport=udp
		c := begun(t, h, p)
		c.leg.Hangup()
		// sink is connected to the listener, so it hears nobody else.
		bye := sink.expectRequest("BYE")
		require.Contains(t, bye.get("Via"), "SIP/2.0/UDP "+h.at(0))
		sink.reply(bye, "200 OK")
		h.over(t)
	}
	require.Equal(t, 1, h.transport.Pool("udp").Size(), "the listener")
}

func TestWithoutAUDPListenerTheBYEStaysOnTCP(t *testing.T) {
	h := newHouse(t, setting{options: func(o *Options) { o.Listen = o.Listen[1:] }})
	p := newPhone(t, "tcp", h.at(0))
	p.contact = "<sip:4001@127.0.0.1:9;transport=udp>"
	c := begun(t, h, p)
	c.leg.Hangup()
	p.reply(p.expectRequest("BYE"), "200 OK")
	h.over(t)
	require.Zero(t, h.transport.Pool("udp").Size())
}

// dials lets a test stand in for the system's dialling, before any call.
func (h *house) dials(dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	h.dialled.dial, h.dialledTLS.dial = dial, dial
}

func TestTheEndWaitsForNoConnectionThatDoesNotComeUp(t *testing.T) {
	h := newHouse(t, setting{options: waitsLong}) // 64*T1 is longer than any test
	dialling := make(chan struct{})
	h.dials(func(ctx context.Context, _, _ string) (net.Conn, error) {
		close(dialling)
		<-ctx.Done()
		return nil, ctx.Err()
	})
	p := h.udp(t)
	p.contact = "<sip:4001@127.0.0.1:9;transport=tcp>"
	c := begun(t, h, p)
	c.leg.Hangup()
	<-dialling
	closed := make(chan error, 1)
	go func() { closed <- h.Close() }()
	select {
	case err := <-closed:
		require.NoError(t, err)
	case <-time.After(patience):
		require.FailNow(t, "the end waits")
	}
}

// A name that nobody answers for is asked for as long as its dialog lives.
func TestWithTheDialogItsRequestsEnd(t *testing.T) {
	h := newHouse(t, setting{})
	d := h.opened(t, h.udp(t))
	require.NoError(t, sip.ParseUri("sip:4001@pbx.example.org", &d.target))
	d.acked = true
	bye := d.request(sip.BYE)
	d.abandon()
	for _, send := range []func(*sip.Request, *dialog) (int, error){h.transact, h.mention} {
		_, err := send(bye, d)
		require.ErrorContains(t, err, "cancel")
	}
}

func TestAConnectionThatWeOpenTakesThePeersShare(t *testing.T) {
	h := newHouse(t, setting{options: func(o *Options) {
		o.Limits.Connections, o.Peers[0].Addresses = 4, []string{"127.0.0.1"}
		o.Peers = append(o.Peers, Peer{Name: "other", Addresses: []string{"127.0.0.9"}})
	}})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	var dialled atomic.Int32
	h.dials(func(ctx context.Context, network, address string) (net.Conn, error) {
		dialled.Add(1)
		return new(net.Dialer).DialContext(ctx, network, address)
	})
	var up []*phone
	for range 3 { // its share
		p := h.tcp(t)
		p.send("OPTIONS", "", "")
		p.expect(200)
		up = append(up, p)
	}
	p := h.udp(t)
	hangUp := func() {
		p.callID, p.toTag = "call-"+randomToken(), ""
		p.contact = "<sip:4001@" + ln.Addr().String() + ";transport=tcp>"
		begun(t, h, p).leg.Hangup()
	}
	hangUp()
	h.over(t)
	require.Zero(t, dialled.Load())
	require.Contains(t, h.log.String(), noPlace)
	require.NoError(t, up[0].conn.Close())
	soon(t, func() bool { return len(h.connections) == 2 })
	hangUp()
	conn, err := ln.Accept()
	require.NoError(t, err)
	back := &phone{t: t, network: "tcp", conn: conn, reader: bufio.NewReader(conn)}
	back.reply(back.expectRequest("BYE"), "200 OK")
	h.over(t)
	streams := &h.terms.Load().peers.all[0].streams
	require.EqualValues(t, 3, streams.Load())
	require.NoError(t, conn.Close())
	soon(t, func() bool { return streams.Load() == 2 })
}

func TestAConnectionThatWeOpenPassesTheGate(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	p.contact = "<sip:4001@" + ln.Addr().String() + ";transport=tcp>"
	c := begun(t, h, p)
	c.leg.Hangup()
	conn, err := ln.Accept()
	require.NoError(t, err)
	back := &phone{t: t, network: "tcp", conn: conn, reader: bufio.NewReader(conn), ruri: "sip:x@y", callID: "back", tag: "b", contact: "<sip:x@y>"}
	bye := back.expectRequest("BYE")
	require.Contains(t, bye.get("Via"), "SIP/2.0/TCP "+h.at(1))
	back.write("FOO BAR\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK\r\nContent-Length: 0\r\n\r\n")
	back.expect(400)
	stream := h.transport.Pool("tcp").Get(conn.LocalAddr().String()).(*sip.TCPConnection)
	require.IsType(t, &gatedStream{}, stream.Conn)
	require.Len(t, h.connections, 1, "it counts")
	back.reply(bye, "200 OK")
	h.over(t)
	require.NoError(t, conn.Close())
	soon(t, func() bool { return len(h.connections) == 0 })
}
