package conformance

import (
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance/trouble"
	"star97/internal/mailbox"
)

// gone is a mailbox that does not exist.
func gone(backend string) mailbox.Account {
	return mailbox.Account{ID: "no-such-mailbox", Backend: backend, Extension: "4099"}
}

func unlock(t *testing.T, s *suite) {
	u := s.raw.(mailbox.Unlocker)
	a := s.put(t, "4001", s.First)
	require.NoError(t, u.Unlock(s.ctx(t), a, "conformance", "asked"), "what is open stays open")
	if tr := s.traits(); limit(s) == "" {
		for range tr.Limit {
			s.heard(s.Store.Verify(s.ctx(t), a, Code(t, s.Second), s.at))
		}
		require.Equal(t, mailbox.Locked, mailbox.CodeOf(s.Store.Verify(s.ctx(t), a, Code(t, s.First), s.at)))
		require.NoError(t, u.Unlock(s.ctx(t), a, "conformance", "asked"))
	}
	s.inForce(t, a, s.First, s.Second)
	err := u.Unlock(s.ctx(t), gone(a.Backend), "conformance", "asked")
	require.Equal(t, mailbox.NotFound, mailbox.CodeOf(err), "%v", err)
	s.cutOff(t, func() mailbox.Code {
		return mailbox.CodeOf(u.Unlock(s.ctx(t), a, "conformance", "asked"))
	})
}

func setFlags(t *testing.T, s *suite) {
	f := s.raw.(mailbox.Flagger)
	require.True(t, s.traits().Flags, "who can set states must show them")
	a := s.put(t, "4001", s.First)
	other := s.put(t, "4002", s.Second)
	yes, no := true, false
	for _, step := range []struct {
		edit  mailbox.FlagEdit
		alter func(*mailbox.Flags)
	}{
		{mailbox.FlagEdit{}, func(*mailbox.Flags) {}},
		{mailbox.FlagEdit{CannotChange: &yes}, func(f *mailbox.Flags) { f.CannotChange = true }},
		{mailbox.FlagEdit{MustChange: &yes}, func(f *mailbox.Flags) { f.MustChange = true }},
		{mailbox.FlagEdit{CannotChange: &no}, func(f *mailbox.Flags) { f.CannotChange = false }},
		{mailbox.FlagEdit{CannotChange: &yes, MustChange: &no}, func(f *mailbox.Flags) { f.CannotChange, f.MustChange = true, false }},
		{mailbox.FlagEdit{CannotChange: &no}, func(f *mailbox.Flags) { f.CannotChange = false }},
	} {
		step.alter(&a.Flags)
		got, err := f.SetFlags(s.ctx(t), a, step.edit, "conformance", "asked")
		require.NoError(t, err)
		require.Equal(t, a, got, "what is not named stays")
		require.Equal(t, []mailbox.Account{a}, s.lookup(t, "4001", ""))
	}
	s.inForce(t, a, s.First, s.Second)
	require.Equal(t, []mailbox.Account{other}, s.lookup(t, "4002", ""))
	_, err := f.SetFlags(s.ctx(t), gone(a.Backend), mailbox.FlagEdit{MustChange: &yes}, "conformance", "asked")
	require.Equal(t, mailbox.NotFound, mailbox.CodeOf(err), "%v", err)
	s.cutOff(t, func() mailbox.Code {
		_, err := f.SetFlags(s.ctx(t), a, mailbox.FlagEdit{MustChange: &yes}, "conformance", "asked")
		return mailbox.CodeOf(err)
	})
}

func renumber(t *testing.T, s *suite) {
	n := s.raw.(mailbox.Renumberer)
	a, other := s.put(t, "4001", s.First), s.put(t, "4002", s.Second)
	b, err := n.Renumber(s.ctx(t), a, "4003", "conformance", "moved")
	require.NoError(t, err)
	want := a
	want.Extension = "4003"
	require.Equal(t, want, b)
	require.Empty(t, s.lookup(t, "4001", ""))
	require.Equal(t, []mailbox.Account{b}, s.lookup(t, "4003", ""))
	s.inForce(t, b, s.First, s.Second)
	for extension, code := range map[string]mailbox.Code{"4002": mailbox.Exists, "40x3": mailbox.NotDigits, "": mailbox.NotDigits} {
		_, err := n.Renumber(s.ctx(t), b, extension, "conformance", "moved")
		require.Equal(t, code, mailbox.CodeOf(err), "%v", err)
	}
	_, err = n.Renumber(s.ctx(t), gone(a.Backend), "4004", "conformance", "moved")
	require.Equal(t, mailbox.NotFound, mailbox.CodeOf(err), "%v", err)
	require.Equal(t, []mailbox.Account{other}, s.lookup(t, "4002", ""))
	require.Equal(t, []mailbox.Account{b}, s.lookup(t, "4003", ""))
	s.cutOff(t, func() mailbox.Code {
		_, err := n.Renumber(s.ctx(t), b, "4005", "conformance", "moved")
		return mailbox.CodeOf(err)
	})
}

func byUser(t *testing.T, s *suite) {
	u := s.raw.(mailbox.ByUser)
	a := s.Put(t, mailbox.Account{Extension: "4001", Name: "Ada Example", User: "aexample"}, Code(t, s.First))
	require.NotEmpty(t, a.User, "who finds by a user's id must tell it")
	s.put(t, "4002", s.Second)
	found, err := u.ByUser(s.ctx(t), a.User, "")
	require.NoError(t, err)
	require.Equal(t, []mailbox.Account{a}, found)
	for _, user := range []string{"nobody", "", "a", "*", "a*", `" or "1"="1`, "a'b", "a&b", "a/../b"} {
		found, err := u.ByUser(s.ctx(t), user, "")
		require.NoError(t, err, "none is not an error")
		require.Empty(t, found, "user %q", user)
	}
	found, err = u.ByUser(s.ctx(t), a.User, "no-such-tenant.example")
	require.NoError(t, err)
	require.Empty(t, found)
	s.cutOff(t, func() mailbox.Code {
		_, err := u.ByUser(s.ctx(t), a.User, "")
		return mailbox.CodeOf(err)
	})
}

// cutOff: an ability whose system does not answer says so.
func (s *suite) cutOff(t *testing.T, call func() mailbox.Code) {
	t.Helper()
	if s.Orders == nil {
		return
	}
	s.Orders.Give(trouble.Any, trouble.Order{Kind: trouble.CutBefore, Times: trouble.Always})
	defer s.Orders.Clear()
	require.Contains(t, []mailbox.Code{mailbox.Unavailable, mailbox.OutcomeUnknown}, call())
}
