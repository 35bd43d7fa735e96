package httpapi

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/mailbox"
)

// granting is a Client of a server that answers every form with this.
func granting(t *testing.T, status int, body string) *Client {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.NoError(t, r.ParseForm())
		require.Equal(t, "password", r.PostForm.Get("grant_type"))
		require.Empty(t, r.URL.RawQuery)
		w.WriteHeader(status)
		w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	o := DefaultOptions()
	o.URL, o.Timeout = s.URL, 10*time.Second
	c, err := New(o, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func TestAGrantIsReadAsRFC6749WritesIt(t *testing.T) {
	form := url.Values{"grant_type": {"password"}, "password": {"Blue-Harbor7"}}
	for life, want := range map[string]time.Duration{
		"": unspoken, `,"expires_in":-1`: unspoken, `,"expires_in":3600`: time.Hour, `,"expires_in":"60"`: time.Minute,
		`,"expires_in":99999999999`: 24 * time.Hour,
	} {
		c := granting(t, http.StatusOK, `{"access_token":"a","refresh_token":"r"`+life+`}`)
		g, err := c.Grant(t.Context(), "/token", form, 24*time.Hour, "check it")
		require.NoError(t, err)
		require.Equal(t, "a", g.Access)
		require.Equal(t, "r", g.Renew.Reveal())
		require.InDelta(t, want.Seconds(), time.Until(g.End).Seconds(), 30, life)
	}
	for name, wrong := range map[string]struct {
		status int
		body   string
		code   mailbox.Code
		says   string
	}{
		"invalid_grant":   {http.StatusBadRequest, `{"error":"invalid_grant"}`, mailbox.ServiceRefused, "answered with 400: check it"},
		"no token":        {http.StatusOK, `{"expires_in":60}`, mailbox.Unavailable, "has no token"},
		"a page":          {http.StatusOK, `<html>`, mailbox.Unavailable, ""},
		"an answer lost":  {http.StatusInternalServerError, ``, mailbox.Unavailable, ""},
		"too many of all": {http.StatusTooManyRequests, ``, mailbox.Throttled, ""},
	} {
		_, err := granting(t, wrong.status, wrong.body).Grant(t.Context(), "/token", form, time.Hour, "check it")
		require.Equal(t, wrong.code, mailbox.CodeOf(err), name)
		require.ErrorContains(t, err, wrong.says, name)
		require.NotContains(t, err.Error(), "Harbor", name)
	}
}
