package webhook

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance"
	"star97/internal/mailbox"
	"star97/internal/secret"
)

// sound are options that nothing is wrong with.
func sound() Options {
	o := DefaultOptions()
	o.API.URL, o.Keys = "https://codes.example.test/star97", []Key{{ID: "k1", Secret: secret.Source{Env: "WEBHOOK_KEY"}}}
	return o
}

func TestOptionsTellWhatIsWrongByTheirKey(t *testing.T) {
	conformance.Spoiled(t, sound, map[string]func(*Options){
		"api.url is empty":    func(o *Options) { o.API.URL = "" },
		"api.url is http":     func(o *Options) { o.API.URL = "http://codes.example.test" },
		"paths.find is":       func(o *Options) { o.Paths.Find = "" },
		"paths.verify is":     func(o *Options) { o.Paths.Verify = "verify" },
		"paths.set is":        func(o *Options) { o.Paths.Set = "/set?x=1" },
		"paths.reset is":      func(o *Options) { o.Paths.Reset = "/../reset" },
		"paths.policy is":     func(o *Options) { o.Paths.Policy = "//policy" },
		"keys has 0":          func(o *Options) { o.Keys = nil },
		"keys has 9":          func(o *Options) { o.Keys = make([]Key, 9) },
		"keys[0].id is":       func(o *Options) { o.Keys[0].ID = "K=1" },
		"keys[1].id is":       func(o *Options) { o.Keys = append(o.Keys, o.Keys[0]) },
		"keys[0].secret.file": func(o *Options) { o.Keys[0].Secret = secret.Source{} },
		"limit is 101":        func(o *Options) { o.Limit = 101 },
		"limit is -1":         func(o *Options) { o.Limit = -1 },
		"window is":           func(o *Options) { o.Window = 25 * time.Hour },
		"policy_for is":       func(o *Options) { o.PolicyFor = 2 * time.Hour },
		"repeat is":           func(o *Options) { o.Repeat = time.Minute },
		"lag is":              func(o *Options) { o.Lag = -1 },
	})
	o := sound()
	o.Keys, o.Lag = nil, time.Hour
	require.ErrorContains(t, o.Validate(), "keys has 0")
	require.ErrorContains(t, o.Validate(), "lag is", "everything is told at once")
	o.API.URL = "http://127.0.0.1:9797"
	require.NotContains(t, o.Validate().Error(), "api.url", "this machine may do without TLS")
}

func TestRelativePathsAreTakenFromTheFolder(t *testing.T) {
	var o Options
	o.SetDefaults()
	require.Equal(t, DefaultOptions(), o)
	o.API.TLS.CAFile = "ca.pem"
	o.Keys = []Key{{ID: "k1", Secret: secret.Source{File: "key"}}, {ID: "k2", Secret: secret.Source{File: "/abs/key"}}}
	copied := o
	o.Resolve("/etc/star97")
	require.Equal(t, "/etc/star97/ca.pem", o.API.TLS.CAFile)
	require.Equal(t, "/etc/star97/key", o.Keys[0].Secret.File)
	require.Equal(t, "/abs/key", o.Keys[1].Secret.File)
	require.Equal(t, "key", copied.Keys[0].Secret.File, "a copy is left alone")
	var none Options
	none.Resolve("/etc/star97")
	require.Zero(t, none, "what says nothing goes on saying nothing")
}

func TestWhatIsDeclaredFollowsTheSettings(t *testing.T) {
	o := sound()
	require.Equal(t, mailbox.Native, o.Declared().Check)
	require.True(t, o.Declared().Rules, "as the contract has them")
	require.Zero(t, o.Declared().Window)
	o.Limit, o.Window, o.Paths.Policy = 5, time.Hour, "/policy"
	require.Equal(t, 5, o.Declared().Limit)
	require.Equal(t, time.Hour, o.Declared().Window)
	want := o.Declared()
	require.True(t, want.FirstUse, "by a reset")
	o.Paths, want.FirstUse = Paths{}, false
	require.Equal(t, want, o.Declared(), "whatever the other paths")
	o.NoVerify = true
	require.Equal(t, mailbox.NoCheck, o.Declared().Check)
}
