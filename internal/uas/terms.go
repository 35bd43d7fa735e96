package uas

// terms are what Exchange replaces. A call keeps those that it came in under.
type terms struct {
	peers *peers
	plan  Plan
	calls Calls
}

// Exchange takes o's peers, with their lead, another plan and other Calls into use
// for the calls that come from now on; nothing else in o is looked at. Calls that are
// up go on, also those of a peer that is listed no more, and count for the limit of
// the peer that has the same name, or gets it again.
func (s *Server) Exchange(o Options, plan Plan, calls Calls) error {
	next, err := newPeers(o)
	if err != nil {
		return err
	}
	s.exchanging.Lock()
	defer s.exchanging.Unlock()
	next.count(s.tallies)
	s.terms.Store(&terms{next, plan, calls})
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
