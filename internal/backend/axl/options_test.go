package axl

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"star97/internal/backend/adapter"
	"star97/internal/backend/axl/fake"
	"star97/internal/backend/conformance"
	"star97/internal/mailbox"
	"star97/internal/secret"
)

func good() Options {
	o := DefaultOptions()
	o.API.URL, o.User, o.Password = "https://cucm.example:8443", "star97", secret.Source{Env: "AXL_PASSWORD"}
	return o
}

func TestValidate(t *testing.T) {
	conformance.Spoiled(t, good, map[string]func(*Options){
		"api.url is empty":                      func(o *Options) { o.API.URL = "" },
		"user is empty or has a colon":          func(o *Options) { o.User = "a:b" },
		"password.file and env are empty":       func(o *Options) { o.Password = secret.Source{} },
		`version is "13.0": use 7.0, 7.1`:       func(o *Options) { o.Version = "13.0" },
		`version is ""`:                         func(o *Options) { o.Version = "" },
		`find is "guess": use sql, uds, userid`: func(o *Options) { o.Find = "guess" },
		"rules_for is 2h0m0s: use 0s to 1h0m0s": func(o *Options) { o.RulesFor = 2 * time.Hour },
		"lag is -1s: use 0s to 1h0m0s":          func(o *Options) { o.Lag = -time.Second },
		`codes[1].means is "maybe": use right, wrong-pin, locked, disabled`: func(o *Options) {
			o.Codes = []Meaning{{1, "right"}, {2, "maybe"}}
		},
		"refusals[0].words are empty":   func(o *Options) { o.Refusals = []adapter.Refusal{{Words: " ", Means: "trivial"}} },
		`refusals[0].means is "sorry":`: func(o *Options) { o.Refusals = []adapter.Refusal{{Words: "x", Means: "sorry"}} },
	})
	o := good()
	o.Find, o.Lag = "", time.Hour+1
	require.ErrorContains(t, o.Validate(), "find is")
	require.ErrorContains(t, o.Validate(), "lag is", "everything is told at once")
}

// YAML reads 14.0 as a number and keeps the 14.
func TestVersionsAreWrittenAsNumbersToo(t *testing.T) {
	for written, want := range map[string]string{"14.0": "14.0", "14": "14.0", `"14.0"`: "14.0", "12.5": "12.5", "8.5": "8.5", "10": "10.0"} {
		o := good()
		require.NoError(t, yaml.Unmarshal([]byte("version: "+written), &o))
		require.NoError(t, o.Validate())
		require.Equal(t, want, o.version())
	}
}

func TestDefaultsAreWithinTheirRanges(t *testing.T) {
	var o Options
	o.SetDefaults()
	require.Equal(t, DefaultOptions(), o)
	require.NoError(t, adapter.ValidateRefusals(o.Refusals))
	o.API.TLS.CAFile, o.Password.File = "ca.pem", "axl.password"
	o.Resolve("/etc/star97")
	require.Equal(t, "/etc/star97/ca.pem", o.API.TLS.CAFile)
	require.Equal(t, "/etc/star97/axl.password", o.Password.File)
}

func TestDeclared(t *testing.T) {
	o := DefaultOptions()
	tr := o.Declared()
	require.Equal(t, []mailbox.Ability{mailbox.CanList, mailbox.CanReset, mailbox.CanFlag, mailbox.CanUnlock}, tr.Can)
	require.NotContains(t, tr.Unverified, "everything with AXL 7.1")
	o.Version = "7.1"
	require.Contains(t, o.Declared().Unverified, "everything with AXL 7.1")
}

func TestOpenReadsThePassword(t *testing.T) {
	o := good()
	o.Password = secret.Source{File: filepath.Join(t.TempDir(), "none")}
	b, err := o.Open(t.Context())
	require.ErrorContains(t, err, "password: ")
	require.True(t, b == nil, "what did not open is nothing")
	require.NoError(t, os.WriteFile(o.Password.File, []byte("word"), 0o600))
	b, err = o.Open(t.Context())
	require.NoError(t, err, "the system need not be there")
	require.NoError(t, b.Close())
}

// An address as people copy it, with the path of the interface.
func TestTheAddressMayHoldThePath(t *testing.T) {
	for _, path := range []string{"", "/", "/axl", "/axl/"} {
		f := fake.New(t)
		o := reach(f)
		o.API.URL += path
		f.Put(fake.Person{Extension: "2041", Status: 1}, code(t, hers))
		require.NoError(t, verify(t, openTo(t, o), found(t, openTo(t, o), "2041"), hers))
	}
}
