// Package webhook is the backend on a web service that an administrator writes for a
// system that star97 has no adapter for. The contract between the two is star97's own:
// openapi.yaml beside this file, which Contract returns.
//
// Each operation is a POST of JSON to an address of its own. Requests are signed with
// HMAC-SHA-256 (RFC 2104) over the time and the body; codes stand in bodies only. Each
// request has an id that the answer repeats, so that no stored or mixed up answer is
// believed. A change has one id for good: the service carries an id out once and answers
// it the same each time. So a change whose answer was lost is asked again with its id
// until the answer is there, and the answer is the proof of the change.
package webhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"star97/internal/backend/adapter"
	"star97/internal/backend/httpapi"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/strictyaml"
)

// Name is what Account.Backend says of this store's mailboxes.
const Name = "webhook"

// Store is a mailbox.Store on one web service. It is also a mailbox.Declarer, Resetter,
// Lagging and Prober.
type Store struct {
	o      Options
	client *httpapi.Client
	signer httpapi.Signer
	policy adapter.Memory[policy]
	now    func() time.Time
}

var (
	_ mailbox.Backend  = (*Store)(nil)
	_ mailbox.Declarer = (*Store)(nil)
	_ mailbox.Resetter = (*Store)(nil)
	_ mailbox.Lagging  = (*Store)(nil)
	_ mailbox.Prober   = (*Store)(nil)
)

// Open reads the keys and makes a Store. It asks the service nothing. Errors are
// sentences with place and remedy.
func (o Options) Open(context.Context) (mailbox.Backend, error) {
	return adapter.Opened(open(o))
}

func open(o Options) (*Store, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	k, err := o.Keys.Signer()
	if err != nil {
		return nil, err
	}
	client, err := httpapi.New(o.API, nil)
	if err != nil {
		return nil, strictyaml.Under("api", err)
	}
	s := &Store{o: o, client: client, signer: k, now: time.Now}
	s.policy.Keep = o.PolicyFor
	return s, nil
}

// Close gives the connections up.
func (s *Store) Close() error { return s.client.Close() }

// Declared is what holds for a service until its answer to policy tells more.
func (o Options) Declared() mailbox.Traits {
	t := mailbox.Traits{
		System:   "a web service of one's own",
		Check:    mailbox.Native,
		Proof:    mailbox.ByAnswer,
		Can:      mailbox.AbilitiesOf((*Store)(nil)),
		Limit:    o.Limit,
		Rules:    true,
		Flags:    true,
		FirstUse: o.Paths.Reset != "",
		AtRest:   "the service's own matter",
	}
	if o.Limit > 0 {
		t.Window = o.Window
	}
	if o.NoVerify {
		t.Check = mailbox.NoCheck
	}
	return t
}

// Traits are the declared ones with the limit that the service told lately. Rules are
// only promised where there is a policy.
func (s *Store) Traits(mailbox.Account) mailbox.Traits {
	t := s.o.Declared()
	t.Rules = s.o.Paths.Policy != ""
	if p, ok := s.policy.Get(""); ok && p.Limit > 0 {
		t.Limit, t.Window = p.Limit, time.Duration(p.Window)*time.Second
	}
	return t
}

// Lag is how long after a change the old code may still be right.
func (s *Store) Lag(mailbox.Account) time.Duration { return s.o.Lag }

// Probe asks for the policy or, where the service has none, for a number of no digits
// that means anything to it.
func (s *Store) Probe(ctx context.Context) (string, error) {
	const op = "probe"
	if s.o.Paths.Policy == "" {
		_, err := s.find(ctx, op, mailbox.Query{Number: "0"})
		return "", err
	}
	p, err := s.askPolicy(ctx, op)
	if err != nil {
		return "", err
	}
	if p.Verify == "none" && !s.o.NoVerify {
		return "", mailbox.Fail(op, mailbox.ServiceRefused,
			errors.New("the web service says that it cannot verify codes: set no_verify to true and name in verify.by who can"))
	}
	return adapter.Shown(p.System, maxText), nil
}

// Lookup asks the service for a number. It decides which domains there are.
func (s *Store) Lookup(ctx context.Context, q mailbox.Query) ([]mailbox.Account, error) {
	const op = "lookup"
	q.Domain = strings.ToLower(q.Domain)
	if !adapter.IsNumber(q.Number) || len(q.Domain) > maxDomain {
		return nil, nil
	}
	found, err := s.find(ctx, op, q)
	if err != nil || len(found) == 0 || s.o.Paths.Policy == "" {
		return found, err
	}
	p, err := s.knownPolicy(ctx, op)
	if err != nil {
		return nil, err
	}
	for i := range found {
		if found[i].Rules == nil {
			rules := p.Rules.policy()
			found[i].Rules = &rules
		}
	}
	return found, nil
}

func (s *Store) find(ctx context.Context, op string, q mailbox.Query) ([]mailbox.Account, error) {
	r := question{Operation: "find", ID: newID(), Domain: &q.Domain, Number: q.Number}
	var a found
	if err := s.ask(ctx, op, s.o.Paths.Find, r, &a); err != nil {
		return nil, err
	}
	if a.Result != mailbox.OK.String() {
		return nil, s.failed(op, a.reply, mailbox.Unavailable, lookupCodes)
	}
	all, err := accounts(a.Accounts, q.Domain)
	if err != nil {
		return nil, mailbox.Fail(op, mailbox.Unavailable, err)
	}
	return all, nil
}

// Verify asks the service once. An Account without ID is asked for by an empty name,
// which the contract has the service treat as a mailbox whose code is never right.
func (s *Store) Verify(ctx context.Context, a mailbox.Account, code pin.PIN, _ mailbox.Attempt) error {
	const op = "verify"
	switch {
	case ctx.Err() != nil:
		return mailbox.Expired(ctx, op)
	case s.o.NoVerify && a.ID == "":
		return mailbox.Fail(op, mailbox.WrongPIN, nil)
	case s.o.NoVerify:
		return mailbox.Fail(op, mailbox.ServiceRefused, errNoCheck)
	}
	r := question{Operation: "verify", ID: newID(), Domain: &a.Domain, Account: &a.ID}
	body := r.body(field{"code", code})
	defer clear(body)
	var said reply
	err := s.send(ctx, op, s.o.Paths.Verify, r.ID, body, false, &said)
	if err == nil && said.Result != mailbox.OK.String() {
		err = s.failed(op, said, mailbox.OutcomeUnknown, verifyCodes)
	}
	if a.ID == "" && (err == nil || slices.Contains(boxCodes, mailbox.CodeOf(err))) {
		return mailbox.Fail(op, mailbox.WrongPIN, nil) // whatever it says of a mailbox, there is none
	}
	return err
}

var errNoCheck = errors.New("the web service does not verify codes (no_verify): name in verify.by who can")

// failed makes an error of a result that is not ok and may be said of the operation;
// of any other one it is the code other.
func (s *Store) failed(op string, r reply, other mailbox.Code, may []mailbox.Code) error {
	for _, c := range may {
		if c.String() == r.Result {
			return mailbox.Fail(op, c, r.later())
		}
	}
	return mailbox.Fail(op, other, fmt.Errorf("the web service answers a result that is none of those for %s", op))
}
