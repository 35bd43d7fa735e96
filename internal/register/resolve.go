package register

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
)

// Resolver asks the DNS; *net.Resolver is one. SRV records come in the order in which
// they are to be tried (RFC 2782): by priority, and within one as weights fall.
type Resolver interface {
	LookupSRV(ctx context.Context, service, proto, name string) (cname string, all []*net.SRV, err error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Target is an address that requests can be sent to.
type Target struct {
	Network  string // udp, tcp or tls
	Addr     netip.AddrPort
	Priority uint16 // of its SRV record; lower is tried first
}

// targetsMost bounds what a name may stand for.
const targetsMost = 32

// Targets are where a registration's requests can be sent, in the order in which they are
// tried, by what the DNS says now.
func (o Options) Targets(ctx context.Context, r Resolver) ([]Target, error) {
	h, _, err := o.next()
	if err != nil {
		return nil, err
	}
	return h.targets(ctx, r)
}

// targets follows RFC 3263 sections 4.1 and 4.2 but for NAPTR, which the system's resolver
// does not ask for: without it, section 4.1 has SRV records tell which transports there
// are, of which UDP goes before TCP. TLS is for who asks for it.
func (h hop) targets(ctx context.Context, r Resolver) ([]Target, error) {
	network := h.network
	if a, err := netip.ParseAddr(h.host); err == nil {
		return []Target{{Network: orUDP(network), Addr: netip.AddrPortFrom(a.Unmap(), h.portOr(network))}}, nil
	}
	if h.port == 0 {
		if all, err := h.services(ctx, r); len(all) > 0 || err != nil {
			return all, err
		}
	}
	addrs, err := addresses(ctx, r, h.host)
	if err != nil {
		return nil, err
	}
	var all []Target
	for _, a := range addrs {
		all = append(all, Target{Network: orUDP(network), Addr: netip.AddrPortFrom(a, h.portOr(network))})
	}
	return all, nil
}

func orUDP(network string) string {
	if network == "" {
		return "udp"
	}
	return network
}

func (h hop) portOr(network string) uint16 {
	switch {
	case h.port != 0:
		return uint16(h.port)
	case network == "tls":
		return 5061
	}
	return 5060
}

// services are the targets of SRV records; none if there are no records.
func (h hop) services(ctx context.Context, r Resolver) ([]Target, error) {
	var failed []error
	found := false
	for _, s := range []struct{ service, proto, network string }{
		{"sip", "udp", "udp"}, {"sip", "tcp", "tcp"}, {"sips", "tcp", "tls"},
	} {
		if h.network != s.network && (h.network != "" || s.network == "tls") {
			continue
		}
		_, records, err := r.LookupSRV(ctx, s.service, s.proto, h.host)
		if err != nil && !isAbsent(err) {
			return nil, fmt.Errorf("the SRV records of %s cannot be looked up: %w", h.host, err)
		}
		var all []Target
		for _, record := range records {
			found = true
			if record.Target == "." { // RFC 2782: the service is not there
				continue
			}
			addrs, err := addresses(ctx, r, record.Target)
			if err != nil {
				failed = append(failed, err)
			}
			for _, a := range addrs {
				all = append(all, Target{s.network, netip.AddrPortFrom(a, record.Port), record.Priority})
			}
		}
		if len(all) > 0 {
			return all[:min(len(all), targetsMost)], nil
		}
	}
	if found {
		return nil, errors.Join(append(failed, fmt.Errorf("the SRV records of %s lead to no address", h.host))...)
	}
	return nil, nil
}

func isAbsent(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}

// addresses are those of a host, IPv4 and IPv6.
func addresses(ctx context.Context, r Resolver, host string) ([]netip.Addr, error) {
	all, err := r.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("the address of %s cannot be looked up: %w", host, err)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s has no address", host)
	}
	for i, a := range all {
		all[i] = a.Unmap()
	}
	return slices.Compact(all[:min(len(all), targetsMost)]), nil
}
