package uas

import (
	"net/netip"
	"slices"
)

// PeerAt is the peer whose calls come from an address over a transport ("udp",
// "tcp"), as the door finds it; false for a stranger.
func (o Options) PeerAt(network string, from netip.Addr) (Peer, bool) {
	known, err := newPeers(o)
	if err != nil {
		return Peer{}, false
	}
	at := known.of(network, from)
	if at == nil {
		return Peer{}, false
	}
	i := slices.IndexFunc(o.Peers, func(p Peer) bool { return p.Name == at.name })
	return o.Peers[i], true
}

// Trusted tells whether the peer's word on who calls is believed.
func (p Peer) Trusted() bool {
	id, err := parseIdentity(p.Identity)
	return err == nil && id.kind != nobody
}
