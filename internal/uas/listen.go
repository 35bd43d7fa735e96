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
	for _, c := range s.opts.Listen {
		l, serve, err := s.bind(ctx, c)
		if err != nil {
			return fmt.Errorf("cannot listen on %s %s: %w; free the address or choose another in sip.listen", c.Network, c.Address, err)
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			return errors.Join(ErrClosed, l.close())
		}
		s.bound = append(s.bound, l)
		s.mu.Unlock()
		// Started by Serve; stops when the socket is closed; owns reading it.
		s.readers.Go(func() {
			_ = serve()
			l.gone.Store(true)
		})
		if l.known != nil {
			<-l.known
		}
	}
	// Started by Serve; stops with dialled; owns taking its connections.
	s.dialling.Go(func() { _ = s.transport.ServeTCP(s.dialled) })
	// Started by Serve; stops with dialledTLS; owns taking its connections.
	s.dialling.Go(func() { _ = s.transport.ServeTLS(s.dialledTLS) })
	return nil
}

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
	packets := &gatedPackets{PacketConn: conn, gate: s.gate, asked: func() { asked.Do(func() { close(known) }) }}
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
	return udp, nil
}

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
	gated := &gatedListener{Listener: ln, room: room{s.gate, s.connections}, dscp: s.opts.DSCP, secure: secure}
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
	gate  *gate
	asked func() // told of each read: sipgo has entered the socket before the first
	buf   [maxDatagram]byte

	lent   []byte         // what the caller was given last
	from   netip.AddrPort // where that came from
	socket sip.Connection // this one, as sipgo has it; the reader's
}

const maxDatagram = 65535

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
		pass, reply, to := c.gate.admit("udp", from, msg, time.Now())
		if reply != nil {
			_, _ = c.WriteToUDPAddrPort(reply, to)
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
