// Package sample is the backend on an invented system, as short as one can be: codes by
// GET and PUT of /mailboxes/EXTENSION/code, in clear.
package sample

import (
	"context"
	"errors"
	"net/http"

	"star97/internal/backend/httpapi"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/secret"
	"star97/internal/strictyaml"
)

// Options of one server.
type Options struct {
	API httpapi.Options `yaml:"api"` // the server
	Key secret.Source   `yaml:"key"` // its API key
}

// SetDefaults sets every default.
func (o *Options) SetDefaults() { *o = Options{API: httpapi.DefaultOptions()} }

// Resolve takes relative paths from the folder of the configuration.
func (o *Options) Resolve(dir string) { o.API, o.Key = o.API.In(dir), o.Key.In(dir) }

// Validate tells every option that is wrong, by its key.
func (o Options) Validate() error {
	return errors.Join(strictyaml.Under("api", o.API.Validate()), strictyaml.Under("key", o.Key.Validate()))
}

// Declared is what star97 backend list shows, and what the conformance suite checks.
func (o Options) Declared() mailbox.Traits {
	return mailbox.Traits{
		System: "the sample system", Check: mailbox.Compare, Proof: mailbox.ByReadBack, AtRest: "clear text",
		Unverified: []string{"everything: there is no such system"},
	}
}

// Open asks nothing yet: a system that is down is told to its callers.
func (o Options) Open(context.Context) (mailbox.Backend, error) {
	key, err := o.Key.Read()
	if err != nil {
		return nil, err
	}
	api, err := httpapi.New(o.API, httpapi.Bearer(key))
	if err != nil {
		return nil, err
	}
	return &Store{api}, nil
}

// Store is a mailbox.Store on the system.
type Store struct{ api *httpapi.Client }

// Close gives the idle connections up.
func (s *Store) Close() error { return s.api.Close() }

// Traits are the same for every mailbox.
func (s *Store) Traits(mailbox.Account) mailbox.Traits { return Options{}.Declared() }

// Lookup knows extensions, and one domain.
func (s *Store) Lookup(ctx context.Context, q mailbox.Query) ([]mailbox.Account, error) {
	if q.Domain != "" || q.Number == "" {
		return nil, nil
	}
	answer, err := s.code(ctx, "lookup", q.Number)
	defer clear(answer.Body)
	if err != nil || answer.Status == http.StatusNotFound {
		return nil, err
	}
	return []mailbox.Account{{ID: q.Number, Backend: "sample", Extension: q.Number}}, nil
}

// Verify compares with the code that the system hands out.
func (s *Store) Verify(ctx context.Context, a mailbox.Account, code pin.PIN, _ mailbox.Attempt) error {
	answer, err := s.code(ctx, "verify", a.ID)
	defer clear(answer.Body)
	if err != nil {
		return err
	}
	current, err := pin.Parse(answer.Body)
	if err != nil || a.ID == "" || current.Empty() || !current.Equal(&code) {
		return mailbox.Fail("verify", mailbox.WrongPIN, nil)
	}
	return nil
}

// Change writes once, and says Done when the new code is read back.
func (s *Store) Change(ctx context.Context, a mailbox.Account, current, next pin.PIN, at mailbox.Attempt) mailbox.Result {
	if err := s.Verify(ctx, a, current, at); err != nil {
		return mailbox.Refuse(err)
	}
	var body []byte
	next.Reveal(func(digits []byte) { body = append(body, digits...) })
	defer clear(body)
	_, err := s.api.Do(ctx, httpapi.Request{Op: "change", Method: http.MethodPut, Path: "/mailboxes/" + a.ID + "/code", Body: body})
	if err != nil && mailbox.CodeOf(err) != mailbox.OutcomeUnknown {
		return mailbox.Refuse(err)
	}
	if err := s.Verify(ctx, a, next, at); err != nil {
		return mailbox.Doubt(err) // settled by asking again, see mailbox.Settle
	}
	return mailbox.Proved()
}

func (s *Store) code(ctx context.Context, op, id string) (httpapi.Answer, error) {
	return s.api.Do(ctx, httpapi.Request{Op: op, Method: http.MethodGet, Path: "/mailboxes/" + id + "/code", Safe: true})
}
