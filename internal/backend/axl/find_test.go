package axl

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/adapter"
	"star97/internal/backend/axl/fake"
	"star97/internal/backend/conformance/trouble"
	"star97/internal/mailbox"
)

func none(t *testing.T, s *Store, number, domain string) {
	t.Helper()
	all, err := s.Lookup(t.Context(), mailbox.Query{Number: number, Domain: domain})
	require.NoError(t, err)
	require.Empty(t, all)
}

// There are no parameters in the system's SQL: what is not all digits is not asked for.
func TestOnlyDigitsGoIntoTheStatement(t *testing.T) {
	f, s := start(t, nil)
	for _, number := range []string{"", "20'41", "2041' or '1'='1", "2041 ", "+2041", "٢٠٤١", "2041\n", `\+2041`, "20%", strings.Repeat("2", adapter.MaxNumber+1)} {
		none(t, s, number, "")
		ids, err := s.byExtension(t.Context(), "lookup", number)
		require.NoError(t, err)
		require.Empty(t, ids)
	}
	require.Zero(t, f.Orders().Seen(trouble.Any), "not a question")
	none(t, s, strings.Repeat("2", adapter.MaxNumber), "")
	require.Equal(t, 1, f.Orders().Seen(fake.OpSQL))
}

func TestFindBySQL(t *testing.T) {
	f, s := start(t, nil)
	none(t, s, "2041", "")
	f.Put(fake.Person{ID: "jdoe", First: "Jane", Last: "Doe", Extension: "2041", Status: 1, Locale: "German Germany", LDAP: "corporate", Elsewhere: true}, code(t, hers))
	f.Put(fake.Person{ID: "plus", Extension: `\+2041`, Status: 1}, code(t, hers))
	f.Put(fake.Person{ID: "telephone", Extension: "2042", Telephone: "2041", Status: 1}, code(t, hers))
	a := found(t, s, "2041")
	require.Equal(t, "jdoe", a.ID)
	require.Equal(t, []string{"Jane Doe", "jdoe", "2041", "de-DE", Name}, []string{a.Name, a.User, a.Extension, a.Language, a.Backend})
	none(t, s, "2041", "elsewhere.example")

	// Two partitions can have one number.
	f.Put(fake.Person{ID: "other", Extension: "2041", Partition: "PT_Lab", Status: 1}, code(t, fresh))
	both, err := s.Lookup(t.Context(), mailbox.Query{Number: "2041"})
	require.NoError(t, err)
	require.Len(t, both, 2)
}

func TestFindInOnePartition(t *testing.T) {
	f, s := start(t, func(o *Options) { o.Partition, o.Domain = "pt_internal", "Example.com" })
	f.Put(fake.Person{ID: "lab", Extension: "2041", Partition: "PT_Lab", Status: 1}, code(t, hers))
	f.Put(fake.Person{ID: "jdoe", Extension: "2041", Partition: "PT_Internal", Status: 1}, code(t, hers))
	f.Put(fake.Person{ID: "none", Extension: "2042", Status: 1}, code(t, hers))
	all, err := s.Lookup(t.Context(), mailbox.Query{Number: "2041", Domain: "EXAMPLE.com"})
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Equal(t, []string{"jdoe", "example.com"}, []string{all[0].ID, all[0].Domain})
	none(t, s, "2041", "")
	none(t, s, "2042", "example.com")
}

func TestNumbersWithAPlus(t *testing.T) {
	f, s := start(t, func(o *Options) { o.Plus = true })
	f.Put(fake.Person{ID: "jdoe", Extension: `\+12015550143`, Status: 1}, code(t, hers))
	f.Put(fake.Person{ID: "plain", Extension: "2041", Status: 1}, code(t, hers))
	require.Equal(t, "12015550143", found(t, s, "12015550143").Extension)
	none(t, s, "2041", "")
}

// An account that may not send SQL is told what to do.
func TestFindWithoutTheRightToSQL(t *testing.T) {
	f, s := start(t, nil)
	f.NoSQL = true
	_, err := s.Lookup(t.Context(), mailbox.Query{Number: "2041"})
	require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err))
	_, err = s.Probe(t.Context())
	require.ErrorContains(t, err, "finding users by sql: ")
	require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err))
}

func byUDS(o *Options) { o.Find = UDS }

// UDS searches by the beginning of three telephone numbers, of which one counts, and a
// number that is somebody's extension is nobody else's.
func TestFindByUDS(t *testing.T) {
	f, s := start(t, byUDS)
	none(t, s, "2041", "")
	f.Put(fake.Person{ID: "longer", Extension: "20410", Telephone: "20410", Status: 1}, code(t, hers))
	f.Put(fake.Person{ID: "mobile", Extension: "2050", Telephone: "2050", Mobile: "2041", Status: 1}, code(t, hers))
	f.Put(fake.Person{ID: "stale", Extension: "2060", Telephone: "2041", Status: 1}, code(t, hers))
	f.Put(fake.Person{ID: "jdoe", Extension: "2041", Telephone: "20 41", Status: 1}, code(t, hers))
	a := found(t, s, "2041")
	require.Equal(t, "jdoe", a.ID)
	require.Empty(t, a.Numbers)
	f.Put(fake.Person{ID: "no-extension", Telephone: "+1 (201) 555-0143", Status: 1}, code(t, hers))
	a = found(t, s, "12015550143")
	require.Equal(t, "no-extension", a.ID)
	require.NoError(t, verify(t, s, a, hers))

	require.Zero(t, f.Orders().Seen(fake.OpSQL))
	for _, head := range f.Orders().Heads() {
		if strings.Contains(head, "/cucm-uds/") {
			require.NotContains(t, head, "Authorization", "the search is open: the password need not go there")
			require.NotContains(t, head, "Cookie")
		}
	}
}

func TestUDSIsReadPageByPage(t *testing.T) {
	f, s := start(t, byUDS)
	for i := range 3 * pageRows {
		f.Put(fake.Person{ID: fmt.Sprintf("u%d", i), Telephone: fmt.Sprintf("2041%03d", i), Status: 1}, code(t, hers))
	}
	f.Put(fake.Person{ID: "last", Extension: "2041", Telephone: "2041", Status: 1}, code(t, hers))
	require.Equal(t, "last", found(t, s, "2041").ID)
	require.Equal(t, 4, f.Orders().Seen(fake.OpDirectory))
	for i := range maxPages * pageRows {
		f.Put(fake.Person{ID: fmt.Sprintf("v%d", i), Telephone: fmt.Sprintf("2041%04d", i), Status: 1}, code(t, hers))
	}
	_, err := s.Lookup(t.Context(), mailbox.Query{Number: "2041"})
	require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err))
	require.ErrorContains(t, err, "let find be sql")
}

func TestUDSInTrouble(t *testing.T) {
	f, s := start(t, byUDS)
	f.Put(fake.Person{ID: "jdoe", Extension: "2041", Telephone: "2041", Status: 1}, code(t, hers))
	for name, c := range map[string]struct {
		order trouble.Order
		want  mailbox.Code
	}{
		"malformed":       {trouble.Order{Kind: trouble.Malformed, Applied: true}, mailbox.Unavailable},
		"empty":           {trouble.Order{Kind: trouble.Empty}, mailbox.Unavailable},
		"a page":          {trouble.Order{Kind: trouble.HTML}, mailbox.Unavailable},
		"another service": {trouble.Order{Kind: trouble.Status, Status: 404}, mailbox.Unavailable},
		"overloaded":      {trouble.Order{Kind: trouble.Status, Status: 503, RetryAfter: "60"}, mailbox.Throttled},
		"another root":    {trouble.Order{Kind: trouble.Status, Status: 200, Type: "application/xml", Body: "<clusters/>"}, mailbox.Unavailable},
		"no user name":    {trouble.Order{Kind: trouble.Status, Status: 200, Type: "application/xml", Body: `<users totalCount="1"><user><phoneNumber>2041</phoneNumber></user></users>`}, mailbox.Unavailable},
		"wrong count":     {trouble.Order{Kind: trouble.Status, Status: 200, Type: "application/xml", Body: `<users totalCount="many"/>`}, mailbox.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			_, s := f, openTo(t, func() Options { o := reach(f); o.Find = UDS; return o }())
			f.Orders().Give(fake.OpDirectory, c.order)
			_, err := s.Lookup(t.Context(), mailbox.Query{Number: "2041"})
			require.Equal(t, c.want, mailbox.CodeOf(err), "%v", err)
		})
	}
	require.Equal(t, "jdoe", found(t, s, "2041").ID)
}

func TestFindByUserID(t *testing.T) {
	f, s := start(t, func(o *Options) { o.Find = UserID })
	f.Put(fake.Person{ID: "2041", Extension: "55", Status: 1}, code(t, hers))
	a := found(t, s, "2041")
	require.Equal(t, "55", a.Extension)
	require.Equal(t, mailbox.Proved(), change(t, s, a, hers, fresh))
	none(t, s, "55", "")
	require.Zero(t, f.Orders().Seen(fake.OpSQL))
}

// Another system's user is this system's: codes of Unity Connection are verified here.
func TestByUserTakesAnyIDThatCanBe(t *testing.T) {
	f, s := start(t, nil)
	for _, id := range []string{"jdoe", "j.doe@example.com", "O'Hara", "<b>&", "Jürgen Groß", "a/b"} {
		f.Put(fake.Person{ID: id, Status: 1}, code(t, hers))
		all, err := s.ByUser(t.Context(), id, "")
		require.NoError(t, err)
		require.Len(t, all, 1, id)
		require.Empty(t, all[0].Extension, "none is set")
		require.NoError(t, verify(t, s, all[0], hers))
		require.Equal(t, mailbox.Proved(), change(t, s, all[0], hers, fresh))
	}
	before := f.Orders().Seen(fake.OpUser)
	for _, id := range []string{"", " jdoe", "jdoe\n", "j\x00", "\xff", strings.Repeat("x", maxUser+1)} {
		all, err := s.ByUser(t.Context(), id, "")
		require.NoError(t, err)
		require.Empty(t, all)
		require.Equal(t, mailbox.NotFound, mailbox.CodeOf(verify(t, s, mailbox.Account{ID: id + "x\x01"}, hers)))
	}
	require.Equal(t, before, f.Orders().Seen(fake.OpUser))
}

// Who leaves between two questions is not there.
func TestAUserWhoIsGone(t *testing.T) {
	f, s := start(t, nil)
	f.Put(fake.Person{ID: "jdoe", Extension: "2041", Status: 1}, code(t, hers))
	f.Orders().Give(fake.OpUser, trouble.Order{Kind: trouble.Status, Status: 500, Type: "text/xml", Body: `<s:Envelope xmlns:s="` + soapSpace +
		`"><s:Body><s:Fault><detail><axlError><axlcode>5007</axlcode></axlError></detail></s:Fault></s:Body></s:Envelope>`})
	none(t, s, "2041", "")
}

func TestLanguages(t *testing.T) {
	for locale, want := range map[string]string{
		"English United States": "en-US", "English, United States": "en-US", "english united kingdom": "en-GB",
		"Korean Korea Republic": "ko-KR", "Russian Russian Federation": "ru-RU", "Portuguese Brazil": "pt-BR",
		"German": "de", "German Atlantis": "de", "Klingon": "", "Klingon Germany": "", "": "", " ": "",
	} {
		require.Equal(t, want, language(locale), locale)
	}
}

// An answer about somebody else is none.
func TestAnAnswerAboutAnotherUser(t *testing.T) {
	for inner, want := range map[string]mailbox.Code{
		"<userid>jdoe</userid><pinCredentials/>":  mailbox.OK,
		"<userid>JDoe</userid><pinCredentials/>":  mailbox.OK, // as the system writes it
		"<userid>jdoe2</userid><pinCredentials/>": mailbox.Unavailable,
		"<pinCredentials/>":                       mailbox.Unavailable,
		"<userid>jdoe</userid>":                   mailbox.Unavailable,
	} {
		f, s := start(t, nil)
		f.Put(fake.Person{ID: "jdoe", Extension: "2041", Status: 1}, code(t, hers))
		f.Orders().Give(fake.OpUser, trouble.Order{Kind: trouble.Status, Status: 200, Type: "text/xml", Body: fmt.Sprintf(
			`<s:Envelope xmlns:s="%s"><s:Body><a:getUserResponse xmlns:a="http://www.cisco.com/AXL/API/12.5"><return><user>%s</user></return></a:getUserResponse></s:Body></s:Envelope>`,
			soapSpace, inner)})
		_, err := s.ByUser(t.Context(), "jdoe", "")
		require.Equal(t, want, mailbox.CodeOf(err), inner)
	}
}
