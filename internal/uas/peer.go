package uas

import (
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

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
	symmetric  string
	prefixes   []netip.Prefix
	*tally
}

// tally is what a peer has up.
type tally struct {
	calls   atomic.Int64
	streams atomic.Int64 // TCP connections, whoever opened them
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
	all   []*peer
	table []listed // longest prefix first
}

type listed struct {
	prefix netip.Prefix
	peer   *peer
}

func newPeers(o Options) (*peers, error) {
	t := &peers{}
	for _, c := range o.Peers {
		id, err := parseIdentity(c.Identity)
		if err != nil {
			return nil, err
		}
		p := &peer{tally: new(tally), name: c.Name, transports: c.Transports, identity: id, forwarding: c.Forwarding, lead: o.Lead, maxCalls: int64(c.MaxCalls), anyRTP: c.RTPSource == rtpAny, srtp: c.SRTP, symmetric: c.Symmetric}
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

// sends says whether an address is one of the peer's.
func (p *peer) sends(network string, from netip.Addr) bool {
	from = from.Unmap().WithZone("")
	return p.uses(network) && slices.ContainsFunc(p.prefixes, func(own netip.Prefix) bool { return own.Contains(from) })
}
