// Package netsapiens is the backend on a NetSapiens SNAPsolution (also sold under other
// brands), by its API v2 or v1. Users are extensions there, and the API hands out their
// codes in clear: the account that star97 uses can read every code of its domains, so
// give it a key of one domain (nsd_) where one domain is enough.
//
// A change is taken with 202 and shows later; it is Done when the new code was read
// back. The system has no conditional write: changes of one mailbox wait for each other
// within this process, but of two processes that change one mailbox at the same moment
// the later one wins, as with two administrators.
//
// Account.ID is EXTENSION@DOMAIN. The system has nothing that outlives an extension, so
// an extension that is given to somebody else keeps its ID.
package netsapiens

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"star97/internal/backend/adapter"
	"star97/internal/backend/httpapi"
	"star97/internal/mailbox"
	"star97/internal/secret"
	"star97/internal/strictyaml"
)

// Name is what Account.Backend says of this store's mailboxes.
const Name = "netsapiens"

// Store is a mailbox.Store on one system. It is also a mailbox.Declarer, Lister,
// Resetter and Lagging, and can be probed.
type Store struct {
	options Options
	clients []*httpapi.Client
	wire    wire
	served  map[string]bool // domains
	every   bool            // every domain is served
	seen    atomic.Uint32   // the last form in which the server gave a code
	changes adapter.Turns
	numbers directory
	pages   pages
}

var (
	_ mailbox.Backend  = (*Store)(nil)
	_ mailbox.Declarer = (*Store)(nil)
	_ mailbox.Lister   = (*Store)(nil)
	_ mailbox.Resetter = (*Store)(nil)
	_ mailbox.Lagging  = (*Store)(nil)
	_ mailbox.Prober   = (*Store)(nil)
)

func open(o Options) (*Store, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o.Domain = strings.ToLower(o.Domain)
	s := &Store{options: o, served: map[string]bool{o.Domain: true}}
	for _, d := range o.Domains {
		if d == everyDomain {
			s.every = true
			continue
		}
		s.served[strings.ToLower(d)] = true
	}
	if err := s.connect(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Store) connect() error {
	auth, err := s.auth()
	if err != nil {
		return err
	}
	client, err := s.client(auth)
	if err != nil {
		return err
	}
	if s.options.Version == v1 {
		s.wire = &api1{client: client, emptyIsNobody: s.options.EmptyIsNobody}
		return nil
	}
	s.wire = &api2{client: client, fields: s.options.Fields, writeAs: s.options.WriteAs, keyed: !s.options.Key.Empty()}
	s.numbers.client, s.numbers.keep = client, s.options.NumbersKeep
	return nil
}

// client is one more way to the server, with or without credentials.
func (s *Store) client(auth httpapi.Auth) (*httpapi.Client, error) {
	c, err := httpapi.New(s.options.API, auth)
	if err != nil {
		return nil, strictyaml.Under("api", err)
	}
	s.clients = append(s.clients, c)
	return c, nil
}

func (s *Store) auth() (httpapi.Auth, error) {
	o := s.options
	if !o.Key.Empty() {
		key, err := o.Key.Read()
		if err != nil {
			return nil, fmt.Errorf("key: %w", err)
		}
		if strings.HasPrefix(key.Reveal(), "nsd_") && (s.every || len(s.served) > 1) {
			return nil, errors.New("domains: the API key begins with nsd_ and opens one domain only: leave domains empty, or use a key that begins with nsr_ or nss_")
		}
		return httpapi.Bearer(key), nil
	}
	var secrets [2]secret.Secret
	for i, from := range []secret.Source{o.Login.ClientSecret, o.Login.Password} {
		var err error
		if secrets[i], err = from.Read(); err != nil {
			return nil, fmt.Errorf("login.%s: %w", []string{"client_secret", "password"}[i], err)
		}
	}
	client, err := s.client(nil)
	if err != nil {
		return nil, err
	}
	return httpapi.Tokens(newSession(client, o, secrets[0], secrets[1]).fetch), nil
}

// Close gives the connections up.
func (s *Store) Close() error {
	var errs []error
	for _, c := range slices.Backward(s.clients) { // who signs in stops before his way there ends
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// Declared says what holds for every such system.
func Declared() mailbox.Traits {
	return mailbox.Traits{
		System: "NetSapiens SNAPsolution", Check: mailbox.Compare, Proof: mailbox.ByReadBack, Flags: true, FirstUse: true,
		Can:    []mailbox.Ability{mailbox.CanList, mailbox.CanReset},
		AtRest: "clear text: its API hands codes out",
		Unverified: []string{
			"whether a server refuses a change that carries the code alone (fields)",
			"whether a server that gives codes as numbers also takes them as numbers only (write_as)",
			"whether the system has rules for codes, or locks a mailbox after wrong ones",
			"whether a new code changes account-status (must_change)",
			"how it says that there are too many requests",
			"how API v1 answers for a user who does not exist (empty_is_nobody), and its XML",
			"in which order it lists users",
		},
	}
}

// Traits is the same for every mailbox.
func (s *Store) Traits(mailbox.Account) mailbox.Traits { return Declared() }

// Lag is the time in which a change may not have reached every site.
func (s *Store) Lag(mailbox.Account) time.Duration { return s.options.Lag }

// Probe asks for the version, the number of users and the key's rights.
func (s *Store) Probe(ctx context.Context) (string, error) {
	return s.wire.probe(ctx, s.options.Domain)
}

// address is where a user stands in the system.
type address struct{ user, domain string }

// maxUser is the longest name of a user.
const maxUser = 16

func (at address) id() string { return at.user + "@" + at.domain }

// domain is the system's name of a query's domain; false if it is not served.
func (s *Store) domain(of string) (string, bool) {
	d := strings.ToLower(of)
	if d == "" {
		d = s.options.Domain
	}
	return d, s.served[d] || s.every && domainShape.MatchString(d)
}

// address is where a's user stands; false if there can be none.
func (s *Store) address(a mailbox.Account) (address, bool) {
	user, domain, ok := strings.Cut(a.ID, "@")
	_, served := s.domain(domain)
	at := address{user: user, domain: domain}
	return at, ok && domain != "" && served && isExtension(user)
}

func isExtension(user string) bool {
	return user != "" && len(user) <= maxUser && !strings.ContainsFunc(user, func(r rune) bool { return r < '0' || r > '9' })
}

// domains are the names that are known without asking, in order.
func (s *Store) domains() []string {
	var all []string
	for d := range s.served {
		all = append(all, d)
	}
	slices.Sort(all)
	return all
}
