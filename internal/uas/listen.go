package uas

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/emiago/sipgo/sip"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// listener is one bound address. close may be called more than once.
type listener struct {
	network   string
	addr      netip.AddrPort
	advertise netip.Addr      // not valid: none
	port      int             // as advertised
	known     <-chan struct{} // closed when sipgo can send from it; nil: at once
	gone      atomic.Bool     // nobody reads it any more
	close     func() error
}

// Bound is an address that the server listens on.
type Bound struct {
	Network string // udp, tcp or tls
	Addr    netip.AddrPort
}

// Addrs are the addresses in the order of Options.Listen; valid once Ready.
func (s *Server) Addrs() []Bound {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Bound, 0, len(s.bound))
	for _, l := range s.bound {
		all = append(all, Bound{l.network, l.addr})
	}
	return all
}

// Gone are those of Addrs that nobody reads any more.
func (s *Server) Gone() []Bound {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Bound
	for _, l := range s.bound {
		if l.gone.Load() {
			all = append(all, Bound{l.network, l.addr})
		}
	}
	return all
}

func (s *Server) listen(ctx context.Context) error {
	for i, c := range s.opts.Listen {
		l, serve, err := s.bind(ctx, c)
		if err != nil {
			return &BindError{At: i, Listen: c, Err: err}
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			return errors.Join(ErrClosed, l.close())
		}
		s.bound = append(s.bound, l)
		// Started by Serve; stops when the socket is closed; owns reading it.
		s.readers.Go(func() {
			_ = serve()
			l.gone.Store(true)
		})
		s.mu.Unlock()
		if l.known != nil {
			<-l.known
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	// Started by Serve; stops with dialled; owns taking its connections.
	s.dialling.Go(func() { _ = s.transport.ServeTCP(s.dialled) })
	// Started by Serve; stops with dialledTLS; owns taking its connections.
	s.dialling.Go(func() { _ = s.transport.ServeTLS(s.dialledTLS) })
	return nil
}

// BindError is one of Options.Listen that cannot be listened on.
type BindError struct {
	At     int // its index
	Listen Listen
	Err    error
}

// Error names the address and, of what the system refuses, the remedy.
func (e *BindError) Error() string {
	remedy := "choose another in sip.listen"
	switch {
	case !errors.As(e.Err, new(syscall.Errno)):
		return fmt.Sprintf("cannot listen on %s %s: %v", e.Listen.Network, e.Listen.Address, e.Err)
	case errors.Is(e.Err, syscall.EADDRINUSE):
		remedy = "end the program that has it, or " + remedy
	case errors.Is(e.Err, syscall.EADDRNOTAVAIL):
		remedy = "this machine does not have it, or not yet: write one of its own in sip.listen (`ip address` shows them), or start star97 when the network is up"
	case errors.Is(e.Err, syscall.EACCES):
		remedy = "a port below 1024 takes root or CAP_NET_BIND_SERVICE: " + remedy
	}
	return fmt.Sprintf("cannot listen on %s %s: %v; %s", e.Listen.Network, e.Listen.Address, e.Err, remedy)
}

// Unwrap is the system's own error.
func (e *BindError) Unwrap() error { return e.Err }

func (s *Server) bind(ctx context.Context, c Listen) (*listener, func() error, error) {
	want, err := netip.ParseAddrPort(c.Address)
	if err != nil {
		return nil, nil, err
	}
	family := "6"
	if want.Addr().Unmap().Is4() {
		family = "4"
	}
	l := &listener{network: c.Network}
	if c.Advertise != "" {
		if l.advertise, l.port, err = parseAdvertise(c.Advertise); err != nil {
			return nil, nil, err
		}
	}
	var serve func() error
	if c.Network == "udp" {
		serve, err = s.bindUDP(ctx, "udp"+family, c.Address, l)
	} else {
		serve, err = s.bindStream(ctx, "tcp"+family, c, l)
	}
	if err == nil && l.port == 0 {
		l.port = int(l.addr.Port())
	}
	return l, serve, err
}

func (s *Server) bindUDP(ctx context.Context, network, address string, l *listener) (func() error, error) {
	listen := s.deps.ListenPacket
	if listen == nil {
		listen = s.listenPacket
	}
	conn, err := listen(ctx, network, address)
	if err != nil {
		return nil, err
	}
	l.addr = conn.LocalAddr().(*net.UDPAddr).AddrPort()
	var once, asked sync.Once
	l.close = func() (err error) { once.Do(func() { err = conn.Close() }); return err }
	known := make(chan struct{})
	l.known = known
	packets := &gatedPackets{PacketConn: conn, gate: s.gate, sources: s.sources, asked: func() { asked.Do(func() { close(known) }) }}
	s.sockets.Store(conn.LocalAddr().String(), packets)
	return func() error {
		defer packets.asked()
		return s.transport.ServeUDP(packets)
	}, nil
}

// listenPacket opens a marked UDP socket.
func (s *Server) listenPacket(ctx context.Context, network, address string) (PacketConn, error) {
	var lc net.ListenConfig
	conn, err := lc.ListenPacket(ctx, network, address)
	if err != nil {
		return nil, err
	}
	udp := conn.(*net.UDPConn)
	if network == "udp4" {
		err = ipv4.NewPacketConn(udp).SetTOS(s.opts.DSCP << 2)
	} else {
		err = ipv6.NewPacketConn(udp).SetTrafficClass(s.opts.DSCP << 2)
	}
	if err != nil {
		s.log.Warn("signalling packets go unmarked: the system refused the DSCP value", "address", udp.LocalAddr(), "error", err)
	}
	_ = udp.SetReadBuffer(signalBuffer) // the system may allow less
	return stamped(udp), nil
}

// signalBuffer holds what comes while this process is given no time: a thousand calls that
// were not lost are refused or taken at once, while lost ones come again half a second
// later, one on top of the other.
const signalBuffer = 2 << 20

// bindStream opens a listener of TCP, with TLS on it where that is wanted.
func (s *Server) bindStream(ctx context.Context, network string, c Listen, l *listener) (func() error, error) {
	var secure *tls.Config
	if c.Network == "tls" {
		shown, err := newCertificate(c, s.log)
		if err != nil {
			return nil, err
		}
		secure = shown.base()
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, network, c.Address)
	if err != nil {
		return nil, err
	}
	l.addr = ln.Addr().(*net.TCPAddr).AddrPort()
	var once sync.Once
	l.close = func() (err error) { once.Do(func() { err = ln.Close() }); return err }
	gated := &gatedListener{Listener: ln, room: s.room(), dscp: s.opts.DSCP, secure: secure}
	if secure != nil {
		return func() error { return s.transport.ServeTLS(gated) }, nil
	}
	return func() error { return s.transport.ServeTCP(gated) }, nil
}

// PacketConn is what the server needs of a UDP socket; *net.UDPConn is one.
type PacketConn interface {
	net.PacketConn
	ReadFromUDPAddrPort([]byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort([]byte, netip.AddrPort) (int, error)
}

// gatedPackets is a UDP socket behind the gate. Only sipgo's reader calls ReadFrom.
type gatedPackets struct {
	PacketConn
	gate    *gate
	sources *sources
	asked   func() // told of each read: sipgo has entered the socket before the first
	buf     [maxDatagram]byte

	lent   []byte         // what the caller was given last
	from   netip.AddrPort // where that came from
	at     time.Time      // when
	socket sip.Connection // this one, as sipgo has it; the reader's
}

const maxDatagram = 65535

// answerMost is how many times larger than a datagram its answer without state may be.
// What is so small that it would be larger asks for nothing but to have somebody else,
// whose address it bears, sent more than it cost.
const answerMost = 2

// ReadFrom returns the next datagram that the gate admits, as if it came from the socket
// itself: see sources.
func (c *gatedPackets) ReadFrom(b []byte) (int, net.Addr, error) {
	clear(c.lent) // it may have held a key of a SIP INFO body
	c.lent = nil
	c.asked()
	for {
		n, from, err := c.ReadFromUDPAddrPort(c.buf[:])
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return 0, nil, err
			}
			time.Sleep(time.Millisecond) // an error of one packet; never spin
			continue
		}
		msg := c.buf[:n]
		if isKeepAlive(msg) {
			continue
		}
		if isSTUN(msg) {
			c.gate.count.Refused(refusedSTUN)
			continue
		}
		c.at = time.Now()
		if clock, ok := c.PacketConn.(interface{ arrived() time.Time }); ok {
			c.gate.queued(c.at.Sub(clock.arrived()), c.at)
			c.at = clock.arrived()
		}
		pass, reply, to := c.gate.admit("udp", from, msg, time.Now())
		if reply != nil && len(reply) <= answerMost*len(msg) {
			_, _ = c.WriteToUDPAddrPort(reply, to)
		}
		if pass != nil && c.sources.full(from, time.Now()) {
			c.gate.count.Refused(refusedFlood)
			clear(pass)
			pass = nil
		}
		n = copy(b, pass)
		whole := n == len(pass)
		clear(pass)
		clear(msg)
		if n > 0 && whole {
			c.lent, c.from = b[:n], from
			return n, c.LocalAddr(), nil
		}
	}
}

// isKeepAlive is true for what keeps a NAT open: CRLFs and zeros (RFC 5626
// section 3.5.1, and phones that send other empty datagrams).
func isKeepAlive(msg []byte) bool {
	for _, c := range msg {
		if c != '\r' && c != '\n' && c != 0 {
			return false
		}
	}
	return true
}
