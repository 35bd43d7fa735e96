package uas

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"star97/internal/codec"
	"star97/internal/media"
)

// inbands are the values of a peer's inband.
var inbands = map[string]media.Inband{"": media.InbandAuto, "auto": media.InbandAuto, "never": media.InbandNever, "always": media.InbandAlways}

// peer is one listed system, ready for use.
type peer struct {
	name       string
	transports []string // empty: any
	identity   identity
	forwarding []string // whose mailbox a forwarded call was for: the headers that are believed
	lead       time.Duration
	maxCalls   int64 // 0: no own limit
	anyRTP     bool  // RTP of any host may be the caller's
	srtp       string
	inband     media.Inband
	codecs     []codec.ID
	sparse     bool // one packet a second while nothing is said
	symmetric  string
	prefixes   []netip.Prefix
	registrar  registrar // of its registration
	*tally
}

// tally is what a peer has up.
type tally struct {
	calls   atomic.Int64
	streams atomic.Int64 // TCP connections, whoever opened them
}

// parseCodecs reads encoding names; none are all.
func parseCodecs(names []string) (ids []codec.ID, err error) {
	if len(names) == 0 {
		return codecs, nil
	}
	for _, name := range names {
		id, known := codec.ByName(name, 8000)
		if !known || slices.Contains(ids, id) {
			return nil, fmt.Errorf("has %q; write g722, pcmu and pcma, each at most once, or leave it out", name)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// enter counts a call in; false if the peer has its fill.
func (p *peer) enter() bool {
	if n := p.calls.Add(1); p.maxCalls > 0 && n > p.maxCalls {
		p.calls.Add(-1)
		return false
	}
	return true
}

// join counts a call in that takes another's place, whatever the limit.
func (p *peer) join() { p.calls.Add(1) }

func (p *peer) leave() { p.calls.Add(-1) }

// peers answers whose an address is. It is read-only after newPeers.
type peers struct {
	all    []*peer
	table  []listed // longest prefix first
	placed registrars
}

type listed struct {
	prefix netip.Prefix
	peer   *peer
}

func newPeers(o Options, at registrars) (*peers, error) {
	t := &peers{placed: at}
	for _, c := range o.Peers {
		id, err := parseIdentity(c.Identity)
		if err != nil {
			return nil, err
		}
		p := &peer{tally: new(tally), name: c.Name, transports: c.Transports, identity: id, forwarding: c.Forwarding, lead: o.Lead, maxCalls: int64(c.MaxCalls), anyRTP: c.RTPSource == rtpAny, srtp: c.SRTP, symmetric: c.Symmetric, inband: inbands[c.Inband], sparse: c.RTP == rtpSparse}
		if p.codecs, err = parseCodecs(c.Codecs); err != nil {
			return nil, err
		}
		if c.Lead != 0 {
			p.lead = c.Lead
		}
		t.all = append(t.all, p)
		for _, a := range c.Addresses {
			prefix, err := parsePrefix(a)
			if err != nil {
				return nil, err
			}
			p.prefixes = append(p.prefixes, prefix)
			t.table = append(t.table, listed{prefix, p})
		}
		p.registrar = at[c.Registration]
		for _, a := range p.registrar.addrs {
			prefix := netip.PrefixFrom(a, a.BitLen())
			p.prefixes = append(p.prefixes, prefix)
			t.table = append(t.table, listed{prefix, p})
		}
	}
	slices.SortStableFunc(t.table, func(a, b listed) int { return b.prefix.Bits() - a.prefix.Bits() })
	return t, nil
}

// of returns the peer that sends from an address over a transport, nil for a
// stranger. The longest prefix decides; a peer that does not use the transport
// is a stranger on it.
func (t *peers) of(network string, from netip.Addr) *peer {
	from = from.Unmap().WithZone("")
	for _, l := range t.table {
		if !l.prefix.Contains(from) {
			continue
		}
		if !l.peer.uses(network) {
			return nil
		}
		return l.peer
	}
	return nil
}

func (p *peer) uses(network string) bool {
	return len(p.transports) == 0 || slices.Contains(p.transports, strings.ToLower(network))
}

// names says whether an address stands alone in the peer's list, not as one of a prefix.
func (p *peer) names(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return slices.Contains(p.prefixes, netip.PrefixFrom(a, a.BitLen()))
}

// lists says whether the peer lists an address by itself, or by a prefix of at least so many
// bits.
func (p *peer) lists(a netip.Addr, bits int) bool {
	a = a.Unmap().WithZone("")
	return slices.ContainsFunc(p.prefixes, func(own netip.Prefix) bool { return own.Bits() >= bits && own.Contains(a) })
}

// sends says whether an address is one of the peer's.
func (p *peer) sends(network string, from netip.Addr) bool {
	from = from.Unmap().WithZone("")
	return p.uses(network) && slices.ContainsFunc(p.prefixes, func(own netip.Prefix) bool { return own.Contains(from) })
}
