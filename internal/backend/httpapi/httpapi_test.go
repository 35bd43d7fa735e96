package httpapi

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"star97/internal/mailbox"
	"star97/internal/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var ctx = context.Background()

// quiet keeps to itself what servers say of what tests do to them.
var quiet = log.New(io.Discard, "", 0)

// patient are options for servers on sockets, whose time is the machine's.
func patient() Options {
	o := DefaultOptions()
	o.Timeout = 30 * time.Second
	return o
}

// serve starts a server over TLS and returns what reaches it.
func serve(t *testing.T, h http.HandlerFunc) Options {
	ca := authority(t)
	s := httptest.NewUnstartedServer(h)
	s.TLS, s.Config.ErrorLog = ca.server(t, cert{}), quiet
	s.StartTLS()
	t.Cleanup(s.Close)
	o := patient()
	o.URL, o.TLS.CAFile = s.URL, ca.file
	return o
}

// open makes a Client that ends with the test.
func open(t *testing.T, o Options, auth Auth) *Client {
	c, err := New(o, auth)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// answering is a handler that counts its requests.
func answering(asked *atomic.Int32, status int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		asked.Add(1)
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
	}
}

func TestARequestArrivesAsItWasMade(t *testing.T) {
	type seen struct{ method, uri, host, user, password, accept, coding, agent, body string }
	got := make(chan seen, 1)
	o := serve(t, func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		body, _ := io.ReadAll(r.Body)
		got <- seen{
			r.Method, r.RequestURI, r.Host, user, password, r.Header.Get("Accept"), r.Header.Get("Accept-Encoding"),
			r.Header.Get("User-Agent"), string(body),
		}
		w.Header().Set("Trackingid", "t-1")
		w.WriteHeader(http.StatusConflict)
		io.WriteString(w, "taken")
	})
	o.URL += "/pre%2Ffix/"
	c := open(t, o, Basic("admin", secret.Of("open")))
	a, err := c.Do(ctx, Request{
		Op: "change", Method: "PUT", Path: "/users/" + url.PathEscape("a/b ü?"), Query: url.Values{"q": {"(x is +1)"}},
		Header: http.Header{"Accept": {"application/json"}}, Body: []byte("hello"),
	})
	require.NoError(t, err)
	require.Equal(t, seen{
		"PUT", "/pre%2Ffix/users/a%2Fb%20%C3%BC%3F?q=%28x%20is%20%2B1%29", c.base.Host,
		"admin", "open", "application/json", "identity", "star97", "hello",
	}, <-got)
	require.Equal(t, http.StatusConflict, a.Status)
	require.Equal(t, "t-1", a.Tracking)
	require.Equal(t, "taken", string(a.Body))
}

func TestTheAuthStandsAsideForTheRequestsOwn(t *testing.T) {
	o := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Header.Get("Authorization")) })
	own := http.Header{"Authorization": {"Basic x"}}
	for name, c := range map[string]struct {
		auth   Auth
		header http.Header
		want   string
	}{
		"nobody":                  {nil, nil, ""},
		"Bearer":                  {Bearer(secret.Of("k")), nil, "Bearer k"},
		"the request's, not it":   {Bearer(secret.Of("k")), own, "Basic x"},
		"Basic in UTF-8":          {Basic("ü", secret.Of("ö:")), nil, "Basic w7w6w7Y6"},
		"a token":                 {Tokens(func(context.Context) (string, time.Time, error) { return "t", time.Time{}, nil }), nil, "Bearer t"},
		"the request's, no token": {Tokens(nil), own, "Basic x"},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := open(t, o, c.auth).Do(ctx, Request{Op: "lookup", Method: "GET", Header: c.header})
			require.NoError(t, err)
			require.Equal(t, c.want, string(a.Body))
		})
	}
}

func TestAPathThatLeadsElsewhereIsNotAsked(t *testing.T) {
	var asked atomic.Int32
	c := open(t, serve(t, answering(&asked, 200)), nil)
	for _, path := range []string{"users", "/a?b", "/a#b", "/users/../admin", "/users/%2e%2E/admin", "/./", "/%zz", "/.."} {
		_, err := c.Do(ctx, Request{Op: "lookup", Method: "GET", Path: path, Safe: true})
		require.Equal(t, mailbox.Unavailable, mailbox.CodeOf(err), path)
		require.NotContains(t, err.Error(), path)
	}
	require.Zero(t, asked.Load())
}

func TestEachAnswerHasItsCode(t *testing.T) {
	const (
		ok, refused, busy = mailbox.OK, mailbox.ServiceRefused, mailbox.Throttled
		down, doubt       = mailbox.Unavailable, mailbox.OutcomeUnknown
	)
	wait := []string{"Retry-After", "40"}
	for _, c := range []struct {
		status       int
		header       []string
		safe, unsafe mailbox.Code
		tries        int32 // of a request that is Safe, where there is one retry
	}{
		{200, nil, ok, ok, 1}, {204, nil, ok, ok, 1},
		{400, nil, ok, ok, 1}, {404, nil, ok, ok, 1}, {409, nil, ok, ok, 1}, {499, nil, ok, ok, 1},
		{401, nil, refused, refused, 1}, {403, nil, refused, refused, 1},
		{301, []string{"Location", "/elsewhere"}, down, doubt, 1},
		{302, []string{"Location", "https://127.0.0.1:1/"}, down, doubt, 1},
		{307, []string{"Location", "/elsewhere"}, down, doubt, 1}, {304, nil, down, doubt, 1},
		{500, nil, down, doubt, 2}, {502, nil, down, doubt, 2}, {503, nil, down, doubt, 2}, {504, nil, down, doubt, 2},
		{429, wait, busy, busy, 1}, {503, wait, busy, busy, 1}, {429, nil, busy, busy, 2},
	} {
		t.Run(strconv.Itoa(c.status)+" "+strings.Join(c.header, " "), func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			o := serve(t, answering(&asked, c.status, c.header...))
			o.Retries = 1
			_, err := open(t, o, nil).Do(ctx, Request{Op: "lookup", Method: "GET", Safe: true})
			require.Equal(t, c.safe, mailbox.CodeOf(err))
			require.Equal(t, c.tries, asked.Swap(0))

			_, err = open(t, o, nil).Do(ctx, Request{Op: "change", Method: "POST", Body: []byte("x")})
			require.Equal(t, c.unsafe, mailbox.CodeOf(err))
			require.EqualValues(t, 1, asked.Swap(0), "a request that is not Safe is sent once")

			a, err := open(t, o, nil).Do(ctx, Request{Op: "lookup", Method: "GET", Safe: true, AllowStatus: []int{c.status}})
			require.NoError(t, err)
			require.Equal(t, c.status, a.Status)
			require.EqualValues(t, 1, asked.Swap(0), "what the adapter understands is not asked again")
		})
	}
}

func TestAnAnswerIsOfTheFormThatIsWanted(t *testing.T) {
	const ok, doubt = mailbox.OK, mailbox.OutcomeUnknown
	for _, c := range []struct {
		want, got, body string
		status          int
		code            mailbox.Code
	}{
		{"json", "application/json; charset=utf-8", "{}", 200, ok},
		{"json", "application/problem+json", "{}", 200, ok},
		{"xml", "text/xml", "<a/>", 200, ok},
		{"xml", `application/soap+xml; charset="utf-8"`, "<a/>", 200, ok},
		{"", "text/html", "<html>", 200, ok},
		{"json", "text/html", "", 200, ok},
		{"json", "text/html", "<html>", 404, ok},
		{"json", "text/html", "<html>", 200, doubt},
		{"json", "", "{}", 201, doubt},
		{"xml", "application/json", "{}", 200, doubt},
		{"json", "application/xjson", "{}", 200, doubt},
	} {
		t.Run(c.want+" "+c.got+" "+c.body, func(t *testing.T) {
			o := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Content-Type"] = []string{c.got}
				w.WriteHeader(c.status)
				io.WriteString(w, c.body)
			})
			_, err := open(t, o, nil).Do(ctx, Request{Op: "change", Method: "POST", Want: c.want})
			require.Equal(t, c.code, mailbox.CodeOf(err))
		})
	}
}

func TestATrackingIDIsOneThatCanBeShown(t *testing.T) {
	for _, c := range []struct{ configured, header, value, want string }{
		{"", "Trackingid", "ROUTER_1-2", "ROUTER_1-2"},
		{"", "X-Request-Id", "a", "a"},
		{"", "X-Other", "a", ""},
		{"X-Other", "X-Other", "a", "a"},
		{"", "Trackingid", strings.Repeat("a", longestTracking+1), ""},
		{"", "Trackingid", "a b", ""},
		{"", "Trackingid", "ü", ""},
	} {
		client := Client{o: Options{Tracking: c.configured}}
		require.Equal(t, c.want, client.tracking(http.Header{c.header: {c.value}}))
	}
}
