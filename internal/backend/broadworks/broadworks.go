// Package broadworks is the backend on the portal passcodes of BroadWorks, by its Open
// Client Interface for provisioning (OCI-P): XML documents over TCP, over TLS, or in SOAP.
// It finds users by extension and telephone number, has the system check a code or
// compares it with the one that the system shows, reads the rules for codes, and sets
// codes.
//
// A system in AS data mode ignores the current code that comes with a change, so that it
// is always checked before. Changes of one user wait for each other within this process.
// The account that star97 uses can set, and on most systems read, every code of its group
// or service provider: give it no more than that.
//
// Account.ID is the user's id. It does not use the Xsi interface.
package broadworks

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"star97/internal/backend/adapter"
	"star97/internal/backend/httpapi"
	"star97/internal/mailbox"
)

// Name is what Account.Backend says of this store's mailboxes.
const Name = "broadworks"

// Store is a mailbox.Store on one system. It is also a mailbox.Declarer, Lister,
// ByUser, Resetter, Lagging and Prober.
type Store struct {
	o       Options
	pool    *pool
	api     *httpapi.Client // nil but for soap
	tries   int             // further ones of a safe request
	tenants map[string]Tenant
	nobody  string // an id that no user has
	people  adapter.Memory[person]
	rules   adapter.Memory[read]
	turns   adapter.Turns
	unseen  atomic.Int64 // until when states are not asked for, in Unix milliseconds
}

var (
	_ mailbox.Backend  = (*Store)(nil)
	_ mailbox.Declarer = (*Store)(nil)
	_ mailbox.Lister   = (*Store)(nil)
	_ mailbox.ByUser   = (*Store)(nil)
	_ mailbox.Resetter = (*Store)(nil)
	_ mailbox.Lagging  = (*Store)(nil)
	_ mailbox.Prober   = (*Store)(nil)
)

func open(o Options) (*Store, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	password, err := o.Password.Read()
	if err != nil {
		return nil, fmt.Errorf("password: %w", err)
	}
	s := &Store{o: o, tenants: map[string]Tenant{}, nobody: "star97-nobody-" + rand.Text()}
	for _, t := range o.tenants() {
		s.tenants[strings.ToLower(t.Domain)] = t
	}
	s.people.Keep, s.rules.Keep = o.RulesFor, o.RulesFor
	p := &pool{
		o: o, password: password, timeout: o.Line.Timeout, wait: o.Line.Timeout, farewell: farewell, places: make(chan struct{}, o.Sessions),
		rest: rest{after: o.Line.BreakAfter, pause: o.Line.BreakPause},
	}
	s.pool = p
	if o.Transport == OverSOAP {
		return s, s.overSOAP()
	}
	s.tries = o.Line.Retries
	return s, s.overLine()
}

// overLine makes the pool connect by TCP or TLS.
func (s *Store) overLine() error {
	addr, err := s.o.server()
	if err != nil {
		return fmt.Errorf("line.%w", err)
	}
	dial := func(ctx context.Context) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err != nil {
			return nil, fmt.Errorf("%s cannot be reached: %w", addr, err)
		}
		return conn, nil
	}
	if s.o.Transport == OverTLS {
		if dial, err = s.o.Line.TLS.Line(addr); err != nil {
			return fmt.Errorf("line.%w", err)
		}
	}
	s.pool.connect = func(ctx context.Context) (carrier, error) {
		ctx, cancel := context.WithTimeout(ctx, s.pool.timeout)
		defer cancel()
		conn, err := dial(ctx)
		if err != nil {
			return nil, err
		}
		return newLine(conn, addr), nil
	}
	return nil
}

// overSOAP makes the pool use HTTP, whose client retries and leaves alone by itself.
func (s *Store) overSOAP() error {
	s.o.API.URL = strings.TrimSuffix(strings.TrimRight(s.o.API.URL, "/"), soapPath)
	api, err := httpapi.New(s.o.API, nil)
	if err != nil {
		return fmt.Errorf("api.%w", err)
	}
	s.api = api
	// httpapi ends each of its tries; this bounds all of them.
	s.pool.wait = s.o.API.Timeout
	s.pool.timeout = time.Duration(s.o.API.Retries+1) * (s.o.API.Timeout + mostPause)
	s.pool.rest = rest{pause: s.o.API.BreakPause}
	s.pool.connect = func(context.Context) (carrier, error) {
		return &soap{client: api, parameter: s.o.Parameter, cookies: map[string]string{}}, nil
	}
	return nil
}

// Close signs out and gives the connections up.
func (s *Store) Close() error {
	s.pool.shut()
	if s.api != nil {
		return s.api.Close()
	}
	return nil
}

// Declared is what holds for a system with these options until Store.Traits knows more.
// The limit is a guess at what is common.
func (o Options) Declared() mailbox.Traits {
	t := mailbox.Traits{
		System:   "BroadWorks",
		Check:    mailbox.Native,
		Proof:    mailbox.ByVerify,
		Can:      mailbox.AbilitiesOf((*Store)(nil)),
		Limit:    3,
		Rules:    true,
		Flags:    !o.NoStates,
		FirstUse: !o.NoStates,
		AtRest:   "not known; the interface shows codes to administrators",
		Unverified: []string{
			"the numbers and words of the errors that refuse a code, check one or end a session (errors)",
			"in which form a telephone number is wanted where a code is checked (number_form)",
			"that older requests than AuthenticationVerifyRequest22V4 take a telephone number and a code (verify_request)",
			"that the system shows codes in clear on every release (verify)",
			"after how many wrong codes a login is disabled, where the rules cannot be read",
			"that wrong codes that are checked count towards a disabled login, and that a new code enables it again (login_disabled)",
			"what expirationDays is of a code that has expired, and whether a change by an administrator's account must be followed by the owner's",
			"the ports 2208 and 2209, and the name of the element in SOAP (line.server, parameter)",
			"what the rules count as repeated digits and as sequences",
			"that a list without a criterion is one of all users, and what it is where there are more than it may have",
			"that the tables of users have a column Email Address",
			"how soon a changed code is in force in servers that are kept in step (lag)",
		},
	}
	if o.Verify == Compare {
		t.Check, t.Proof, t.Limit, t.Flags = mailbox.Compare, mailbox.ByReadBack, 0, true
	}
	return t
}

// Traits are those of the user's own rules, if they were read lately. Codes of a user
// without a telephone number are compared where the options allow that.
func (s *Store) Traits(a mailbox.Account) mailbox.Traits {
	t := s.o.Declared()
	if t.Check != mailbox.Native || a.ID == "" {
		return t
	}
	if s.o.Verify == Auto && len(a.Numbers) == 0 {
		t.Check, t.Proof, t.Limit = mailbox.Compare, mailbox.ByReadBack, 0
		return t
	}
	if r, ok := s.rules.Get(a.ID); ok && r.hidden == nil {
		t.Limit = r.limit
	}
	return t
}

// Lag is how long servers that are kept in step may take to know of a new code.
func (s *Store) Lag(mailbox.Account) time.Duration { return s.o.Lag }

// Probe signs in, looks for nobody in every tenant, and asks for the version, which many
// accounts may not know.
func (s *Store) Probe(ctx context.Context) (string, error) {
	const op = "probe"
	for domain := range s.tenants {
		if _, err := s.find(ctx, op, domain, byID(s.nobody)); err != nil {
			return "", fmt.Errorf("looking in domain %q: %w", domain, err)
		}
	}
	version := "of unknown version"
	n, err := s.ask(ctx, op, command{name: "SystemSoftwareVersionGetRequest", safe: true})
	switch _, refused := err.(fault); {
	case err == nil && n.of("version") != "":
		version = n.of("version")
	case err != nil && !refused && !hidden(err):
		return "", err
	}
	said := "BroadWorks " + version
	if w := s.pool.welcome.Load(); w != nil {
		if w.kind != "" {
			said += ", signed in as " + w.kind
		}
		if w.limited {
			said += fmt.Sprintf("; the password of star97's own account expires in %d days", w.expires)
		}
	}
	return said, nil
}
