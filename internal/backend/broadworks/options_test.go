package broadworks

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance"
	"star97/internal/secret"
)

func complete() Options {
	o := DefaultOptions()
	o.Line.Server, o.User, o.Password = "as.example", "star97@example.test", secret.Source{Env: "BW_PASSWORD"}
	return o
}

func TestOptionsTellWhatIsWrongByTheirKey(t *testing.T) {
	conformance.Spoiled(t, complete, map[string]func(*Options){
		"transport is \"udp\"":                    func(o *Options) { o.Transport = "udp" },
		"line.server is empty":                    func(o *Options) { o.Line.Server = "" },
		"line.server is empty or no address":      func(o *Options) { o.Line.Server = "https://as.example/x" },
		"line.server is empty or no":              func(o *Options) { o.Line.Server = "as.example:0" },
		"line.tls.fingerprint is no":              func(o *Options) { o.Line.TLS.Fingerprint = "ab" },
		"line.tls.ca_file and tls.fingerprint":    func(o *Options) { o.Line.TLS.Fingerprint, o.Line.TLS.CAFile = strings.Repeat("ab", 32), "ca" },
		"line.timeout is":                         func(o *Options) { o.Line.Timeout = time.Hour },
		"line.retries is":                         func(o *Options) { o.Line.Retries = 6 },
		"line.break_after is":                     func(o *Options) { o.Line.BreakAfter = 0 },
		"line.break_pause is":                     func(o *Options) { o.Line.BreakPause = 0 },
		"api.url is empty":                        func(o *Options) { o.Transport = OverSOAP },
		"api.retries is":                          func(o *Options) { o.API.Retries = 6 },
		"user is empty":                           func(o *Options) { o.User = "" },
		"user is empty or no id":                  func(o *Options) { o.User = "a\nb" },
		"password.file and env are empty":         func(o *Options) { o.Password = secret.Source{} },
		"login is \"basic\"":                      func(o *Options) { o.Login = "basic" },
		"sessions is 0":                           func(o *Options) { o.Sessions = 0 },
		"idle is":                                 func(o *Options) { o.Idle = 0 },
		"parameter is":                            func(o *Options) { o.Parameter = "x y" },
		"service_provider is empty, but":          func(o *Options) { o.Group = "g" },
		"tenants[0].domain is empty":              func(o *Options) { o.Tenants = []Tenant{{}} },
		"tenants[0].domain is \"A\" a second":     func(o *Options) { o.Domain, o.Tenants = "a", []Tenant{{Domain: "A"}} },
		"tenants[1].service_provider is empty":    func(o *Options) { o.Tenants = []Tenant{{Domain: "a"}, {Domain: "b", Group: "g"}} },
		"tenants[0].service_provider or group is": func(o *Options) { o.Tenants = []Tenant{{"a", "s\x00", ""}} },
		"verify is":                               func(o *Options) { o.Verify = "never" },
		"verify_request is":                       func(o *Options) { o.VerifyRequest = "LoginRequest" },
		"number_form is":                          func(o *Options) { o.NumberForm = "roman" },
		"no_states is true, but verify":           func(o *Options) { o.NoStates = true },
		"login_disabled is":                       func(o *Options) { o.LoginDisabled = "ok" },
		"rules_for is":                            func(o *Options) { o.RulesFor = -1 },
		"lag is":                                  func(o *Options) { o.Lag = time.Hour },
		"errors[0].number is -1":                  func(o *Options) { o.Errors = []Meaning{{-1, "", "trivial"}} },
		"errors[0].words are empty":               func(o *Options) { o.Errors = []Meaning{{0, " ", "trivial"}} },
		"errors[1].means is \"bad\"":              func(o *Options) { o.Errors = []Meaning{{1, "", "session"}, {1, "", "bad"}} },
	})
}

func TestAServerHasThePortOfItsTransport(t *testing.T) {
	for server, want := range map[string][2]string{
		"as.example":        {"as.example:2209", "as.example:2208"},
		"as.example:1234":   {"as.example:1234", "as.example:1234"},
		"192.0.2.1":         {"192.0.2.1:2209", "192.0.2.1:2208"},
		"2001:db8::1":       {"[2001:db8::1]:2209", "[2001:db8::1]:2208"},
		"[2001:db8::1]":     {"[2001:db8::1]:2209", "[2001:db8::1]:2208"},
		"[2001:db8::1]:123": {"[2001:db8::1]:123", "[2001:db8::1]:123"},
	} {
		for i, transport := range []Transport{OverTLS, OverTCP} {
			o := complete()
			o.Transport, o.Line.Server = transport, server
			at, err := o.server()
			require.NoError(t, err)
			require.Equal(t, want[i], at)
		}
	}
}

func TestRelativePathsAreTakenFromTheFolder(t *testing.T) {
	var o Options
	o.SetDefaults()
	require.Equal(t, DefaultOptions(), o)
	o.API.TLS.CAFile, o.Line.TLS.CAFile, o.Password.File = "a.pem", "b.pem", "/abs/password"
	o.Resolve("/etc/star97")
	require.Equal(t, "/etc/star97/a.pem", o.API.TLS.CAFile)
	require.Equal(t, "/etc/star97/b.pem", o.Line.TLS.CAFile)
	require.Equal(t, "/abs/password", o.Password.File)
}
