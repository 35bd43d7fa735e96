package conformance

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance/trouble"
	"star97/internal/mailbox"
)

// traits compares what the Store declares with what it does.
func traits(t *testing.T, s *suite) {
	tr := s.traits()
	require.NotEmpty(t, tr.System)
	require.NotEmpty(t, tr.AtRest, "say how the system keeps codes, or that it is not known")
	require.NotEqual(t, mailbox.NoProof, tr.Proof, "Done needs a proof")
	require.NotEqual(t, mailbox.Delegated, tr.Check, "that a delegate checks codes is for the configuration to say")
	require.Equal(t, mailbox.AbilitiesOf(s.raw), tr.Can, "Can lists what the store implements")
	for _, u := range tr.Unverified {
		require.NotEmpty(t, strings.TrimSpace(u))
	}
	require.Equal(t, tr.Limit > 0, s.Forgive != nil, "a Limit and a way to forgive belong together")
	require.False(t, tr.FirstUse && !tr.Flags, "FirstUse needs Lookup to tell that there is no code")
	a := s.put(t, "4001", s.First)
	found := s.lookup(t, "4001", "")[0]
	require.Equal(t, tr.Rules, found.Rules != nil, "Rules")
	if !tr.Flags {
		require.Equal(t, mailbox.Flags{}, found.Flags, "Flags")
	}
	if known := s.raw.(mailbox.Declarer).Traits(found); known.Check != tr.Check || known.Proof != tr.Proof {
		require.Failf(t, "traits", "a mailbox has Check %v and Proof %v, all others %v and %v", known.Check, known.Proof, tr.Check, tr.Proof)
	}
	err := s.raw.Verify(s.ctx(t), a, Code(t, s.First), s.at)
	s.heard(err)
	if tr.Check == mailbox.NoCheck {
		require.Equal(t, mailbox.ServiceRefused, mailbox.CodeOf(err), "a system that cannot check codes says so")
	} else {
		require.NoError(t, err)
	}
	require.Equal(t, mailbox.Done, s.change(t, a, s.First, s.Second).Outcome)
	require.True(t, s.has(t, a, s.Second))
}

// lockOut: the system locks after as many wrong codes as declared, not earlier, so
// each Verify is one try; and a locked mailbox is told from a wrong code.
func lockOut(t *testing.T, s *suite) {
	most := s.traits().Limit
	ask := func(a mailbox.Account, code string) mailbox.Code {
		err := s.Store.Verify(s.ctx(t), a, Code(t, code), s.at)
		s.heard(err)
		return mailbox.CodeOf(err)
	}
	a := s.put(t, "4001", s.First)
	for range most - 1 {
		require.Equal(t, mailbox.WrongPIN, ask(a, s.Second))
	}
	require.Equal(t, mailbox.OK, ask(a, s.First), "one below the limit")
	b := s.put(t, "4002", s.First)
	for range most {
		require.Contains(t, []mailbox.Code{mailbox.WrongPIN, mailbox.Locked}, ask(b, s.Second))
	}
	require.Equal(t, mailbox.Locked, ask(b, s.First), "the right code, but too late")
	r := s.Store.Change(s.ctx(t), b, Code(t, s.First), Code(t, s.Second), s.at)
	s.heard(r.Err)
	require.Equal(t, mailbox.Refused, r.Outcome)
	require.Equal(t, mailbox.Locked, r.Reason)
	require.Equal(t, mailbox.OK, ask(a, s.First), "of one mailbox only")
	s.forgive(t, b)
	s.inForce(t, b, s.First, s.Second)
}

// certificates: a server that cannot prove who it is gets nothing, and the sentence
// says what to do.
func certificates(t *testing.T, s *suite) {
	good := s.Behind(t, trouble.Good)
	_, err := good.Lookup(s.ctx(t), mailbox.Query{Number: "4001"})
	require.NoError(t, err, "Behind must work with a good one")
	for _, k := range trouble.Trusts() {
		t.Run(k.String(), func(t *testing.T) {
			store := s.Behind(t, k)
			if store == nil {
				return
			}
			_, err := store.Lookup(s.ctx(t), mailbox.Query{Number: "4001"})
			require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err))
			require.Regexp(t, "certificate|host key", err.Error(), "the sentence must say what is wrong")
			require.Regexp(t, `127\.0\.0\.1|localhost`, err.Error(), "and with whom")
			a := mailbox.Account{ID: "anybody", Backend: "any", Extension: "4001"}
			if s.traits().Check != mailbox.NoCheck {
				err = store.Verify(s.ctx(t), a, Code(t, s.First), s.at)
				require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err), "%v", err)
			}
			r := store.Change(s.ctx(t), a, Code(t, s.First), Code(t, s.Second), s.at)
			s.heard(err, r.Err)
			require.Equal(t, mailbox.Refused, r.Outcome, "nothing was sent, so nothing can have changed")
		})
	}
}

func probe(t *testing.T, s *suite) {
	p := s.raw.(mailbox.Prober)
	_, err := p.Probe(s.ctx(t))
	require.NoError(t, err)
	if s.Orders == nil {
		return
	}
	s.Orders.Give(trouble.Any, trouble.Order{Kind: trouble.CutBefore, Times: trouble.Always})
	_, err = p.Probe(s.ctx(t))
	require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err), "%v", err)
	s.heard(err)
}
