// Package fake is the REST interface of Webex Calling for tests, over TLS on loopback: an
// organisation with people, their voicemail, numbers and rules, and the sign-in by
// refresh token. It keeps to what is described of the real one; what it had to invent
// says so. Only tests import it.
package fake

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"star97/internal/backend/conformance/trouble"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// What a client needs to know besides the URL and the CA file.
const (
	ClientID     = "C0ffee0001"
	ClientSecret = "harbor-client-secret"
	RefreshToken = "refresh-token-00000000"
)

// Organisation and the locations, in the form of the system's ids.
var (
	Organisation  = id("ORGANIZATION", 1)
	Location      = id("LOCATION", 1)
	OtherLocation = id("LOCATION", 2)
)

// backendName is what the adapter calls its mailboxes.
const backendName = "webex"

// Ops of Orders and of their counters.
const (
	OpToken    = "token"
	OpMe       = "me"
	OpPeople   = "people"
	OpPerson   = "person"
	OpNumbers  = "numbers"
	OpState    = "state"
	OpRules    = "rules"
	OpLocation = "location"
	OpWrite    = "write"
)

// Rules are the organisation's or a location's. The zero value has none but the lengths.
type Rules struct {
	Min, Max   int
	Repeated   int  // equal digits in a row; 0: any
	Sequence   int  // digits up or down; 0: any
	OwnNumber  bool // location's only
	Previous   int  // codes that may not come again; 0: any
	ChangeDays int  // between changes; 0: any. Whether an administrator is held to it is not known: here not
	Attempts   int  // wrong codes until a lock; 0: any; location's only
}

// Server is the fake. Its exported fields are set before it is used, or by Set.
type Server struct {
	*trouble.Server
	Rules     Rules
	TokenLife time.Duration // default two weeks
	Rotates   bool          // each sign-in gives another refresh token and ends the old one (invented)
	PageSize  int           // of lists; 0: as asked, of people ten at most
	Loose     bool          // the search for an extension finds longer ones, too (invented)
	NoState   bool          // the account may not read whether voicemail is on
	NoRules   bool          // nor the rules
	Accepts   bool          // a change is answered by 202, as the described list of answers has it
	Language  string        // of announcements, as en_us
	// ErrorNumber and ErrorWords are what a refused code is answered with (invented).
	ErrorNumber int
	ErrorWords  string

	orders trouble.Orders

	mu      sync.Mutex
	people  []*record
	tokens  map[string]time.Time
	renewal string
	issued  int
	queries []string
}

// record is one person.
type record struct {
	mailbox.Account
	location string
	code     trouble.Kept[pin.PIN]
	history  []pin.PIN
}

// New starts a server with a good certificate; the test's end stops it.
func New(t testing.TB) *Server { return NewWith(t, trouble.NewCert(t, trouble.Good)) }

// NewWith starts a server with a certificate of the caller's.
func NewWith(t testing.TB, c *trouble.Cert) *Server {
	f := &Server{
		Rules: Rules{Min: 6, Max: 30}, TokenLife: 14 * 24 * time.Hour, Language: "en_us", ErrorWords: "Invalid passcode",
		tokens: map[string]time.Time{}, renewal: RefreshToken,
	}
	f.Server = trouble.Serve(t, trouble.Handler(&f.orders, op, f.routes()), c)
	return f
}

// Base is the address for the adapter's api.url.
func (f *Server) Base() string { return f.URL + "/v1" }

// Orders are the troubles that it shall make.
func (f *Server) Orders() *trouble.Orders { return &f.orders }

// Put makes a person at Location and returns the mailbox as a lookup shall find it.
func (f *Server) Put(a mailbox.Account, code pin.PIN) mailbox.Account {
	return f.PutAt(a, Location, code)
}

// PutAt makes a person at a location.
func (f *Server) PutAt(a mailbox.Account, location string, code pin.PIN) mailbox.Account {
	f.mu.Lock()
	defer f.mu.Unlock()
	a.ID, a.Backend = id("PEOPLE", len(f.people)+1), backendName
	if a.User == "" {
		a.User = fmt.Sprintf("person%d", len(f.people)+1)
	}
	if !strings.Contains(a.User, "@") {
		a.User += "@mail.example"
	}
	a.Language, a.Mail = "en-US", a.User
	f.people = append(f.people, &record{Account: a, location: location, code: trouble.Kept[pin.PIN]{Last: code}, history: []pin.PIN{code}})
	return a
}

// Has tells whether code is the one that it has for an Account.ID.
func (f *Server) Has(id string, code pin.PIN) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.person(id)
	return r != nil && r.code.Shown().Equal(&code)
}

// Expire ends every access token.
func (f *Server) Expire() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.tokens)
}

// Renewal is the refresh token that is good now.
func (f *Server) Renewal() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.renewal
}

// Queries are the queries of the requests so far, in order.
func (f *Server) Queries() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.queries)
}

func (f *Server) person(id string) *record {
	i := slices.IndexFunc(f.people, func(r *record) bool { return r.ID == id })
	if i < 0 {
		return nil
	}
	return f.people[i]
}

// id is an id in the system's form: base64 of an address.
func id(kind string, n int) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "ciscospark://us/%s/%08d-0000-4000-8000-000000000000", kind, n))
}

// op names a request for Orders.
func op(r *http.Request) string {
	path := strings.TrimPrefix(r.URL.Path, "/v1")
	switch {
	case path == "/access_token":
		return OpToken
	case path == "/people/me":
		return OpMe
	case path == "/people":
		return OpPeople
	case path == "/telephony/config/numbers":
		return OpNumbers
	case strings.HasSuffix(path, "/voicemail/passcode"):
		return OpWrite
	case strings.HasSuffix(path, "/features/voicemail"):
		return OpState
	case strings.HasSuffix(path, "ules"):
		return OpRules
	case strings.HasPrefix(path, "/telephony/config/locations/"):
		return OpLocation
	}
	return OpPerson
}
