package config

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"star97/internal/dialplan"
	"star97/internal/digest"
	"star97/internal/pin"
	"star97/internal/strictyaml"
	"star97/internal/uas"
)

// Warnings are sentences about a configuration that works and is perhaps not meant, with
// the line of what they are about where that is written.
func (c *Config) Warnings() []strictyaml.Problem {
	var all []strictyaml.Problem
	tell := func(from *strictyaml.File, warnings []dialplan.Warning) {
		for _, w := range warnings {
			if from == nil {
				all = append(all, strictyaml.Problem{Text: w.Text})
				continue
			}
			all = append(all, from.Problem(w.Path, w.Text, ""))
		}
	}
	tell(c.from.config, slices.Concat(c.idleStores(), c.slowProbes(), c.fewPorts(), c.believesMany(), c.provesNobody(), c.refusesAll()))
	tell(c.from.plan, c.forwardsNobody())
	tell(c.from.config, c.nobodyElse())
	tell(c.from.plan, append(c.goesRound(), c.Plan.Warnings()...))
	if w := c.HTTP.Warning(); w != "" {
		tell(c.from.config, []dialplan.Warning{{Path: "$.http.listen", Text: "http." + w + "."}})
	}
	return all
}

// warning is about what stands at a path of the configuration, or of the dialplan.
func warning(path, format string, args ...any) dialplan.Warning {
	return dialplan.Warning{Path: path, Text: fmt.Sprintf(format, args...)}
}

// fewPorts is the sentence on RTP ports for fewer calls than are allowed.
func (c *Config) fewPorts() []dialplan.Warning {
	if pairs, calls := c.Media.Pairs(), c.SIP.Limits.Calls; pairs < calls {
		at := "$.media"
		if c.from.config != nil && c.from.config.Line(at) == 0 {
			at = "$.sip.limits.calls"
		}
		return []dialplan.Warning{warning(at, "media.port_min to media.port_max hold %d calls, but sip.limits.calls allows %d: widen the one or lower the other.", pairs, calls)}
	}
	return nil
}

// Prefixes wider than these are more than the machines of one telephone system.
const (
	widestBelieved4 = 24
	widestBelieved6 = 64
)

// believesMany are the peers that many machines belong to, or all, and whose word on
// the caller is believed: each of them can call as the owner of any mailbox.
func (c *Config) believesMany() (all []dialplan.Warning) {
	for i, p := range c.SIP.Peers {
		if !p.Trusted() || p.Proves() {
			continue
		}
		at, who := fmt.Sprintf("$.sip.peers[%d]", i), fmt.Sprintf("sip.peers[%d] (%s)", i, p.Name)
		word := "word on who calls"
		if p.Believes() == "From" {
			word = "From header"
		}
		from := p.Prefixes()
		n := slices.IndexFunc(from, isWide)
		switch {
		case slices.ContainsFunc(from, isEverybody):
			all = append(all, warning(at, "%s takes calls from every address and believes their %s, so anybody can call as the owner of any mailbox: list the addresses of the system, or set identity: none.", who, word))
		case n >= 0:
			all = append(all, warning(at, "%s believes the %s of all of %s, so whoever sends from there can be anybody: list the addresses of the system alone, or set identity: none.", who, word, from[n]))
		}
	}
	return all
}

// provesNobody is the sentence on a peer whose callers prove who they are, but nobody can.
func (c *Config) provesNobody() []dialplan.Warning {
	at := slices.IndexFunc(c.SIP.Peers, uas.Peer.Asks)
	if at < 0 || c.SIP.Digest.Realm == "" || c.SIP.Digest.UsersFile == "" { // told as mistakes
		return nil
	}
	all, err := digest.Users(c.SIP.Digest)
	if err != nil || slices.ContainsFunc(all, func(e digest.Entry) bool { return e.Realm == c.SIP.Digest.Realm }) {
		return nil
	}
	return []dialplan.Warning{warning(fmt.Sprintf("$.sip.peers[%d]", at), "sip.peers[%d] (%s) has identity digest, but %s has no user of the realm %s, so nobody can call through it: add one with star97 sip-user add.",
		at, c.SIP.Peers[at].Name, c.SIP.Digest.UsersFile, c.SIP.Digest.Realm)}
}

// refusesAll is the sentence on rules that leave no code, or next to none.
func (c *Config) refusesAll() []dialplan.Warning {
	if c.Policy.validate() != nil { // told as a mistake
		return nil
	}
	_, err := pin.Generate(c.Policy.Policy, pin.Context{}, rand.Reader)
	if !errors.Is(err, pin.ErrNoCode) {
		return nil
	}
	return []dialplan.Warning{warning("$.policy", "policy leaves callers nothing to choose: %v.", err)}
}

// forwardsNobody are the routes that ask forwarded calls whose mailbox they are for, where
// no peer is believed about it.
func (c *Config) forwardsNobody() (all []dialplan.Warning) {
	for i, r := range c.Plan.Routes {
		if from := r.MailboxFrom; from == dialplan.FromDiversion || from == dialplan.FromHistory {
			if !slices.ContainsFunc(c.SIP.Peers, func(p uas.Peer) bool { return slices.Contains(p.Forwarding, from) }) {
				all = append(all, warning(fmt.Sprintf("$.routes[%d].mailbox_from", i), "The route %q of the dialplan takes the mailbox from %s, but no peer is believed about it, so every caller is asked for the mailbox: "+
					"write forwarding: [%s] at a peer that removes what outside callers wrote, or take mailbox_from out.", r.Number, from, from))
			}
		}
	}
	return all
}

func isEverybody(p netip.Prefix) bool { return p.Bits() == 0 }

// isWide tells a prefix of many machines; all of the loopback's are this one.
func isWide(p netip.Prefix) bool {
	switch {
	case isLoopback(p):
		return false
	case p.Addr().Is4():
		return p.Bits() < widestBelieved4
	}
	return p.Bits() < widestBelieved6
}

// isLoopback tells whether a prefix holds addresses of this machine only.
func isLoopback(p netip.Prefix) bool {
	return p.Addr().IsLoopback() && (p.Addr().Is6() || p.Bits() >= 8)
}

// nobodyElse is the sentence on listening for others, none of whom may call.
func (c *Config) nobodyElse() []dialplan.Warning {
	open := slices.IndexFunc(c.SIP.Listen, func(l uas.Listen) bool {
		at, err := netip.ParseAddrPort(l.Address)
		return err == nil && !at.Addr().Unmap().IsLoopback()
	})
	other := slices.ContainsFunc(c.prefixes(), func(p netip.Prefix) bool { return !isLoopback(p) })
	if open < 0 || other || len(c.Registrations) > 0 {
		return nil
	}
	return []dialplan.Warning{warning(fmt.Sprintf("$.sip.listen[%d]", open), "sip.listen[%d] is %s, but sip.peers lists no other machine, so nobody but this one can call: list the telephone system with its addresses.", open, c.SIP.Listen[open].Address)}
}

// prefixes are those of all peers.
func (c *Config) prefixes() (all []netip.Prefix) {
	for _, p := range c.SIP.Peers {
		all = append(all, p.Prefixes()...)
	}
	return all
}

// goesRound are the ways out of the dialplan that may lead in again: to a peer or to
// this service, with a number that a route has.
func (c *Config) goesRound() (all []dialplan.Warning) {
	for _, w := range c.Plan.Ways() {
		route, ok := c.Plan.Leads(w.URI)
		if host := dialplan.Host(w.URI); !ok || !c.isNear(host) {
			continue
		}
		all = append(all, warning(w.Path, "%s of the dialplan sends callers to %s, and %q is the number of a route here: if the telephone system sends that number to star97, callers go round; name a number that leads elsewhere.", w.Name, w.URI, route))
	}
	return all
}

// isNear tells whether a host is a peer's, a listener's or a domain's.
func (c *Config) isNear(host string) bool {
	at, err := netip.ParseAddr(host)
	if err != nil {
		return slices.ContainsFunc(c.Plan.Domains, func(d dialplan.Domain) bool { return slices.Contains(d.Hosts, host) })
	}
	if slices.ContainsFunc(c.prefixes(), func(p netip.Prefix) bool { return p.Contains(at) }) {
		return true
	}
	return slices.ContainsFunc(c.SIP.Listen, func(l uas.Listen) bool {
		own, err := netip.ParseAddrPort(l.Address)
		return err == nil && own.Addr().Unmap() == at || dialplan.Host("sip:"+l.Advertise) == host
	})
}
