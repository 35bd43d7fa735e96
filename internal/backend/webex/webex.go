// Package webex is the backend on Webex Calling, by its REST interface. It finds people,
// reads the rules for codes, and sets and resets codes.
//
// It cannot tell whether a code is the current one: no call does. So its Check is
// NoCheck, and package backend puts a Verifier before it.
//
// star97 signs in as an integration or a service app, with client id, client secret and
// refresh token (RFC 6749 section 6). Where an answer brings another refresh token, it
// replaces the old one: in the file that refresh_token names, written beside it with mode
// 0600 and moved over it, so that the file is whole at any time. A refresh token from the
// environment is replaced in memory only; a restart begins with the old one again.
package webex

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"star97/internal/backend/adapter"
	"star97/internal/backend/httpapi"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/strictyaml"
)

// Name is what Account.Backend says of this store's mailboxes.
const Name = "webex"

// Store is a mailbox.Store on one organisation. It is also a mailbox.Declarer, Lister,
// ByUser, Resetter, Lagging and Prober.
type Store struct {
	o       Options
	clients []*httpapi.Client
	api     *httpapi.Client
	session *session
	rules   adapter.Memory[rules]
	tongues adapter.Memory[string] // by location
	people  *directory

	mu      sync.Mutex
	changed map[string]time.Time // by person, for the minimum time between changes
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

// Open reads the secrets and makes a Store. It asks the system nothing. Errors are
// sentences with place and remedy.
func (o Options) Open(context.Context) (mailbox.Backend, error) {
	return adapter.Opened(open(o))
}

func open(o Options) (*Store, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o.Domain = strings.ToLower(o.Domain)
	o.API.Tracking = "TrackingID"
	s := &Store{
		o: o, people: newDirectory(), changed: map[string]time.Time{},
	}
	s.rules.Keep, s.tongues.Keep = o.RulesFor, o.RulesFor
	if err := s.connect(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Store) connect() error {
	secretWord, err := s.o.ClientSecret.Read()
	if err != nil {
		return fmt.Errorf("client_secret: %w", err)
	}
	renew, err := s.o.RefreshToken.Read()
	if err != nil {
		return fmt.Errorf("refresh_token: %w", err)
	}
	door, err := s.client(nil)
	if err != nil {
		return err
	}
	s.session = &session{client: door, id: s.o.ClientID, word: secretWord, renew: renew, file: s.o.RefreshToken.File}
	s.api, err = s.client(httpapi.Tokens(s.session.fetch))
	return err
}

// client is one more way to the server, with or without credentials.
func (s *Store) client(auth httpapi.Auth) (*httpapi.Client, error) {
	c, err := httpapi.New(s.o.API, auth)
	if err != nil {
		return nil, strictyaml.Under("api", err)
	}
	s.clients = append(s.clients, c)
	return c, nil
}

// Close ends the reading of the list of everybody and gives the connections up.
func (s *Store) Close() error {
	s.people.close()
	var errs []error
	for i := len(s.clients) - 1; i >= 0; i-- { // who signs in stops before his way there ends
		errs = append(errs, s.clients[i].Close())
	}
	return errors.Join(errs...)
}

// Declared is what holds for every organisation until Store.Traits knows more.
func (o Options) Declared() mailbox.Traits {
	return mailbox.Traits{
		System: "Webex Calling",
		Check:  mailbox.NoCheck,
		Proof:  mailbox.ByAnswer,
		Can:    mailbox.AbilitiesOf((*Store)(nil)),
		Rules:  o.Rules != rulesOff,
		Flags:  true,
		AtRest: "not known",
		Unverified: []string{
			"which errorCode and words the system gives for a code that it refuses (refusals)",
			"whether an administrator's change is held to the rules, to the history and to the minimum time between changes",
			"whether the search by extension finds parts of it, too (they are sorted out)",
			"in which form a telephone number is searched for",
			"that pages are linked by the header Link",
			"whether a refresh token is replaced by another one",
			"how soon a changed code is in force everywhere (lag)",
			"where an administrator can read one person's own rules (user_rules)",
		},
	}
}

// Traits are those of the location's rules, if they were read lately.
func (s *Store) Traits(mailbox.Account) mailbox.Traits {
	t := s.o.Declared()
	if s.o.Rules == rulesLocation && s.o.Location != "" {
		if r, ok := s.rules.Get(s.o.Location); ok {
			t.Limit = r.limit
		}
	}
	return t
}

// Lag is how long after a change the old code may still be right somewhere.
func (s *Store) Lag(mailbox.Account) time.Duration { return s.o.Lag }

// Verify answers as a system that has no way.
func (s *Store) Verify(ctx context.Context, a mailbox.Account, _ pin.PIN, _ mailbox.Attempt) error {
	return adapter.Uncheckable(ctx, a)
}

// Probe asks who star97 is, and tells where a new refresh token could not be kept.
func (s *Store) Probe(ctx context.Context) (string, error) {
	const op = "probe"
	var me person
	if _, err := s.get(ctx, op, "/people/me", nil, &me); err != nil {
		return "", err
	}
	told := "signed in as " + adapter.Shown(me.DisplayName, maxShown)
	if err := s.session.unkept(); err != nil {
		told += "; " + err.Error()
	}
	return told, nil
}
