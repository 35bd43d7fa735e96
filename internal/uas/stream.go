package uas

import (
	"bytes"
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
		if peer == nil || !l.take(peer, from.AddrPort()) {
			_ = conn.Close()
			continue
		}
		mark(conn, l.dscp)
		stream := newStream(conn, network, l.gate, func() { l.dismiss(peer, address) })
		if l.secure != nil {
			stream.shaking = tls.Server(conn, l.secure)
			stream.Conn = stream.shaking
		}
		return stream, nil
	}
}

// take lets a connection of a peer in, within the rates and the places that there are.
func (l *gatedListener) take(p *peer, from netip.AddrPort) bool {
	host, why, now := from.Addr(), "", time.Now()
	switch {
	case l.secure != nil && !l.gate.shakes.admit(p, host, l.gate.calls, now):
		l.gate.count.Refused(refusedFlood)
		why = "more TLS connections come than sip.limits.rate has room for"
	case !l.admit(p, host):
		why = noPlace
	default:
		return true
	}
	if l.gate.tellsOnce(host, now) {
		l.gate.log.Warn("connection refused: "+why, "peer", p.name, "source", from)
	}
	return false
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
	leave   func()      // gives its place back
	ours    bool        // we dialled it
	nth     int         // of the connections to its far end
	retired atomic.Bool // none of our own requests goes by it any more
	shaking *tls.Conn   // the far end's hands, before the first Read; nil: not, or no more
	owner   string      // a header line: see ownerHeader; empty: it has shown no certificate

	opened time.Time
	heard  bool      // a message was let in
	buf    []byte    // received, not yet framed
	looked int       // bytes of buf in which no header section ends
	size   int       // of the message that buf begins with; 0: not known yet
	began  time.Time // when the message in buf began; zero: none
	whole  []byte    // admitted, not yet handed over
	lent   []byte
	closed sync.Once

	owed     atomic.Int32  // requests handed over without a final answer yet
	acks     atomic.Int32  // handed over and not served yet, but those that a transaction takes
	answered chan struct{} // told when nothing is owed any more
	gone     chan struct{} // closed with the connection

	writers atomic.Int32
	writing sync.Mutex
}

// Bounds of a connection.
const (
	// partWait is how long a message may take from its first byte to its last.
	partWait = 10 * time.Second
	// firstWait is how long a connection may be up without a message that is let in.
	firstWait = 32 * time.Second
	// idleWait is how long a connection without a call is kept in silence.
	idleWait = 5 * time.Minute
	// restMax is the room for bytes that a connection keeps between messages.
	restMax = 8192
	// unreadMax are the bytes that the system keeps for a far end that does not read.
	unreadMax = 128 << 10
	// writersMax are the messages that may wait to be written.
	writersMax = 256
)

var errFraming = errors.New("the stream has no message boundary to go on from")

func newStream(conn net.Conn, network string, g *gate, leave func()) *gatedStream {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(unreadMax)
	}
	return &gatedStream{
		Conn: conn, network: network, gate: g, leave: leave,
		from: conn.RemoteAddr().(*net.TCPAddr).AddrPort(), opened: time.Now(),
		answered: make(chan struct{}, 1), gone: make(chan struct{}),
	}
}

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
			c.linger(err)
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
	if err == nil {
		c.recognize(c.shaking.ConnectionState())
	} else if c.gate.tellsOnce(c.from.Addr(), time.Now()) {
		c.gate.log.Info("TLS handshake failed", "source", c.from, "error", err)
	}
	c.shaking = nil
	return err
}

// fill reads once more. Between messages a connection may be silent as long as
// it is wanted.
func (c *gatedStream) fill() error {
	now := time.Now()
	deadline := now.Add(c.gate.idleWait)
	if first := c.opened.Add(c.gate.firstWait); !c.heard && !c.ours && first.Before(deadline) {
		deadline = first
	}
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
	if len(c.buf) == 0 && errors.Is(err, os.ErrDeadlineExceeded) && c.wanted() {
		c.heard = true // by whoever wants it
		return nil
	}
	return err
}

// wanted says whether the connection is kept however long it is silent: for a call, or
// for those that come by a registration.
func (c *gatedStream) wanted() bool {
	return c.ours && !c.retired.Load() && c.gate.peers.Load().placed.has(c.from.Addr()) || c.gate.inUse(c.RemoteAddr().String())
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
		c.whole = c.branded(pass)
		c.heard = true
		c.owe(pass)
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
	if rest == 0 && cap(c.buf) > restMax {
		c.buf = nil // it may be silent for long
	}
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
	if pings := n / 4; pings > 0 {
		c.send(bytes.Repeat([]byte("\r\n"), pings)) // in one write, which costs more than the ping
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

// send answers what sipgo never had.
func (c *gatedStream) send(b []byte) { _, _ = c.write(b) }

// Write writes one message of sipgo's, which may be an answer that is owed.
func (c *gatedStream) Write(b []byte) (int, error) {
	n, err := c.write(b)
	c.settle(b)
	return n, err
}

// write writes one message whole, or closes the connection: after a part of one
// the far end could make nothing of the next. A far end that stops reading is
// given up after writeTimeout, or when too much waits for it.
func (c *gatedStream) write(b []byte) (int, error) {
	defer c.writers.Add(-1)
	if c.writers.Add(1) > writersMax {
		return 0, errors.Join(errors.New("the far end does not read"), c.reset())
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	err := c.Conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(b)
	if err != nil {
		_ = c.reset()
	}
	return n, err
}

// reset closes the connection and leaves nothing of it in the system, which would go on
// offering the far end what it does not read.
func (c *gatedStream) reset() error {
	if tcp, ok := c.below().(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	return c.Close()
}

// Close frees the connection's place once.
func (c *gatedStream) Close() error {
	c.closed.Do(func() {
		c.leave()
		close(c.gone)
	})
	return c.Conn.Close()
}
