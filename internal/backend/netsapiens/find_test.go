package netsapiens

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance/trouble"
	"star97/internal/backend/netsapiens/fake"
	"star97/internal/mailbox"
)

// An answer that is not about the user who was asked for is no answer.
func TestAnAnswerAboutSomebodyElseIsNotBelieved(t *testing.T) {
	for name, body := range map[string]string{
		"another user":    `{"user":"4002","domain":"example.test","voicemail-login-pin":"482915"}`,
		"another domain":  `{"user":"4001","domain":"tenant.example","voicemail-login-pin":"482915"}`,
		"nobody":          `{"voicemail-login-pin":"482915"}`,
		"two":             `[{"user":"4001"},{"user":"4001"}]`,
		"an error by 200": `{"code":401,"message":"Authentication required"}`,
		"no JSON":         `482915`,
		"a page":          `<html><body>482915</body></html>`,
		"nothing":         ``,
	} {
		t.Run(name, func(t *testing.T) {
			f := fake.New(t, fake.Settings{})
			s := openStore(t, keyed(t, f))
			a := f.Put(mailbox.Account{Extension: "4001"}, first)
			order := trouble.Order{Kind: trouble.Status, Status: http.StatusOK, Body: body, Times: trouble.Always}
			if body == "" {
				order.Kind = trouble.Empty
			}
			f.Orders().Give(fake.OpRead, order)
			err := s.Verify(t.Context(), a, code(t, first), nobodyTries)
			require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err))
			require.NotContains(t, err.Error(), "4829")
			_, err = s.Lookup(t.Context(), mailbox.Query{Number: "4001"})
			require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err))
			require.Equal(t, mailbox.Refused, change(t, s, a, first, second).Outcome)
		})
	}
}

func TestLookupTellsWhatTheSystemTells(t *testing.T) {
	for name, options := range map[string]func(testing.TB, *fake.Server) Options{v2: keyed, v1: overV1} {
		t.Run(name, func(t *testing.T) {
			f := fake.New(t, fake.Settings{})
			o := options(t, f)
			o.MustChange = []string{"new"}
			s := openStore(t, o)
			want := f.Put(mailbox.Account{
				Extension: "4001", Domain: otherDomain, Name: "Ada Example", Language: "fr-CA",
				Flags: mailbox.Flags{Disabled: true, MustChange: true},
			}, "")
			require.Equal(t, want, find(t, s, "4001", otherDomain))
			require.True(t, want.Flags.NoCode)
			f.Put(mailbox.Account{Extension: "4001", Domain: "foreign.example"}, first)
			for _, q := range []mailbox.Query{
				{Number: "4001"}, {Number: "4001", Domain: "foreign.example"}, {Number: "~", Domain: otherDomain}, {Number: "400 1", Domain: otherDomain},
				{Number: "40012345678901234", Domain: otherDomain}, {Domain: otherDomain}, {Number: "4001", Domain: "~"},
			} {
				found, err := s.Lookup(t.Context(), q)
				require.NoError(t, err)
				require.Empty(t, found, "%+v", q)
			}
		})
	}
}

func TestAnEmptyAnswerOfV1IsAFaultUnlessItIsSaidToMeanNobody(t *testing.T) {
	for nobody, want := range map[bool]mailbox.Code{false: mailbox.Unavailable, true: mailbox.OK} {
		f := fake.New(t, fake.Settings{EmptyNobody: true})
		o := overV1(t, f)
		o.EmptyIsNobody = nobody
		found, err := openStore(t, o).Lookup(t.Context(), mailbox.Query{Number: "4001"})
		require.Equal(t, want, mailbox.CodeOf(err))
		require.Empty(t, found)
	}
}

func TestV1InXML(t *testing.T) {
	f := fake.New(t, fake.Settings{XML: true})
	s := openStore(t, overV1(t, f))
	want := f.Put(mailbox.Account{Extension: "4001", Name: "Ada <Example> & Co"}, first)
	require.Equal(t, want, find(t, s, "4001", ""))
	require.Equal(t, mailbox.WrongPIN, mailbox.CodeOf(s.Verify(t.Context(), want, code(t, second), nobodyTries)))
	require.Equal(t, mailbox.Proved(), change(t, s, want, first, "073916"))
	require.True(t, f.Has(want.ID, "073916"))
	all, err := s.List(t.Context(), mailbox.Page{})
	require.NoError(t, err)
	require.Equal(t, []mailbox.Account{want}, all)
	f.Put(mailbox.Account{Extension: "4001", Domain: otherDomain}, first)
	found, err := s.Lookup(t.Context(), mailbox.Query{Number: "4002"})
	require.NoError(t, err)
	require.Empty(t, found)
}

func TestEveryDomainIsServedWhereTheSettingSaysSo(t *testing.T) {
	f := fake.New(t, fake.Settings{})
	o := keyed(t, f)
	o.Domains = []string{"*"}
	s := openStore(t, o)
	want := f.Put(mailbox.Account{Extension: "4001", Domain: "foreign.example"}, first)
	require.Equal(t, want, find(t, s, "4001", "foreign.example"))
	for _, domain := range []string{"~", "*", "..", "a/b", "a b"} {
		found, err := s.Lookup(t.Context(), mailbox.Query{Number: "4001", Domain: domain})
		require.NoError(t, err)
		require.Empty(t, found)
	}
	require.Equal(t, 1, f.Orders().Seen(trouble.Any), "what is no domain is not asked for")
}

func TestTelephoneNumbers(t *testing.T) {
	f := fake.New(t, fake.Settings{})
	o := keyed(t, f)
	o.Numbers = true
	s := openStore(t, o)
	want := f.Put(mailbox.Account{Extension: "4001", Numbers: []string{"12015550143", "12015550144"}}, first)
	for range 3 {
		require.Equal(t, want, find(t, s, "12015550144", ""))
		require.Equal(t, want, find(t, s, "4001", ""))
	}
	require.Equal(t, 1, f.Orders().Seen(fake.OpNumbers), "the numbers are remembered")
	for name, number := range map[string]string{"of nobody": "12015550199", "of another domain": "12015550145"} {
		f.Put(mailbox.Account{Extension: "4001", Domain: otherDomain, Numbers: []string{"12015550145"}}, first)
		found, err := s.Lookup(t.Context(), mailbox.Query{Number: number})
		require.NoError(t, err)
		require.Empty(t, found, name)
	}
}

// Callers who come together cost one reading of the numbers.
func TestTelephoneNumbersAreReadOnceForAll(t *testing.T) {
	f := fake.New(t, fake.Settings{})
	o := keyed(t, f)
	o.Numbers = true
	s := openStore(t, o)
	f.Put(mailbox.Account{Extension: "4001", Numbers: []string{"12015550143"}}, first)
	f.Orders().Give(fake.OpNumbers, trouble.Order{Kind: trouble.Slow, Delay: 50 * time.Millisecond})
	var all sync.WaitGroup
	found := make([][]mailbox.Account, 8)
	for i := range found {
		// One caller: started here; stops when it is answered.
		all.Go(func() { found[i], _ = s.Lookup(t.Context(), mailbox.Query{Number: "12015550143"}) })
	}
	all.Wait()
	for _, a := range found {
		require.Len(t, a, 1)
	}
	require.Equal(t, 1, f.Orders().Seen(fake.OpNumbers))
}

func TestWhichNumbersRingAUser(t *testing.T) {
	for name, c := range map[string]struct {
		number wireNumber
		want   bool
	}{
		"a user":                        {wireNumber{Number: "12015550143", User: "4001", Does: "to-user-residential", Host: "Example.test", On: "yes"}, true},
		"with a plus":                   {wireNumber{Number: "+12015550143", User: "4001", Does: "to-user"}, true},
		"any host":                      {wireNumber{Number: "12015550143", User: "4001", Does: "to-voicemail", Host: "[*]"}, true},
		"a queue":                       {wireNumber{Number: "12015550143", User: "4001", Does: "to-callqueue"}, false},
		"switched off":                  {wireNumber{Number: "12015550143", User: "4001", Does: "to-user", On: "no"}, false},
		"another domain":                {wireNumber{Number: "12015550143", User: "4001", Does: "to-user", Host: "tenant.example"}, false},
		"nobody":                        {wireNumber{Number: "12015550143", User: "[*]", Does: "to-user"}, false},
		"a pattern instead of a number": {wireNumber{Number: "1201555*", User: "4001", Does: "to-user"}, false},
	} {
		b := book{byPhone: map[string][]string{}, byUser: map[string][]string{}}
		b.add(&c.number, "example.test")
		require.Equal(t, c.want, slices.Equal(b.users("12015550143"), []string{"12015550143", "4001"}), name)
	}
}

func TestListGoesThroughAllPagesOfTheSystem(t *testing.T) {
	for name, options := range map[string]func(testing.TB, *fake.Server) Options{v2: keyed, v1: overV1} {
		t.Run(name, func(t *testing.T) {
			f := fake.New(t, fake.Settings{})
			s := openStore(t, options(t, f))
			const most = 2*wirePage + 17
			for i := range most {
				f.Put(mailbox.Account{Extension: fmt.Sprint(4000 + i), Name: fmt.Sprintf("Ada Name%d", i*7%most)}, first)
			}
			f.Put(mailbox.Account{Extension: "4001", Domain: otherDomain}, first)
			f.Put(mailbox.Account{Extension: "queue_main"}, first)
			all, err := s.List(t.Context(), mailbox.Page{})
			require.NoError(t, err)
			require.Len(t, all, most, "who has no extension of digits cannot call")
			requests := f.Orders().Seen(trouble.Any)
			var got []mailbox.Account
			page := mailbox.Page{AllDomains: true, Limit: 50}
			for {
				part, err := s.List(t.Context(), page)
				require.NoError(t, err)
				got = append(got, part...)
				if len(part) < page.Limit {
					break
				}
				page.After = &part[len(part)-1]
			}
			require.Equal(t, all, got[:most])
			require.Len(t, got, most+1)
			require.Equal(t, otherDomain, got[most].Domain)
			require.Less(t, f.Orders().Seen(trouble.Any)-requests, 8, "a next page does not read everything again")
		})
	}
}

func TestListFindsByNameAndNumber(t *testing.T) {
	f := fake.New(t, fake.Settings{})
	o := keyed(t, f)
	o.Numbers = true
	s := openStore(t, o)
	ada := f.Put(mailbox.Account{Extension: "4001", Name: "Ada Example", Numbers: []string{"12015550143"}}, first)
	bea := f.Put(mailbox.Account{Extension: "4002", Name: "Bea Example"}, first)
	for search, want := range map[string][]mailbox.Account{
		"ADA": {ada}, "4002": {bea}, "50143": {ada}, "example": {ada, bea}, "nobody": nil,
	} {
		found, err := s.List(t.Context(), mailbox.Page{Search: search})
		require.NoError(t, err)
		require.Equal(t, want, found, search)
	}
	for op, trouble := range map[string]trouble.Order{
		fake.OpList: {Kind: trouble.Malformed, Times: trouble.Always}, fake.OpNumbers: {Kind: trouble.HTML, Times: trouble.Always},
	} {
		f.Orders().Give(op, trouble)
		fresh := openStore(t, o)
		_, err := fresh.List(t.Context(), mailbox.Page{})
		require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err), op)
		f.Orders().Clear()
	}
}
