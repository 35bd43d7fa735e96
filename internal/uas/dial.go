package uas

import (
	"cmp"
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
	// standing is the connection of sipgo's to an address, see Server.standing.
	standing func(to netip.AddrPort, name string) sip.Connection
	// connected says whether sipgo has one by a text.
	connected func(to string) bool

	names   names
	conns   chan handed
	handing sync.Mutex    // one connection is named and handed over at a time
	before  chan struct{} // of the connection accepted last
	closed  chan struct{}
	once    sync.Once
}

type handed struct {
	conn net.Conn
	in   chan struct{} // closed when sipgo finds the connection by its address
}

// dialWait is for a connection to be made: to one that answers none a request is lost.
const dialWait = 4 * time.Second

func (s *Server) newDialled(network string, secure *tls.Config) *dialled {
	dialer := net.Dialer{Timeout: dialWait}
	return &dialled{
		room: s.room(), dscp: s.opts.DSCP, secure: secure, dial: dialer.DialContext,
		standing:  func(to netip.AddrPort, name string) sip.Connection { return s.standing(network, to, name) },
		connected: func(to string) bool { return s.connected(network, to) },
		conns:     make(chan handed), closed: make(chan struct{}),
	}
}

// dialledBy is where connections of a network are opened.
func (s *Server) dialledBy(network string) *dialled {
	if isSecure(network) {
		return s.dialledTLS
	}
	return s.dialled
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
// finds it by. Over TLS the far end has to show a certificate of name, or, where that is
// empty, of the host that is dialled.
func (d *dialled) reach(ctx context.Context, to, name string, p *peer) (string, error) {
	host, _, err := net.SplitHostPort(to)
	if err != nil {
		return "", err
	}
	name = cmp.Or(name, host)
	if !d.enter(p) {
		return "", errors.New(noPlace)
	}
	conn, err := d.dial(ctx, "tcp", to)
	if err != nil {
		d.leave(p)
		return "", err
	}
	mark(conn, d.dscp)
	stream := newStream(conn, "tcp", d.gate, func() { d.leave(p) })
	stream.ours = true
	if d.secure != nil {
		if err := stream.encrypt(ctx, d.secure, name); err != nil {
			return "", errors.Join(err, stream.Close())
		}
	}
	at, err := d.hand(stream, name)
	if err != nil {
		return "", errors.Join(err, stream.Close())
	}
	if _, err := netip.ParseAddr(host); err != nil {
		d.names.learn(to, stream.from, time.Now())
	}
	return at, nil
}

// known is the connection that is up to where a host's name led before; nil if there is
// none. The caller gives it back.
func (d *dialled) known(to string) sip.Connection {
	host, _, err := net.SplitHostPort(to)
	if err != nil {
		return nil
	}
	at, led := d.names.find(to, time.Now())
	if !led {
		return nil
	}
	return d.standing(at, host)
}

// hand brings a connection into sipgo, unless one to the same far end is up: it may have been
// made meanwhile, or be known by another name of its host.
func (d *dialled) hand(stream *gatedStream, name string) (at string, err error) {
	d.handing.Lock()
	defer d.handing.Unlock()
	if up := d.standing(stream.from, name); up != nil {
		defer up.TryClose()
		_ = stream.Close()
		return streamOf(up).RemoteAddr().String(), nil
	}
	if stream.nth, err = free(stream.from, d.connected); err != nil {
		return "", err
	}
	h := handed{stream, make(chan struct{})}
	select {
	case d.conns <- h:
		<-h.in
		return stream.RemoteAddr().String(), nil
	case <-d.closed:
		return "", net.ErrClosed
	}
}

// encrypt begins TLS towards who has to show a certificate of name.
func (c *gatedStream) encrypt(ctx context.Context, config *tls.Config, name string) error {
	config = config.Clone()
	config.ServerName = name
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
