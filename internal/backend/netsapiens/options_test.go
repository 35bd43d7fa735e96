package netsapiens

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance"
	"star97/internal/secret"
)

func complete() Options {
	o := DefaultOptions()
	o.API.URL, o.Domain, o.Key = "https://pbx.example/ns-api", "example.test", secret.Source{Env: "NS_KEY"}
	return o
}

func TestOptionsTellWhatIsWrongByTheirKey(t *testing.T) {
	login := Login{ClientID: "star97", ClientSecret: secret.Source{Env: "A"}, User: "u@d", Password: secret.Source{Env: "B"}}
	conformance.Spoiled(t, complete, map[string]func(*Options){
		"api.url is empty":          func(o *Options) { o.API.URL = "" },
		"version is \"v3\"":         func(o *Options) { o.Version = "v3" },
		"domain is empty":           func(o *Options) { o.Domain = "" },
		"domain is \"~\"":           func(o *Options) { o.Domain = "~" },
		"domains has \"a b\"":       func(o *Options) { o.Domains = []string{"*", "a b"} },
		"key is empty":              func(o *Options) { o.Key = secret.Source{} },
		"key and login":             func(o *Options) { o.Login = login },
		"key.file and env are both": func(o *Options) { o.Key.File = "f" },
		"key is set, but API v1":    func(o *Options) { o.Version = v1 },
		"login.client_id":           func(o *Options) { o.Key, o.Login = secret.Source{}, login; o.Login.ClientID = "" },
		"login.client_secret.":      func(o *Options) { o.Key, o.Login = secret.Source{}, login; o.Login.ClientSecret = secret.Source{} },
		"login.user":                func(o *Options) { o.Key, o.Login = secret.Source{}, login; o.Login.User = "" },
		"login.password.":           func(o *Options) { o.Key, o.Login = secret.Source{}, login; o.Login.Password = secret.Source{} },
		"fields is":                 func(o *Options) { o.Fields = "some" },
		"write_as is":               func(o *Options) { o.WriteAs = "roman" },
		"numbers is true":           func(o *Options) { o.Key, o.Login, o.Version, o.Numbers = secret.Source{}, login, v1, true },
		"numbers_keep is":           func(o *Options) { o.NumbersKeep = -1 },
		"read_back is":              func(o *Options) { o.ReadBack = time.Hour },
		"lag is":                    func(o *Options) { o.Lag = time.Hour },
	})
}

func TestRelativePathsAreTakenFromTheFolder(t *testing.T) {
	var o Options
	o.SetDefaults()
	require.Equal(t, DefaultOptions(), o)
	require.Equal(t, Declared(), o.Declared())
	o.API.TLS.CAFile, o.Key.File, o.Login.Password.File, o.Login.ClientSecret.File = "ca.pem", "key", "/abs/password", "client"
	o.Resolve("/etc/star97")
	require.Equal(t, "/etc/star97/ca.pem", o.API.TLS.CAFile)
	require.Equal(t, "/etc/star97/key", o.Key.File)
	require.Equal(t, "/abs/password", o.Login.Password.File)
	require.Equal(t, "/etc/star97/client", o.Login.ClientSecret.File)
}
