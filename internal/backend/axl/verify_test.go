package axl

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/axl/fake"
	"star97/internal/backend/conformance/trouble"
	"star97/internal/mailbox"
)

// The number says, where it has a meaning, and the user's states where it has none.
func TestWhyACodeIsRefused(t *testing.T) {
	long := time.Now().AddDate(-2, 0, 0)
	hacked := func(f *fake.Server, id string, s *Store) {
		for range 3 {
			require.Error(t, verify(t, s, mailbox.Account{ID: id}, nobody))
		}
	}
	for name, c := range map[string]struct {
		person  fake.Person
		before  func(f *fake.Server, id string, s *Store)
		meaning []Meaning
		digits  string
		want    mailbox.Code
		says    string
	}{
		"wrong":                               {fake.Person{}, nil, nil, fresh, mailbox.WrongPIN, "with number 1"},
		"right":                               {fake.Person{}, nil, nil, hers, mailbox.OK, ""},
		"locked by an administrator":          {fake.Person{Locked: true}, nil, nil, hers, mailbox.Locked, "an administrator has locked the PIN"},
		"the same with a wrong one":           {fake.Person{Locked: true}, nil, nil, fresh, mailbox.Locked, "with number 3"},
		"inactive":                            {fake.Person{Status: -1}, nil, nil, hers, mailbox.Disabled, ""},
		"expired":                             {fake.Person{Changed: long}, nil, nil, hers, mailbox.Locked, "the PIN has expired"},
		"expired, of unknown age":             {fake.Person{Changed: long, NoTime: true}, nil, nil, hers, mailbox.WrongPIN, "with number 6"},
		"expired, and the number says so":     {fake.Person{Changed: long, NoTime: true}, nil, []Meaning{{fake.Expired, "right"}}, hers, mailbox.OK, ""},
		"old, but it does not expire":         {fake.Person{Changed: long, DoesNotExpire: true}, nil, nil, fresh, mailbox.WrongPIN, ""},
		"locked by wrong codes, no meaning":   {fake.Person{}, hacked, nil, hers, mailbox.WrongPIN, "with number 2"},
		"locked by wrong codes, with meaning": {fake.Person{}, hacked, []Meaning{{fake.HackLocked, "locked"}}, hers, mailbox.Locked, ""},
		"disabled by the number":              {fake.Person{}, nil, []Meaning{{fake.Wrong, "disabled"}}, fresh, mailbox.Disabled, ""},
		"wrong by the number":                 {fake.Person{Locked: true}, nil, []Meaning{{fake.AdmLocked, "wrong-pin"}}, hers, mailbox.WrongPIN, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f, s := start(t, func(o *Options) { o.Codes = c.meaning })
			c.person.ID, c.person.Status = "jdoe", c.person.Status+1
			id := f.Put(c.person, code(t, hers))
			if c.before != nil {
				c.before(f, id, s)
			}
			before := f.Orders().Seen(fake.OpAuthenticate)
			err := verify(t, s, mailbox.Account{ID: id}, c.digits)
			require.Equal(t, c.want, mailbox.CodeOf(err), "%v", err)
			if c.says != "" {
				require.ErrorContains(t, err, c.says)
			}
			require.Equal(t, before+1, f.Orders().Seen(fake.OpAuthenticate), "one try")
		})
	}
}

// Which statuses are of inactive users is set.
func TestInactiveIsASetting(t *testing.T) {
	f, s := start(t, func(o *Options) { o.Inactive = []int{2, 7} })
	f.Put(fake.Person{ID: "seven", Extension: "2041", Status: 7}, code(t, hers))
	f.Put(fake.Person{ID: "five", Extension: "2042", Status: 5}, code(t, hers))
	require.True(t, found(t, s, "2041").Flags.Disabled)
	require.False(t, found(t, s, "2042").Flags.Disabled)
	require.Equal(t, mailbox.Disabled, change(t, s, found(t, s, "2041"), hers, fresh).Reason)
}

// The schema has no PIN of three digits: the system is not asked, and no try is spent.
func TestCodesThatAreNoPINsAreNotAskedFor(t *testing.T) {
	f, s := start(t, nil)
	id := f.Put(fake.Person{ID: "jdoe", Status: 1}, code(t, hers))
	for _, digits := range []string{"", "4", "482"} {
		for _, a := range []mailbox.Account{{ID: id}, {}} {
			err := verify(t, s, a, digits)
			require.Equal(t, mailbox.WrongPIN, mailbox.CodeOf(err))
			require.EqualError(t, err, "verify: wrong-pin", "the length is not told")
		}
	}
	require.Zero(t, f.Orders().Seen(trouble.Any))
	require.Equal(t, mailbox.WrongPIN, mailbox.CodeOf(verify(t, s, mailbox.Account{ID: id}, "4829")))
	require.Equal(t, 1, f.Hacks(id))
}

// Nobody's code is wrong, but only when the system is there to say so.
func TestNobodyIsAskedAboutToo(t *testing.T) {
	f, s := start(t, nil)
	require.Equal(t, mailbox.WrongPIN, mailbox.CodeOf(verify(t, s, mailbox.Account{}, hers)))
	require.Equal(t, 1, f.Orders().Seen(fake.OpAuthenticate))
	f.Orders().Give(fake.OpAuthenticate, trouble.Order{Kind: trouble.CutBefore})
	err := verify(t, s, mailbox.Account{}, hers)
	require.NotEqual(t, mailbox.WrongPIN, mailbox.CodeOf(err))
	require.NotEqual(t, s.nobody, openTo(t, s.o).nobody, "nobody can make that user")
}

// A user whose states cannot be read has given a wrong code all the same.
func TestTheSystemsNoStands(t *testing.T) {
	f, s := start(t, nil)
	id := f.Put(fake.Person{ID: "jdoe", Status: 1}, code(t, hers))
	f.Orders().Give(fake.OpUser, trouble.Order{Kind: trouble.CutBefore, Times: trouble.Always})
	require.Equal(t, mailbox.WrongPIN, mailbox.CodeOf(verify(t, s, mailbox.Account{ID: id}, fresh)))
	require.Equal(t, 1, f.Hacks(id))
}

// Only a yes is a yes, and only of the method that was asked.
func TestAnswersToACode(t *testing.T) {
	const space = "http://www.cisco.com/AXL/API/12.5"
	yes := "<userAuthenticated>true</userAuthenticated><code>0</code>"
	for _, c := range []struct {
		method, space, inner string
		want                 mailbox.Code
	}{
		{"doAuthenticateUserResponse", space, yes, mailbox.OK},
		{"doAuthenticateUserResponse", "http://www.cisco.com/AXL/1.0", yes, mailbox.OK},
		{"doAuthenticateUserResponse", "http://elsewhere.example/", yes, mailbox.OutcomeUnknown},
		{"getUserResponse", space, yes, mailbox.OutcomeUnknown},
		{"doAuthenticateUserResponse", space, "<userAuthenticated>t</userAuthenticated>", mailbox.OK},
		{"doAuthenticateUserResponse", space, "<userAuthenticated> 1 </userAuthenticated><code>0</code>", mailbox.OK},
		{"doAuthenticateUserResponse", space, "<userAuthenticated>false</userAuthenticated><code>1</code>", mailbox.WrongPIN},
		{"doAuthenticateUserResponse", space, "<userAuthenticated>false</userAuthenticated><code>many</code>", mailbox.WrongPIN},
		{"doAuthenticateUserResponse", space, "<userAuthenticated>maybe</userAuthenticated>", mailbox.WrongPIN},
		{"doAuthenticateUserResponse", space, "<userAuthenticated/><code>0</code>", mailbox.OutcomeUnknown},
		{"doAuthenticateUserResponse", space, "<code>0</code>", mailbox.OutcomeUnknown},
		{"doAuthenticateUserResponse", space, "<in>" + yes + "</in>", mailbox.OutcomeUnknown},
	} {
		f, s := start(t, nil)
		id := f.Put(fake.Person{ID: "jdoe", Status: 1}, code(t, hers))
		f.Orders().Give(fake.OpAuthenticate, trouble.Order{Kind: trouble.Status, Status: 200, Type: "text/xml", Body: fmt.Sprintf(
			`<s:Envelope xmlns:s="%s"><s:Body><a:%s xmlns:a="%s"><return>%s</return></a:%[2]s></s:Body></s:Envelope>`, soapSpace, c.method, c.space, c.inner)})
		require.Equal(t, c.want, mailbox.CodeOf(verify(t, s, mailbox.Account{ID: id}, hers)), "%+v", c)
	}
}
