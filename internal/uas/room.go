package uas

import "net/netip"

// room is for TCP connections, whoever opens them.
type room struct {
	gate  *gate
	taken chan struct{} // one token per connection up
	// of those that others opened, by their host, and by its network where a peer lists more
	// than that
	hosts, networks *shares
}

func (s *Server) room() room { return room{s.gate, s.connections, s.hosts, s.networks} }

const noPlace = "sip.limits.connections, or the share of them that this peer, this address or its network has, are up"

// admit takes a place for a connection from an address. One of many that a peer has, since
// it lists a prefix, leaves half of the places to the others. Its network, whose addresses
// somebody may have all of, leaves three eighths where the prefix is wider: more than one
// address has, whose neighbours are let in still, and less than the peer.
func (r *room) admit(p *peer, from netip.Addr) bool {
	host, share, most := hostOf(from), cap(r.taken), cap(r.taken)
	if !p.names(from) {
		share -= share / 2
	}
	if !r.hosts.enter(host, share) {
		return false
	}
	if network, wider := wideOf(p, from); wider && !r.networks.enter(network, most-most*3/8) {
		r.hosts.leave(host)
		return false
	}
	if !r.enter(p) {
		r.release(p, from)
		return false
	}
	return true
}

// dismiss gives it back.
func (r *room) dismiss(p *peer, from netip.Addr) {
	r.release(p, from)
	r.leave(p)
}

func (r *room) release(p *peer, from netip.Addr) {
	r.hosts.leave(hostOf(from))
	if network, wider := wideOf(p, from); wider {
		r.networks.leave(network)
	}
}

// wideOf is the network of an address, and whether the peer lists more than that where it
// lists the address.
func wideOf(p *peer, from netip.Addr) (netip.Addr, bool) {
	network := networkOf(from)
	return network.Addr(), !p.lists(from, network.Bits())
}

// enter takes a place for a connection. A peer among several leaves a quarter of
// the places to the others.
func (r *room) enter(p *peer) bool {
	share := cap(r.taken)
	if len(r.gate.peers.Load().all) > 1 {
		share -= share / 4
	}
	if p.streams.Add(1) <= int64(share) {
		select {
		case r.taken <- struct{}{}:
			return true
		default:
		}
	}
	p.streams.Add(-1)
	return false
}

// leave gives it back.
func (r *room) leave(p *peer) {
	p.streams.Add(-1)
	<-r.taken
}
