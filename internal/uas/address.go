package uas

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// parsePrefix reads an IP or a prefix; IPv4 in IPv6 form becomes IPv4.
func parsePrefix(s string) (netip.Prefix, error) {
	if !strings.Contains(s, "/") {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return netip.Prefix{}, err
		}
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	return p.Masked(), err
}

// parseAdvertise reads "IP" or "IP:port"; port 0 means the listener's own.
func parseAdvertise(s string) (netip.Addr, int, error) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return a.Unmap(), 0, nil
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return netip.Addr{}, 0, err
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}, 0, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return a.Unmap(), int(n), err
}
