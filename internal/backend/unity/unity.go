// Package unity is the backend on Cisco Unity Connection, by its provisioning interface
// (CUPI, the REST interface under /vmrest). It finds mailboxes, reads their states and
// rules, and sets, resets and unlocks codes.
//
// It cannot tell whether a code is the current one: no call of an administrator's account
// does that, and the call that a user's own account has wants the web password and puts
// the code into a URL. So its Check is NoCheck, and package backend puts a Verifier
// before it. Where codes are kept in step with Communications Manager, that system can be
// the one: Account.User is the id that both know.
package unity

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"star97/internal/backend/adapter"
	"star97/internal/backend/httpapi"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// Name is what Account.Backend says of this store's mailboxes.
const Name = "unity"

// Store is a mailbox.Store on one Unity Connection server or cluster. It is also a
// mailbox.Declarer, Lister, ByUser, Resetter, Flagger, Unlocker, Lagging and Prober.
type Store struct {
	api     *httpapi.Client
	o       Options
	zone    *time.Location // of the server's clock; nil: not known
	rules   adapter.Rulebook[rules]
	others  atomic.Pointer[map[string][]string] // ids by alternate extension; nil: not read yet
	stop    context.CancelFunc
	stopped chan struct{}
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
	s, err := open(o)
	if err == nil {
		s.watch()
	}
	return adapter.Opened(s, err)
}

func open(o Options) (*Store, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	password, err := o.Password.Read()
	if err != nil {
		return nil, fmt.Errorf("password: %w", err)
	}
	var zone *time.Location
	if o.TimeZone != "" {
		if zone, err = time.LoadLocation(o.TimeZone); err != nil {
			return nil, fmt.Errorf("time_zone: %w", err)
		}
	}
	o.Domain, o.Partition = strings.ToLower(o.Domain), strings.ToLower(o.Partition)
	o.API.URL = strings.TrimSuffix(strings.TrimRight(o.API.URL, "/"), root)
	o.API.Cookies = o.Cookies
	api, err := httpapi.New(o.API, httpapi.Basic(o.User, password))
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	s := &Store{api: api, o: o, zone: zone}
	s.rules.Keep = o.RulesFor
	return s, nil
}

// Close ends the reading of alternate extensions and gives the connections up.
func (s *Store) Close() error {
	if s.stop != nil {
		s.stop()
		<-s.stopped
	}
	return s.api.Close()
}

// Declared is what holds for every system of this kind until Store.Traits knows more. The
// limit is that of the rule for phones as the system is delivered.
func (o Options) Declared() mailbox.Traits { return declared() }

func declared() mailbox.Traits {
	return mailbox.Traits{
		System: "Cisco Unity Connection",
		Check:  mailbox.NoCheck,
		Proof:  mailbox.ByAnswer,
		Can:    mailbox.AbilitiesOf((*Store)(nil)),
		Limit:  3,
		Window: 30 * time.Minute,
		Rules:  true,
		Flags:  true,
		AtRest: "hashed; which hash differs between versions",
		Unverified: []string{
			"in which form and words the system gives its reason for refusing a code (refusals sets the words)",
			"whether an administrator's change is held to the minimum time between changes and to the history",
			"that an administrator's change is not stopped by \"user cannot change\" (star97 refuses by itself)",
			"how soon a changed code is in force in a system that is kept in step (lag)",
			"that a lock for wrong codes is over after the rule's lock-out time",
		},
	}
}

// Traits are those of the mailbox's own rule, if it was read lately.
func (s *Store) Traits(a mailbox.Account) mailbox.Traits {
	t := declared()
	if r, ok := s.rules.Of(a.ID); ok {
		t.Limit, t.Window = r.limit, r.window
	}
	return t
}

// Lag is how long a system that is kept in step may take to know of a new code.
func (s *Store) Lag(mailbox.Account) time.Duration { return s.o.Lag }

// Verify answers as a system that has no way.
func (s *Store) Verify(ctx context.Context, a mailbox.Account, _ pin.PIN, _ mailbox.Attempt) error {
	return adapter.Uncheckable(ctx, a)
}

// Probe counts the users, which proves address, TLS and account, and tells the version
// and whether the account may read the rules for codes.
func (s *Store) Probe(ctx context.Context) (string, error) {
	const op = "probe"
	users, err := s.count(ctx, op)
	if err != nil {
		return "", err
	}
	version := "of unknown version"
	if v, err := s.one(ctx, op, root+"/version", "VersionInformation"); err == nil && v.text("version") != "" {
		version = v.text("version")
	}
	rules, err := s.get(ctx, op, rulesPath, nil, "AuthenticationRule")
	switch mailbox.CodeOf(err) {
	case mailbox.OK:
		return fmt.Sprintf("Unity Connection %s, %d users, %d authentication rules", version, users, rules.total), nil
	case mailbox.ServiceRefused:
		return fmt.Sprintf("Unity Connection %s, %d users; the account %s may not read the authentication rules", version, users, s.o.User), nil
	}
	return "", err
}
