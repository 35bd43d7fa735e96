package unity

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance"
	"star97/internal/backend/conformance/trouble"
	"star97/internal/backend/unity/fake"
	"star97/internal/mailbox"
)

func TestOnlyTheConfiguredPartitionCounts(t *testing.T) {
	const north, south = "9c1d2f60-aaaa-4000-8000-000000000001", "9c1d2f60-aaaa-4000-8000-000000000002"
	for partition, want := range map[string]int{"": 2, north: 1, strings.ToUpper(south): 1, "9c1d2f60-aaaa-4000-8000-000000000003": 0} {
		b := makeBed(t, func(o *Options, _ *fake.Server) { o.Partition = partition })
		b.fake.Put(fake.Mailbox{Extension: "4001", Alias: "north", Partition: north}, conformance.Code(t, first))
		b.fake.Put(fake.Mailbox{Extension: "4001", Alias: "south", Partition: south}, conformance.Code(t, second))
		found, err := b.Lookup(t.Context(), mailbox.Query{Number: "4001"})
		require.NoError(t, err)
		require.Len(t, found, want)
		list, err := b.List(t.Context(), mailbox.Page{})
		require.NoError(t, err)
		require.Len(t, list, want)
	}
}

func TestOnlyTheConfiguredDomainIsHere(t *testing.T) {
	b := makeBed(t, func(o *Options, _ *fake.Server) { o.Domain = "North.example" })
	b.fake.Put(fake.Mailbox{Extension: "4001", Alias: "ada"}, conformance.Code(t, first))
	for domain, want := range map[string]int{"north.example": 1, "NORTH.example": 1, "": 0, "south.example": 0} {
		found, err := b.Lookup(t.Context(), mailbox.Query{Number: "4001", Domain: domain})
		require.NoError(t, err)
		require.Len(t, found, want)
		for _, a := range found {
			require.Equal(t, "north.example", a.Domain)
		}
		found, err = b.ByUser(t.Context(), "ada", domain)
		require.NoError(t, err)
		require.Len(t, found, want)
		list, err := b.List(t.Context(), mailbox.Page{Domain: domain})
		require.NoError(t, err)
		require.Len(t, list, want)
	}
	all, err := b.List(t.Context(), mailbox.Page{AllDomains: true})
	require.NoError(t, err)
	require.Len(t, all, 1)
}

// Nothing but digits, and nothing that means something in a criterion, is asked for.
func TestCriteriaCannotBeWidened(t *testing.T) {
	b := makeBed(t, nil)
	b.fake.Put(fake.Mailbox{Extension: "4001", Alias: "ada"}, conformance.Code(t, first))
	for _, text := range []string{"", "4001)", "(4001", "4001 or 1", "*", "400", "4001\n", "\u0664\u0660\u0660\u0661", strings.Repeat("4", 41)} {
		found, err := b.Lookup(t.Context(), mailbox.Query{Number: text})
		require.NoError(t, err)
		require.Empty(t, found, text)
	}
	for _, text := range []string{"", "ada)", "a d a", "(ada", "ad", "*", "ada\n", strings.Repeat("a", 65)} {
		found, err := b.ByUser(t.Context(), text, "")
		require.NoError(t, err)
		require.Empty(t, found, text)
	}
	found, err := b.ByUser(t.Context(), "ADA", "")
	require.NoError(t, err)
	require.Len(t, found, 1, "aliases have no case")
}

func TestByUserColumn(t *testing.T) {
	b := makeBed(t, func(o *Options, f *fake.Server) { o.UserColumn, f.IndexLDAP = "LdapCcmUserId", true })
	b.fake.Put(fake.Mailbox{Extension: "4001", Alias: "ada", LDAPUser: "aexample"}, conformance.Code(t, first))
	for user, want := range map[string]int{"aexample": 1, "ada": 0} {
		found, err := b.ByUser(t.Context(), user, "")
		require.NoError(t, err)
		require.Len(t, found, want)
	}
	b = makeBed(t, func(o *Options, _ *fake.Server) { o.UserColumn = "LdapCcmUserId" })
	_, err := b.ByUser(t.Context(), "aexample", "")
	require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err), "a column that is not indexed is no empty answer")
}

// What the account may not see stays empty, and the caller is found all the same.
func TestWhatTheAccountMayNotSee(t *testing.T) {
	for op, c := range map[string]struct{ flags, rules, numbers bool }{
		fake.OpAlternates: {true, true, false}, fake.OpCredential: {false, false, true}, fake.OpRules: {true, false, true},
	} {
		for _, status := range []int{401, 403, 404} {
			t.Run(fmt.Sprint(op, status), func(t *testing.T) {
				b := makeBed(t, func(o *Options, _ *fake.Server) { o.Cookies = false })
				b.fake.Put(fake.Mailbox{Extension: "4001", MustChange: true, Alternates: []string{"4901"}}, conformance.Code(t, first))
				b.fake.Orders().Give(op, trouble.Order{Kind: trouble.Status, Status: status})
				a := b.lookUp(t, "4001")
				require.Equal(t, c.flags, a.Flags.MustChange)
				require.Equal(t, c.rules, a.Rules != nil)
				require.Equal(t, c.numbers, len(a.Numbers) > 0)
			})
		}
		b := makeBed(t, nil)
		b.fake.Put(fake.Mailbox{Extension: "4001"}, conformance.Code(t, first))
		b.fake.Orders().Give(op, trouble.Order{Kind: trouble.CutBefore, Times: trouble.Always})
		_, err := b.Lookup(t.Context(), mailbox.Query{Number: "4001"})
		require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err), "an outage is no empty answer")
	}
}

func TestAServerWithoutTheInterface(t *testing.T) {
	b := makeBed(t, func(o *Options, _ *fake.Server) { o.API.URL += "/elsewhere" })
	_, err := b.Lookup(t.Context(), mailbox.Query{Number: "4001"})
	require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err))
	require.ErrorContains(t, err, "api.url")
}

func TestAlternatesOff(t *testing.T) {
	b := makeBed(t, func(o *Options, _ *fake.Server) { o.Alternates = Off })
	b.fake.Put(fake.Mailbox{Extension: "4001", Alternates: []string{"4901"}}, conformance.Code(t, first))
	require.Empty(t, b.lookUp(t, "4001").Numbers)
	require.Zero(t, b.fake.Orders().Seen(fake.OpAlternates))
}

func TestMailboxesAreFoundByAlternateExtensions(t *testing.T) {
	f := fake.New(t)
	o := optionsFor(f)
	o.Alternates = Find
	id := f.Put(fake.Mailbox{Extension: "4001", Alternates: []string{"+12015550143", "4901"}}, conformance.Code(t, first))
	f.Put(fake.Mailbox{Extension: "4002", Alternates: []string{"4902"}}, conformance.Code(t, first))
	opened, err := o.Open(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, opened.Close()) }()
	lookup := func(number string) []mailbox.Account {
		found, err := opened.Lookup(t.Context(), mailbox.Query{Number: number})
		require.NoError(t, err)
		return found
	}
	require.Eventually(t, func() bool { return len(lookup("4902")) == 1 }, 30*time.Second, 10*time.Millisecond, "they are read at the start")
	for _, number := range []string{"12015550143", "4901", "4001"} {
		require.Len(t, lookup(number), 1)
		require.Equal(t, id, lookup(number)[0].ID)
	}
	f.Edit(id, func(m *fake.Mailbox) { m.Alternates = []string{"4901"} })
	require.Empty(t, lookup("12015550143"), "it is asked whether the number still is one")
	f.Remove(id)
	require.Empty(t, lookup("4901"))
}

func TestAlternatesOfALargeSystemAreNotReadThrough(t *testing.T) {
	b := makeBed(t, func(o *Options, _ *fake.Server) { o.Alternates, o.AlternatesUsers = Find, 2 })
	for i := range 3 {
		b.fake.Put(fake.Mailbox{Extension: fmt.Sprint(4001 + i), Alternates: []string{fmt.Sprint(4901 + i)}}, conformance.Code(t, first))
	}
	require.NoError(t, b.readAlternates(t.Context(), 0))
	found, err := b.Lookup(t.Context(), mailbox.Query{Number: "4901"})
	require.NoError(t, err)
	require.Empty(t, found)
	require.Zero(t, b.fake.Orders().Seen(fake.OpAlternates))
}

// What was known stays known when the next reading fails.
func TestAReadingThatFailsForgetsNothing(t *testing.T) {
	b := makeBed(t, func(o *Options, _ *fake.Server) { o.Alternates = Find })
	b.fake.Put(fake.Mailbox{Extension: "4001", Alternates: []string{"4901"}}, conformance.Code(t, first))
	require.NoError(t, b.readAlternates(t.Context(), 0))
	b.fake.Orders().Give(fake.OpUsers, trouble.Order{Kind: trouble.CutBefore, Times: trouble.Always})
	require.Error(t, b.readAlternates(t.Context(), 0))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, b.readAlternates(ended, 0))
	b.fake.Orders().Clear()
	found, err := b.Lookup(t.Context(), mailbox.Query{Number: "4901"})
	require.NoError(t, err)
	require.Len(t, found, 1)
}

func TestListInPages(t *testing.T) {
	b := makeBed(t, func(o *Options, _ *fake.Server) { o.Alternates = Off })
	const users = pageRows + 7 // more than one page of the server's
	ids := make([]string, users)
	for i := range users {
		ids[i] = b.fake.Put(fake.Mailbox{Extension: fmt.Sprint(4001 + i), Name: fmt.Sprintf("User %d", i)}, conformance.Code(t, first))
	}
	var seen []string
	page := mailbox.Page{Limit: 90}
	for {
		part, err := b.List(t.Context(), page)
		require.NoError(t, err)
		for _, a := range part {
			seen = append(seen, a.ID)
		}
		if len(part) < page.Limit {
			break
		}
		page.After = &part[len(part)-1]
		b.fake.Remove(page.After.ID) // the next page begins behind it all the same
	}
	require.Equal(t, ids, seen)
	part, err := b.List(t.Context(), mailbox.Page{})
	require.NoError(t, err)
	require.Len(t, part, maxList)
}

// Of too many users to look through, a search finds what begins with it.
func TestSearchInALargeSystem(t *testing.T) {
	b := makeBed(t, nil)
	b.fake.Put(fake.Mailbox{Extension: "4001", Alias: "ada", Name: "Ada Example"}, conformance.Code(t, first))
	b.fake.Put(fake.Mailbox{Extension: "4102", Alias: "bob", Name: "Bob Example"}, conformance.Code(t, first))
	b.fake.Crowd = maxPages*pageRows + 1
	for search, want := range map[string]int{"40": 1, "4": 2, "02": 0, "AD": 1, "example": 0, "b": 1} {
		part, err := b.List(t.Context(), mailbox.Page{Search: search})
		require.NoError(t, err)
		require.Len(t, part, want, search)
	}
}

func TestProbe(t *testing.T) {
	b := makeBed(t, nil)
	b.fake.Put(fake.Mailbox{Extension: "4001"}, conformance.Code(t, first))
	said, err := b.Probe(t.Context())
	require.NoError(t, err)
	require.Equal(t, "Unity Connection 12.5.1.0, 1 users, 2 authentication rules", said)

	b.fake.Orders().Give(fake.OpRules, trouble.Order{Kind: trouble.Status, Status: 403})
	b.fake.Orders().Give(fake.OpVersion, trouble.Order{Kind: trouble.Status, Status: 404})
	said, err = b.Probe(t.Context())
	require.NoError(t, err)
	require.Contains(t, said, "of unknown version")
	require.Contains(t, said, "may not read the authentication rules")

	wrong := makeBed(t, func(o *Options, _ *fake.Server) { o.User = "somebody" })
	_, err = wrong.Probe(t.Context())
	require.Equal(t, mailbox.ServiceRefused, mailbox.CodeOf(err))
}

func TestLanguages(t *testing.T) {
	for lcid, want := range map[int]string{
		1033: "en-US", 2057: "en-GB", 1031: "de-DE", 3082: "es-ES", 2058: "es-MX", 2070: "pt-PT", 1046: "pt-BR",
		1033 | ttsFlag: "en-US", 0: "", 4096: "", 70000: "",
	} {
		require.Equal(t, want, language(lcid), lcid)
	}
	for lcid, tag := range languages {
		require.Regexp(t, `^[a-z]{2,3}(-[A-Z][a-z]{3})?-[A-Z]{2}$`, tag)
		require.Zero(t, lcid&ttsFlag)
	}
}
