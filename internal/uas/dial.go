package uas

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/emiago/sipgo/sip"
)

// sipgo may open no socket itself: one that it did would stand beside the gate,
// and stay. UDP goes out by our listeners; TCP connections are dialled here.
func neverDials(net.Addr) net.Dialer {
	return net.Dialer{ControlContext: func(context.Context, string, string, syscall.RawConn) error {
		return errors.New("sipgo is to open no connection")
	}}
}

// dialled brings connections that we open into sipgo, as a listener that "accepts"
// them. So they pass the gate as those do that others open.
type dialled struct {
	room
	dscp   int
	secure *tls.Config // nil: plain TCP
	dial   func(ctx context.Context, network, address string) (net.Conn, error)

	conns  chan handed
	before chan struct{} // of the connection accepted last
	closed chan struct{}
	once   sync.Once
}

type handed struct {
	conn net.Conn
	in   chan struct{} // closed when sipgo finds the connection by its address
}

// dialWait is for a connection to be made: to one that answers none a request is lost.
const dialWait = 4 * time.Second

func newDialled(r room, dscp int, secure *tls.Config) *dialled {
	dialer := net.Dialer{Timeout: dialWait}
	return &dialled{room: r, dscp: dscp, secure: secure, dial: dialer.DialContext, conns: make(chan handed), closed: make(chan struct{})}
}

// Accept returns the next connection that reach opened. sipgo asks for the next one
// when it has entered the one before.
func (d *dialled) Accept() (net.Conn, error) {
	if d.before != nil {
		close(d.before)
		d.before = nil
	}
	select {
	case h := <-d.conns:
		d.before = h.in
		return h.conn, nil
	case <-d.closed:
		return nil, net.ErrClosed
	}
}

func (d *dialled) Close() error {
	d.once.Do(func() { close(d.closed) })
	return nil
}

// Addr is nobody's; sipgo wants one with a port.
func (d *dialled) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4zero} }

// reach opens a connection for a request to a peer and returns the address that sipgo
// finds it by.
func (d *dialled) reach(ctx context.Context, to string, p *peer) (string, error) {
	if !d.enter(p) {
		return "", errors.New(noPlace)
	}
	conn, err := d.dial(ctx, "tcp", to)
	if err != nil {
		d.leave(p)
		return "", err
	}
	mark(conn, d.dscp)
	from := conn.RemoteAddr().(*net.TCPAddr).AddrPort()
	stream := &gatedStream{Conn: conn, network: "tcp", gate: d.gate, from: from, leave: func() { d.leave(p) }}
	h := handed{stream, make(chan struct{})}
	if d.secure != nil {
		if err := stream.encrypt(ctx, d.secure, to); err != nil {
			return "", errors.Join(err, stream.Close())
		}
	}
	select {
	case d.conns <- h:
		<-h.in
		return conn.RemoteAddr().String(), nil
	case <-d.closed:
		return "", errors.Join(net.ErrClosed, h.conn.Close())
	}
}

// encrypt begins TLS towards the host that we dialled, which has to show a certificate
// of its name or address.
func (c *gatedStream) encrypt(ctx context.Context, config *tls.Config, to string) error {
	host, _, err := net.SplitHostPort(to)
	if err != nil {
		return err
	}
	config = config.Clone()
	config.ServerName = host
	secured := tls.Client(c.Conn, config)
	c.Conn, c.network = secured, "tls"
	ctx, cancel := context.WithTimeout(ctx, dialWait)
	defer cancel()
	return secured.HandshakeContext(ctx)
}

// way is our end of a request towards hop, by the transport that hop names. UDP
// needs a listener of the hop's address family; without one TCP stays.
func (d *dialog) way(hop sip.Uri) near {
	n := d.near
	network := n.network
	t, _ := hop.UriParams.Get("transport")
	switch t = strings.ToLower(t); {
	case strings.EqualFold(hop.Scheme, "sips"):
		network = "tls"
	case t == "udp" || isStream(t):
		network = t
	}
	is4 := n.bind.Is4()
	if a, err := netip.ParseAddr(strings.Trim(hop.Host, "[]")); err == nil {
		is4 = a.Unmap().Is4()
	}
	if network == n.network && is4 == n.bind.Is4() {
		return n
	}
	l := d.s.listenerFor(network, is4)
	if l == nil {
		if isStream(network) {
			n.network = network
		}
		return n
	}
	outside := n.shown != n.bind
	n.network, n.laddr, n.port = network, l.from(), int(l.addr.Port())
	switch {
	case outside && l.advertise.IsValid():
		n.shown, n.port = l.advertise, l.port
	case !l.addr.Addr().IsUnspecified():
		n.shown = l.addr.Addr().Unmap()
	}
	return n
}

// listenerFor is the first listener of a network and an address family.
func (s *Server) listenerFor(network string, is4 bool) *listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.bound {
		if l.network == network && l.addr.Addr().Unmap().Is4() == is4 {
			return l
		}
	}
	return nil
}

// from is the name by which sipgo finds the listener to send from.
func (l *listener) from() sip.Addr {
	return sip.Addr{IP: net.IP(l.addr.Addr().AsSlice()), Port: int(l.addr.Port())}
}
