// Package conformance is the suite of cases that every backend passes: the
// contract of mailbox.Store, proved from outside by calling it.
package conformance

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/mailbox"
	"star97/internal/pin"
)

// patience bounds every call of the suite.
const patience = 30 * time.Second

// Harness is a backend under test: the Store, and a way to put a mailbox into
// the system behind it that does not depend on the Store itself.
type Harness struct {
	Store mailbox.Store
	// Put makes a mailbox of a's Extension, Domain, Name, Language, Numbers and Flags
	// with the given code, empty for none, and returns it as Lookup shall find it. It
	// skips the test if the system behind cannot hold such a mailbox.
	Put func(t *testing.T, a mailbox.Account, code pin.PIN) mailbox.Account
	// OtherDomain is the name of a second tenant; empty if the system has no tenants.
	OtherDomain string
	// NoCode says that the system cannot hold a mailbox without a code.
	NoCode bool
}

// Run passes open's Store through every case, a fresh Harness for each.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, *suite)
	}{
		{"Lookup finds none, one, several", lookup},
		{"Lookup keeps tenants apart", tenants},
		{"Verify right and wrong", verify},
		{"Verify of what is not there", verifyAbsent},
		{"Verify of a disabled mailbox", verifyDisabled},
		{"Verify without a code", verifyNoCode},
		{"Change Done is proved", changeDone},
		{"Change keeps leading zeros and every length", changeShapes},
		{"Change with a wrong current code", changeWrong},
		{"Change refused by the mailbox's state", changeDenied},
		{"Change from several calls at once", changeRace},
		{"Change back", changeBack},
		{"An ended context", endedContext},
		{"Nothing said holds a digit of a code", silence},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := open(t)
			c.run(t, &suite{Harness: h, at: mailbox.Attempt{Door: mailbox.OwnDoor, Peer: "conformance"}})
		})
	}
	t.Run("Abilities", func(t *testing.T) { abilities(t, open) })
}

// suite is one case's harness with shorthands.
type suite struct {
	Harness
	at   mailbox.Attempt
	errs []error // every error that the Store gave
}

func (s *suite) ctx(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func (s *suite) put(t *testing.T, extension, code string) mailbox.Account {
	return s.Put(t, mailbox.Account{Extension: extension, Name: "Ada Example"}, Code(t, code))
}

func (s *suite) lookup(t *testing.T, number, domain string) []mailbox.Account {
	found, err := s.Store.Lookup(s.ctx(t), mailbox.Query{Number: number, Domain: domain})
	require.NoError(t, err, "none is not an error")
	return found
}

func (s *suite) verify(t *testing.T, a mailbox.Account, code string) mailbox.Code {
	err := s.Store.Verify(s.ctx(t), a, Code(t, code), s.at)
	s.errs = append(s.errs, err)
	return mailbox.CodeOf(err)
}

func (s *suite) change(t *testing.T, a mailbox.Account, current, next string) mailbox.Result {
	r := s.Store.Change(s.ctx(t), a, Code(t, current), Code(t, next), s.at)
	s.errs = append(s.errs, r.Err)
	return r
}

// inForce asks for one code that must verify and others that must not.
func (s *suite) inForce(t *testing.T, a mailbox.Account, code string, not ...string) {
	t.Helper()
	require.Equal(t, mailbox.OK, s.verify(t, a, code))
	for _, n := range not {
		require.Equal(t, mailbox.WrongPIN, s.verify(t, a, n))
	}
}

// Code parses a test's code.
func Code(t testing.TB, digits string) pin.PIN {
	t.Helper()
	p, err := pin.Parse(digits)
	require.NoError(t, err)
	return p
}
