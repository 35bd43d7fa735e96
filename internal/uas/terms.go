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
// the peer that has the same name.
func (s *Server) Exchange(o Options, plan Plan, calls Calls) error {
	next, err := newPeers(o)
	if err != nil {
		return err
	}
	s.exchanging.Lock()
	defer s.exchanging.Unlock()
	next.succeed(s.terms.Load().peers)
	s.terms.Store(&terms{next, plan, calls})
	s.gate.exchange(next)
	return nil
}

// succeed takes over the tallies of peers that have kept their names.
func (t *peers) succeed(old *peers) {
	for _, p := range t.all {
		for _, was := range old.all {
			if p.name == was.name {
				p.tally = was.tally
			}
		}
	}
}
