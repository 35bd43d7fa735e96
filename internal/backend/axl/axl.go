// Package axl is the backend on the PINs of end users of Cisco Unified Communications
// Manager, by its Administrative XML interface (AXL, SOAP 1.1 over HTTPS). The system
// itself tells whether a code is right. Users are found by a SQL statement through AXL,
// by User Data Services (UDS), or by their id.
//
// It changes PINs only, never passwords: what a directory has for a user synchronised by
// LDAP is the password, and the PIN is the system's own. It does not use UDS to change
// them: that would have to sign in as the user, with the password.
package axl

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"star97/internal/backend/adapter"
	"star97/internal/backend/httpapi"
	"star97/internal/mailbox"
)

// Name is what Account.Backend says of this store's mailboxes.
const Name = "axl"

// Store is a mailbox.Store on one cluster. It is also a mailbox.Declarer, Lister,
// ByUser, Resetter, Flagger, Unlocker, Lagging and Prober.
type Store struct {
	api    *httpapi.Client
	uds    *httpapi.Client // without login; nil where Find is another
	o      Options
	nobody string // an id that no user has
	rules  adapter.Rulebook[rules]
	turns  adapter.Turns
}

var (
	_ mailbox.Backend  = (*Store)(nil)
	_ mailbox.Declarer = (*Store)(nil)
	_ mailbox.Lister   = (*Store)(nil)
	_ mailbox.ByUser   = (*Store)(nil)
	_ mailbox.Resetter = (*Store)(nil)
	_ mailbox.Flagger  = (*Store)(nil)
	_ mailbox.Unlocker = (*Store)(nil)
	_ mailbox.Lagging  = (*Store)(nil)
	_ mailbox.Prober   = (*Store)(nil)
)

// Open reads the password and makes a Store. It does not ask the system: one that is
// down is told per call. Errors are sentences with place and remedy.
func (o Options) Open(context.Context) (mailbox.Backend, error) {
	return adapter.Opened(open(o))
}

func open(o Options) (*Store, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	password, err := o.Password.Read()
	if err != nil {
		return nil, fmt.Errorf("password: %w", err)
	}
	o.Domain, o.Version = strings.ToLower(o.Domain), o.version()
	o.API.URL = strings.TrimSuffix(strings.TrimRight(o.API.URL, "/"), "/axl")
	o.API.Cookies = o.Cookies
	s := &Store{o: o, nobody: "star97-nobody-" + rand.Text()}
	s.rules.Keep = o.RulesFor
	if s.api, err = httpapi.New(o.API, httpapi.Basic(o.User, password)); err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	if o.Find == UDS {
		if s.uds, err = httpapi.New(o.API, nil); err != nil {
			return nil, errors.Join(fmt.Errorf("api: %w", err), s.Close())
		}
	}
	return s, nil
}

// Close gives the connections up.
func (s *Store) Close() error {
	err := s.api.Close()
	if s.uds != nil {
		err = errors.Join(err, s.uds.Close())
	}
	return err
}

// Declared is what holds for every system of this kind until Store.Traits knows more. The
// limit is that of the credential policy as the system is delivered.
func (o Options) Declared() mailbox.Traits {
	t := mailbox.Traits{
		System: "Cisco Unified Communications Manager",
		Check:  mailbox.Native,
		Proof:  mailbox.ByVerify,
		Can:    mailbox.AbilitiesOf((*Store)(nil)),
		Limit:  3,
		Window: 30 * time.Minute,
		Rules:  true,
		Flags:  true,
		AtRest: "hashed or encrypted, by version; not readable through AXL",
		Unverified: []string{
			"what the numbers mean that come with a refused code: only where codes sets them is a lock for wrong codes told from a wrong code, and a right one that must be changed from either",
			"in which faults and words the system gives its reason for refusing a new code (refusals sets the words)",
			"whether a change through AXL is held to the credential policy, and whether it sets \"must change\" (star97 checks the policy before and clears the flag after)",
			"how long a cache takes an old code (lag)",
			"that a status of 0 marks inactive users (inactive)",
			"the version query getCCMVersion, that a server answers 599 to a version it does not know, and directory numbers with a plus",
			"that one answer holds the primary extensions of all users, from which they are listed",
		},
	}
	if old(o.version()) {
		t.Unverified = append(t.Unverified, "everything with AXL "+o.version())
	}
	return t
}

// Traits are those of the user's own credential policy, if it was read lately, or else of
// the system's default.
func (s *Store) Traits(a mailbox.Account) mailbox.Traits {
	t := s.o.Declared()
	if r, ok := s.rules.Of(a.ID); ok {
		t.Limit, t.Window = r.limit, r.window
	}
	return t
}

// Lag is how long a server may take an old code from its cache.
func (s *Store) Lag(mailbox.Account) time.Duration { return s.o.Lag }

// Probe asks for the system's version, which proves address, TLS and account, and finds
// nobody in the way in which users are found.
func (s *Store) Probe(ctx context.Context) (string, error) {
	const op = "probe"
	answer, err := s.ask(ctx, op, "getCCMVersion", nil)
	if err != nil {
		return "", err
	}
	version := answer.at("componentVersion", "version").text()
	if version == "" {
		version = "of unknown version"
	}
	if _, err := s.find(ctx, op, "0"); err != nil {
		return "", fmt.Errorf("finding users by %s: %w", s.o.Find, err)
	}
	return fmt.Sprintf("Unified Communications Manager %s, asked by AXL %s", version, s.o.Version), nil
}
