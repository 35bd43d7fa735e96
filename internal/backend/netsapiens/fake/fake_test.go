package fake_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance"
	"star97/internal/backend/conformance/trouble"
	"star97/internal/backend/netsapiens"
	"star97/internal/backend/netsapiens/fake"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

func TestMain(m *testing.M) { os.Exit(conformance.Main(m)) }

const otherDomain = "tenant.example"

// The adapter's own folder has the run over API v2 with a login, which is its matrix.
// These are the other kinds of server.

func TestConformanceOfV2WithAKeyAndNumbersAsCodes(t *testing.T) {
	t.Parallel()
	run(t, fake.Settings{AsNumber: true, WantFour: true}, func(t *testing.T, o *netsapiens.Options) {
		o.Key, o.Login = conformance.Secret(t, fake.Key), netsapiens.Login{}
		o.Fields, o.Numbers, o.NumbersKeep = "all", true, 0
	}, conformance.Ops{Lookup: fake.OpNumbers, Verify: fake.OpRead, Change: fake.OpWrite}, map[string]string{
		"Verify right and wrong":      "a server that gives codes as numbers loses the zeros in front",
		"A session that is forgotten": "an API key has no session",
	})
}

func TestConformanceOfV1(t *testing.T) {
	t.Parallel()
	run(t, fake.Settings{}, func(_ *testing.T, o *netsapiens.Options) { o.Version = "v1" },
		conformance.Ops{Lookup: fake.OpRead, Verify: fake.OpRead, Change: fake.OpWrite, Login: fake.OpToken}, map[string]string{})
}

// The requests that a server of this kind does not know are refused.
func TestRequestsOfAnotherForm(t *testing.T) {
	f := fake.New(t, fake.Settings{})
	a := f.Put(mailbox.Account{Extension: "4001"}, "482915")
	roots := x509.NewCertPool()
	ca, err := os.ReadFile(f.CAFile)
	require.NoError(t, err)
	require.True(t, roots.AppendCertsFromPEM(ca))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	defer transport.CloseIdleConnections()
	for name, c := range map[string]struct {
		method, path, bearer, kind, body string
		want                             int
	}{
		"no token":          {"GET", "/v2/domains/example.test/users/4001", "", "", "", 401},
		"a made-up token":   {"GET", "/v2/domains/example.test/users/4001", "nss_guess", "", "", 401},
		"a key in v1":       {"POST", "/?object=subscriber&action=read", fake.Key, "application/x-www-form-urlencoded", "user=4001", 401},
		"another path":      {"GET", "/v2/domains/example.test/people/4001", fake.Key, "", "", 404},
		"no such user":      {"GET", "/v2/domains/example.test/users/4099", fake.Key, "", "", 404},
		"no JSON":           {"PUT", "/v2/domains/example.test/users/4001", fake.Key, "text/plain", `{"voicemail-login-pin":"739164"}`, 400},
		"broken JSON":       {"PUT", "/v2/domains/example.test/users/4001", fake.Key, "application/json", `{"voicemail-login-pin":`, 400},
		"a code of letters": {"PUT", "/v2/domains/example.test/users/4001", fake.Key, "application/json", `{"voicemail-login-pin":"seven"}`, 400},
		"an unknown grant":  {"POST", "/v2/tokens", "", "application/x-www-form-urlencoded", "grant_type=mfa", 400},
		"no client secret":  {"POST", "/v2/tokens", "", "application/json", `{"grant_type":"password","username":"` + fake.User + `","password":"` + fake.Password + `"}`, 401},
	} {
		r, err := http.NewRequest(c.method, f.Base()+c.path, strings.NewReader(c.body))
		require.NoError(t, err)
		r.Header.Set("Content-Type", c.kind)
		if c.bearer != "" {
			r.Header.Set("Authorization", "Bearer "+c.bearer)
		}
		answer, err := transport.RoundTrip(r)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, c.want, answer.StatusCode, name)
	}
	require.True(t, f.Has(a.ID, "482915"))
	require.Zero(t, f.Writes())
}

func run(t *testing.T, settings fake.Settings, alter func(*testing.T, *netsapiens.Options), ops conformance.Ops, lacks map[string]string) {
	settings.ClearStatus = true
	good := trouble.NewCert(t, trouble.Good) // one for all: keys take their time
	lacks["Change refused by the mailbox's state"] = "the system cannot forbid a change"
	conformance.Run(t, func(t *testing.T) conformance.Harness {
		f := fake.NewWith(t, settings, good)
		o := options(t, f)
		alter(t, &o)
		return conformance.Harness{
			Store: open(t, o), OtherDomain: otherDomain, Orders: f.Orders(), Ops: ops, Lacks: lacks,
			Put: func(_ *testing.T, a mailbox.Account, code pin.PIN) mailbox.Account {
				if !o.Numbers {
					a.Numbers = nil
				}
				return f.Put(a, conformance.Digits(code))
			},
			Has: func(a mailbox.Account, code pin.PIN) bool { return f.Has(a.ID, conformance.Digits(code)) },
			Behind: func(t *testing.T, k trouble.Trust) mailbox.Store {
				o := options(t, fake.NewWith(t, settings, trouble.NewCert(t, k)))
				alter(t, &o)
				return open(t, o)
			},
		}
	})
}

func options(t *testing.T, f *fake.Server) netsapiens.Options {
	o := netsapiens.DefaultOptions()
	o.API.URL, o.API.TLS.CAFile, o.API.Retries, o.API.Timeout = f.Base(), f.CAFile, 0, 10*time.Second
	o.Domain, o.Domains, o.MustChange = fake.Domain, []string{otherDomain}, []string{"new"}
	o.Login = netsapiens.Login{
		ClientID: fake.ClientID, ClientSecret: conformance.Secret(t, fake.ClientSecret), User: fake.User, Password: conformance.Secret(t, fake.Password),
	}
	o.ReadBack, o.Lag = 100*time.Millisecond, 300*time.Millisecond
	return o
}

func open(t *testing.T, o netsapiens.Options) mailbox.Store {
	s, err := o.Open(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}
