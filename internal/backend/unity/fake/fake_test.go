package fake

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance"
	"star97/internal/pin"
)

func code(t testing.TB, digits string) pin.PIN { return conformance.Code(t, digits) }

// ask sends a request by the account, or by whom the headers name.
func ask(t *testing.T, s *Server, method, path, body string, headers ...string) (int, string, http.Header) {
	t.Helper()
	ca, err := os.ReadFile(s.CAFile)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(ca))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	require.NoError(t, err)
	r.SetBasicAuth(User, s.account.word)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := transport.RoundTrip(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(text), answer.Header
}

func TestWhatIsNoRequestOfTheInterfaceIsRefused(t *testing.T) {
	s := New(t)
	id := s.Put(Mailbox{Extension: "4001"}, code(t, "482915"))
	pinPath := "/vmrest/users/" + id + "/credential/pin"
	const j, x = "application/json", "application/xml"
	for name, c := range map[string]struct {
		method, path, body string
		headers            []string
		want               int
	}{
		"no such address":        {"GET", "/vmrest/nothing", "", nil, 404},
		"no such user":           {"GET", "/vmrest/users/9c1d2f60-0000-4000-8000-000000000000", "", nil, 404},
		"a way that is none":     {"DELETE", pinPath, "", nil, 405},
		"another password":       {"GET", "/vmrest/users", "", []string{"Authorization", "Basic c3Rhcjk3Om5v"}, 401},
		"a session that is none": {"GET", "/vmrest/users", "", []string{"Authorization", "", "Cookie", "JSESSIONIDSSO=x"}, 401},
		"two criteria":           {"GET", "/vmrest/users?query=(Alias%20is%20a)(Alias%20is%20b)", "", nil, 400},
		"a column of no index":   {"GET", "/vmrest/users?query=(LdapCcmUserId%20is%20a)", "", nil, 400},
		"an operator that is no": {"GET", "/vmrest/users?query=(Alias%20contains%20a)", "", nil, 400},
		"without a type":         {"PUT", pinPath, `{"Credentials":"739164"}`, nil, 415},
		"JSON as XML":            {"PUT", pinPath, `{"Credentials":"739164"}`, []string{"Content-Type", x}, 400},
		"XML of another root":    {"PUT", pinPath, `<User><Credentials>739164</Credentials></User>`, []string{"Content-Type", x}, 400},
		"a field that is none":   {"PUT", pinPath, `{"PIN":"739164"}`, []string{"Content-Type", j}, 400},
		"letters":                {"PUT", pinPath, `{"Credentials":"cisco1234"}`, []string{"Content-Type", j}, 400},
		"no truth":               {"PUT", pinPath, `{"Credentials":"739164","CredMustChange":"no"}`, []string{"Content-Type", j}, 400},
	} {
		t.Run(name, func(t *testing.T) {
			status, _, _ := ask(t, s, c.method, c.path, c.body, c.headers...)
			require.Equal(t, c.want, status)
			require.True(t, s.Has(id, code(t, "482915")))
		})
	}
}

// What an administrator sets is to be changed by the owner, unless the write says otherwise.
func TestMustChangeIsTheDefault(t *testing.T) {
	s := New(t)
	id := s.Put(Mailbox{Extension: "4001"}, code(t, "482915"))
	path := "/vmrest/users/" + id + "/credential/pin"
	status, body, _ := ask(t, s, "PUT", path, `<Credential><Credentials>739164</Credentials></Credential>`, "Content-Type", "application/xml")
	require.Equal(t, 204, status)
	require.Empty(t, body)
	require.True(t, s.Has(id, code(t, "739164")))
	_, body, _ = ask(t, s, "GET", path, "")
	require.Contains(t, body, "<CredMustChange>true</CredMustChange>")
	require.Contains(t, body, "<Credentials/>")
	status, _, _ = ask(t, s, "PUT", path, `{"Credentials":"604827","CredMustChange":false}`, "Content-Type", "application/json")
	require.Equal(t, 204, status)
	m, _ := s.Mailbox(id)
	require.False(t, m.MustChange)
	require.WithinDuration(t, time.Now(), m.Changed, time.Minute)
}

func TestASessionStandsForALogin(t *testing.T) {
	s := New(t)
	_, _, header := ask(t, s, "GET", "/vmrest/version", "")
	var session string
	for _, c := range (&http.Response{Header: header}).Cookies() {
		if c.Name == sessionCookie {
			session = c.Name + "=" + c.Value
		}
	}
	status, _, _ := ask(t, s, "GET", "/vmrest/version", "", "Authorization", "", "Cookie", session)
	require.Equal(t, 200, status)
	require.Equal(t, 1, s.Logins())
}

func TestTheLockOutOfTheTelephone(t *testing.T) {
	s := New(t)
	right, wrong := code(t, "482915"), code(t, "739164")
	id := s.Put(Mailbox{Extension: "4001"}, right)
	for range 2 {
		require.Equal(t, Wrong, s.Dial(id, wrong))
	}
	require.Equal(t, Right, s.Dial(id, right), "a right code begins the count anew")
	for range 3 {
		require.Equal(t, Wrong, s.Dial(id, wrong))
	}
	require.Equal(t, Closed, s.Dial(id, right))
	s.Edit(id, func(m *Mailbox) { m.Hacked = time.Now().Add(-31 * time.Minute) })
	require.Equal(t, Right, s.Dial(id, right), "the lock-out time is over")
	require.Equal(t, Nobody, s.Dial("no-such-user", right))
	s.Edit(id, func(m *Mailbox) { m.Locked = true })
	require.Equal(t, Closed, s.Dial(id, right))
}
