package register

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/secret"
)

func TestEachMistakeIsNamedWithItsOption(t *testing.T) {
	for name, row := range map[string]struct {
		change func(*Options)
		want   string // empty: none
	}{
		"as it is":                    {func(*Options) {}, ""},
		"an address":                  {func(o *Options) { o.Registrar = "192.0.2.1" }, ""},
		"a URI":                       {func(o *Options) { o.Registrar = "sip:example.org:5070;transport=tcp" }, ""},
		"a user of another domain":    {func(o *Options) { o.User = "4970@tenant.example.org" }, ""},
		"a star":                      {func(o *Options) { o.ContactUser = "*97" }, ""},
		"no password":                 {func(o *Options) { o.Password = secret.Source{} }, ""},
		"no name":                     {func(o *Options) { o.Name = "" }, `name "" is no name`},
		"a name with a space":         {func(o *Options) { o.Name = "my provider" }, `name "my provider" is no name`},
		"no registrar":                {func(o *Options) { o.Registrar = "" }, `registrar is ""`},
		"a registrar with a user":     {func(o *Options) { o.Registrar = "sip:a@example.org" }, `registrar is "sip:a@example.org"`},
		"a registrar that is none":    {func(o *Options) { o.Registrar = "exa mple" }, `registrar is "exa mple"`},
		"a header in it":              {func(o *Options) { o.Registrar = "sip:example.org?x=y" }, "registrar is"},
		"another transport":           {func(o *Options) { o.Registrar = "sip:example.org;transport=ws" }, "write transport=udp, tcp or tls"},
		"two transports":              {func(o *Options) { o.Registrar, o.Network = "sip:example.org;transport=tcp", "udp" }, "leave one of the two out"},
		"a parameter":                 {func(o *Options) { o.Registrar = "sip:example.org;maddr=192.0.2.1" }, "maddr is not served"},
		"sips by UDP":                 {func(o *Options) { o.Registrar, o.Network = "sips:example.org", "udp" }, "asks for TLS"},
		"a proxy that is none":        {func(o *Options) { o.OutboundProxy = "sip:" }, "outbound_proxy is"},
		"another network":             {func(o *Options) { o.Network = "sctp" }, "network is"},
		"no user":                     {func(o *Options) { o.User = "" }, `user "" is no user part`},
		"a user with a space":         {func(o *Options) { o.User = "a b" }, `user "a b" is no user part`},
		"a user of no domain":         {func(o *Options) { o.User = "a@b@c" }, `user "a@b@c" is no user of a domain`},
		"a pound sign":                {func(o *Options) { o.ContactUser = "#97" }, "contact_user \"#97\" is no user part"},
		"half an escape":              {func(o *Options) { o.ContactUser = "%9" }, "contact_user"},
		"a line end in the auth user": {func(o *Options) { o.AuthUser = "a\r\nb" }, "auth_user has characters"},
		"two passwords":               {func(o *Options) { o.Password.Env = "X" }, "password.file and env are both set"},
		"another sign of life":        {func(o *Options) { o.KeepAliveBy = "stun" }, "keep_alive_by is"},
		"too often":                   {func(o *Options) { o.KeepAlive = time.Second }, "keep_alive is 1s"},
		"too brief":                   {func(o *Options) { o.Expires = time.Second }, "expires is 1s"},
		"too late":                    {func(o *Options) { o.RetryMost = 2 * time.Hour }, "retry_most is 2h"},
		"the usual":                   {func(o *Options) { o.RetryMost = 0 }, ""},
		"all the time":                {func(o *Options) { o.RetryMost = 9 * time.Second }, "retry_most is 9s"},
		"at once":                     {func(o *Options) { o.RetryFirst = 0 }, "retry_first is 0s"},
	} {
		t.Run(name, func(t *testing.T) {
			o := account(t)
			row.change(&o)
			if err := o.Validate(); row.want != "" {
				require.ErrorContains(t, err, row.want)
			} else {
				require.NoError(t, err)
			}
		})
	}
}

func TestTheAddressOfRecord(t *testing.T) {
	for user, want := range map[string]string{"4970": "sip:4970@example.org", "4970@tenant.example.org": "sip:4970@tenant.example.org"} {
		o := account(t, func(o *Options) { o.User, o.Registrar = user, "sip:example.org:5070" })
		require.Equal(t, want, o.AOR())
	}
	require.Equal(t, "sips:a@example.org", account(t, func(o *Options) { o.User, o.Registrar = "a", "sips:example.org" }).AOR())
	require.Empty(t, Options{}.AOR())
}

// A password that others can read is no secret any more, so it is not used.
func TestAPasswordThatCannotBeReadIsShownToNobody(t *testing.T) {
	open := account(t)
	require.NoError(t, os.Chmod(open.Password.File, 0o644))
	play(t, guard(401, "example.org", []string{"MD5"}, ok), func(t *testing.T, y *yard) {
		y.Exchange([]Options{open}) // it was opened to others after the start
		require.Len(t, y.took(), 1)
		require.Contains(t, y.said(), "the password cannot be read")
	})
	play(t, guard(401, "example.org", []string{"MD5"}, ok), func(t *testing.T, y *yard) {
		y.Exchange([]Options{account(t, func(o *Options) { o.Password = secret.Source{} })})
		require.Len(t, y.took(), 1)
		require.Contains(t, y.said(), "name one under password")
	})
}

func TestARelativeFileIsTheConfigurationsNeighbour(t *testing.T) {
	o := Options{Password: secret.Source{File: "word"}}
	o.Resolve("/etc/star97")
	require.Equal(t, filepath.Join("/etc/star97", "word"), o.Password.File)
}
