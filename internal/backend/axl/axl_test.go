package axl

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/adapter"
	"star97/internal/backend/axl/fake"
	"star97/internal/backend/conformance"
	"star97/internal/backend/conformance/trouble"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/secret"
)

func TestMain(m *testing.M) { os.Exit(conformance.Main(m)) }

const (
	hers   = "482915"
	fresh  = "739164"
	third  = "60617238"
	nobody = "295048"
)

var at = mailbox.Attempt{Door: mailbox.OwnDoor, Peer: "test"}

func code(t testing.TB, digits string) pin.PIN { return conformance.Code(t, digits) }

// reach is the options to reach a fake, quick to give up.
func reach(f *fake.Server) Options {
	o := DefaultOptions()
	o.API.URL, o.API.TLS.CAFile = f.URL, f.CAFile
	o.API.Retries, o.API.Timeout = 0, 10*time.Second
	o.API.BreakAfter = 100
	o.User, o.Password = fake.User, secret.Source{File: f.LoginFile}
	o.Lag = 0
	o.Codes = []Meaning{{fake.HackLocked, "locked"}}
	return o
}

func openTo(t testing.TB, o Options) *Store {
	s, err := open(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// start is a fake and a Store on it.
func start(t testing.TB, alter func(*Options)) (*fake.Server, *Store) {
	f := fake.New(t)
	o := reach(f)
	if alter != nil {
		alter(&o)
	}
	return f, openTo(t, o)
}

func found(t testing.TB, s *Store, number string) mailbox.Account {
	t.Helper()
	all, err := s.Lookup(t.Context(), mailbox.Query{Number: number})
	require.NoError(t, err)
	require.Len(t, all, 1)
	return all[0]
}

func verify(t testing.TB, s *Store, a mailbox.Account, digits string) error {
	return s.Verify(t.Context(), a, code(t, digits), at)
}

func change(t testing.TB, s *Store, a mailbox.Account, current, next string) mailbox.Result {
	return s.Change(t.Context(), a, code(t, current), code(t, next), at)
}

func TestConformance(t *testing.T) {
	conformance.Run(t, func(t *testing.T) conformance.Harness {
		f := fake.New(t)
		o := reach(f)
		o.Lag = 250 * time.Millisecond
		said := &conformance.Log{}
		o.LogTo(said.Logger())
		s := openTo(t, o)
		return conformance.Harness{
			Store: s,
			Put: func(t *testing.T, a mailbox.Account, first pin.PIN) mailbox.Account {
				return put(t, f, s, a, first)
			},
			NoCode:  true,
			Doubles: true,
			Has:     func(a mailbox.Account, c pin.PIN) bool { return f.Has(a.ID, c) },
			Forgive: func(_ *testing.T, a mailbox.Account) { f.Forgive(a.ID) },
			Orders:  f.Orders(),
			Ops:     conformance.Ops{Lookup: fake.OpSQL, Verify: fake.OpAuthenticate, Change: fake.OpUpdate},
			Behind: func(t *testing.T, k trouble.Trust) mailbox.Store {
				return openTo(t, reach(fake.NewWith(t, trouble.NewCert(t, k))))
			},
			Said: said.String,
		}
	})
}

func TestFaultRun(t *testing.T) {
	conformance.FaultRun(t, func(t *testing.T, through conformance.Through) conformance.Harness {
		f := fake.New(t)
		o := reach(f)
		o.API.URL = "https://" + through(f.Front().Addr, f.Front().Cert)
		o.API.Timeout, o.Lag = 1500*time.Millisecond, 100*time.Millisecond
		s := openTo(t, o)
		return conformance.Harness{
			Store:   s,
			Put:     func(t *testing.T, a mailbox.Account, first pin.PIN) mailbox.Account { return put(t, f, s, a, first) },
			Has:     func(a mailbox.Account, c pin.PIN) bool { return f.Has(a.ID, c) },
			Forgive: func(_ *testing.T, a mailbox.Account) { f.Forgive(a.ID) },
		}
	}, 97, conformance.Changes())
}

// put makes a user as a, and returns the account that the Store shall find.
func put(t *testing.T, f *fake.Server, s *Store, a mailbox.Account, first pin.PIN) mailbox.Account {
	if first.Empty() || a.Domain != "" {
		t.Skip("the system has no users without a PIN, and no tenants")
	}
	name, last, _ := strings.Cut(a.Name, " ")
	p := fake.Person{
		ID: a.User, First: name, Last: last, Mail: a.Mail, Extension: a.Extension, Status: 1,
		CantChange: a.Flags.CannotChange, MustChange: a.Flags.MustChange,
	}
	if a.Language == "en-US" {
		p.Locale = "English United States"
	}
	if a.Flags.Disabled {
		p.Status = 0
	}
	// A second user of the same extension.
	if p.ID == "" {
		p.ID = "user" + a.Extension
		if _, taken := f.Person(p.ID); taken {
			p.ID += "b"
		}
	}
	a.ID, a.Backend, a.Numbers = f.Put(p, first), Name, nil
	a.User = a.ID
	rules := adapter.Trivial(pin.Policy{MinLen: 6, Current: true, History: 5})
	a.Rules = &rules
	return a
}
