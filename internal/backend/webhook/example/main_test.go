package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance"
	"star97/internal/backend/webhook"
	"star97/internal/backend/webhook/fake"
	"star97/internal/mailbox"
	"star97/internal/secret"
)

const key = "harbor-signing-key-0123456789"

// open makes the example and a backend that uses it.
func open(t *testing.T, key string) (*service, string, mailbox.Backend) {
	s := &service{key: []byte("harbor-signing-key-0123456789"), boxes: map[string]string{"4001": "482915"}, said: map[string]map[string]any{}}
	server := httptest.NewServer(fake.ReadContract(t, webhook.Contract()).Watch(t, s))
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(file, []byte(key), 0o600))
	o := webhook.DefaultOptions()
	o.API.Timeout = 30 * time.Second // a busy machine is no trouble
	o.API.URL, o.Keys = server.URL, []webhook.Key{{ID: "k1", Secret: secret.Source{File: file}}}
	b, err := o.Open(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return s, server.URL, b
}

func TestTheExampleServesABackend(t *testing.T) {
	s, _, b := open(t, key)
	first, second, at := conformance.Code(t, "482915"), conformance.Code(t, "739164"), mailbox.Attempt{}
	none, err := b.Lookup(t.Context(), mailbox.Query{Number: "4002"})
	require.NoError(t, err)
	require.Empty(t, none)
	found, err := b.Lookup(t.Context(), mailbox.Query{Number: "4001"})
	require.NoError(t, err)
	require.Len(t, found, 1)
	a := found[0]
	require.NoError(t, b.Verify(t.Context(), a, first, at))
	for _, nobody := range []mailbox.Account{a, {}, {ID: "4002"}} {
		require.Equal(t, mailbox.WrongPIN, mailbox.CodeOf(b.Verify(t.Context(), nobody, second, at)))
	}
	require.Equal(t, mailbox.WrongPIN, b.Change(t.Context(), a, second, first, at).Reason)
	require.Equal(t, mailbox.TooShort, b.Change(t.Context(), a, first, conformance.Code(t, "12345"), at).Reason)
	require.Equal(t, mailbox.Proved(), b.Change(t.Context(), a, first, second, at))
	require.NoError(t, b.Verify(t.Context(), a, second, at))
	require.Equal(t, "739164", s.boxes["4001"])
	r := b.(mailbox.Resetter).Reset(t.Context(), a, first, false, "admin", "asked")
	require.Equal(t, mailbox.Refused, r.Outcome, "the example has no reset")
}

func TestTheExampleWantsItsKey(t *testing.T) {
	s, url, b := open(t, "another-key-of-some-length")
	_, err := b.Lookup(t.Context(), mailbox.Query{Number: "4001"})
	require.Equal(t, mailbox.ServiceRefused, mailbox.CodeOf(err))
	res, err := http.Post(url+"/set", "application/json", strings.NewReader(`{"operation":"set","account":"4001","next":"739164"}`))
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusUnauthorized, res.StatusCode)
	require.Equal(t, "482915", s.boxes["4001"])
}

// An answer that is lost is given again.
func TestTheExampleCarriesAnIDOutOnce(t *testing.T) {
	s, _, _ := open(t, key)
	lost := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if kept := httptest.NewRecorder(); r.URL.Path == "/set" && lost < 2 {
			lost++
			s.ServeHTTP(kept, r)
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		s.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	t.Setenv("EXAMPLE_KEY", key)
	o := webhook.DefaultOptions()
	o.API.Timeout = 30 * time.Second // a busy machine is no trouble
	o.API.URL, o.Keys = server.URL, []webhook.Key{{ID: "k1", Secret: secret.Source{Env: "EXAMPLE_KEY"}}}
	b, err := o.Open(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	a := mailbox.Account{ID: "4001", Extension: "4001"}
	require.Equal(t, mailbox.Proved(), b.Change(t.Context(), a, conformance.Code(t, "482915"), conformance.Code(t, "739164"), mailbox.Attempt{}))
	require.Equal(t, 2, lost)
	require.Len(t, s.said, 1)
}
