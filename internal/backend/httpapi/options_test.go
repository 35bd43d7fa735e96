package httpapi

import (
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"
)

func TestOptionsThatCannotBe(t *testing.T) {
	pin := sum(authority(t).cert)
	for name, c := range map[string]struct {
		change func(*Options)
		want   string // the beginning of the error; empty: none
	}{
		"the defaults":                {func(o *Options) {}, ""},
		"with a prefix":               {func(o *Options) { o.URL = "https://vm.example:8443/vmrest/" }, ""},
		"http to this machine":        {func(o *Options) { o.URL = "http://localhost:8080" }, ""},
		"http to 127.1.2.3":           {func(o *Options) { o.URL = "http://127.1.2.3" }, ""},
		"http to ::1":                 {func(o *Options) { o.URL = "http://[::1]:80" }, ""},
		"a fingerprint":               {func(o *Options) { o.TLS.Fingerprint = colons(pin) }, ""},
		"no url":                      {func(o *Options) { o.URL = "" }, "url is empty: write https://"},
		"no scheme":                   {func(o *Options) { o.URL = "vm.example" }, "url "},
		"only a port":                 {func(o *Options) { o.URL = "https://:8443" }, "url has no host"},
		"no such port":                {func(o *Options) { o.URL = "https://vm.example:99999" }, "url has a port that is none: write 1 to 65535"},
		"port 0":                      {func(o *Options) { o.URL = "https://vm.example:0/x" }, "url has a port that is none"},
		"a colon without a port":      {func(o *Options) { o.URL = "https://vm.example:/x" }, "url has a port that is none"},
		"another scheme":              {func(o *Options) { o.URL = "ftp://vm.example" }, `url begins with "ftp"`},
		"http to another machine":     {func(o *Options) { o.URL = "http://vm.example" }, "url is http to another machine"},
		"http to a name like our own": {func(o *Options) { o.URL = "http://localhost.example" }, "url is http to another machine"},
		"a password":                  {func(o *Options) { o.URL = "https://admin:" + password + "@vm.example" }, "url holds a user"},
		"a password, unreadable":      {func(o *Options) { o.URL = "https://admin:" + password + "%zz@vm.example" }, "url cannot be read"},
		"a query":                     {func(o *Options) { o.URL = "https://vm.example/?a=b" }, "url has a query"},
		"a fragment":                  {func(o *Options) { o.URL = "https://vm.example/#a" }, "url has a query"},
		"a short fingerprint":         {func(o *Options) { o.TLS.Fingerprint = pin[:40] }, "tls.fingerprint is no SHA-256"},
		"a fingerprint of letters":    {func(o *Options) { o.TLS.Fingerprint = "x" + pin[1:] }, "tls.fingerprint is no SHA-256"},
		"two ways to know it":         {func(o *Options) { o.TLS.Fingerprint, o.TLS.CAFile = pin, "ca.pem" }, "tls.ca_file and tls.fingerprint"},
		"a short timeout":             {func(o *Options) { o.Timeout = 99 * time.Millisecond }, "timeout is 99ms: use 100ms to 30s"},
		"a long timeout":              {func(o *Options) { o.Timeout = 31 * time.Second }, "timeout is 31s"},
		"many retries":                {func(o *Options) { o.Retries = 6 }, "retries is 6: use 0 to 5"},
		"fewer than none":             {func(o *Options) { o.Retries = -1 }, "retries is -1"},
		"none at a time":              {func(o *Options) { o.Concurrent = 0 }, "concurrent is 0: use 1 to 1000"},
		"a negative rate":             {func(o *Options) { o.PerSecond = -1 }, "per_second is -1"},
		"a rate that is no number":    {func(o *Options) { o.PerSecond = math.NaN() }, "per_second is NaN"},
		"no failure allowed":          {func(o *Options) { o.BreakAfter = 0 }, "break_after is 0: use 1 to 100"},
		"a short pause":               {func(o *Options) { o.BreakPause = time.Millisecond }, "break_pause is 1ms: use 1s to 5m"},
		"no body":                     {func(o *Options) { o.LargestBody = 0 }, "the largest body is 0 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			o := DefaultOptions()
			o.URL = "https://vm.example"
			c.change(&o)
			err := o.Validate()
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
			require.Equal(t, c.want, err.Error()[:len(c.want)])
			silent(t, err.Error())
			_, opened := New(o, nil)
			require.Equal(t, err, opened)
		})
	}
}

func TestTheAuthoritysFileIsInTheConfigurationsFolder(t *testing.T) {
	o := DefaultOptions()
	require.Equal(t, o, o.In("/etc/star97"))
	o.TLS.CAFile = "ca.pem"
	require.Equal(t, "/etc/star97/ca.pem", o.In("/etc/star97").TLS.CAFile)
	o.TLS.CAFile = "/run/ca.pem"
	require.Equal(t, "/run/ca.pem", o.In("/etc/star97").TLS.CAFile)
}

func TestOptionsAreWrittenInYAML(t *testing.T) {
	o := DefaultOptions()
	require.NoError(t, yaml.Unmarshal([]byte("url: https://vm.example\ntls: {legacy: true, server_name: vm}\ntimeout: 5s\nper_second: 2.5\n"), &o))
	want := DefaultOptions()
	want.URL, want.TLS, want.Timeout, want.PerSecond = "https://vm.example", TLS{Legacy: true, ServerName: "vm"}, 5*time.Second, 2.5
	require.Equal(t, want, o)
}

// FuzzRetryAfter claims that no header makes a wait that is negative or without end.
func FuzzRetryAfter(f *testing.F) {
	f.Add("30", "")
	f.Add("-1", "")
	f.Add("Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:30 GMT")
	f.Add("Sunday, 06-Nov-94 08:49:37 GMT", "x")
	f.Fuzz(func(t *testing.T, text, clock string) {
		d := retryAfter(http.Header{"Retry-After": {text}, "Date": {clock}}, time.Now())
		require.GreaterOrEqual(t, d, time.Duration(0))
		require.LessOrEqual(t, d, longestHold)
	})
}
