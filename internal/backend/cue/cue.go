// Package cue is the backend on Cisco Unity Express, also within a UC500, by its command
// line over SSH. It lists users, finds them by extension and sets codes.
//
// Nothing there tells whether a code is the current one: its Check is NoCheck, and
// package backend puts a Verifier before it. Of the dialogue only the commands, the form
// of the prompts and the lines of "show user detail" are documented; what is not can be
// set in Options, and Declared lists it.
//
// A code is sent in one command, which the system echoes. The adapter builds it from
// digits and an id of the documented form and of nothing else, cuts the echo away before
// anything is kept and wipes its own buffers; those of the SSH library it cannot wipe.
// Errors quote answers without any figure.
package cue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"star97/internal/backend/adapter"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/secret"
)

// Name is what Account.Backend says of this store's mailboxes.
const Name = "cue"

// Store is a mailbox.Store on one system. It is also a mailbox.Declarer, Lister, ByUser,
// Resetter and Prober.
type Store struct {
	o      Options
	outer  account    // at the SSH server
	inner  account    // at the module behind via
	signer ssh.Signer // of options.Key; nil: none
	keys   hostKeys
	offer  atomic.Pointer[[]string] // algorithms of host keys with which the last connection was made
	policy pin.Policy
	pace   pace
	pool   *pool
	book   book
}

var (
	_ mailbox.Backend  = (*Store)(nil)
	_ mailbox.Declarer = (*Store)(nil)
	_ mailbox.Lister   = (*Store)(nil)
	_ mailbox.ByUser   = (*Store)(nil)
	_ mailbox.Resetter = (*Store)(nil)
	_ mailbox.Prober   = (*Store)(nil)
)

// Open reads the secrets and makes a Store, which begins to read the list of users. A
// system that is down is told per call. Errors are sentences with place and remedy.
func (o Options) Open(context.Context) (mailbox.Backend, error) {
	s, err := open(o)
	if err == nil {
		s.warm()
	}
	return adapter.Opened(s, err)
}

func open(o Options) (*Store, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o.Domain = strings.ToLower(o.Domain)
	o.Address, _ = address(o.Address)
	s := &Store{
		o: o, pace: usualPace(), policy: o.Rules.policy(), outer: account{user: o.User}, inner: account{user: o.Module.User, key: "module."},
		keys: hostKeys{pinned: o.HostKey, file: o.KnownHosts, addr: o.Address},
	}
	for _, f := range []struct {
		key  string
		from secret.Source
		to   *secret.Secret
	}{
		{"password", o.Password, &s.outer.password},
		{"enable", o.Enable, &s.outer.enable},
		{"module.password", o.Module.Password, &s.inner.password},
		{"module.enable", o.Module.Enable, &s.inner.enable},
	} {
		if f.from.Empty() {
			continue
		}
		var err error
		if *f.to, err = f.from.Read(); err != nil {
			return nil, fmt.Errorf("%s: %w", f.key, err)
		}
		if strings.ContainsAny(f.to.Reveal(), "\r\n") {
			return nil, fmt.Errorf("%s has more than one line: keep one", f.key)
		}
	}
	if o.KnownHosts != "" {
		var err error
		if s.keys.known, err = readKnown(o.KnownHosts); err != nil {
			return nil, err
		}
	}
	if !o.Key.Empty() {
		var err error
		if s.signer, err = readKey(o); err != nil {
			return nil, fmt.Errorf("key: %w", err)
		}
	}
	s.pool = newPool(o, s.dial)
	s.pool.watch()
	return s, nil
}

// Close ends the connections.
func (s *Store) Close() error {
	s.pool.close()
	return nil
}

// Declared is what holds for every system of this kind.
func (o Options) Declared() mailbox.Traits { return declared() }

func declared() mailbox.Traits {
	return mailbox.Traits{
		System: "Cisco Unity Express",
		Check:  mailbox.NoCheck,
		Proof:  mailbox.ByAnswer,
		Can:    mailbox.AbilitiesOf((*Store)(nil)),
		Rules:  true,
		AtRest: "not known",
		Unverified: []string{
			"how it asks for name and password, on the module and behind the router's command (via), and whether \"enable\" is needed",
			"that it prints nothing but its prompt when a code was set, and that this needs no \"write memory\"",
			"in which words it refuses a code (answers sets them)",
			"how it pages (more), and whether it knows \"terminal length 0\"",
			"which algorithms its SSH server has (legacy); RSA host keys of less than 1024 bits are never accepted",
			"that it echoes commands, without which star97 does not speak with it",
			"in which words it tells a user's language",
			"the layout of \"show security detail\": rules are written down, not read",
		},
	}
}

// Traits is the same for every mailbox.
func (s *Store) Traits(mailbox.Account) mailbox.Traits { return declared() }

// Verify answers as a system that has no way.
func (s *Store) Verify(ctx context.Context, a mailbox.Account, _ pin.PIN, _ mailbox.Attempt) error {
	return adapter.Uncheckable(ctx, a)
}

// Probe signs in and asks for the version. It names the host as the prompt does, and the
// version where the answer tells it.
func (s *Store) Probe(ctx context.Context) (string, error) {
	var host string
	var version []byte
	err := s.with(ctx, "probe", func(h *shell) (err error) {
		version, err = h.text(ctx, versionCommand)
		host = h.host()
		return err
	})
	if err != nil {
		return "", err
	}
	for line := range bytes.Lines(version) {
		line = bytes.TrimSpace(line)
		if bytes.Contains(bytes.ToLower(line), []byte("version")) && len(line) <= maxQuote && printable(string(line)) {
			return fmt.Sprintf("Unity Express %s, %s", host, line), nil
		}
	}
	return "Unity Express " + host, nil
}

// with lends use a connection. An error of use with a Code is the answer; any other says
// that the dialogue has failed: where the connection had waited before and turns out to
// be dead, use is called again with a new one. So use repeats nothing that must not be.
func (s *Store) with(ctx context.Context, op string, use func(*shell) error) error {
	for {
		h, err := s.pool.take(ctx, op)
		if err != nil {
			return err
		}
		waited, before, began := h.used, h.told, time.Now()
		err = use(h)
		adapter.Note(s.o.log, s.o.Address, op, h.told-before, began, err)
		again := waited && h.dead && ctx.Err() == nil && !errors.Is(err, errLate)
		s.pool.give(h)
		var told *mailbox.Error
		switch {
		case err == nil, errors.As(err, &told):
			return err
		case !again:
			return s.failed(op, err)
		}
		s.pool.flush()
	}
}
