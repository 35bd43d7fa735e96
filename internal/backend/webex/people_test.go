package webex

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance"
	"star97/internal/backend/conformance/trouble"
	"star97/internal/backend/webex/fake"
	"star97/internal/mailbox"
)

var codeOf = conformance.Code

func (b bed) lookup(t *testing.T, number string) []mailbox.Account {
	t.Helper()
	found, err := b.Lookup(t.Context(), mailbox.Query{Number: number})
	require.NoError(t, err)
	return found
}

// withRules is a put mailbox as the default settings show it.
func (b bed) withRules(t *testing.T, a mailbox.Account) mailbox.Account {
	return b.put(t, a, codeOf(t, "482915"))
}

func TestTheSearchFindsWhoHasExactlyThatNumber(t *testing.T) {
	t.Parallel()
	for name, find := range map[string]string{"numbers": byNumbers, "people": byPeople} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := makeBed(t, func(o *Options, f *fake.Server) { o.Find, f.Loose, f.PageSize = find, true, 2 })
			var all []mailbox.Account
			for i := range 7 {
				all = append(all, b.withRules(t, mailbox.Account{Extension: "400" + strconv.Itoa(i), Numbers: []string{"1201555014" + strconv.Itoa(i)}}))
			}
			b.withRules(t, mailbox.Account{Extension: "40061"})
			require.Equal(t, all[6:], b.lookup(t, "4006"))
			require.Equal(t, all[3:4], b.lookup(t, "12015550143"))
			require.Empty(t, b.lookup(t, "400"))
			require.Empty(t, b.lookup(t, "2015550143"), "a number without its country code is another one")
			require.Empty(t, b.lookup(t, "4999"), "a hunt group has no mailbox")
		})
	}
}

func TestOneLocationOnly(t *testing.T) {
	t.Parallel()
	for _, find := range []string{byNumbers, byPeople} {
		b := makeBed(t, func(o *Options, _ *fake.Server) { o.Find, o.Location, o.Rules = find, fake.Location, rulesOff })
		here := b.fake.Put(mailbox.Account{Extension: "4001"}, codeOf(t, "482915"))
		there := b.fake.PutAt(mailbox.Account{Extension: "4001"}, fake.OtherLocation, codeOf(t, "482915"))
		require.Equal(t, []mailbox.Account{here}, b.lookup(t, "4001"), find)
		mine, err := b.ByUser(t.Context(), here.User, "")
		require.NoError(t, err)
		require.Equal(t, []mailbox.Account{here}, mine)
		others, err := b.ByUser(t.Context(), there.User, "")
		require.NoError(t, err)
		require.Empty(t, others)
	}
}

// An administrator of a partner names the customer's organisation in every request.
func TestTheOrganisationStandsInEveryRequest(t *testing.T) {
	t.Parallel()
	b := makeBed(t, func(o *Options, f *fake.Server) { o.Organisation, o.Find, f.PageSize = fake.Organisation, byPeople, 1 })
	b.withRules(t, mailbox.Account{Extension: "4001"})
	a := b.withRules(t, mailbox.Account{Extension: "4002"})
	require.Equal(t, []mailbox.Account{a}, b.lookup(t, "4002"))
	require.Equal(t, mailbox.Proved(), b.Change(t.Context(), a, codeOf(t, "482915"), codeOf(t, "739164"), mailbox.Attempt{}))
	_, err := b.Probe(t.Context())
	require.NoError(t, err)
	require.Greater(t, len(b.fake.Queries()), 6)
	for _, q := range b.fake.Queries() {
		v, err := url.ParseQuery(q)
		require.NoError(t, err)
		require.Equal(t, []string{fake.Organisation}, v["orgId"], q)
	}
	other := makeBed(t, func(o *Options, _ *fake.Server) { o.Organisation = fake.Location })
	_, err = other.Lookup(t.Context(), mailbox.Query{Number: "4001"})
	require.Equal(t, mailbox.ServiceRefused, mailbox.CodeOf(err))
}

func TestTheListOfPeopleIsReadOnceForAWhile(t *testing.T) {
	t.Parallel()
	b := makeBed(t, func(o *Options, f *fake.Server) { o.Find, o.PeopleMax, f.PageSize = byPeople, 4, 2 })
	for i := range 3 {
		b.withRules(t, mailbox.Account{Extension: "400" + strconv.Itoa(i)})
	}
	for range 4 {
		require.Len(t, b.lookup(t, "4002"), 1)
	}
	require.Equal(t, 2, b.fake.Orders().Seen(fake.OpPeople), "two pages")
	for i := range 2 {
		b.withRules(t, mailbox.Account{Extension: "401" + strconv.Itoa(i)})
	}
	_, err := b.Lookup(t.Context(), mailbox.Query{Number: "4002"})
	require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err))
	require.ErrorContains(t, err, "people_max")
}

func TestWhatIsToldOfAPerson(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		alter func(*Options, *fake.Server)
		put   mailbox.Account
		want  func(*mailbox.Account)
	}{
		"all of it":               {func(*Options, *fake.Server) {}, mailbox.Account{Name: "Ada Example", Numbers: []string{"12015550143"}}, func(*mailbox.Account) {}},
		"voicemail is off":        {func(*Options, *fake.Server) {}, mailbox.Account{Flags: mailbox.Flags{Disabled: true}}, func(*mailbox.Account) {}},
		"which is not asked":      {func(o *Options, _ *fake.Server) { o.State = false }, mailbox.Account{Flags: mailbox.Flags{Disabled: true}}, func(a *mailbox.Account) { a.Flags = mailbox.Flags{} }},
		"no language is asked":    {func(o *Options, _ *fake.Server) { o.Language = false }, mailbox.Account{}, func(a *mailbox.Account) { a.Language = "" }},
		"another language":        {func(_ *Options, f *fake.Server) { f.Language = "es_ES" }, mailbox.Account{}, func(a *mailbox.Account) { a.Language = "es-ES" }},
		"a language of no name":   {func(_ *Options, f *fake.Server) { f.Language = "Klingon!" }, mailbox.Account{}, func(a *mailbox.Account) { a.Language = "" }},
		"rules may not be read":   {func(_ *Options, f *fake.Server) { f.NoRules = true }, mailbox.Account{}, func(a *mailbox.Account) { a.Rules = nil }},
		"rules shall not be read": {func(o *Options, _ *fake.Server) { o.Rules = rulesOff }, mailbox.Account{}, func(a *mailbox.Account) { a.Rules = nil }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := makeBed(t, tc.alter)
			tc.put.Extension = "4001"
			want := b.withRules(t, tc.put)
			tc.want(&want)
			require.Equal(t, []mailbox.Account{want}, b.lookup(t, "4001"))
		})
	}
}

func TestAStateThatMayNotBeReadIsSaid(t *testing.T) {
	t.Parallel()
	b := makeBed(t, func(_ *Options, f *fake.Server) { f.NoState = true })
	b.withRules(t, mailbox.Account{Extension: "4001"})
	_, err := b.Lookup(t.Context(), mailbox.Query{Number: "4001"})
	require.Equal(t, mailbox.ServiceRefused, mailbox.CodeOf(err), "no mailbox that is off is called one that is on")
}

// A person who goes between the two requests of a search is nobody.
func TestAPersonWhoHasGoneIsNobody(t *testing.T) {
	t.Parallel()
	b := makeBed(t, nil)
	b.withRules(t, mailbox.Account{Extension: "4001"})
	b.fake.Orders().Give(fake.OpPerson, trouble.Order{Kind: trouble.Status, Status: 404, Body: "{}", Type: "application/json"})
	require.Empty(t, b.lookup(t, "4001"))
	b.fake.Orders().Give(fake.OpState, trouble.Order{Kind: trouble.Status, Status: 404, Body: "{}", Type: "application/json"})
	require.True(t, b.lookup(t, "4001")[0].Flags.Disabled, "who has no voicemail has it off")
}

// A list that is not there is no empty list.
func TestAListThatIsMissingIsAFault(t *testing.T) {
	t.Parallel()
	for _, order := range []trouble.Order{
		{Kind: trouble.Status, Status: 404, Body: "{}", Type: "application/json"},
		{Kind: trouble.Status, Status: 400, Body: `{"errors":[]}`, Type: "application/json"},
		{Kind: trouble.Status, Status: 200, Body: `{}`, Type: "application/json"},
		{Kind: trouble.Status, Status: 200, Body: `{"items":null,"phoneNumbers":null}`, Type: "application/json"},
		{Kind: trouble.Status, Status: 200, Body: `{"items":[1],"phoneNumbers":[1]}`, Type: "application/json"},
	} {
		for _, find := range []string{byNumbers, byPeople} {
			b := makeBed(t, func(o *Options, _ *fake.Server) { o.Find, o.API.Retries = find, 0 })
			b.fake.Orders().Give(fake.OpNumbers, order)
			b.fake.Orders().Give(fake.OpPeople, order)
			_, err := b.Lookup(t.Context(), mailbox.Query{Number: "4001"})
			require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err), "%s: %v", order.Body, err)
		}
	}
}

// star97's token goes to no other place than api.url.
func TestALinkThatLeadsElsewhereIsNotFollowed(t *testing.T) {
	t.Parallel()
	o := sound()
	s := &Store{o: o}
	for link, want := range map[string]string{
		"https://webexapis.com/v1/people?start=10&max=10": "/people",
		"/v1/people?start=10":                             "/people",
		"HTTPS://WEBEXAPIS.COM/v1/people":                 "/people",
		"https://evil.example/v1/people":                  "",
		"http://webexapis.com/v1/people":                  "",
		"https://webexapis.com.evil.example/v1/people":    "",
		"https://webexapis.com/v2/people":                 "",
		"https://webexapis.com/v1evil":                    "",
		"//evil.example/v1/people":                        "",
		"https://webexapis.com/v1/people?a=%zz":           "",
	} {
		path, query, err := s.below(link)
		require.Equal(t, want == "", err != nil, link)
		require.Equal(t, want, path, link)
		if strings.Contains(link, "max") {
			require.Equal(t, url.Values{"start": {"10"}, "max": {"10"}}, query)
		}
	}
}

func TestNextLink(t *testing.T) {
	for header, want := range map[string]string{
		``:                                 "",
		`<https://h/v1/p?c=2>; rel="next"`: "https://h/v1/p?c=2",
		`<a>; rel=next`:                    "a",
		`<a>;rel="first next"`:             "a",
		`<a>; rel="prev", <b>; rel="next"`: "b",
		`<a,b>; rel="prev";title="x, <c>; rel=next", <d>; REL=NEXT`: "d",
		`<a>; title="rel=next"`:       "",
		`<a>; rel="prev"; rel="next"`: "",
		`<a; rel="next"`:              "",
		`a; rel="next"`:               "",
		`<>; rel=next`:                "",
	} {
		require.Equal(t, want, nextLink([]string{header}), header)
	}
	require.Equal(t, "b", nextLink(http.Header{"Link": {`<a>; rel=prev`, `<b>; rel=next`}}["Link"]))
}

// Whatever the header, the target is text of it, and the reading ends.
func FuzzNextLink(f *testing.F) {
	f.Add(`<a>; rel="prev", <b>; rel="next"`)
	f.Add(`<a>; title="\"<", <b>; rel=next`)
	f.Fuzz(func(t *testing.T, header string) {
		got := nextLink([]string{header})
		require.Contains(t, header, "<"[:min(len(got), 1)]+got)
		require.NotContains(t, got, ">")
		escaped := strings.NewReplacer("<", "", ">", "").Replace(header)
		require.Equal(t, "next?p=2", nextLink([]string{`<next?p=2>; rel="next", <` + escaped + `>`}))
	})
}

func TestByUser(t *testing.T) {
	t.Parallel()
	b := makeBed(t, nil)
	a := b.withRules(t, mailbox.Account{Extension: "4001", User: "Ada@mail.example"})
	a.User = "ada@mail.example"
	for _, user := range []string{"ada@mail.example", "ADA@mail.example"} {
		found, err := b.ByUser(t.Context(), user, "")
		require.NoError(t, err)
		require.Equal(t, []mailbox.Account{a}, found)
	}
	before := b.fake.Orders().Seen(fake.OpPeople)
	found, err := b.ByUser(t.Context(), "ada", "")
	require.NoError(t, err)
	require.Empty(t, found)
	require.Equal(t, before, b.fake.Orders().Seen(fake.OpPeople), "what is no address is not asked for")
}

func TestProbeTellsWhoStar97Is(t *testing.T) {
	t.Parallel()
	b := makeBed(t, nil)
	told, err := b.Probe(t.Context())
	require.NoError(t, err)
	require.Equal(t, "signed in as star97 Admin", told)
}

// A caller who hangs up does not end the reading, which serves the next one.
func TestTheListIsReadOnWhenItsCallerHasGone(t *testing.T) {
	t.Parallel()
	b := makeBed(t, func(o *Options, f *fake.Server) { o.Find, f.PageSize, o.API.Retries = byPeople, 1, 0 })
	for i := range 3 {
		b.withRules(t, mailbox.Account{Extension: "400" + strconv.Itoa(i)})
	}
	b.fake.Orders().Give(fake.OpPeople, trouble.Order{Kind: trouble.Status, Status: 429, RetryAfter: "1", Skip: 1})
	ctx, cancel := contextOf(t, 200*time.Millisecond)
	defer cancel()
	_, err := b.Lookup(ctx, mailbox.Query{Number: "4002"})
	require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err))
	require.Len(t, b.lookup(t, "4002"), 1)
	require.Equal(t, 4, b.fake.Orders().Seen(fake.OpPeople), "three pages, one of them asked for again")
}

func TestAnOldListServesWhileTheNextOneIsRead(t *testing.T) {
	t.Parallel()
	b := makeBed(t, func(o *Options, _ *fake.Server) { o.Find, o.Rules = byPeople, rulesOff })
	a := b.withRules(t, mailbox.Account{Extension: "4001"})
	require.Len(t, b.lookup(t, "4001"), 1)
	next := b.fake.Put(mailbox.Account{Extension: "4002"}, codeOf(t, "482915"))
	age := func(d time.Duration) {
		b.people.mu.Lock()
		defer b.people.mu.Unlock()
		b.people.made = time.Now().Add(-d)
	}
	age(b.o.PeopleFor + time.Second)
	require.Equal(t, []mailbox.Account{a}, b.lookup(t, "4001"))
	require.Eventually(t, func() bool { _, age := b.people.get(); return age < b.o.PeopleFor }, 30*time.Second, time.Millisecond)
	require.Equal(t, []mailbox.Account{next}, b.lookup(t, "4002"))
	b.people.one.Forget("") // the reading has made its list, and need not have ended
	age(2 * b.o.PeopleFor)
	last := b.fake.Put(mailbox.Account{Extension: "4003"}, codeOf(t, "482915"))
	require.Equal(t, []mailbox.Account{last}, b.lookup(t, "4003"), "too old is not believed")
	require.Equal(t, 3, b.fake.Orders().Seen(fake.OpPeople))
}

func TestCloseEndsTheReading(t *testing.T) {
	t.Parallel()
	f := fake.New(t)
	o := optionsFor(t, f)
	o.Find = byPeople
	s, err := open(o)
	require.NoError(t, err)
	f.Orders().Give(fake.OpPeople, trouble.Order{Kind: trouble.Slow, Delay: time.Minute})
	ctx, cancel := contextOf(t, 50*time.Millisecond)
	defer cancel()
	_, err = s.Lookup(ctx, mailbox.Query{Number: "4001"})
	require.Error(t, err)
	start := time.Now()
	require.NoError(t, s.Close())
	require.Less(t, time.Since(start), 30*time.Second)
	_, err = s.Lookup(t.Context(), mailbox.Query{Number: "4001"})
	require.ErrorContains(t, err, "closed")
}

func TestANumberOfManyPeopleInTheListIsRefused(t *testing.T) {
	t.Parallel()
	_, err := few("lookup", make([]person, maxOwners))
	require.NoError(t, err)
	_, err = few("lookup", make([]person, maxOwners+1))
	require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err))
	require.ErrorContains(t, err, "name one location")
}
