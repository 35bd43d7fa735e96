package fake

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance/trouble"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// A request that the real one would refuse is refused, and does nothing.
func TestWhatIsNotDescribedIsRefused(t *testing.T) {
	f := NewWith(t, trouble.NewCert(t, trouble.Plain))
	code, err := pin.Parse("482915")
	require.NoError(t, err)
	a := f.Put(mailbox.Account{Extension: "4001"}, code)
	ask := func(method, path, kind, token, body string) int {
		r, err := http.NewRequest(method, f.Base()+path, strings.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("Content-Type", kind)
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		res, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		return res.StatusCode
	}
	const form, json = "application/x-www-form-urlencoded", "application/json"
	login := "grant_type=refresh_token&client_id=" + ClientID + "&client_secret=" + ClientSecret + "&refresh_token=" + RefreshToken
	write := "/telephony/config/people/" + a.ID + "/voicemail/passcode"
	const good, token = `{"passcode":"739164"}`, "access-token-00000001"

	require.Equal(t, 401, ask("PUT", write, json, token, good), "nobody has signed in yet")
	require.Equal(t, 400, ask("POST", "/access_token", json, "", login))
	require.Equal(t, 400, ask("POST", "/access_token", form, "", strings.Replace(login, RefreshToken, "x", 1)))
	require.Equal(t, 400, ask("POST", "/access_token", form, "", strings.Replace(login, "=refresh_token&", "=password&", 1)))
	require.Equal(t, 200, ask("POST", "/access_token", form, "", login))
	require.Equal(t, 401, ask("PUT", write, json, "", good))
	require.Equal(t, 401, ask("PUT", write, json, "access-token-00000002", good))
	require.Equal(t, 404, ask("GET", "/telephony/config/everything", json, token, ""))
	require.Equal(t, 404, ask("PUT", strings.Replace(write, a.ID, Location, 1), json, token, good))
	require.Equal(t, 403, ask("PUT", write+"?orgId="+Location, json, token, good))
	require.Equal(t, 400, ask("PUT", write, form, token, good))
	for _, body := range []string{`{}`, `{"passcode":739164}`, `{"passcode":"73916"}`, `{"passcode":"73916x"}`, `[`} {
		require.Equal(t, 400, ask("PUT", write, json, token, body), body)
	}
	require.True(t, f.Has(a.ID, code))
	require.Equal(t, 204, ask("PUT", write, json, token, good))
	require.False(t, f.Has(a.ID, code))
	http.DefaultClient.CloseIdleConnections()
}
