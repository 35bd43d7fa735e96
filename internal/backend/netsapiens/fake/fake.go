// Package fake is a NetSapiens server for tests, over TLS on loopback: API v2 with
// tokens and API keys, and API v1. It keeps to what is described of the real one; what
// it had to invent says so. Only tests import it.
package fake

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"star97/internal/backend/conformance/trouble"
	"star97/internal/mailbox"
)

// What a client needs to know besides the URL and the CA file.
const (
	Domain       = "example.test" // where users stand that are put without a domain
	ClientID     = "star97"
	ClientSecret = "harbor-client-secret"
	User         = "manager@example.test"
	Password     = "Blue-Harbor7"
	Key          = "nss_tests0000000000000000" // may do everything
)

// backendName is what the adapter calls its mailboxes.
const backendName = "netsapiens"

// Ops of Orders and of their counters.
const (
	OpToken   = "token"
	OpRead    = "read"
	OpWrite   = "write"
	OpList    = "list"
	OpNumbers = "numbers"
	OpVersion = "version"
	OpCount   = "count"
	OpKey     = "key"
)

// Never is a delay after which nothing shows: the change was taken and is lost.
const Never = time.Duration(-1)

// Settings are the ways in which servers of this kind differ.
type Settings struct {
	AsNumber    bool          // codes are given as JSON numbers
	WantFour    bool          // a change without the four fields is refused with 400
	Delay       time.Duration // until a change shows; Never
	ClearStatus bool          // a new code makes account-status standard (invented: nothing says so)
	XML         bool          // API v1 answers in XML whatever is asked
	TokenLife   time.Duration // default one hour
	NoRefresh   bool          // no refresh token is given
	EmptyNobody bool          // API v1 answers with nothing for a user who does not exist (invented, as is the empty list otherwise)
	MaxDigits   int           // longer codes are refused (invented); 0: any
}

// Server is the fake.
type Server struct {
	*trouble.Server
	orders trouble.Orders

	mu       sync.Mutex
	settings Settings
	users    map[string]*record // by EXTENSION@DOMAIN
	phones   map[string][]phone // by number; several only where rules differ by time (invented)
	keys     map[string]Rights
	tokens   map[string]time.Time // access tokens and their end
	renewals map[string]bool      // refresh tokens, good for one time (invented)
	issued   int
	writes   int
}

// Rights are what an API key may do.
type Rights struct {
	Domain   string // of a key with the prefix nsd_
	ReadOnly bool
}

// record is one user.
type record struct {
	user, domain             string
	first, last, mail, scope string
	language, status         string
	off                      bool
	code                     trouble.Kept[string]
}

type phone struct{ user, domain string }

// New starts a server with a good certificate; the test's end stops it.
func New(t testing.TB, s Settings) *Server { return NewWith(t, s, trouble.NewCert(t, trouble.Good)) }

// NewWith starts a server with a certificate of the caller's.
func NewWith(t testing.TB, s Settings, c *trouble.Cert) *Server {
	f := &Server{
		settings: s, users: map[string]*record{}, phones: map[string][]phone{}, tokens: map[string]time.Time{},
		renewals: map[string]bool{}, keys: map[string]Rights{Key: {}},
	}
	f.Server = trouble.Serve(t, trouble.Handler(&f.orders, op, f.routes()), c)
	return f
}

// Base is the address for the adapter's api.url.
func (f *Server) Base() string { return f.URL + "/ns-api" }

// Orders are the troubles that it shall make.
func (f *Server) Orders() *trouble.Orders { return &f.orders }

// AddKey makes an API key known: nss_ and nsr_ for all domains, nsd_ for rights.Domain.
func (f *Server) AddKey(key string, rights Rights) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keys[key] = rights
}

// Expire ends every access token, and every refresh token too where all says so.
func (f *Server) Expire(all bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.tokens)
	if all {
		clear(f.renewals)
	}
}

// Put makes a user of a's Extension, Domain (empty: Domain), Name, Language, Numbers and
// Flags, with a code or, where it is empty, none, and returns the mailbox as a lookup
// shall find it. MustChange becomes account-status "new".
func (f *Server) Put(a mailbox.Account, code string) mailbox.Account {
	f.mu.Lock()
	defer f.mu.Unlock()
	first, last, _ := strings.Cut(a.Name, " ")
	r := &record{
		user: a.Extension, domain: domainOf(a.Domain), first: first, last: last, mail: a.Extension + "@mail.example",
		scope: "Basic User", language: strings.ReplaceAll(a.Language, "-", "_"), status: "standard", off: a.Flags.Disabled,
		code: trouble.Kept[string]{Last: code},
	}
	if a.Flags.MustChange {
		r.status = "new"
	}
	if a.Mail != "" {
		r.mail = a.Mail
	}
	a.ID, a.Backend, a.Mail = r.user+"@"+r.domain, backendName, r.mail
	a.Flags.NoCode = code == ""
	f.users[a.ID] = r
	for _, n := range a.Numbers {
		f.phones[n] = append(f.phones[n], phone{r.user, r.domain})
	}
	return a
}

func domainOf(d string) string {
	if d == "" {
		return Domain
	}
	return strings.ToLower(d)
}

// Has tells whether code is the one in force for an Account.ID, whether it shows or not.
func (f *Server) Has(id, code string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.users[id]
	return r != nil && r.code.Last == code
}

// Writes is the number of changes that were carried out.
func (f *Server) Writes() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.writes
}

// Four are the fields of a user that a change must leave alone.
func (f *Server) Four(id string) [4]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.users[id]
	return [4]string{r.first, r.last, r.mail, r.scope}
}

// store takes a new code. The caller holds mu.
func (f *Server) store(r *record, code string) {
	if f.orders.Asked(OpWrite, trouble.Ignored).Kind == trouble.Ignored {
		return
	}
	f.writes++
	delay := f.settings.Delay
	if late := f.orders.Lateness(OpWrite); late > 0 {
		delay = late
	}
	if delay == Never {
		return
	}
	r.code.Set(code, delay)
	if f.settings.ClearStatus {
		r.status = "standard"
	}
}

// op names a request for Orders.
func op(r *http.Request) string {
	path := strings.TrimPrefix(r.URL.Path, "/ns-api")
	switch {
	case path == "/v2/tokens", path == "/oauth2/token/":
		return OpToken
	case path == "/":
		return map[string]string{"read": OpRead, "update": OpWrite, "count": OpCount}[r.URL.Query().Get("action")]
	case path == "/v2/version":
		return OpVersion
	case path == "/v2/apikeys/~":
		return OpKey
	case strings.HasSuffix(path, "/phonenumbers"):
		return OpNumbers
	case strings.HasSuffix(path, "/users/count"):
		return OpCount
	case strings.HasSuffix(path, "/users"):
		return OpList
	case r.Method == http.MethodPut:
		return OpWrite
	}
	return OpRead
}
