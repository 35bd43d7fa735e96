package broadworks

import (
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/broadworks/fake"
	"star97/internal/mailbox"
)

func TestATelephoneNumberIsFoundInItsForms(t *testing.T) {
	t.Parallel()
	f, s := start(t, fake.Settings{}, nil)
	a := f.Put(mailbox.Account{Extension: "2041", Numbers: []string{"12015550143"}}, hers)
	f.Put(mailbox.Account{Extension: "2042", Numbers: []string{"13015550143"}}, hers)
	for number, want := range map[string]int{
		"12015550143": 1, "2015550143": 1, "5550143": 0, "015550143": 0, "0143": 0, "112015550143": 0, "2041": 1, "20415": 0, "+12015550143": 0,
		"1201555014300000000000000000000": 0,
	} {
		found := lookup(t, s, number)
		require.Len(t, found, want, number)
		if want == 1 {
			require.Equal(t, a.ID, found[0].ID)
			require.Equal(t, []string{"12015550143"}, found[0].Numbers)
		}
	}
	before := f.Orders().Seen(fake.OpFind)
	s.o.Numbers = false
	require.Empty(t, lookup(t, s, "12015550143"))
	require.Equal(t, before+1, f.Orders().Seen(fake.OpFind), "by extension alone")
}

// An extension that is long enough for a telephone number is found once.
func TestALongExtensionIsOneMailbox(t *testing.T) {
	t.Parallel()
	f, s := start(t, fake.Settings{}, nil)
	f.Put(mailbox.Account{Extension: "2015550143", Numbers: []string{"12015550143"}}, hers)
	require.Len(t, lookup(t, s, "2015550143"), 1)
}

func TestASearchStaysInItsTenant(t *testing.T) {
	t.Parallel()
	f, s := start(t, fake.Settings{}, nil)
	a := f.Put(mailbox.Account{Extension: "2041"}, hers)
	b := f.Put(mailbox.Account{Extension: "2041", Domain: fake.OtherDomain}, hers)
	require.Equal(t, a.ID, lookup(t, s, "2041")[0].ID)
	found, err := s.ByUser(t.Context(), b.ID, "")
	require.NoError(t, err)
	require.Empty(t, found)
	found, err = s.ByUser(t.Context(), b.ID, "Tenant.Example")
	require.NoError(t, err)
	require.Equal(t, b.ID, found[0].ID)
	require.Equal(t, fake.OtherDomain, found[0].Domain)
	stolen := b
	stolen.Domain = ""
	require.Equal(t, mailbox.NotFound, verify(t, openStore(t, s.o), stolen, hers), "an id of another tenant")
	stolen.Domain = "unknown.example"
	require.Equal(t, mailbox.NotFound, verify(t, openStore(t, s.o), stolen, hers))

	// In the whole system an extension is several users'.
	_, wide := start(t, fake.Settings{}, nil)
	wide.Close()
	o := s.o
	o.ServiceProvider, o.Group, o.Tenants = "", "", nil
	require.Len(t, lookup(t, openStore(t, o), "2041"), 2)
}

func TestATableIsReadByItsHeadings(t *testing.T) {
	table := func(inner string) *node {
		n, err := answer([]byte(docHead+`<command xsi:type="x"><userTable>`+inner+`</userTable></command>`+docTail), "s", false)
		require.NoError(t, err)
		return n.child("userTable")
	}
	heads := func(names ...string) (all string) {
		for _, n := range names {
			all += "<colHeading>" + n + "</colHeading>"
		}
		return all
	}
	row := func(cells ...string) string {
		all := "<row>"
		for _, c := range cells {
			all += "<col>" + c + "</col>"
		}
		return all + "</row>"
	}
	ada := person{id: "ada@x", name: "Ada Example", extension: "2041", dn: "+1-2015550143"}
	for name, c := range map[string]struct {
		inner string
		want  []person
		err   string
	}{
		"in one order":       {heads("User Id", "Last Name", "First Name", "Phone Number", "Extension") + row("ada@x", "Example", "Ada", "+1-2015550143", "2041"), []person{ada}, ""},
		"in another":         {heads("Extension", "New", "Phone Number", "First Name", "User Id", "Last Name") + row("2041", "y", "+1-2015550143", "Ada", "ada@x", "Example"), []person{ada}, ""},
		"empty":              {heads("User Id", "Phone Number", "Extension"), nil, ""},
		"empty cells":        {heads("User Id", "Phone Number", "Extension") + row("ada@x", "", ""), []person{{id: "ada@x"}}, ""},
		"a column is not":    {heads("User Id", "Phone Number") + row("ada@x", ""), nil, "has no column Extension"},
		"a cell is not":      {heads("User Id", "Phone Number", "Extension") + row("ada@x", ""), nil, errShape.Error()},
		"a cell too many":    {heads("User Id", "Phone Number", "Extension") + row("ada@x", "", "", ""), nil, errShape.Error()},
		"no user":            {heads("User Id", "Phone Number", "Extension") + row("", "", "2041"), nil, errShape.Error()},
		"no table":           {"", nil, "has no column User Id"},
		"a row before heads": {row("ada@x") + heads("User Id", "Phone Number", "Extension"), nil, errShape.Error()},
	} {
		got, err := readPeople(table(c.inner))
		if c.err != "" {
			require.ErrorContains(t, err, c.err, name)
			continue
		}
		require.NoError(t, err, name)
		require.Equal(t, c.want, got, name)
	}
	_, err := readPeople(nil)
	require.Equal(t, errShape, err)
}

// What star97's own account may not see, others do without, and it is not asked for at
// every call.
func TestRulesAndStatesThatAreHidden(t *testing.T) {
	t.Parallel()
	f, s := start(t, fake.Settings{NoRules: true, NoStates: true}, func(o *Options) { o.Verify = ByDN })
	a := f.Put(mailbox.Account{Extension: "2041", Flags: mailbox.Flags{MustChange: true}}, hers)
	for range 3 {
		found := lookup(t, s, "2041")
		require.Len(t, found, 1)
		require.Nil(t, found[0].Rules)
		require.Equal(t, mailbox.Flags{}, found[0].Flags)
	}
	require.LessOrEqual(t, f.Orders().Seen(fake.OpRules), 2, "once, and once with a new session")
	require.LessOrEqual(t, f.Orders().Seen(fake.OpInfo), 2)
	require.Equal(t, 3, s.Traits(a).Limit, "as long as the real one is not known")
	require.Equal(t, mailbox.WrongPIN, verify(t, s, a, fresh))
	require.Equal(t, mailbox.Proved(), change(t, s, a, hers, fresh))
}

func TestTraitsAreThoseOfTheUser(t *testing.T) {
	t.Parallel()
	f, s := start(t, fake.Settings{}, nil)
	f.Set(func(_ *fake.Settings, r *fake.Rules) { r.MaxFailed = 7 })
	a := f.Put(mailbox.Account{Extension: "2041"}, hers)
	b := f.Put(mailbox.Account{Extension: "2042", Numbers: []string{"-"}}, hers)
	require.Equal(t, 3, s.Traits(a).Limit)
	lookup(t, s, "2041")
	require.Equal(t, 7, s.Traits(a).Limit)
	require.Equal(t, mailbox.Native, s.Traits(a).Check)
	require.Equal(t, mailbox.Compare, s.Traits(b).Check)
	require.Equal(t, mailbox.ByReadBack, s.Traits(b).Proof)
	require.Zero(t, s.Traits(b).Limit)

	require.Equal(t, mailbox.Compare, Options{Verify: Compare}.Declared().Check)
	require.Equal(t, mailbox.Native, Options{Verify: ByDN}.Declared().Check)
	require.True(t, Options{}.Declared().Flags)
	require.False(t, Options{Verify: ByDN, NoStates: true}.Declared().Flags)
}
