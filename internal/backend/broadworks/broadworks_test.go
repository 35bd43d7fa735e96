package broadworks

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/broadworks/fake"
	"star97/internal/backend/conformance"
	"star97/internal/backend/conformance/trouble"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

func TestMain(m *testing.M) { os.Exit(conformance.Main(m)) }

// Codes of the tests.
const (
	hers  = "482915"
	fresh = "739164"
	third = "606172"
)

// optionsFor are options for a fake, whatever it speaks.
func optionsFor(t testing.TB, f *fake.Server, s fake.Settings) Options {
	o := DefaultOptions()
	o.User, o.Password = fake.User, conformance.Secret(t, fake.Password)
	o.ServiceProvider, o.Group = fake.ServiceProvider, fake.Group
	o.Tenants = []Tenant{{fake.OtherDomain, fake.ServiceProvider, fake.OtherGroup}}
	o.Line.Timeout, o.API.Timeout, o.API.Retries, o.Line.Retries = 10*time.Second, 10*time.Second, 0, 0
	o.Lag = 300 * time.Millisecond
	switch {
	case s.SOAP:
		o.Transport, o.API.URL, o.API.TLS.CAFile = OverSOAP, f.URL, f.CAFile
	case f.TLS == nil:
		o.Transport, o.Line.Server = OverTCP, f.Addr
	default:
		o.Line.Server, o.Line.TLS.CAFile = f.Addr, f.CAFile
	}
	return o
}

func openStore(t testing.TB, o Options) *Store { return conformance.Opened[*Store](t, o) }

// start is a fake over TCP without TLS and a Store on it.
func start(t testing.TB, s fake.Settings, alter func(*Options)) (*fake.Server, *Store) {
	t.Helper()
	f := fake.New(t, s, trouble.NewCert(t, trouble.Plain))
	o := optionsFor(t, f, s)
	if alter != nil {
		alter(&o)
	}
	return f, openStore(t, o)
}

func code(t testing.TB, digits string) pin.PIN { return conformance.Code(t, digits) }

func verify(t testing.TB, s *Store, a mailbox.Account, digits string) mailbox.Code {
	t.Helper()
	return mailbox.CodeOf(s.Verify(t.Context(), a, code(t, digits), mailbox.Attempt{}))
}

func change(t testing.TB, s *Store, a mailbox.Account, current, next string) mailbox.Result {
	t.Helper()
	return s.Change(t.Context(), a, code(t, current), code(t, next), mailbox.Attempt{})
}

func lookup(t testing.TB, s *Store, number string) []mailbox.Account {
	t.Helper()
	found, err := s.Lookup(t.Context(), mailbox.Query{Number: number})
	require.NoError(t, err)
	return found
}
