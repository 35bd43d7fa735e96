package cue

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance/trouble"
	"star97/internal/backend/cue/fake"
	"star97/internal/mailbox"
)

func TestMailboxesAreFoundByTheirNumbersToo(t *testing.T) {
	t.Parallel()
	f := fake.New(t, fake.Settings{})
	a := put(f, mailbox.Account{Extension: "4001", Numbers: []string{"12015550143"}}, first)
	b := put(f, mailbox.Account{Extension: "4002", Numbers: []string{"12015550143"}, User: "bob"}, first)
	c := put(f, mailbox.Account{Extension: "4002", User: "cleo"}, first)
	put(f, mailbox.Account{Extension: "", User: "nobox"}, first)
	s := openStore(t, settings(t, f))
	require.ElementsMatch(t, []mailbox.Account{a, b}, find(t, s, "12015550143"))
	require.Equal(t, []mailbox.Account{b, c}, find(t, s, "4002"), "two users of one extension")
	found, err := s.ByUser(patient(t), "nobox", "")
	require.NoError(t, err)
	require.Empty(t, found, "a user without extension has no mailbox")
	found, err = s.ByUser(patient(t), "BOB", "")
	require.NoError(t, err)
	require.Equal(t, []mailbox.Account{b}, found)
}

// The list of users is read when it is needed, and who was found in it is asked for again.
func TestTheListOfUsersIsBelievedAWhile(t *testing.T) {
	t.Parallel()
	f := fake.New(t, fake.Settings{})
	a := put(f, mailbox.Account{Extension: "4001", User: "ada"}, first)
	b := put(f, mailbox.Account{Extension: "4002", User: "bob"}, first)
	o := settings(t, f)
	o.MissPause = time.Hour
	s := openStore(t, o)
	require.Equal(t, []mailbox.Account{a}, find(t, s, "4001"))
	lists := func() int { return f.Orders().Seen(fake.OpUsers) }
	require.Equal(t, 1, lists())

	a = put(f, mailbox.Account{Extension: "4001", User: "ada", Name: "Ada Example"}, first)
	require.Equal(t, []mailbox.Account{a}, find(t, s, "4001"), "what is altered shows at once")
	require.Equal(t, 1, lists())

	put(f, mailbox.Account{Extension: "4003", User: "cleo"}, first)
	require.Empty(t, find(t, s, "4003"), "a new one does not, within miss_pause")
	require.Equal(t, 1, lists())

	put(f, mailbox.Account{Extension: "4002", User: "ada"}, first)
	put(f, mailbox.Account{Extension: "4001", User: "bob"}, first)
	b.Extension = "4001"
	require.Equal(t, []mailbox.Account{b}, find(t, s, "4001"), "two who have swapped theirs are not mistaken")
	require.Equal(t, 2, lists())

	f.Remove("bob")
	require.Empty(t, find(t, s, "4001"), "nor is one who has left")
	require.Equal(t, 3, lists())

	s.book.mu.Lock()
	s.book.made = time.Now().Add(-2 * o.Refresh)
	s.book.mu.Unlock()
	f.Orders().Give(fake.OpUsers, trouble.Order{Kind: trouble.CutBefore, Times: 4})
	require.Len(t, find(t, s, "4002"), 1, "who is known is found while the list is read anew")
	require.Eventually(t, func() bool { return lists() > 3 }, 30*time.Second, time.Millisecond)
}

func TestTheListIsReadBeforeItIsNeeded(t *testing.T) {
	t.Parallel()
	f := fake.New(t, fake.Settings{})
	put(f, mailbox.Account{Extension: "4001"}, first)
	b, err := settings(t, f).Open(t.Context())
	require.NoError(t, err)
	require.Eventually(t, func() bool { return f.Orders().Seen(fake.OpDetail) == 1 }, 30*time.Second, time.Millisecond)
	require.NoError(t, b.Close())
	_, err = b.Lookup(patient(t), mailbox.Query{Number: "4009"})
	require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err), "a closed store says so")
	require.ErrorContains(t, err, "closed")
}

// A reading that takes longer than a caller's patience goes on for the next one.
func TestASlowReadingServesTheNextCaller(t *testing.T) {
	t.Parallel()
	f := fake.New(t, fake.Settings{})
	put(f, mailbox.Account{Extension: "4001"}, first)
	s := openStore(t, settings(t, f))
	f.Orders().Give(fake.OpUsers, trouble.Order{Kind: trouble.Slow, Delay: 300 * time.Millisecond})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := s.Lookup(ctx, mailbox.Query{Number: "4001"})
	require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err))
	require.ErrorContains(t, err, "still being read")
	require.Len(t, find(t, s, "4001"), 1)
	require.Equal(t, 1, f.Orders().Seen(fake.OpUsers))
}

func TestSystemsWithoutAListAreToldSo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		order trouble.Order
		op    string
		says  string
	}{
		"no list":    {trouble.Order{Kind: trouble.Status, Body: "% Invalid input 4829\r\nse-10-0-0-0#"}, fake.OpUsers, `"show users" is answered "% Invalid input …"`},
		"no details": {trouble.Order{Kind: trouble.Status, Body: "not for you\r\nse-10-0-0-0#", Times: trouble.Always}, fake.OpDetail, `answered like "not for you"`},
		"no end":     {trouble.Order{Kind: trouble.Status, Body: strings.Repeat("user\r\n", maxAnswer/4)}, fake.OpUsers, "longer than star97 reads"},
		"no text":    {trouble.Order{Kind: trouble.Status, Body: "\x01\x02"}, fake.OpUsers, "no command line prints"},
		"many users": {trouble.Order{Kind: trouble.Status, Body: "ada\r\nbob\r\ncleo\r\nse-10-0-0-0#"}, fake.OpUsers, "more than 2 users"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := fake.New(t, fake.Settings{})
			put(f, mailbox.Account{Extension: "4001"}, first)
			o := settings(t, f)
			o.MaxUsers = 2
			f.Orders().Give(c.op, c.order)
			_, err := openStore(t, o).Lookup(patient(t), mailbox.Query{Number: "4001"})
			require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err))
			require.ErrorContains(t, err, c.says)
			require.ErrorContains(t, err, f.Addr)
		})
	}
}

// Nobody is asked who has which extension where the configuration says it.
func TestUsersOfTheConfiguration(t *testing.T) {
	t.Parallel()
	f := fake.New(t, fake.Settings{})
	put(f, mailbox.Account{Extension: "4001", User: "ada"}, first)
	put(f, mailbox.Account{Extension: "4002", User: "bob"}, first)
	o := settings(t, f)
	o.Users = []User{{ID: "ada", Extension: "4001", Name: "Ada Example", Language: "es-MX"}, {ID: "gone", Extension: "4009"}}
	s := openStore(t, o)
	policy := o.Rules.policy()
	a := mailbox.Account{ID: "ada", Backend: Name, User: "ada", Extension: "4001", Name: "Ada Example", Language: "es-MX", Rules: &policy}
	require.Equal(t, []mailbox.Account{a}, find(t, s, "4001"))
	require.Empty(t, find(t, s, "4002"))
	found, err := s.ByUser(patient(t), "ada", "")
	require.NoError(t, err)
	require.Equal(t, []mailbox.Account{a}, found)
	listed, err := s.List(patient(t), mailbox.Page{})
	require.NoError(t, err)
	require.Len(t, listed, 2)
	require.Zero(t, f.Logins(), "all that without a question")

	require.Equal(t, mailbox.Proved(), change(t, s, a, second))
	require.True(t, f.Has("ada", second))
	require.Equal(t, mailbox.NotFound, change(t, s, find(t, s, "4009")[0], second).Reason, "the system knows better")
	for _, a := range []mailbox.Account{{ID: "bob", Extension: "4002"}, {ID: "ada", Extension: "4002"}} {
		r := change(t, s, a, second)
		require.Equal(t, mailbox.NotFound, r.Reason)
	}
	require.True(t, f.Has("bob", first))
	require.Zero(t, f.Orders().Seen(fake.OpUsers)+f.Orders().Seen(fake.OpDetail))
}

// Between finding a mailbox and changing its code somebody else may have got its extension.
func TestAChangeAsksWhoseExtensionItIs(t *testing.T) {
	t.Parallel()
	f := fake.New(t, fake.Settings{})
	a := put(f, mailbox.Account{Extension: "4001", User: "ada"}, first)
	s := openStore(t, settings(t, f))
	put(f, mailbox.Account{Extension: "4002", User: "ada"}, first)
	r := change(t, s, a, second)
	require.Equal(t, mailbox.Refused, r.Outcome)
	require.Equal(t, mailbox.NotFound, r.Reason)
	require.ErrorIs(t, r.Err, errMoved)
	require.True(t, f.Has("ada", first))
	require.Zero(t, f.Orders().Seen(fake.OpPIN))
}

// What can be known beforehand is refused without a command, and what the system says is
// told by its reason.
func TestRefusedCodes(t *testing.T) {
	t.Parallel()
	f := fake.New(t, fake.Settings{MinLength: 5, Trivial: true})
	a := put(f, mailbox.Account{Extension: "4001", Name: "Ada Example"}, first)
	knows, trusts := settings(t, f), settings(t, f)
	knows.Rules = Rules{MinLength: 5, Trivial: true, History: true}
	trusts.Rules = Rules{MinLength: 1}
	before, system := openStore(t, knows), openStore(t, trusts)
	for next, c := range map[string]struct {
		want mailbox.Code
		both bool // the system refuses it too
	}{
		"4829":              {mailbox.TooShort, true},
		"48291537064829153": {mailbox.TooLong, false},
		"482220":            {mailbox.Trivial, true},
		"740012":            {mailbox.Trivial, false},
		"3926753":           {mailbox.Trivial, false}, // the name on the keys
		"147258":            {mailbox.Trivial, false}, // lines of keys
		first:               {mailbox.InHistory, true},
		"":                  {mailbox.TooShort, false},
	} {
		sent := f.Orders().Seen(fake.OpPIN)
		r := change(t, before, a, next)
		require.Equal(t, mailbox.Refused, r.Outcome)
		require.Equal(t, c.want, r.Reason, "%v", r.Err)
		require.Equal(t, sent, f.Orders().Seen(fake.OpPIN))
		if c.both {
			r = change(t, system, a, next)
			require.Equal(t, mailbox.Refused, r.Outcome)
			require.Equal(t, c.want, r.Reason, "%v", r.Err)
			require.ErrorContains(t, r.Err, "the system said")
			require.NotContains(t, r.Err.Error(), next)
		}
	}
	require.True(t, f.Has(a.ID, first))
	require.Equal(t, mailbox.TooShort, system.Reset(patient(t), a, code(t, "12"), false, "test", "test").Reason)
	require.Equal(t, mailbox.TooLong, system.Reset(patient(t), a, code(t, "48291537064829153"), false, "test", "test").Reason)
	require.Equal(t, mailbox.PolicyOther, system.Reset(patient(t), a, code(t, second), true, "test", "test").Reason)
	require.True(t, f.Has(a.ID, first))
}

// An answer that nobody has listed proves nothing, either way.
func TestWordsThatNobodyHasListed(t *testing.T) {
	t.Parallel()
	f := fake.New(t, fake.Settings{})
	a := put(f, mailbox.Account{Extension: "4001"}, first)
	o := settings(t, f)
	o.Answers = append(o.Answers, Answer{"noted", "ok"}, Answer{"go away", "cannot-change"})
	s := openStore(t, o)
	for body, want := range map[string]mailbox.Result{
		"Code 739164 stored":                  {Outcome: mailbox.Unknown, Reason: mailbox.OutcomeUnknown},
		"Noted.\r\nCode 739164 stored":        {Outcome: mailbox.Unknown, Reason: mailbox.OutcomeUnknown},
		"Noted.":                              {Outcome: mailbox.Done},
		"\r\n  \r\nNOTED":                     {Outcome: mailbox.Done},
		"Go away":                             {Outcome: mailbox.Refused, Reason: mailbox.CannotChange},
		"Code 739164 stored\r\n% Go away":     {Outcome: mailbox.Refused, Reason: mailbox.PolicyOther},
		"Noted.\r\nPIN 7391 64 is in history": {Outcome: mailbox.Refused, Reason: mailbox.InHistory},
	} {
		f.Orders().Give(fake.OpPIN, trouble.Order{Kind: trouble.Status, Body: body + "\r\nse-10-0-0-0#"})
		r := change(t, s, a, second)
		require.Equal(t, want.Outcome, r.Outcome, body)
		require.Equal(t, want.Reason, r.Reason, body)
		if r.Err != nil {
			require.NotRegexp(t, "[0-9]{2}", strings.ReplaceAll(r.Err.Error(), f.Addr, ""), "a figure was told")
		}
	}
}

// A code stands nowhere but in its one command.
func TestCommandsAreOfAFewForms(t *testing.T) {
	t.Parallel()
	f := fake.New(t, fake.Settings{})
	a := put(f, mailbox.Account{Extension: "4001"}, first)
	s := openStore(t, settings(t, f))
	require.Len(t, find(t, s, "4001"), 1)
	for _, number := range []string{"40 01", "4001\r", "", "4001?", "username x delete", strings.Repeat("1", 33)} {
		require.Empty(t, find(t, s, number))
	}
	for _, id := range []string{"ada\rreload", "ada delete", "x", "1ada"} {
		require.Equal(t, mailbox.NotFound, change(t, s, mailbox.Account{ID: id, Extension: "4001"}, second).Reason)
		found, err := s.ByUser(patient(t), id, "")
		require.NoError(t, err)
		require.Empty(t, found)
	}
	require.Equal(t, mailbox.Proved(), change(t, s, a, second))
	_, err := s.Probe(patient(t))
	require.NoError(t, err)
	for _, command := range f.Commands() {
		require.Regexp(t, `\A(|terminal length 0|show users|show version|show user detail username user4001|username user4001 pin)\z`, command)
	}
}

// Who dials an extension that nobody has, or somebody new, waits for the new users only.
func TestAMissWaitsForTheNewUsersOnly(t *testing.T) {
	t.Parallel()
	f := fake.New(t, fake.Settings{})
	for _, extension := range []string{"4001", "4002", "4003"} {
		put(f, mailbox.Account{Extension: extension}, first)
	}
	s := openStore(t, settings(t, f))
	require.Len(t, find(t, s, "4001"), 1)
	b := put(f, mailbox.Account{Extension: "4009", User: "zoe"}, first)
	odd := put(f, mailbox.Account{Extension: "40a1", User: "odd"}, first)
	before := f.Orders().Seen(fake.OpDetail)
	// The two new ones are asked for; those who were there would take too long.
	f.Orders().Give(fake.OpDetail, trouble.Order{Kind: trouble.Slow, Skip: 2, Delay: time.Hour, Times: trouble.Always})
	require.Equal(t, []mailbox.Account{b}, find(t, s, "4009"))
	require.LessOrEqual(t, f.Orders().Seen(fake.OpDetail)-before, 3)
	require.Empty(t, find(t, s, odd.Extension))
	f.Orders().Clear()
	require.NoError(t, s.Close(), "and the rest is given up")
}
