package uas

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Several connections may be up to one address of a far end: over TLS one for each name that
// it has shown a certificate of, and one that brought no answer to us beside the one made in
// its place, while it still carries calls. sipgo finds a connection by its far end's address,
// as text, so each is given another text for it.

// severalMost are the connections that may be up to one address at a time.
const severalMost = 16

// nth is the address of a far end as the n-th connection to it has it: with n zeros before
// the port, which whoever reads it as a number takes for the same.
func nth(at netip.AddrPort, n int) string {
	return net.JoinHostPort(at.Addr().Unmap().String(), strings.Repeat("0", n)+strconv.Itoa(int(at.Port())))
}

// nthAddr is such a text as an address.
type nthAddr string

func (nthAddr) Network() string  { return "tcp" }
func (a nthAddr) String() string { return string(a) }

// RemoteAddr is the far end's, as sipgo finds this connection by it.
func (c *gatedStream) RemoteAddr() net.Addr {
	if c.nth == 0 {
		return c.Conn.RemoteAddr()
	}
	return nthAddr(nth(c.from, c.nth))
}

// free is the first number that no connection to an address has.
func free(at netip.AddrPort, connected func(string) bool) (int, error) {
	for n := range severalMost {
		if !connected(nth(at, n)) {
			return n, nil
		}
	}
	return 0, fmt.Errorf("%d connections to %s are up", severalMost, at)
}

// standing is the connection up to a far end that our own requests go by, over TLS one that
// has shown a certificate of name; nil if there is none. The caller gives it back.
func (s *Server) standing(network string, to netip.AddrPort, name string) sip.Connection {
	for n := range severalMost {
		conn, err := s.transport.GetConnection(network, nth(to, n))
		if err != nil {
			continue
		}
		if c := streamOf(conn); c != nil && !c.retired.Load() && (!isSecure(network) || c.shows(name)) {
			return conn
		}
		_, _ = conn.TryClose()
	}
	return nil
}

// streamOf is what is below a connection of sipgo's; nil for a UDP socket.
func streamOf(conn sip.Connection) *gatedStream {
	if c, ok := conn.(*sip.TCPConnection); ok {
		if stream, ok := c.Conn.(*gatedStream); ok {
			return stream
		}
	}
	return nil
}

// shows says whether the far end of a connection that we opened has a certificate of a name.
func (c *gatedStream) shows(name string) bool {
	secured, ok := c.Conn.(*tls.Conn)
	return ok && c.ours && secured.ConnectionState().PeerCertificates[0].VerifyHostname(name) == nil
}

// goBy has a request go by one of several connections to its destination, which sipgo finds
// by our own end.
func (s *Server) goBy(req *sip.Request, conn sip.Connection) error {
	c := streamOf(conn)
	if c == nil || c.nth == 0 {
		return nil
	}
	own := c.LocalAddr().(*net.TCPAddr)
	found, err := s.transport.GetConnection(req.Transport(), own.String())
	if err != nil {
		return err
	}
	_, _ = found.TryClose() // gives back the reference that the look-up took
	if found != conn {
		return fmt.Errorf("two connections leave from %s", own)
	}
	req.Laddr = sip.Addr{IP: own.IP, Port: own.Port}
	return nil
}

// retire has none of our own requests go by a connection any more that brought no answer,
// since nobody may be there. Calls that came by it keep it.
func (s *Server) retire(conn sip.Connection) {
	if c := streamOf(conn); c != nil && s.gate.inUse(c.RemoteAddr().String()) {
		c.retired.Store(true)
		return
	}
	_ = conn.Close()
}
