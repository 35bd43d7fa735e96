package caller

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// localAddr reads a local address with or without port; empty is the zero value.
func localAddr(s string) (netip.AddrPort, error) {
	if s == "" {
		return netip.AddrPort{}, nil
	}
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.AddrPortFrom(a.Unmap(), 0), nil
	}
	a, err := netip.ParseAddrPort(s)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%w: %q is no local address; write it like 127.0.0.1 or [::1]:5070", ErrOptions, s)
	}
	return unmap(a), nil
}

// routeTo asks the system which local address leads to far. Nothing is sent.
func routeTo(far netip.AddrPort) (netip.AddrPort, error) {
	conn, err := net.Dial("udp", far.String())
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer conn.Close()
	a := unmap(conn.LocalAddr().(*net.UDPAddr).AddrPort())
	return netip.AddrPortFrom(a.Addr(), 0), nil
}

// transportOf is the option, else the URI's parameter, else UDP; TLS for sips.
func transportOf(o Options, uri *sip.Uri) Transport {
	switch {
	case uri.Scheme == "sips":
		return TLS
	case o.Transport != "":
		return o.Transport
	}
	if t, ok := uri.UriParams.Get("transport"); ok {
		return Transport(strings.ToLower(t))
	}
	return UDP
}

// resolve finds the address of a SIP URI's host: a literal address, or its A and
// AAAA records; of several the first of the wanted family (RFC 3263 without SRV).
func resolve(ctx context.Context, uri *sip.Uri, family netip.Addr) (netip.AddrPort, error) {
	if far, err := literal(uri); err == nil {
		return far, nil
	}
	host := strings.Trim(uri.Host, "[]")
	all, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	for _, a := range all {
		a = a.Unmap()
		if !family.IsValid() || family.Is4() == a.Is4() {
			return netip.AddrPortFrom(a, portOf(uri)), nil
		}
	}
	return netip.AddrPort{}, fmt.Errorf("%w: %s has no address of the family of the local address %s", ErrUnreachable, host, family)
}

// literal is the address of a URI whose host is one.
func literal(uri *sip.Uri) (netip.AddrPort, error) {
	a, err := netip.ParseAddr(strings.Trim(uri.Host, "[]"))
	return netip.AddrPortFrom(a.Unmap(), portOf(uri)), err
}

func portOf(uri *sip.Uri) uint16 {
	t, _ := uri.UriParams.Get("transport")
	switch {
	case uri.Port > 0:
		return uint16(uri.Port)
	case uri.Scheme == "sips" || strings.EqualFold(t, string(TLS)):
		return 5061
	}
	return 5060
}
