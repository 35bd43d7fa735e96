package uas

import (
	"bufio"
	"net"
	"testing"

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
	require.Equal(t, 4, h.transport.Pool("udp").Size(), "the listener and three phones")
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
