package uas

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// near is our end of a dialog: what the far end is told to reach us by.
type near struct {
	network string     // udp, tcp, tls
	sips    bool       // the caller asked for TLS on every hop
	laddr   sip.Addr   // the listener's, to send from (UDP)
	shown   netip.Addr // in Contact and Via
	port    int        // in Contact and Via
	bind    netip.Addr // for media, where its options name none

	advertised bool // shown is the listener's advertise address, which SDP shows too
}

// nearOf finds our end of a request that came in: its listener, or a connection of ours.
func (s *Server) nearOf(req *sip.Request, tx *sip.ServerTx) (near, error) {
	at, err := netip.ParseAddrPort(tx.Connection().LocalAddr().String())
	if err != nil {
		return near{}, err
	}
	n := near{network: strings.ToLower(req.Transport()), sips: strings.EqualFold(req.Recipient.Scheme, "sips")}
	l := s.listenerOf(n.network, at)
	if l == nil && isStream(n.network) { // we dialled the connection, so that calls come by it
		if l = s.listenerFor(n.network, at.Addr().Unmap().Is4()); l == nil {
			n.bind, n.shown, n.port = at.Addr().Unmap(), at.Addr().Unmap(), int(at.Port())
			return n, nil
		}
	}
	if l == nil {
		return near{}, errors.New("the request came in by no listener")
	}
	n.laddr = l.from()
	n.bind = at.Addr().Unmap()
	source := sourceOf(req).Addr()
	if n.bind.IsUnspecified() {
		if n.bind, err = addressTowards(source); err != nil {
			return near{}, err
		}
	}
	n.shown, n.port = n.bind, int(l.addr.Port())
	s.advertise(&n, l, source)
	return n, nil
}

// advertise shows a far end what a listener's configuration says, unless it reaches us
// directly.
func (s *Server) advertise(n *near, l *listener, far netip.Addr) {
	if l.advertise.IsValid() && !s.isLocal(far) {
		n.shown, n.port, n.advertised = l.advertise, l.port, true
	}
}

func (s *Server) listenerOf(network string, at netip.AddrPort) *listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.bound {
		if l.network == network && l.addr.Port() == at.Port() &&
			(l.addr.Addr().Unmap() == at.Addr().Unmap() || l.addr.Addr().IsUnspecified()) {
			return l
		}
	}
	return nil
}

// behind is our end where a registration has learned that a NAT shows another.
func (n near) behind(r registrar) near {
	if r.shown.IsValid() && r.network == n.network && !n.advertised {
		n.shown, n.port = r.shown.Addr(), int(r.shown.Port())
	}
	return n
}

// contact is our Contact header's value (RFC 3261 sections 8.1.1.8 and 12.1.1).
func (n near) contact() string {
	host := product + "@" + net.JoinHostPort(n.shown.String(), strconv.Itoa(n.port))
	switch {
	case n.sips:
		return "<sips:" + host + ">"
	case isStream(n.network):
		return "<sip:" + host + ";transport=" + n.network + ">"
	}
	return "<sip:" + host + ">"
}

// addressTowards is the local address that the system sends from to a far one.
func addressTowards(far netip.Addr) (netip.Addr, error) {
	conn, err := net.Dial("udp", netip.AddrPortFrom(far, 9).String()) // sends nothing
	if err != nil {
		return netip.Addr{}, err
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), nil
}

func (s *Server) isLocal(a netip.Addr) bool {
	for _, p := range s.local {
		if p.Contains(a.Unmap().WithZone("")) {
			return true
		}
	}
	return false
}

// localNetworks are Options.LocalNetworks or their default; o is valid.
func localNetworks(o Options) []netip.Prefix {
	names := o.LocalNetworks
	if len(names) == 0 {
		names = []string{"127.0.0.0/8", "::1/128", "169.254.0.0/16", "fe80::/10",
			"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"}
	}
	var all []netip.Prefix
	for _, n := range names {
		if p, err := parsePrefix(n); err == nil {
			all = append(all, p)
		}
	}
	return all
}
