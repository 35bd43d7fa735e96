package netsapiens

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"star97/internal/backend/netsapiens/fake"
	"star97/internal/pin"
	"star97/internal/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// otherDomain is a further tenant of the fake.
const otherDomain = "tenant.example"

func sourceOf(t testing.TB, value string) secret.Source {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(file, []byte(value+"\n"), 0o600))
	return secret.Source{File: file}
}

// keyed are options for the fake with an API key.
func keyed(t testing.TB, f *fake.Server) Options {
	o := DefaultOptions()
	o.API.URL, o.API.TLS.CAFile = f.Base(), f.CAFile
	o.Domain, o.Domains = fake.Domain, []string{otherDomain}
	o.Key = sourceOf(t, fake.Key)
	o.API.Timeout, o.ReadBack = 10*time.Second, 10*time.Second
	return o
}

// loggedIn are options for the fake with a login.
func loggedIn(t testing.TB, f *fake.Server) Options {
	o := keyed(t, f)
	o.Key = secret.Source{}
	o.Login = Login{
		ClientID: fake.ClientID, ClientSecret: sourceOf(t, fake.ClientSecret), User: fake.User, Password: sourceOf(t, fake.Password),
	}
	return o
}

func overV1(t testing.TB, f *fake.Server) Options {
	o := loggedIn(t, f)
	o.Version = v1
	return o
}

func openStore(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := o.Open(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s.(*Store)
}

func code(t testing.TB, digits string) pin.PIN {
	t.Helper()
	p, err := pin.Parse(digits)
	require.NoError(t, err)
	return p
}
