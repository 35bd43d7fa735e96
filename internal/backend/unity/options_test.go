package unity

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance"
	"star97/internal/secret"
)

// sound are options that nothing is wrong with.
func sound() Options {
	o := DefaultOptions()
	o.API.URL, o.User, o.Password = "https://cuc.example.test", "star97", secret.Source{File: "unity.password"}
	return o
}

func TestOptions(t *testing.T) {
	conformance.Spoiled(t, sound, map[string]func(*Options){
		"api.url":               func(o *Options) { o.API.URL = "" },
		"user":                  func(o *Options) { o.User = "" },
		"user is":               func(o *Options) { o.User = "a:b" },
		"password.":             func(o *Options) { o.Password = secret.Source{} },
		"format":                func(o *Options) { o.Format = "yaml" },
		"partition":             func(o *Options) { o.Partition = "Default Partition" },
		"user_column":           func(o *Options) { o.UserColumn = "EmailAddress" },
		"alternates":            func(o *Options) { o.Alternates = "" },
		"alternates_every":      func(o *Options) { o.AlternatesEvery = time.Second },
		"alternates_users":      func(o *Options) { o.AlternatesUsers = 0 },
		"rules_for":             func(o *Options) { o.RulesFor = -1 },
		"time_zone":             func(o *Options) { o.TimeZone = "Berlin" },
		"margin":                func(o *Options) { o.Margin = 2 * time.Hour },
		"lag":                   func(o *Options) { o.Lag = time.Hour },
		"refusals[1].means is":  func(o *Options) { o.Refusals[1].Means = "bad" },
		"refusals[0].means is":  func(o *Options) { o.Refusals[0].Means = "wrong-pin" },
		"refusals[0].words are": func(o *Options) { o.Refusals[0].Words = " " },
	})
	o := sound()
	o.User, o.Format = "", "yaml"
	require.ErrorContains(t, o.Validate(), "user is")
	require.ErrorContains(t, o.Validate(), "format is", "everything is told at once")
}

func TestOpenNeedsNoServer(t *testing.T) {
	dir := t.TempDir()
	o := sound()
	o.Resolve(dir)
	require.Equal(t, filepath.Join(dir, "unity.password"), o.Password.File)
	none, err := o.Open(t.Context())
	require.ErrorContains(t, err, "password: ")
	require.True(t, none == nil, "no Backend that is there and is none")
	require.NoError(t, os.WriteFile(o.Password.File, []byte("Blue-Harbor7\n"), 0o600))
	b, err := o.Open(t.Context())
	require.NoError(t, err)
	require.NoError(t, b.Close())
	var d Options
	d.SetDefaults()
	require.Equal(t, DefaultOptions(), d)
}
