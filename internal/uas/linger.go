package uas

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
)

const (
	// lingerWait is how long a far end that sends no more gets the answers that it waits for.
	lingerWait = time.Second
	// heardOutWait and heardOutMost bound what is still taken of one whose bytes are no
	// messages any more.
	heardOutWait = time.Second
	heardOutMost = 256 << 10
)

// linger waits for the answers to what was read whole before the far end closed its side,
// or lost its place in the stream, and lets it read them: our reader closes the connection
// next.
func (c *gatedStream) linger(why error) {
	lost := errors.Is(why, errFraming)
	if !lost && !errors.Is(why, io.EOF) {
		return
	}
	c.awaitAnswers()
	if lost {
		c.hearOut()
	}
}

// awaitAnswers returns when nothing is owed any more, or will not be given.
func (c *gatedStream) awaitAnswers() {
	timer := time.NewTimer(c.gate.lingerWait)
	defer timer.Stop()
	for c.owed.Load() > 0 || c.acks.Load() > 0 {
		select {
		case <-c.answered:
		case <-c.gone:
			return
		case <-timer.C:
			return
		}
	}
}

// hearOut ends our side and takes for a while what the far end goes on sending: a
// connection that is closed before all of that was read is reset (RFC 1122 section
// 4.2.2.13), and the answers that the far end has not taken yet are gone with it.
func (c *gatedStream) hearOut() {
	below, ok := c.below().(*net.TCPConn)
	if !ok {
		return
	}
	if secured, ok := c.Conn.(*tls.Conn); ok {
		_ = secured.CloseWrite()
	}
	if below.CloseWrite() != nil || below.SetReadDeadline(time.Now().Add(heardOutWait)) != nil {
		return
	}
	var part [4096]byte
	for left := heardOutMost; left > 0; {
		n, err := below.Read(part[:])
		clear(part[:n])
		if left -= n; err != nil {
			return
		}
	}
}

// below is the connection without TLS.
func (c *gatedStream) below() net.Conn {
	if secured, ok := c.Conn.(*tls.Conn); ok {
		return secured.NetConn()
	}
	return c.Conn
}

// owe counts a request that its sender waits on.
func (c *gatedStream) owe(msg []byte) {
	if !bytes.HasPrefix(msg, []byte("ACK ")) && !bytes.HasPrefix(msg, []byte("SIP/")) {
		c.owed.Add(1)
	}
}

// retain counts an ACK, which has no answer, but is dropped by sipgo if its connection is gone
// before it is served. One that a transaction of sipgo's takes needs none. It is called by the
// reader of its connection, before that reads on.
func (s *Server) retain(ack *sip.Request) {
	if !isStream(strings.ToLower(ack.Transport())) || s.gate.pending.takes(ack) {
		return
	}
	conn, err := s.transport.GetConnection(ack.Transport(), ack.Source())
	if err != nil {
		return
	}
	defer conn.TryClose() // gives back the reference that the look-up took
	if c := streamOf(conn); c != nil {
		c.acks.Add(1)
		ack.AppendHeader(retained{cameHeader, c})
	}
}

// release counts off an ACK that is served.
func release(ack *sip.Request) {
	for _, h := range ack.Headers() {
		if r, ok := h.(retained); ok {
			r.by.less(&r.by.acks)
		}
	}
}

// retained is the connection that an ACK holds, carried by the ACK as came is by an INVITE.
type retained struct {
	sip.Header
	by *gatedStream
}

// settle counts a final answer.
func (c *gatedStream) settle(msg []byte) {
	const version = "SIP/2.0 "
	if !bytes.HasPrefix(msg, []byte(version)) || len(msg) == len(version) || msg[len(version)] == '1' {
		return
	}
	c.less(&c.owed)
}

// less counts one off.
func (c *gatedStream) less(of *atomic.Int32) {
	for n := of.Load(); n > 0; n = of.Load() { // an answer may be repeated
		if !of.CompareAndSwap(n, n-1) {
			continue
		}
		if n == 1 {
			select {
			case c.answered <- struct{}{}:
			default:
			}
		}
		return
	}
}
