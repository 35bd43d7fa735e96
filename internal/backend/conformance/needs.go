package conformance

import "star97/internal/mailbox"

// What cases need. Each returns why the case cannot be, for the matrix, or "".

// why is the first reason against a case.
func (s *suite) why(c suiteCase) string {
	if why := s.Lacks[c.name]; why != "" || c.needs == nil {
		return why
	}
	return c.needs(s)
}

// unless is why, or "" if ok.
func unless(ok bool, why string) string {
	if ok {
		return ""
	}
	return why
}

func both(a, b func(*suite) string) func(*suite) string {
	return func(s *suite) string {
		if why := a(s); why != "" {
			return why
		}
		return b(s)
	}
}

// ability is that the backend is a T too.
func ability[T any](s *suite) string {
	_, ok := s.raw.(T)
	return unless(ok, "the store has no such ability")
}

func aTenant(s *suite) string { return unless(s.OtherDomain != "", "the system has no tenants") }

func twins(s *suite) string { return unless(s.Doubles, "an extension is one mailbox's there") }

func noCode(s *suite) string { return unless(!s.NoCode, "every mailbox of the system has a code") }

func firstUse(s *suite) string {
	return unless(s.traits().FirstUse, "nobody's first code can be told from another, or set")
}

func certified(s *suite) string {
	return unless(s.Behind != nil, "no fake with a certificate here")
}

func outspoken(s *suite) string { return unless(s.Said != nil, "the store asks nobody") }

func states(s *suite) string {
	return unless(s.traits().Flags, "the system tells no states of a mailbox")
}

func declarer(s *suite) string {
	_, ok := s.raw.(mailbox.Declarer)
	return unless(ok, "the store declares nothing")
}

func limit(s *suite) string {
	tr := s.traits()
	return unless(tr.Limit > 0 && tr.Check != mailbox.NoCheck, "the system counts no wrong codes of this way")
}

func native(s *suite) string {
	return unless(s.traits().Check == mailbox.Native, "reading a code counts as no try")
}

func looksAgain(s *suite) string {
	p := s.traits().Proof
	return unless(p == mailbox.ByReadBack || p == mailbox.ByVerify, "the proof of a change is its own answer")
}

func forLookup(o Ops) string { return o.Lookup }
func forVerify(o Ops) string { return o.Verify }
func forChange(o Ops) string { return o.Change }
func forLogin(o Ops) string  { return o.Login }

// troubled is that the fake has troubles for such a request.
func troubled(op func(Ops) string) func(*suite) string {
	return func(s *suite) string {
		if s.Orders == nil {
			return "no fake whose line can be disturbed here"
		}
		return unless(op(s.Ops) != "", "the system has no such request")
	}
}
