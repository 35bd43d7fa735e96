package uas

import (
	"net/netip"
	"sync"
)

// shares counts what is up, or kept, by the host, or the network, that it is for.
type shares struct {
	most int // altogether

	mu  sync.Mutex
	all int
	of  map[netip.Addr]int
}

func newShares(most int) *shares { return &shares{most: most, of: make(map[netip.Addr]int)} }

// enter counts one more in, unless the host has each already, or all have most.
func (s *shares) enter(host netip.Addr, each int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= s.most || s.of[host] >= each {
		return false
	}
	s.all++
	s.of[host]++
	return true
}

func (s *shares) leave(host netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.of[host]--; s.of[host] == 0 {
		delete(s.of, host)
	}
}

// hostOf is what is counted as one sender: an IPv4 address, or the 64 bits of an IPv6
// prefix, since each link has 2**64 addresses (RFC 4291 section 2.5.4).
func hostOf(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is4() || !a.IsValid() {
		return a
	}
	return netip.PrefixFrom(a, 64).Masked().Addr()
}

// networkOf is what one owner may have many hosts of: 24 bits of an IPv4 address, which is
// the least that is routed by itself, and the 48 of an IPv6 site (RFC 6177 section 2).
func networkOf(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 48
	if a.Is4() {
		bits = 24
	}
	return netip.PrefixFrom(a, bits).Masked()
}
