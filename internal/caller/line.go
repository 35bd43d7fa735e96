package caller

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/emiago/sipgo/sip"
)

const (
	maxDatagram  = 65535
	dialTimeout  = 5 * time.Second
	writeTimeout = 2 * time.Second
	lineBuffer   = 4 << 20 // bytes of socket buffer: a load run's answers come in bursts
)

// Line is the SIP end of one or many calls: one UDP socket, or one TCP listener
// and the connections made from it, with TLS on them if that is wanted; then nobody else
// connects to it. It finds the call of each message by
// Call-ID and hands messages over in the order of arrival. The zero value is not
// usable; openLine makes one.
type Line struct {
	transport Transport
	secure    *tls.Config // TLS: of the connections that are made
	local     netip.AddrPort
	udp       *net.UDPConn
	listener  net.Listener

	mu      sync.Mutex
	calls   map[string]*Call
	streams map[netip.AddrPort]*stream  // TCP connections by far address
	making  map[netip.AddrPort]*attempt // those that are being made
	closed  bool
	wg      sync.WaitGroup
}

// attempt is a connection that one call makes and other calls to the same far end
// wait for.
type attempt struct {
	done chan struct{} // closed when it is over
	err  error         // what all of them are told; nil: look again
}

// stream is one TCP connection. Writes are whole messages.
type stream struct {
	conn net.Conn
	mu   sync.Mutex
}

// hop is where a message came from, and where its answer goes.
type hop struct {
	addr   netip.AddrPort
	stream *stream   // nil for UDP
	at     time.Time // when the message arrived
}

// openLine opens a SIP end at local; port 0 picks one. Errors are the system's,
// with the address.
func openLine(transport Transport, local netip.AddrPort, secure *tls.Config) (*Line, error) {
	l := &Line{transport: transport, secure: secure,
		calls: map[string]*Call{}, streams: map[netip.AddrPort]*stream{}, making: map[netip.AddrPort]*attempt{}}
	if transport != UDP {
		ln, err := net.Listen("tcp", local.String())
		if err != nil {
			return nil, fmt.Errorf("opening the SIP port: %w", err)
		}
		l.listener, l.local = ln, unmap(ln.Addr().(*net.TCPAddr).AddrPort())
		if transport == TLS {
			return l, nil // it only keeps the port that we name
		}
		l.wg.Add(1)
		go l.accept()
		return l, nil
	}
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(local))
	if err != nil {
		return nil, fmt.Errorf("opening the SIP port: %w", err)
	}
	_ = conn.SetReadBuffer(lineBuffer) // the kernel's limit may be lower: a smaller buffer only costs repeats
	reportUnreachable(conn)
	stampArrivals(conn)
	l.udp, l.local = conn, unmap(conn.LocalAddr().(*net.UDPAddr).AddrPort())
	l.wg.Add(1)
	go l.readUDP()
	return l, nil
}

// Addr is the bound address.
func (l *Line) Addr() netip.AddrPort { return l.local }

// Close ends the line and waits for its goroutines. Calls on it hear nothing more.
func (l *Line) Close() {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return
	}
	l.closed = true
	streams := make([]*stream, 0, len(l.streams))
	for _, s := range l.streams {
		streams = append(streams, s)
	}
	l.mu.Unlock()
	if l.udp != nil {
		l.udp.Close()
	}
	if l.listener != nil {
		l.listener.Close()
	}
	for _, s := range streams {
		s.conn.Close()
	}
	l.wg.Wait()
}

// readUDP parses datagrams. Started by openLine, stops when the socket closes,
// owns its buffer.
func (l *Line) readUDP() {
	defer l.wg.Done()
	buf, oob := make([]byte, maxDatagram), make([]byte, 512)
	parser := sip.NewParser()
	for {
		n, at, from, err := readStamped(l.udp, buf, oob)
		if err != nil {
			if isClosed(err) {
				return
			}
			if errors.Is(err, syscall.ECONNREFUSED) {
				l.fail(ErrUnreachable)
			}
			continue
		}
		if n < 12 { // a keep-alive (RFC 5626 section 4.4.1) is no message
			continue
		}
		// What does not parse is dropped, as a datagram that was lost would be.
		if msg, err := parser.ParseSIP(append([]byte(nil), buf[:n]...)); err == nil {
			l.receive(msg, hop{addr: unmap(from), at: at})
		}
	}
}

// accept takes connections. Started by openLine, stops when the listener closes.
func (l *Line) accept() {
	defer l.wg.Done()
	for {
		conn, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.adopt(conn)
	}
}

// adopt keeps a connection and starts its reader; nil if the line is closed.
func (l *Line) adopt(conn net.Conn) *stream {
	far := unmap(conn.RemoteAddr().(*net.TCPAddr).AddrPort())
	s := &stream{conn: conn}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		conn.Close()
		return nil
	}
	l.streams[far] = s
	l.wg.Add(1)
	go l.readStream(s, far)
	return s
}

// readStream parses one TCP connection. Started by adopt, stops when it closes or
// carries what is no SIP, owns its buffer and parser.
func (l *Line) readStream(s *stream, far netip.AddrPort) {
	defer l.wg.Done()
	defer func() {
		s.conn.Close()
		l.mu.Lock()
		if l.streams[far] == s {
			delete(l.streams, far)
		}
		l.mu.Unlock()
	}()
	parser := sip.NewParser().NewSIPStream()
	defer parser.Close()
	buf := make([]byte, 16<<10)
	for {
		n, err := s.conn.Read(buf)
		if err != nil {
			return
		}
		if _, err := parser.Write(buf[:n]); err != nil {
			return
		}
		for parser.Buffer().Len() > 0 {
			msg, _, err := parser.ParseNext()
			if errors.Is(err, io.ErrUnexpectedEOF) {
				break
			}
			if err != nil {
				return
			}
			l.receive(msg, hop{addr: far, stream: s, at: time.Now()})
		}
	}
}

// receive hands a message to its call. A request outside of any call is told so.
func (l *Line) receive(msg sip.Message, from hop) {
	id := msg.CallID()
	if id == nil || msg.CSeq() == nil || msg.Via() == nil || msg.From() == nil || msg.To() == nil {
		return
	}
	l.mu.Lock()
	c := l.calls[id.Value()]
	l.mu.Unlock()
	if c != nil {
		c.receive(msg, from)
		return
	}
	req, ok := msg.(*sip.Request)
	switch {
	case !ok || req.Method == sip.ACK:
	case req.Method == sip.OPTIONS: // RFC 3261 section 11.2
		_ = l.send(from, reply(req, 200, "OK", sip.GenerateTagN(16), "Allow: "+allow, nil))
	default:
		_ = l.send(from, reply(req, 481, "Call/Transaction Does Not Exist", sip.GenerateTagN(16), "", nil))
	}
}

// send writes one message to a hop.
func (l *Line) send(to hop, raw []byte) error {
	if to.stream == nil {
		_, err := l.udp.WriteToUDPAddrPort(raw, to.addr)
		return err
	}
	to.stream.mu.Lock()
	defer to.stream.mu.Unlock()
	_ = to.stream.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := to.stream.conn.Write(raw)
	return err
}

// route makes the hop to an address; over TCP it connects unless that was done or is
// being done. host is whom the far end of a TLS connection has to prove to be. When ctx
// ends first, its error comes back.
func (l *Line) route(ctx context.Context, far netip.AddrPort, host string) (hop, error) {
	if l.transport == UDP {
		return hop{addr: far}, nil
	}
	for {
		s, others, ours := l.find(far)
		switch {
		case s != nil:
			return hop{addr: far, stream: s}, nil
		case ours != nil:
			s, err := l.connect(ctx, far, host)
			l.settle(far, ours, err)
			return hop{addr: far, stream: s}, err
		}
		select {
		case <-others.done:
			if others.err != nil {
				return hop{}, others.err
			}
		case <-ctx.Done():
			return hop{}, ctx.Err()
		}
	}
}

// find is the connection to a far end, or the attempt of another call at one, or, with
// neither, a new attempt that the caller has to make and settle.
func (l *Line) find(far netip.AddrPort) (s *stream, others, ours *attempt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s = l.streams[far]; s != nil {
		return s, nil, nil
	}
	if others = l.making[far]; others != nil {
		return nil, others, nil
	}
	ours = &attempt{done: make(chan struct{})}
	l.making[far] = ours
	return nil, nil, ours
}

// settle ends an attempt. That its maker was given up says nothing to the others.
func (l *Line) settle(far netip.AddrPort, a *attempt, err error) {
	if errors.Is(err, ErrUnreachable) {
		a.err = err
	}
	l.mu.Lock()
	delete(l.making, far)
	l.mu.Unlock()
	close(a.done)
}

// connect makes a connection: ErrUnreachable if there is none, ctx's error when that
// ends first, ErrEnded if the line is closed.
func (l *Line) connect(ctx context.Context, far netip.AddrPort, host string) (*stream, error) {
	d := net.Dialer{Timeout: dialTimeout, LocalAddr: &net.TCPAddr{IP: l.local.Addr().AsSlice(), Zone: l.local.Addr().Zone()}}
	conn, err := d.DialContext(ctx, "tcp", far.String())
	if err == nil && l.transport == TLS {
		if conn, err = l.encrypt(ctx, conn, host); err != nil {
			err = fmt.Errorf("TLS with %s: %w", far, err)
		}
	}
	if err != nil {
		if gone := over(ctx); gone != nil {
			return nil, gone
		}
		return nil, fmt.Errorf("%w: %v", ErrUnreachable, err) // its deadline is not the call's
	}
	if s := l.adopt(conn); s != nil {
		return s, nil
	}
	return nil, ErrEnded
}

// over is ctx's error, also when its deadline has passed and its timer comes after that
// of a socket.
func over(ctx context.Context) error {
	if by, ok := ctx.Deadline(); ok && !time.Now().Before(by) {
		return context.DeadlineExceeded
	}
	return ctx.Err()
}

// encrypt shakes hands, in the time of a connection.
func (l *Line) encrypt(ctx context.Context, conn net.Conn, host string) (net.Conn, error) {
	config := &tls.Config{}
	if l.secure != nil {
		config = l.secure.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = host
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secured, nil
}

// fail tells every call that still waits for its first answer.
func (l *Line) fail(err error) {
	l.mu.Lock()
	calls := make([]*Call, 0, len(l.calls))
	for _, c := range l.calls {
		calls = append(calls, c)
	}
	l.mu.Unlock()
	for _, c := range calls {
		c.unreachable(err)
	}
}

func (l *Line) add(c *Call) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrEnded
	}
	l.calls[c.id] = c
	return nil
}

func (l *Line) remove(c *Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.calls, c.id)
}

// unmap makes an IPv4 address of its IPv6-mapped form.
func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
