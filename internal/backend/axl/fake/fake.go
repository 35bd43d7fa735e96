// Package fake is a Unified Communications Manager for tests: its SOAP interface (AXL) and
// the search of User Data Services over TLS, as far as the adapter's notes describe them,
// with memory, schema checks, credential policies, its own lock-out and a credential
// cache. What no description tells is invented, and a comment says so. It does not import
// the adapter.
package fake

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
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

// User is the application user that may use the interface.
const User = "star97"

// DefaultPolicy is the name of the credential policy for the PINs of end users.
const DefaultPolicy = "Default Credential Policy"

// The kinds of requests, by which they are troubled and counted.
const (
	OpSQL          = "executeSQLQuery"
	OpUser         = "getUser"
	OpAuthenticate = "doAuthenticateUser"
	OpUpdate       = "updateUser"
	OpPolicy       = "getCredentialPolicy"
	OpDefault      = "getCredentialPolicyDefault"
	OpVersion      = "getCCMVersion"
	OpDirectory    = "users" // of UDS
)

// The numbers that come with the answer to a code. All but 0 are invented.
const (
	Right      = 0
	Wrong      = 1
	HackLocked = 2
	AdmLocked  = 3
	Inactive   = 4
	MustChange = 5
	Expired    = 6
)

// Person is an end user.
type Person struct {
	ID            string // userid; empty: user and the extension
	First, Last   string
	Locale        string // as "English United States"
	Extension     string // pattern of the primary one; empty: none
	Partition     string // its route partition
	Telephone     string // in the directory
	Mail          string // mailid
	Mobile        string // in the directory
	Status        int
	LDAP          string // name of the directory that the user is synchronised with
	Elsewhere     bool   // the home cluster is another one
	Policy        string // empty: DefaultPolicy, and getUser does not tell it
	CantChange    bool
	MustChange    bool
	DoesNotExpire bool
	Locked        bool      // by an administrator
	Changed       time.Time // of the PIN; zero: a month ago
	NoTime        bool      // getUser tells "true" for the time of the change, as one schema has it
}

// Policy is a credential policy.
type Policy struct {
	FailedLogon   int           // 0: any number
	Reset         time.Duration // of the count
	Lockout       time.Duration // 0: until an administrator opens it
	MinAge        time.Duration
	ExpiresDays   int
	MinLength     int
	History       int
	Trivial       bool
	CharsToChange int
}

// Server is a running fake. Its exported fields are set before it is used.
type Server struct {
	URL       string
	CAFile    string
	LoginFile string // holds User's password
	Version   string // the newest version of AXL that it knows, default "15.0"
	OldFaults bool   // faults in the form of releases up to 7
	Release   string // of the system, as getCCMVersion tells it
	NoRole    bool   // User has no role for AXL
	NoSQL     bool   // User may not send SQL; that there is such a right is invented
	// Lenient does not hold an administrator's account to the policy. Whether the real one
	// does is not known.
	Lenient bool
	// SetsMustChange sets "must change" with each new PIN, whatever the request says.
	// Whether the real one does is not known.
	SetsMustChange bool
	// RefusesMustChange answers no to a right PIN that must be changed. Whether the real
	// one does is not known.
	RefusesMustChange bool
	Cache             time.Duration // how long a PIN that was right is taken without looking; 0: no cache

	orders  trouble.Orders
	front   *trouble.Server
	account struct{ word string } // User's password

	mu       sync.Mutex
	people   []*person
	policies map[string]Policy
	sessions map[string]bool
	logins   int
}

type person struct {
	Person
	uuid     string
	code     trouble.Kept[pin.PIN]
	history  []pin.PIN // the newest last
	hacks    int
	lastHack time.Time
	hacked   time.Time // when wrong PINs locked it; zero: they did not
	cache    []cached
}

// cached is a PIN that was right and is taken without looking until a time.
type cached struct {
	code  pin.PIN
	until time.Time
}

// New starts a server over TLS that ends with the test. Its policy is the one that the
// system is delivered with, but for a minimum length of 6 and a history of 5.
func New(t testing.TB) *Server { return NewWith(t, trouble.NewCert(t, trouble.Good)) }

// NewWith starts one with a certificate of the test's choice.
func NewWith(t testing.TB, c *trouble.Cert) *Server {
	t.Helper()
	s := &Server{Version: "15.0", Release: "12.5.1.11900-146", sessions: map[string]bool{}, policies: map[string]Policy{
		DefaultPolicy: {
			FailedLogon: 3, Reset: 30 * time.Minute, Lockout: 30 * time.Minute, ExpiresDays: 180, MinLength: 6, History: 5,
			Trivial: true, CharsToChange: 1,
		},
	}}
	s.account.word = rand.Text()
	s.front = trouble.Serve(t, trouble.Handler(&s.orders, opOf, s.handler()), c)
	s.URL, s.CAFile = s.front.URL, s.front.CAFile
	s.LoginFile = filepath.Join(t.TempDir(), "axl.password")
	require.NoError(t, os.WriteFile(s.LoginFile, []byte(s.account.word+"\n"), 0o600))
	return s
}

// Orders are the troubles that it shall make, and the count of its requests.
func (s *Server) Orders() *trouble.Orders { return &s.orders }

// Front is where it listens.
func (s *Server) Front() *trouble.Server { return s.front }

// Put makes a user and returns the id.
func (s *Server) Put(p Person, code pin.PIN) string {
	if p.ID == "" {
		p.ID = "user" + p.Extension
	}
	if p.Changed.IsZero() {
		p.Changed = time.Now().AddDate(0, -1, 0)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.people = append(s.people, &person{Person: p, uuid: newUUID(), code: trouble.Kept[pin.PIN]{Last: code}, history: []pin.PIN{code}})
	return p.ID
}

// Edit alters a user.
func (s *Server) Edit(id string, alter func(*Person)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.find(id); p != nil {
		alter(&p.Person)
	}
}

// SetPolicy makes or alters a credential policy.
func (s *Server) SetPolicy(name string, alter func(*Policy)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.policies[name]
	alter(&p)
	s.policies[name] = p
}

// Person is a user as it is now.
func (s *Server) Person(id string) (p Person, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.find(id); p != nil {
		return p.Person, true
	}
	return Person{}, false
}

// Has tells whether code is the one that the server has for a user.
func (s *Server) Has(id string, code pin.PIN) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.find(id)
	return p != nil && p.code.Last.Equal(&code)
}

// Hacks is the number of wrong PINs that are counted against a user.
func (s *Server) Hacks(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.find(id); p != nil {
		return p.hacks
	}
	return 0
}

// Forgive forgets wrong PINs.
func (s *Server) Forgive(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.find(id); p != nil {
		p.forgive()
	}
}

func (p *person) forgive() { p.hacks, p.hacked = 0, time.Time{} }

// Logins counts the requests that were let in by name and password and not by a session.
func (s *Server) Logins() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logins
}

// find goes by the id as it is written: whether the real one heeds case is not known.
func (s *Server) find(id string) *person {
	for _, p := range s.people {
		if p.ID == id {
			return p
		}
	}
	return nil
}

// policy is that of a user.
func (s *Server) policy(p *person) Policy {
	if p.Policy == "" {
		return s.policies[DefaultPolicy]
	}
	return s.policies[p.Policy]
}

func newUUID() string {
	b := make([]byte, 16)
	rand.Read(b)
	h := strings.ToUpper(hex.EncodeToString(b))
	return "{" + strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-") + "}"
}

// ClientTLS is for a client that trusts the server.
func (s *Server) ClientTLS(t testing.TB) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(s.CAFile)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(pem))
	return &tls.Config{RootCAs: roots}
}
