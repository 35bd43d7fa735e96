// Package fake is a Unity Connection server for tests: its provisioning interface over
// TLS, as far as the adapter's notes describe it, with memory, states, rules for codes
// and its own lock-out. What no description tells is invented, and a comment says so. It
// does not import the adapter.
package fake

import (
	"crypto/rand"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance/trouble"
	"star97/internal/pin"
)

// The account that may administer, and the ids that every server has.
const (
	User = "star97"
	// DefaultPartition is where a Mailbox without Partition is.
	DefaultPartition = "9c1d2f60-1111-4000-8000-000000000001"
	// PhoneRule and WebRule are the two authentication rules.
	PhoneRule = "9c1d2f60-2222-4000-8000-000000000001"
	WebRule   = "9c1d2f60-2222-4000-8000-000000000002"
)

// The kinds of requests, by which they are troubled and counted.
const (
	OpLookup     = "lookup"     // users by a criterion
	OpUsers      = "users"      // all users
	OpUser       = "user"       // one user
	OpAlternates = "alternates" // one user's alternate extensions
	OpCredential = "credential" // what stands with a code
	OpWrite      = "write"      // a write to it
	OpRules      = "rules"
	OpVersion    = "version"
)

// Mailbox is a user of the server.
type Mailbox struct {
	Extension  string
	Alias      string // empty: user and the extension
	Name       string // DisplayName
	Mail       string // EmailAddress
	First      string
	Last       string
	LDAPUser   string // LdapCcmUserId
	Language   int    // Windows language id
	Partition  string
	Alternates []string
	Inactive   bool
	CantChange bool
	MustChange bool
	Locked     bool
	Hacked     time.Time // when wrong codes locked it; zero: they did not
	Changed    time.Time // when the code was last changed; zero: a year ago
	// Administrator has a role of his own: an account of low role is refused his code.
	Administrator bool
}

// Rule is an authentication rule.
type Rule struct {
	Name            string
	MinLength       int
	Trivial         bool
	PrevCredCount   int
	MinDuration     time.Duration
	MinCharsDiffer  int
	MaxHacks        int
	HackResetTime   time.Duration
	LockoutDuration time.Duration
}

// Server is a running fake. Its exported fields are set before it is used.
type Server struct {
	URL       string
	CAFile    string
	LoginFile string // holds the account's password
	// OtherWrapper writes lists in JSON as the one page of the description does that
	// differs: a "Users" object with "-total".
	OtherWrapper bool
	// Typed writes booleans and numbers in JSON as such instead of as text.
	Typed bool
	// Lenient does not hold an administrator's account to the minimum time between
	// changes and to the history. Whether the real one does is not known.
	Lenient bool
	// IndexLDAP lets LdapCcmUserId stand in a criterion; which columns are indexed is
	// invented but for those that clients were seen to use.
	IndexLDAP bool
	// Crowd is the least number of users that a count alone tells, for a system of many.
	Crowd int
	Zone  *time.Location // of the server's clock

	orders  trouble.Orders
	front   *trouble.Server
	account struct{ word string } // the account's password

	mu       sync.Mutex
	users    []*user
	rules    map[string]Rule
	sessions map[string]bool
	logins   int // by name and password
}

type user struct {
	Mailbox
	id       string
	code     trouble.Kept[pin.PIN]
	history  []pin.PIN // the newest last
	hacks    int
	lastHack time.Time
}

// New starts a server over TLS that ends with the test. Its rule for phones is the one
// that the description shows, but codes can be changed again at once.
func New(t testing.TB) *Server { return NewWith(t, trouble.NewCert(t, trouble.Good)) }

// NewWith starts one with a certificate of the test's choice.
func NewWith(t testing.TB, c *trouble.Cert) *Server {
	t.Helper()
	s := &Server{Zone: time.UTC, sessions: map[string]bool{}, rules: map[string]Rule{
		PhoneRule: {
			Name: "Recommended Voice Mail Authentication Rule", MinLength: 6, Trivial: true, PrevCredCount: 5, MinCharsDiffer: 1,
			MaxHacks: 3, HackResetTime: 30 * time.Minute, LockoutDuration: 30 * time.Minute,
		},
		WebRule: {
			Name: "Recommended Web Application Authentication Rule", MinLength: 8, Trivial: true, PrevCredCount: 5, MinCharsDiffer: 1,
			MaxHacks: 7, HackResetTime: 30 * time.Minute, LockoutDuration: 30 * time.Minute,
		},
	}}
	s.account.word = rand.Text()
	s.front = trouble.Serve(t, trouble.Handler(&s.orders, opOf, s.handler()), c)
	s.URL, s.CAFile = s.front.URL, s.front.CAFile
	s.LoginFile = filepath.Join(t.TempDir(), "unity.password")
	require.NoError(t, os.WriteFile(s.LoginFile, []byte(s.account.word+"\n"), 0o600))
	return s
}

// Orders are the troubles that it shall make, and the count of its requests.
func (s *Server) Orders() *trouble.Orders { return &s.orders }

// Front is where it listens.
func (s *Server) Front() *trouble.Server { return s.front }

// Put makes a user and returns the ObjectId.
func (s *Server) Put(m Mailbox, code pin.PIN) string {
	if m.Partition == "" {
		m.Partition = DefaultPartition
	}
	if m.Alias == "" {
		m.Alias = "user" + m.Extension
	}
	if m.Language == 0 {
		m.Language = 1033
	}
	if m.Changed.IsZero() {
		m.Changed = time.Now().AddDate(-1, 0, 0)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u := &user{Mailbox: m, id: newID(), code: trouble.Kept[pin.PIN]{Last: code}, history: []pin.PIN{code}}
	s.users = append(s.users, u)
	return u.id
}

// Edit alters a user.
func (s *Server) Edit(id string, alter func(*Mailbox)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.find(id); u != nil {
		alter(&u.Mailbox)
	}
}

// Remove deletes a user.
func (s *Server) Remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.users[:0:0]
	for _, u := range s.users {
		if u.id != id {
			kept = append(kept, u)
		}
	}
	s.users = kept
}

// SetRule replaces an authentication rule.
func (s *Server) SetRule(id string, alter func(*Rule)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rules[id]
	alter(&r)
	s.rules[id] = r
}

// Mailbox is a user as it is now.
func (s *Server) Mailbox(id string) (m Mailbox, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.find(id); u != nil {
		return u.Mailbox, true
	}
	return Mailbox{}, false
}

// Has tells whether code is the one that the server has for a user.
func (s *Server) Has(id string, code pin.PIN) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.find(id)
	return u != nil && u.code.Last.Equal(&code)
}

// Logins counts the requests that were let in by name and password and not by a session.
func (s *Server) Logins() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logins
}

// Answer is what a telephone user hears after mailbox and code.
type Answer int

// The answers at the telephone.
const (
	Nobody Answer = iota
	Right
	Wrong
	Closed // locked, by an administrator or by wrong codes
)

// Dial tries a code at the telephone, which counts for the lock-out.
func (s *Server) Dial(id string, code pin.PIN) Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.find(id)
	if u == nil {
		return Nobody
	}
	rule, now := s.rules[PhoneRule], time.Now()
	if !u.Hacked.IsZero() && rule.LockoutDuration > 0 && now.Sub(u.Hacked) > rule.LockoutDuration {
		u.Hacked, u.hacks = time.Time{}, 0
	}
	if u.Locked || u.Inactive || !u.Hacked.IsZero() {
		return Closed
	}
	if u.code.Shown().Equal(&code) {
		u.hacks = 0
		return Right
	}
	if now.Sub(u.lastHack) > rule.HackResetTime {
		u.hacks = 0
	}
	u.hacks, u.lastHack = u.hacks+1, now
	if rule.MaxHacks > 0 && u.hacks >= rule.MaxHacks {
		u.Hacked = now
	}
	return Wrong
}

func (s *Server) find(id string) *user {
	for _, u := range s.users {
		if strings.EqualFold(u.id, id) {
			return u
		}
	}
	return nil
}

func newID() string {
	b := make([]byte, 16)
	rand.Read(b)
	h := hex.EncodeToString(b)
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

// Forgive forgets wrong codes.
func (s *Server) Forgive(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.find(id); u != nil {
		u.hacks, u.Hacked = 0, time.Time{}
	}
}
