package uas

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// gatedListener is a TCP or TLS listener behind the gate: a stranger's connection, and
// one too many, is closed before a byte is read.
type gatedListener struct {
	net.Listener
	room
	dscp   int
	secure *tls.Config // nil: plain TCP
}

// room is for TCP connections, whoever opens them.
type room struct {
	gate  *gate
	taken chan struct{} // one token per connection up
}

// Accept returns the next connection of a listed peer, or of one with calls up still.
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
		if !ok {
			_ = conn.Close()
			continue
		}
		address := from.AddrPort().Addr()
		network := "tcp"
		if l.secure != nil {
			network = "tls"
		}
		peer := cmp.Or(l.gate.peers.Load().of(network, address), l.gate.bygone(network, address))
		if peer == nil {
			_ = conn.Close()
			continue
		}
		if !l.enter(peer) {
			l.gate.log.Warn("TCP connection refused: "+noPlace, "peer", peer.name, "source", from)
			_ = conn.Close()
			continue
		}
		mark(conn, l.dscp)
		stream := &gatedStream{Conn: conn, network: network, gate: l.gate, from: from.AddrPort(), leave: func() { l.leave(peer) }}
		if l.secure != nil {
			stream.shaking = tls.Server(conn, l.secure)
			stream.Conn = stream.shaking
		}
		return stream, nil
	}
}

const noPlace = "sip.limits.connections, or this peer's share of them, are up"

// enter takes a place for a connection. A peer among several leaves a quarter of
// the places to the others.
func (r *room) enter(p *peer) bool {
	share := cap(r.taken)
	if len(r.gate.peers.Load().all) > 1 {
		share -= share / 4
	}
	if p.streams.Add(1) <= int64(share) {
		select {
		case r.taken <- struct{}{}:
			return true
		default:
		}
	}
	p.streams.Add(-1)
	return false
}

// leave gives it back.
func (r *room) leave(p *peer) {
	p.streams.Add(-1)
	<-r.taken
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
	network string // tcp or tls
	gate    *gate
	from    netip.AddrPort
	leave   func()    // gives its place back
	shaking *tls.Conn // the far end's hands, before the first Read; nil: not, or no more

	buf    []byte    // received, not yet framed
	looked int       // bytes of buf in which no header section ends
	size   int       // of the message that buf begins with; 0: not known yet
	began  time.Time // when the message in buf began; zero: none
	whole  []byte    // admitted, not yet handed over
	lent   []byte
	closed sync.Once

	writers atomic.Int32
	writing sync.Mutex
}

// Bounds of a connection.
const (
	// partWait is how long a message may take from its first byte to its last.
	partWait = 10 * time.Second
	// idleWait is how long a connection without a call is kept in silence.
	idleWait = 5 * time.Minute
	// writersMax are the messages that may wait to be written.
	writersMax = 256
)

var errFraming = errors.New("the stream has no message boundary to go on from")

func (c *gatedStream) Read(b []byte) (int, error) {
	clear(c.lent)
	c.lent = nil
	if err := c.shake(); err != nil {
		return 0, err
	}
	for len(c.whole) == 0 {
		done, err := c.frame()
		if err == nil && !done {
			err = c.fill()
		}
		if err != nil {
			clear(c.buf)
			c.buf = nil
			return 0, err
		}
	}
	n := copy(b, c.whole)
	clear(c.whole[:n])
	c.whole = c.whole[n:]
	c.lent = b[:n]
	return n, nil
}

// shake makes the handshake of TLS, in the time of one message.
func (c *gatedStream) shake() error {
	if c.shaking == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.gate.partWait)
	defer cancel()
	err := c.shaking.HandshakeContext(ctx)
	if err != nil {
		c.gate.log.Info("TLS handshake failed", "source", c.from, "error", err)
	}
	c.shaking = nil
	return err
}

// fill reads once more. Between messages a connection may be silent as long as a
// call came by it.
func (c *gatedStream) fill() error {
	now := time.Now()
	deadline := now.Add(c.gate.idleWait)
	if len(c.buf) == 0 {
		c.began = time.Time{}
	} else {
		if c.began.IsZero() {
			c.began = now
		}
		deadline = c.began.Add(c.gate.partWait)
	}
	if err := c.Conn.SetReadDeadline(deadline); err != nil {
		return err
	}
	var part [4096]byte
	n, err := c.Conn.Read(part[:])
	c.grow(n)
	c.buf = append(c.buf, part[:n]...)
	clear(part[:n])
	if n > 0 {
		return nil
	}
	if len(c.buf) == 0 && errors.Is(err, os.ErrDeadlineExceeded) && c.gate.inUse(c.RemoteAddr().String()) {
		return nil
	}
	return err
}

// grow makes room for n bytes more and leaves nothing in the room before: that may hold
// a key of a SIP INFO body.
func (c *gatedStream) grow(n int) {
	if len(c.buf)+n <= cap(c.buf) {
		return
	}
	larger := append(make([]byte, 0, 2*len(c.buf)+n), c.buf...)
	clear(c.buf)
	c.buf = larger
}

// frame takes one message off the buffer (RFC 3261 section 18.3): true if it
// took something, an error if the stream must end. What it found out of a message that
// is not whole yet is kept until it is.
func (c *gatedStream) frame() (bool, error) {
	if c.keepAlive() {
		return true, nil
	}
	if c.size == 0 {
		if known, err := c.measure(); !known {
			return false, err
		}
	}
	if len(c.buf) < c.size {
		return false, nil
	}
	c.take(c.size)
	return true, nil
}

// measure finds the size of the message that the buffer begins with; false while its
// header section has no end, with an error if it is not to get one.
func (c *gatedStream) measure() (bool, error) {
	from := max(0, c.looked-3) // the end may have come in parts
	end := headerEnd(c.buf[from:])
	if end < 0 {
		c.looked = len(c.buf)
		if len(c.buf) > c.gate.limit {
			return false, errFraming
		}
		return false, nil
	}
	end += from
	raw, _ := scanRequest(c.buf[:end])
	size, err := raw.length()
	switch {
	case err != nil || size < 0:
		return false, c.giveUp(&raw, 400, "Bad Content-Length")
	case end+size > c.gate.limit:
		return false, c.giveUp(&raw, 513, "Message Too Large")
	}
	c.size = end + size
	return true, nil
}

// take asks the gate about the first n bytes and moves them on.
func (c *gatedStream) take(n int) {
	msg := c.buf[:n:n]
	pass, reply, _ := c.gate.admit(c.network, c.from, msg, time.Now())
	if reply != nil {
		c.send(reply)
	}
	if pass != nil {
		c.whole = append([]byte(nil), pass...)
	}
	clear(pass)
	clear(msg)
	c.began = time.Time{} // what follows is another message
	c.drop(n)
}

// drop moves what follows the first n bytes to their place.
func (c *gatedStream) drop(n int) {
	rest := copy(c.buf, c.buf[n:])
	clear(c.buf[rest:])
	c.buf = c.buf[:rest]
	c.looked, c.size = 0, 0
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
	c.drop(n)
	return true
}

func (c *gatedStream) giveUp(raw *rawRequest, status int, reason string) error {
	if raw.answerable() {
		c.send(raw.reply(status, reason, c.gate.tags.raw(raw), c.from))
	}
	return errFraming
}

func (c *gatedStream) send(b []byte) { _, _ = c.Write(b) }

// Write writes one message whole, or closes the connection: after a part of one
// the far end could make nothing of the next. A far end that stops reading is
// given up after writeTimeout, or when too much waits for it.
func (c *gatedStream) Write(b []byte) (int, error) {
	defer c.writers.Add(-1)
	if c.writers.Add(1) > writersMax {
		return 0, errors.Join(errors.New("the far end does not read"), c.Close())
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	err := c.Conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(b)
	if err != nil {
		_ = c.Close()
	}
	return n, err
}

// Close frees the connection's place once.
func (c *gatedStream) Close() error {
	c.closed.Do(c.leave)
	return c.Conn.Close()
}
