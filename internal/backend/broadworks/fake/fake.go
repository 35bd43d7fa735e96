// Package fake is a BroadWorks server for tests: its provisioning interface over TCP, TLS
// or SOAP, as far as it is described, with sessions, users, rules for codes and its own
// lock for wrong ones. What no description tells is invented, and a comment says so. It
// does not import the adapter.
package fake

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"star97/internal/backend/conformance/trouble"
	"star97/internal/mailbox"
)

// What a client needs to know besides the address and the CA file.
const (
	User     = "star97@example.test"
	Password = "Blue-Harbor7"

	ServiceProvider = "harbor" // of the users that are put
	Group           = "front desk"
	OtherDomain     = "tenant.example" // its users are in OtherGroup
	OtherGroup      = "back office"
)

// backendName is what the adapter calls its mailboxes.
const backendName = "broadworks"

// Ops of Orders and of their counters.
const (
	OpLogin  = "login"
	OpLogout = "logout"
	OpFind   = "find"
	OpVerify = "verify"
	OpInfo   = "info"
	OpRules  = "rules"
	OpWrite  = "write"
	OpOther  = "other"
)

// Settings are the ways in which systems of this kind differ.
type Settings struct {
	SOAP        bool // else TCP or TLS, by the certificate
	XS          bool // XS data mode: oldPasscode counts, and signedPassword in LoginRequest22V5
	ErrorCodes  bool // ErrorResponse has the element errorCode
	NoBrackets  bool // and no number in its words (invented)
	Warnings    bool // a change that is made is answered by a Warning (invented)
	Hide        bool // codes are shown as stars (invented)
	Group       bool // star97's account is a group's: only searches in its group are allowed
	NoRules     bool // star97's account may not read rules
	Version     string
	Verifier    string // the request that it knows for checking codes; default the newest
	Parameter   string // of SOAP, default arg0
	WrongNumber int    // number of the error for a wrong code, default 4962 as for passwords (invented)
	Lax         bool   // the right code of a disabled login is taken where it is checked (invented, as is that it is not)
	StaysClosed bool   // a new code does not enable a disabled login (invented, as is that it does)
	Nonce       string // default a new one each time
	WrongNonce  bool   // it tells another nonce than it checks
	Algorithm   string // default MD5
	NoStates    bool   // star97's account may not read codes
}

// Rules are the rules for codes of every user.
type Rules struct {
	Same                       int // 0: not disallowed
	Patterns                   bool
	Ascending, Descending      int // 0: not disallowed
	UserNumber, ReversedNumber bool
	Old                        int // previous codes that are not taken again
	ReversedOld                bool
	Min, Max                   int
	MaxFailed                  int // 0: wrong codes never disable a login
	ExpiresDays                int // 0: codes do not expire
}

// DefaultRules let through what the suite of the backends tries.
func DefaultRules() Rules {
	return Rules{Old: 1, ReversedOld: true, UserNumber: true, Min: 4, Max: 30, MaxFailed: 3, ExpiresDays: 60}
}

// Server is the fake.
type Server struct {
	*trouble.Server
	orders trouble.Orders

	mu       sync.Mutex
	settings Settings
	rules    Rules
	users    map[string]*record // by id
	sessions map[string]*session
	old      []string // oldPasscode of the changes so far, "" where there was none
}

// session is one of a client.
type session struct {
	nonce  string
	in     bool
	cookie string
}

// record is one user.
type record struct {
	id, extension, dn, first, last, mail string
	group                                string
	wrong                                int
	disabled                             bool
	days                                 int // until the code expires
	code                                 trouble.Kept[string]
	history                              []string // the newest last
}

// New starts a server with a certificate, or without TLS if that is nil; the test's end
// stops it.
func New(t testing.TB, s Settings, c *trouble.Cert) *Server {
	f := &Server{settings: s, rules: DefaultRules(), users: map[string]*record{}, sessions: map[string]*session{}}
	if s.SOAP {
		f.Server = trouble.Serve(t, trouble.Handler(&f.orders, opOfRequest, f.soap()), c)
	} else {
		f.Server = trouble.Listen(t, c, f.serve)
	}
	return f
}

// Orders are the troubles that it shall make.
func (f *Server) Orders() *trouble.Orders { return &f.orders }

// Set alters the settings of a running server.
func (f *Server) Set(change func(*Settings, *Rules)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.settings, &f.rules)
}

// Put makes a user of a's Extension, Domain (OtherDomain: in OtherGroup), Name, User,
// Numbers and Flags, with a code or, where it is empty, none, and returns the mailbox as
// a lookup shall find it, but for Rules. A user without Numbers gets one of his extension;
// one whose first number is "-" gets none. MustChange becomes a code that has expired,
// Disabled a login that is disabled.
func (f *Server) Put(a mailbox.Account, code string) mailbox.Account {
	f.mu.Lock()
	defer f.mu.Unlock()
	a.Domain = strings.ToLower(a.Domain)
	r := &record{extension: a.Extension, group: Group, days: f.rules.ExpiresDays, disabled: a.Flags.Disabled, code: trouble.Kept[string]{Last: code}}
	r.first, r.last, _ = strings.Cut(a.Name, " ")
	r.mail = a.Mail
	host := "example.test"
	if a.Domain == OtherDomain {
		r.group, host = OtherGroup, OtherDomain
	}
	switch {
	case len(a.Numbers) == 0:
		for area := 201; r.dn == "" || f.owner(digits(r.dn)) != nil; area++ {
			r.dn = fmt.Sprintf("+1-%d555%s", area, a.Extension)
		}
	case a.Numbers[0] != "-":
		r.dn = "+" + a.Numbers[0][:1] + "-" + a.Numbers[0][1:]
	}
	if r.id = a.User; r.id == "" {
		r.id = a.Extension
	}
	r.id += "@" + host
	for n := 1; f.users[r.id] != nil; n++ {
		r.id = fmt.Sprintf("%s.%d@%s", a.Extension, n, host)
	}
	if a.Flags.MustChange {
		r.days = 0
	}
	f.users[r.id] = r
	a.ID, a.Backend, a.User, a.Numbers = r.id, backendName, r.id, nil
	if r.dn != "" {
		a.Numbers = []string{digits(r.dn)}
	}
	a.Flags.NoCode = code == ""
	return a
}

func digits(number string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, number)
}

// Taken tells whether a number is a user's: it can be of one only.
func (f *Server) Taken(number string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.owner(number) != nil
}

// owner is the user of a number. The caller holds mu.
func (f *Server) owner(number string) *record {
	for _, r := range f.users {
		if r.dn != "" && digits(r.dn) == number {
			return r
		}
	}
	return nil
}

// Move gives a user's number to another one, which loses his own.
func (f *Server) Move(from, to string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.users[to].dn, f.users[from].dn = f.users[from].dn, ""
}

// Disable alters whether a user's login is disabled.
func (f *Server) Disable(id string, disabled bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.users[id].disabled = disabled
}

// Remove takes a user away.
func (f *Server) Remove(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.users, id)
}

// Has tells whether code is the one in force for an Account.ID, whether it shows or not.
func (f *Server) Has(id, code string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.users[id]
	return r != nil && r.code.Last == code
}

// Wrong is how many wrong codes of a user count.
func (f *Server) Wrong(id string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.users[id].wrong
}

// Forgive makes the server forget wrong codes.
func (f *Server) Forgive(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.users[id]; r != nil {
		r.wrong, r.disabled = 0, false
	}
}

// Expire ends every session.
func (f *Server) Expire() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.sessions)
}

// Sessions is how many are signed in.
func (f *Server) Sessions() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, s := range f.sessions {
		if s.in {
			n++
		}
	}
	return n
}

// Old are the current codes that came with the changes that were asked for.
func (f *Server) Old() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.old)
}

// store takes a new code. The caller holds mu.
func (f *Server) store(r *record, code string) {
	if f.orders.Asked(OpWrite, trouble.Ignored).Kind == trouble.Ignored {
		return
	}
	r.history = append(r.history, r.code.Last)
	r.code.Set(code, f.orders.Lateness(OpWrite))
	r.days, r.wrong = f.rules.ExpiresDays, 0
	if !f.settings.StaysClosed {
		r.disabled = false
	}
}

func (f *Server) nonce() string {
	if f.settings.Nonce != "" {
		return f.settings.Nonce
	}
	return rand.Text()
}
