package uas

import (
	"net/netip"
	"slices"
)

// PeerAt is the peer whose calls come from an address over a transport ("udp",
// "tcp", "tls"), as the door finds it; false for a stranger.
func (o Options) PeerAt(network string, from netip.Addr) (Peer, bool) {
	known, err := newPeers(o, nil)
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

// Believes is the name of the header in which the peer's word on who calls is believed;
// empty: it is not believed.
func (p Peer) Believes() string {
	id, err := parseIdentity(p.Identity)
	if err != nil {
		return ""
	}
	switch id.kind {
	case asserted:
		return assertedName
	case fromHeader:
		return "From"
	case byDigest:
		return "Authorization"
	case byCertificate:
		return "(certificate)"
	}
	return id.header
}

// Proves tells whether the peer's callers have to prove who they are.
func (p Peer) Proves() bool {
	id, err := parseIdentity(p.Identity)
	return err == nil && id.proves()
}

// Asks tells whether they do so by digest authentication.
func (p Peer) Asks() bool {
	id, err := parseIdentity(p.Identity)
	return err == nil && id.kind == byDigest
}

// Trusted tells whether the peer's word on who calls is believed.
func (p Peer) Trusted() bool { return p.Believes() != "" }

// Prefixes are where the peer calls from, in the order of Addresses; what is no address,
// as Validate tells, is left out.
func (p Peer) Prefixes() (all []netip.Prefix) {
	for _, a := range p.Addresses {
		if prefix, err := parsePrefix(a); err == nil {
			all = append(all, prefix)
		}
	}
	return all
}
