package fake

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance/trouble"
)

// A request that is not of the contract is refused, and does nothing.
func TestWhatIsNotOfTheContractIsRefused(t *testing.T) {
	f := NewWith(t, trouble.NewCert(t, trouble.Plain))
	const good = `{"operation":"find","id":"00112233445566778899aabbccddeeff","domain":"","number":"4001"}`
	for name, tc := range map[string]struct {
		alter func(*http.Request)
		path  string
		body  string
		want  int
	}{
		"good":                  {nil, "/find", good, 200},
		"another path":          {nil, "/search", good, 404},
		"another operation":     {nil, "/verify", good, 400},
		"GET":                   {func(r *http.Request) { r.Method = http.MethodGet }, "/find", good, 405},
		"no signature":          {func(r *http.Request) { r.Header.Del("Star97-Signature") }, "/find", good, 401},
		"another time":          {func(r *http.Request) { r.Header.Set("Star97-Time", strconv.FormatInt(time.Now().Unix()-1, 10)) }, "/find", good, 401},
		"no time":               {func(r *http.Request) { r.Header.Del("Star97-Time") }, "/find", good, 401},
		"an unknown key":        {func(r *http.Request) { r.Header.Set("Star97-Signature", "k9="+strings.Repeat("0", 64)) }, "/find", good, 401},
		"another body":          {func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(good + " ")); r.ContentLength++ }, "/find", good, 401},
		"another type":          {func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, "/find", good, 400},
		"a query":               {func(r *http.Request) { r.URL.RawQuery = "a=1" }, "/find", good, 400},
		"a field too many":      {nil, "/find", strings.Replace(good, "}", `,"code":"482915"}`, 1), 400},
		"a field of no meaning": {nil, "/find", strings.Replace(good, "}", `,"more":1}`, 1), 400},
		"a field too few":       {nil, "/find", strings.Replace(good, `,"number":"4001"`, "", 1), 400},
		"an id of another form": {nil, "/find", strings.Replace(good, "00112233", "", 1), 400},
		"a code of letters":     {nil, "/verify", strings.NewReplacer("find", "verify", `"number":"4001"`, `"account":"1","code":"x"`).Replace(good), 400},
	} {
		r, err := http.NewRequest(http.MethodPost, f.URL+tc.path, strings.NewReader(tc.body))
		require.NoError(t, err)
		at := strconv.FormatInt(time.Now().Unix(), 10)
		h := hmac.New(sha256.New, []byte(Key))
		h.Write([]byte(at + "." + tc.body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Star97-Time", at)
		r.Header.Set("Star97-Signature", "k0="+strings.Repeat("0", 64)+", "+KeyID+"="+hex.EncodeToString(h.Sum(nil)))
		if tc.alter != nil {
			tc.alter(r)
		}
		res, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, tc.want, res.StatusCode, name)
	}
	http.DefaultClient.CloseIdleConnections()
}
