package uas

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// gatedListener is a TCP listener behind the gate: a stranger's connection, and
// one too many, is closed before a byte is read.
type gatedListener struct {
	net.Listener
	gate *gate
	dscp int
	room chan struct{} // one token per connection up
}

// Accept returns the next connection of a listed peer.
func (l *gatedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return nil, err
			}
			time.Sleep(10 * time.Millisecond) // out of descriptors: others will close
			continue
		}
		from, ok := conn.RemoteAddr().(*net.TCPAddr)
		if !ok || l.gate.peers.of("tcp", from.AddrPort().Addr()) == nil {
			_ = conn.Close()
			continue
		}
		select {
		case l.room <- struct{}{}:
		default:
			l.gate.log.Warn("TCP connection refused: sip.limits.connections are up", "source", from)
			_ = conn.Close()
			continue
		}
		mark(conn, l.dscp)
		return &gatedStream{Conn: conn, gate: l.gate, from: from.AddrPort(), room: l.room}, nil
	}
}

func mark(conn net.Conn, dscp int) {
	if a := conn.LocalAddr().(*net.TCPAddr).AddrPort().Addr(); a.Unmap().Is4() {
		_ = ipv4.NewConn(conn).SetTOS(dscp << 2)
	} else {
		_ = ipv6.NewConn(conn).SetTrafficClass(dscp << 2)
	}
}

// gatedStream is a TCP connection behind the gate. Each Read returns one whole
// admitted message, or the next part of one that did not fit. Only sipgo's reader
// calls Read.
type gatedStream struct {
	net.Conn
	gate *gate
	from netip.AddrPort
	room chan struct{}

	buf    []byte // received, not yet framed
	whole  []byte // admitted, not yet handed over
	lent   []byte
	closed sync.Once
}

// partWait is how long the rest of a message may take once it has begun.
const partWait = 10 * time.Second

var errFraming = errors.New("the stream has no message boundary to go on from")

func (c *gatedStream) Read(b []byte) (int, error) {
	clear(c.lent)
	c.lent = nil
	for len(c.whole) == 0 {
		if done, err := c.frame(); err != nil {
			return 0, err
		} else if done {
			continue
		}
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(b, c.whole)
	clear(c.whole[:n])
	c.whole = c.whole[n:]
	c.lent = b[:n]
	return n, nil
}

// fill reads once more. A message that has begun must end in partWait; between
// messages a connection may be idle for ever.
func (c *gatedStream) fill() error {
	deadline := time.Time{}
	if len(c.buf) > 0 {
		deadline = time.Now().Add(partWait)
	}
	if err := c.Conn.SetReadDeadline(deadline); err != nil {
		return err
	}
	var part [4096]byte
	n, err := c.Conn.Read(part[:])
	c.buf = append(c.buf, part[:n]...)
	clear(part[:n])
	if n > 0 {
		return nil
	}
	return err
}

// frame takes one message off the buffer (RFC 3261 section 18.3): true if it
// took something, an error if the stream must end.
func (c *gatedStream) frame() (bool, error) {
	if c.keepAlive() {
		return true, nil
	}
	end := headerEnd(c.buf)
	if end < 0 {
		if len(c.buf) > c.gate.limit {
			return false, errFraming
		}
		return false, nil
	}
	raw, _ := scanRequest(c.buf[:end])
	size, err := raw.length()
	switch {
	case err != nil || size < 0:
		return false, c.giveUp(&raw, 400, "Bad Content-Length")
	case end+size > c.gate.limit:
		return false, c.giveUp(&raw, 513, "Message Too Large")
	case len(c.buf) < end+size:
		return false, nil
	}
	c.take(end + size)
	return true, nil
}

// take asks the gate about the first n bytes and moves them on.
func (c *gatedStream) take(n int) {
	msg := c.buf[:n:n]
	pass, reply, _ := c.gate.admit("tcp", c.from, msg, time.Now())
	if reply != nil {
		c.send(reply)
	}
	if pass != nil {
		c.whole = append([]byte(nil), pass...)
	}
	clear(pass)
	clear(msg)
	rest := copy(c.buf, c.buf[n:])
	clear(c.buf[rest:])
	c.buf = c.buf[:rest]
}

// keepAlive swallows CRLFs between messages and answers a ping of two with a
// pong of one (RFC 5626 section 4.4.1).
func (c *gatedStream) keepAlive() bool {
	n := 0
	for n+1 < len(c.buf) && c.buf[n] == '\r' && c.buf[n+1] == '\n' {
		n += 2
	}
	if n == 0 {
		return false
	}
	for range n / 4 {
		c.send([]byte("\r\n"))
	}
	c.buf = append(c.buf[:0], c.buf[n:]...)
	return true
}

func (c *gatedStream) giveUp(raw *rawRequest, status int, reason string) error {
	if raw.answerable() {
		c.send(raw.reply(status, reason, c.gate.tags.raw(raw), c.from))
	}
	return errFraming
}

func (c *gatedStream) send(b []byte) {
	_ = c.Conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, _ = c.Conn.Write(b)
}

// Close frees the connection's place once.
func (c *gatedStream) Close() error {
	c.closed.Do(func() { <-c.room })
	return c.Conn.Close()
}
