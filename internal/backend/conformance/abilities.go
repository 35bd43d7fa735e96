package conformance

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/mailbox"
	"star97/internal/pin"
)

func list(t *testing.T, s *suite) {
	l := s.raw.(mailbox.Lister)
	var want []mailbox.Account
	for i := range 7 {
		want = append(want, s.Put(t, mailbox.Account{Extension: fmt.Sprint(4001 + i), Name: fmt.Sprintf("Number%d 50%%_", i)}, Code(t, s.First)))
	}
	var got []mailbox.Account
	page := mailbox.Page{Limit: 3}
	for {
		part, err := l.List(s.ctx(t), page)
		require.NoError(t, err)
		require.LessOrEqual(t, len(part), 3)
		got = append(got, part...)
		if len(part) < page.Limit {
			break
		}
		page.After = &part[len(part)-1]
	}
	require.Equal(t, want, got, "each one once, in order")

	for search, n := range map[string]int{"4003": 1, "number3": 1, "NUMBER": 7, "400": 7, "50%_": 7, "%4003": 0, "4_03": 0, `\`: 0, "": 7} {
		part, err := l.List(s.ctx(t), mailbox.Page{Search: search})
		require.NoError(t, err)
		require.Len(t, part, n, "search %q", search)
	}
	if s.OtherDomain == "" {
		return
	}
	s.Put(t, mailbox.Account{Extension: "4001", Domain: s.OtherDomain}, Code(t, s.First))
	for n, p := range map[int]mailbox.Page{1: {Domain: s.OtherDomain}, 7: {}, 8: {AllDomains: true}} {
		part, err := l.List(s.ctx(t), p)
		require.NoError(t, err)
		require.Len(t, part, n)
	}
}

func reset(t *testing.T, s *suite) {
	r := s.raw.(mailbox.Resetter)
	a := s.put(t, "4001", s.First)
	set := func(a mailbox.Account, code string, must bool) mailbox.Result {
		return r.Reset(s.ctx(t), a, Code(t, code), must, "conformance", "forgotten")
	}
	if r := set(a, s.Second, true); r.Reason == mailbox.PolicyOther {
		require.Equal(t, mailbox.Refused, r.Outcome, "a system that cannot make its owners choose says so")
		s.inForce(t, a, s.First, s.Second)
		require.Equal(t, mailbox.Proved(), set(a, s.Second, false))
	} else {
		require.Equal(t, mailbox.Proved(), r)
		require.Equal(t, s.traits().Flags, s.lookup(t, "4001", "")[0].Flags.MustChange)
	}
	s.inForce(t, a, s.Second, s.First)
	require.Equal(t, mailbox.Proved(), set(a, s.Third, false))
	s.inForce(t, a, s.Third, s.Second)
	require.False(t, s.lookup(t, "4001", "")[0].Flags.MustChange)

	gone := set(mailbox.Account{ID: "no-such-mailbox"}, s.Second, false)
	require.Equal(t, mailbox.Refused, gone.Outcome)
	require.Equal(t, mailbox.NotFound, gone.Reason)
	require.Equal(t, mailbox.Refused, set(a, "", false).Outcome, "an empty code is never set")
	s.inForce(t, a, s.Third)
	if !s.NoCode {
		b := s.put(t, "4002", "")
		require.Equal(t, mailbox.Proved(), set(b, s.Second, false), "where there was no code")
		s.inForce(t, b, s.Second)
		require.False(t, s.lookup(t, "4002", "")[0].Flags.NoCode)
	}
}

// firstCode: the owner of a mailbox without a code chooses one, and nobody another one so.
func firstCode(t *testing.T, s *suite) {
	set := func(a mailbox.Account, code string) mailbox.Result {
		at := s.at
		at.Claim = mailbox.ByFirstUse
		var r mailbox.Result
		if _, ok := s.raw.(mailbox.Granter); ok {
			r = s.raw.Change(s.ctx(t), a, pin.PIN{}, Code(t, code), at)
		} else {
			r = mailbox.Regrant(s.ctx(t), s.raw.(mailbox.Resettable), a, Code(t, code), at)
		}
		s.heard(r.Err)
		return r
	}
	a, b := s.put(t, "4001", ""), s.put(t, "4002", s.First)
	require.Equal(t, mailbox.TooShort, set(a, "").Reason, "an empty code is never set")
	require.True(t, s.lookup(t, "4001", "")[0].Flags.NoCode)
	require.Equal(t, mailbox.Proved(), set(a, s.Second))
	s.inForce(t, s.lookup(t, "4001", "")[0], s.Second)
	require.False(t, s.lookup(t, "4001", "")[0].Flags.NoCode)
	b.Flags.NoCode = true // as somebody has seen it a moment ago
	for _, had := range []mailbox.Account{a, b} {
		r := set(had, s.Third)
		require.Equal(t, mailbox.Refused, r.Outcome, "it has a code by now")
		require.Equal(t, mailbox.WrongPIN, r.Reason)
	}
	s.inForce(t, s.lookup(t, "4001", "")[0], s.Second, s.Third)
	s.inForce(t, s.lookup(t, "4002", "")[0], s.First, s.Third)
	none := mailbox.Account{ID: "no-such-mailbox", Backend: a.Backend, Extension: "4099", Flags: mailbox.Flags{NoCode: true}}
	require.Equal(t, mailbox.NotFound, set(none, s.Third).Reason)
	require.Equal(t, mailbox.WrongPIN, set(mailbox.Account{}, s.Third).Reason)
}

// resetTrouble: an administrator is told the truth too. Where a Reset writes otherwise
// than a Change, its requests bear the same name.
func resetTrouble(t *testing.T, s *suite) {
	s.eachFault(t, forChange, func(t *testing.T, s *suite, op string, f fault) {
		a := s.put(t, "4001", s.First)
		s.Orders.Give(op, f.order)
		r := s.raw.(mailbox.Resetter).Reset(s.ctx(t), a, Code(t, s.Second), false, "conformance", "forgotten")
		s.heard(r.Err)
		require.NotZero(t, s.Orders.Seen(op), "the fake's requests have other names than Ops")
		s.truth(t, a, s.First, s.Second, r)
	})
}

func addRemove(t *testing.T, s *suite) {
	admin := s.raw.(mailbox.Admin)
	in := mailbox.Account{
		ID: "chosen by the caller", Extension: "4001", Domain: s.OtherDomain, Name: "Ada Example", Language: "en-GB",
		Numbers: []string{"12015550143", "4915112345678"}, Flags: mailbox.Flags{MustChange: true},
	}
	a, err := admin.Add(s.ctx(t), in, Code(t, s.First), "conformance")
	require.NoError(t, err)
	require.NotEqual(t, in.ID, a.ID)
	require.Equal(t, []mailbox.Account{a}, s.lookup(t, "4001", s.OtherDomain))
	s.inForce(t, a, s.First, s.Second)

	_, err = admin.Add(s.ctx(t), in, Code(t, s.Second), "conformance")
	require.Equal(t, mailbox.Exists, mailbox.CodeOf(err))
	require.ErrorContains(t, err, "4001")
	s.inForce(t, a, s.First, s.Second)

	require.NoError(t, admin.Remove(s.ctx(t), a, "conformance", "left"))
	require.Empty(t, s.lookup(t, "4001", s.OtherDomain))
	require.Empty(t, s.lookup(t, "12015550143", s.OtherDomain))
	require.NotEqual(t, mailbox.OK, s.verify(t, a, s.First))
	require.Equal(t, mailbox.NotFound, mailbox.CodeOf(admin.Remove(s.ctx(t), a, "conformance", "left")))

	b, err := admin.Add(s.ctx(t), in, Code(t, s.Second), "conformance")
	require.NoError(t, err)
	require.NotEqual(t, a.ID, b.ID, "an id is never used again")
	require.NotEqual(t, mailbox.OK, s.verify(t, a, s.Second))
	s.inForce(t, b, s.Second, s.First)
}

func edit(t *testing.T, s *suite) {
	editor := s.raw.(mailbox.Editor)
	a := s.Put(t, mailbox.Account{Extension: "4001", Name: "Ada Example", Language: "en-US", Flags: mailbox.Flags{MustChange: true}}, Code(t, s.First))
	other := s.put(t, "4002", s.Second)
	name, language, mail, empty, yes, no := "Ada Sample", "es-ES", "ada@example.com", "", true, false
	for _, step := range []struct {
		edit  mailbox.Edit
		alter func(*mailbox.Account)
	}{
		{mailbox.Edit{}, func(*mailbox.Account) {}},
		{mailbox.Edit{Name: &name}, func(a *mailbox.Account) { a.Name = name }},
		{mailbox.Edit{Language: &language, Slow: &yes}, func(a *mailbox.Account) { a.Language, a.Flags.Slow = language, true }},
		{mailbox.Edit{Disabled: &yes, Slow: &no}, func(a *mailbox.Account) { a.Flags.Disabled, a.Flags.Slow = true, false }},
		{mailbox.Edit{Disabled: &no, Language: &empty}, func(a *mailbox.Account) { a.Flags.Disabled, a.Language = false, "" }},
		{mailbox.Edit{Mail: &mail, Locked: &yes}, func(a *mailbox.Account) { a.Mail, a.Flags.Locked = mail, true }},
		{mailbox.Edit{Mail: &empty}, func(a *mailbox.Account) { a.Mail = "" }},
		{mailbox.Edit{Locked: &no}, func(a *mailbox.Account) { a.Flags.Locked = false }},
	} {
		before := a
		step.alter(&a)
		got, err := editor.Edit(s.ctx(t), before, step.edit, "conformance")
		require.NoError(t, err)
		require.Equal(t, a, got, "what is not named stays")
		require.Equal(t, []mailbox.Account{a}, s.lookup(t, "4001", ""))
	}
	s.inForce(t, a, s.First, s.Second)
	require.Equal(t, []mailbox.Account{other}, s.lookup(t, "4002", ""))
	bad := "one\ntwo"
	for code, e := range map[mailbox.Code]mailbox.Edit{mailbox.PolicyOther: {Name: &bad, Slow: &yes}, mailbox.NotFound: {Slow: &yes}} {
		of := a
		if code == mailbox.NotFound {
			of = mailbox.Account{ID: "no-such-mailbox", Backend: a.Backend}
		}
		_, err := editor.Edit(s.ctx(t), of, e, "conformance")
		require.Equal(t, code, mailbox.CodeOf(err))
	}
	require.Equal(t, []mailbox.Account{a}, s.lookup(t, "4001", ""), "refused as a whole")
}

// reassign: the mailbox is another person's, who has nothing of the one before.
func reassign(t *testing.T, s *suite) {
	r := s.raw.(mailbox.Reassigner)
	a := s.Put(t, mailbox.Account{
		Extension: "4001", Name: "Ada Example", Language: "en-US", Numbers: []string{"12015550143"},
		Flags: mailbox.Flags{MustChange: true, Slow: true},
	}, Code(t, s.First))
	other := s.put(t, "4002", s.Second)
	next := mailbox.Account{ID: a.ID, Backend: a.Backend, Extension: "4001", Name: "Bob Example"}
	b, err := r.Reassign(s.ctx(t), next, "conformance", "left")
	require.NoError(t, err)
	next.Domain, next.Flags = a.Domain, mailbox.Flags{NoCode: true}
	require.Equal(t, next, b)
	require.Equal(t, []mailbox.Account{b}, s.lookup(t, "4001", ""))
	require.Empty(t, s.lookup(t, "12015550143", ""))
	require.False(t, s.has(t, b, s.First), "the code went with its owner")
	require.Equal(t, []mailbox.Account{other}, s.lookup(t, "4002", ""))
	s.inForce(t, other, s.Second, s.First)
	_, err = r.Reassign(s.ctx(t), gone(a.Backend), "conformance", "left")
	require.Equal(t, mailbox.NotFound, mailbox.CodeOf(err), "%v", err)
}
