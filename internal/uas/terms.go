package uas

import (
	"time"

	"star97/internal/digest"
)

// terms are what Exchange replaces. A call keeps those that it came in under.
type terms struct {
	peers *peers
	plan  Plan
	calls Calls

	authority *digest.Authority // for peers with identity digest; nil: there is none
}

// Exchange takes o's peers, with their lead and what they prove themselves by, another
// plan and other Calls into use for the calls that come from now on; nothing else in o is
// looked at. Calls that are up go on, also those of a peer that is listed no more, and
// count for the limit of the peer that has the same name, or gets it again.
func (s *Server) Exchange(o Options, plan Plan, calls Calls) error {
	authority, err := o.authority(s.proofs.nonces, time.Now())
	if err != nil {
		return err
	}
	s.exchanging.Lock()
	defer s.exchanging.Unlock()
	if err := s.exchangePeers(o, s.terms.Load().peers.placed, terms{plan: plan, calls: calls, authority: authority}); err != nil {
		return err
	}
	s.listed = o
	return nil
}

// exchangePeers takes peers into use, and the rest of what then holds; the caller holds
// exchanging.
func (s *Server) exchangePeers(o Options, at registrars, then terms) error {
	next, err := newPeers(o, at)
	if err != nil {
		return err
	}
	next.count(s.tallies)
	then.peers = next
	s.terms.Store(&then)
	s.gate.exchange(next)
	return nil
}

// count has every peer counted in the tally of its name, also of one that was not
// listed for a while: what it has up has gone on.
func (t *peers) count(tallies map[string]*tally) {
	for _, p := range t.all {
		if known := tallies[p.name]; known != nil {
			p.tally = known
		}
		tallies[p.name] = p.tally
	}
}
