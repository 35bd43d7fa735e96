package httpapi

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"encoding/pem"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"star97/internal/mailbox"
	"star97/internal/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts a TLS server and returns the options to reach it.
func serve(t *testing.T, h http.HandlerFunc) (*httptest.Server, Options) {
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	o := DefaultOptions()
	o.URL, o.TLS.CAFile = s.URL, filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	require.NoError(t, os.WriteFile(o.TLS.CAFile, block, 0o600))
	return s, o
}

func TestDoAsksAndAnswers(t *testing.T) {
	_, o := serve(t, func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Trackingid", "t-1")
		w.WriteHeader(http.StatusConflict)
		io.WriteString(w, user+" "+password+" "+r.URL.EscapedPath()+" "+string(body))
	})
	o.URL += "/prefix/"
	c, err := New(o, Basic("admin", secret.Of("open")))
	require.NoError(t, err)
	defer c.Close()
	a, err := c.Do(context.Background(), Request{Op: "change", Method: "PUT", Path: "/users/a%2Fb", Body: []byte("hello")})
	require.NoError(t, err)
	require.Equal(t, 409, a.Status)
	require.Equal(t, "t-1", a.Tracking)
	require.Equal(t, "admin open /prefix/users/a%2Fb hello", string(a.Body))
}

func TestAnswersThatAreErrors(t *testing.T) {
	for status, code := range map[int]mailbox.Code{
		401: mailbox.ServiceRefused, 403: mailbox.ServiceRefused, 429: mailbox.Throttled,
		302: mailbox.OutcomeUnknown, 500: mailbox.OutcomeUnknown, 404: mailbox.OK,
	} {
		_, o := serve(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) })
		c, err := New(o, nil)
		require.NoError(t, err)
		_, err = c.Do(context.Background(), Request{Op: "verify", Method: "POST"})
		require.Equal(t, code, mailbox.CodeOf(err), status)
		require.NoError(t, c.Close())
		c, err = New(o, nil)
		require.NoError(t, err)
		a, err := c.Do(context.Background(), Request{Op: "verify", Method: "POST", AllowStatus: []int{status}})
		require.NoError(t, err)
		require.Equal(t, status, a.Status)
		require.NoError(t, c.Close())
	}
}
