package axl

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/axl/fake"
	"star97/internal/mailbox"
)

func listed(t *testing.T, s *Store, p mailbox.Page) (ids []string) {
	t.Helper()
	all, err := s.List(t.Context(), p)
	require.NoError(t, err)
	for _, a := range all {
		ids = append(ids, a.ID)
	}
	return ids
}

// Those are listed whom a number finds, and they are told of as a number tells.
func TestThoseAreListedWhomANumberFinds(t *testing.T) {
	f, s := start(t, func(o *Options) { o.Partition, o.Domain = "PT_Internal", "example.com" })
	for _, p := range []fake.Person{
		{ID: "jdoe", First: "Jane", Last: "Doe", Extension: "2041", Partition: "PT_Internal", Telephone: "+1 201 555 0143", MustChange: true},
		{ID: "asmith", First: "Ann", Last: "Smith", Extension: "2040", Partition: "pt_internal", Locale: "German Germany"},
		{ID: "lab", Extension: "2042", Partition: "PT_Lab"},
		{ID: "plus", Extension: `\+2043`, Partition: "PT_Internal"},
		{ID: "pattern", Extension: "20XX", Partition: "PT_Internal"},
		{ID: "nobody", Partition: "PT_Internal"},
	} {
		p.Status = 1
		f.Put(p, code(t, hers))
	}
	all, err := s.List(t.Context(), mailbox.Page{Domain: "EXAMPLE.com"})
	require.NoError(t, err)
	require.Len(t, all, 2)
	for i, number := range []string{"2040", "2041"} {
		one, err := s.Lookup(t.Context(), mailbox.Query{Number: number, Domain: "example.com"})
		require.NoError(t, err)
		require.Equal(t, one, all[i:i+1])
	}
	require.Equal(t, []string{"asmith", "jdoe"}, listed(t, s, mailbox.Page{AllDomains: true}))
	require.Empty(t, listed(t, s, mailbox.Page{}), "another domain")
	for search, want := range map[string][]string{"SMITH": {"asmith"}, "0143": {"jdoe"}, "2041": {"jdoe"}, "PT": nil} {
		require.Equal(t, want, listed(t, s, mailbox.Page{AllDomains: true, Search: search}), search)
	}
}

// A page is full as long as there are more, whoever is left out of it.
func TestAPageIsFullWhereThereIsMore(t *testing.T) {
	f, s := start(t, func(o *Options) { o.Partition = "PT_Internal" })
	for i := range 12 {
		f.Put(fake.Person{ID: fmt.Sprintf("u%d", i), Extension: fmt.Sprint(2000 + i/2), Status: 1, Partition: []string{"PT_Lab", "PT_Internal"}[i%2]}, code(t, hers))
	}
	first, err := s.List(t.Context(), mailbox.Page{Limit: 4})
	require.NoError(t, err)
	require.Len(t, first, 4)
	require.Equal(t, []string{"u9", "u11"}, listed(t, s, mailbox.Page{Limit: 4, After: &first[3]}))
}

// On a large system names are not read one by one.
func TestALargeSystemIsSearchedByExtension(t *testing.T) {
	f, s := start(t, nil)
	for i := range mostNamed + 1 {
		f.Put(fake.Person{ID: fmt.Sprintf("u%d", i), First: "Jane", Extension: fmt.Sprint(20000 + i), Status: 1}, code(t, hers))
	}
	require.Empty(t, listed(t, s, mailbox.Page{Search: "jane"}))
	require.Equal(t, []string{"u999"}, listed(t, s, mailbox.Page{Search: "20999"}))
	require.Equal(t, 1, f.Orders().Seen(fake.OpUser))
	require.Len(t, listed(t, s, mailbox.Page{}), usualPage)
}

func TestListWithoutTheRightToSQL(t *testing.T) {
	f, s := start(t, byUDS)
	f.NoSQL = true
	_, err := s.List(t.Context(), mailbox.Page{})
	require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err))
}
