package webex

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance"
	"star97/internal/backend/httpapi"
	"star97/internal/mailbox"
	"star97/internal/secret"
)

// sound are options that nothing is wrong with.
func sound() Options {
	o := DefaultOptions()
	o.ClientID, o.ClientSecret, o.RefreshToken = "C1", secret.Source{Env: "WEBEX_SECRET"}, secret.Source{File: "refresh"}
	return o
}

func TestOptionsTellWhatIsWrongByTheirKey(t *testing.T) {
	conformance.Spoiled(t, sound, map[string]func(*Options){
		"api.url is empty":          func(o *Options) { o.API.URL = "" },
		"client_id is empty":        func(o *Options) { o.ClientID = "" },
		"client_secret.file":        func(o *Options) { o.ClientSecret = secret.Source{} },
		"refresh_token.file":        func(o *Options) { o.RefreshToken = secret.Source{} },
		"organisation is":           func(o *Options) { o.Organisation = "Harbor Ltd" },
		"location is":               func(o *Options) { o.Location = "a/b" },
		"find is":                   func(o *Options) { o.Find = "" },
		"people_for is":             func(o *Options) { o.PeopleFor = time.Second },
		"people_max is 0":           func(o *Options) { o.PeopleMax = 0 },
		"people_max is 20001":       func(o *Options) { o.PeopleMax = 20001 },
		"rules is":                  func(o *Options) { o.Rules = "mine" },
		"user_rules is":             func(o *Options) { o.Rules = rulesUser },
		"rules_for is":              func(o *Options) { o.RulesFor = -1 },
		"lag is":                    func(o *Options) { o.Lag = time.Hour },
		"refusals[1].means is":      func(o *Options) { o.Refusals[1].Means = "wrong-pin" },
		"refusals[0].words are":     func(o *Options) { o.Refusals[0].Words = " " },
		"refusals[0].error_code is": func(o *Options) { o.Refusals[0].Number = -1 },
	})
	o := sound()
	o.Rules = rulesUser
	for path, ok := range map[string]bool{"/people/{id}/rules": true, "/{id}": true, "people/{id}": false, "/people/id": false, "/../{id}": false, "/{id}?x": false} {
		o.UserRules = path
		require.Equal(t, ok, o.Validate() == nil, path)
	}
}

func TestRelativePathsAreTakenFromTheFolder(t *testing.T) {
	var o Options
	o.SetDefaults()
	require.Equal(t, DefaultOptions(), o)
	o.API.TLS.CAFile, o.ClientSecret.File, o.RefreshToken.File = "ca.pem", "client", "/abs/refresh"
	o.Resolve("/etc/star97")
	require.Equal(t, "/etc/star97/ca.pem", o.API.TLS.CAFile)
	require.Equal(t, "/etc/star97/client", o.ClientSecret.File)
	require.Equal(t, "/abs/refresh", o.RefreshToken.File)
}

func TestOpenNeedsNoServer(t *testing.T) {
	o := sound()
	o.ClientSecret, o.RefreshToken = secret.Source{}, conformance.Secret(t, "r")
	o.ClientSecret.File = t.TempDir() + "/none"
	none, err := o.Open(t.Context())
	require.ErrorContains(t, err, "client_secret: ")
	require.True(t, none == nil, "no Backend that is there and is none")
	o.ClientSecret = conformance.Secret(t, "s")
	b, err := o.Open(t.Context())
	require.NoError(t, err)
	require.NoError(t, b.Close())
	require.Equal(t, mailbox.NoCheck, o.Declared().Check)
	require.True(t, o.Declared().Rules)
	o.Rules = rulesOff
	require.False(t, o.Declared().Rules)
}

// Whatever a refusal says, its detail quotes no word of it and no number that could be a
// code, and it has a meaning that the table can give.
func FuzzRefusal(f *testing.F) {
	f.Add([]byte(`{"message":"Invalid passcode","errors":[{"description":"previous","errorCode":"25000"}],"trackingId":"ROUTER_1"}`), 400)
	f.Add([]byte(`{"errorCode":482915,"errors":[{"errorCode":739164}]}`), 409)
	f.Add([]byte(`{"errorCode":1e9}`), 409)
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		r := refusal(httpapi.Answer{Status: status % 1000, Body: body})
		require.Contains(t, append([]mailbox.Code{}, meanings...), r.means(defaultRefusals()))
		require.Regexp(t, `^the system answers -?\d{1,3}(, errorCode \d{1,5})?(, trackingId [A-Za-z0-9_=-]{1,200})?$`, r.detail().Error())
		var v struct {
			ErrorCode json.Number `json:"errorCode"`
		}
		if json.Unmarshal(body, &v) == nil && len(v.ErrorCode) > 5 {
			require.NotContains(t, r.detail().Error(), "errorCode "+v.ErrorCode.String())
		}
	})
}
