package netsapiens

import (
	"os"
	"testing"
	"time"

	"star97/internal/backend/conformance"
	"star97/internal/backend/netsapiens/fake"
	"star97/internal/pin"
	"star97/internal/secret"
)

func TestMain(m *testing.M) { os.Exit(conformance.Main(m)) }

// otherDomain is a further tenant of the fake.
const otherDomain = "tenant.example"

// keyed are options for the fake with an API key.
func keyed(t testing.TB, f *fake.Server) Options {
	o := DefaultOptions()
	o.API.URL, o.API.TLS.CAFile = f.Base(), f.CAFile
	o.Domain, o.Domains = fake.Domain, []string{otherDomain}
	o.Key = conformance.Secret(t, fake.Key)
	o.API.Timeout, o.ReadBack = 10*time.Second, 10*time.Second
	return o
}

// loggedIn are options for the fake with a login.
func loggedIn(t testing.TB, f *fake.Server) Options {
	o := keyed(t, f)
	o.Key = secret.Source{}
	o.Login = Login{
		ClientID: fake.ClientID, ClientSecret: conformance.Secret(t, fake.ClientSecret), User: fake.User, Password: conformance.Secret(t, fake.Password),
	}
	return o
}

func overV1(t testing.TB, f *fake.Server) Options {
	o := loggedIn(t, f)
	o.Version = v1
	return o
}

func openStore(t testing.TB, o Options) *Store { return conformance.Opened[*Store](t, o) }

func code(t testing.TB, digits string) pin.PIN { return conformance.Code(t, digits) }
