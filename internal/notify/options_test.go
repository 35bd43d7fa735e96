package notify

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/httpapi"
	"star97/internal/secret"
)

// sound has everything set.
func sound() Options {
	o := DefaultOptions()
	o.Mail.Host, o.Mail.From, o.Mail.User = "mail.example.test", "Voicemail <v@example.test>", "star97"
	o.Mail.Password = secret.Source{Env: "MAIL_PASSWORD"}
	o.Webhook.API.URL = "https://notices.example.test/star97"
	o.Webhook.Keys = httpapi.Keys{{ID: "k1", Secret: secret.Source{File: "key"}}}
	o.Contact, o.Digest = "the help desk, extension 200", "eve@example.test"
	return o
}

func TestNothingIsOnByDefault(t *testing.T) {
	o := DefaultOptions()
	require.NoError(t, o.Validate())
	require.False(t, o.On())
	require.False(t, o.Carries())
	require.True(t, sound().On())
	require.True(t, sound().Carries())
}

func TestOptionsTellWhatIsWrongByTheirKey(t *testing.T) {
	require.NoError(t, sound().Validate())
	for path, alter := range map[string]func(*Options){
		"mail.host is empty":                           func(o *Options) { o.Mail.Host, o.Digest = "", "" },
		`mail.host is "smtp://x"`:                      func(o *Options) { o.Mail.Host = "smtp://x" },
		`mail.host is "x:25"`:                          func(o *Options) { o.Mail.Host = "x:25" },
		"mail.port is 0":                               func(o *Options) { o.Mail.Port = 0 },
		"mail.security is plain to mail.example.test":  func(o *Options) { o.Mail.Security = "plain" },
		`mail.security is "ssl"`:                       func(o *Options) { o.Mail.Security = "ssl" },
		`mail.from is ""`:                              func(o *Options) { o.Mail.From = "" },
		"mail.password.file and env are empty":         func(o *Options) { o.Mail.Password = secret.Source{} },
		"mail.user is empty, and there is a password":  func(o *Options) { o.Mail.User = "" },
		"mail.timeout is 2m0s":                         func(o *Options) { o.Mail.Timeout = 2 * time.Minute },
		"mail.tls.fingerprint is no SHA-256":           func(o *Options) { o.Mail.TLS.Fingerprint = "x" },
		"webhook.api.url is empty":                     func(o *Options) { o.Webhook.API.URL = "" },
		"webhook.api.url is http to another":           func(o *Options) { o.Webhook.API.URL = "http://notices.example.test" },
		"webhook.keys has 0 entries":                   func(o *Options) { o.Webhook.Keys = nil },
		"contact is no single line":                    func(o *Options) { o.Contact = "a\nb" },
		"contact is no single line of":                 func(o *Options) { o.Contact = strings.Repeat("x", 201) },
		`language is "pt-BR": use one of de-DE, en-GB`: func(o *Options) { o.Language = "pt-BR" },
		"give_up is 10m0s":                             func(o *Options) { o.GiveUp = 10 * time.Minute },
		"lock_every is 0s":                             func(o *Options) { o.LockEvery = 0 },
		"digest_every is 1m0s":                         func(o *Options) { o.DigestEvery = time.Minute },
		"max_waiting is 7":                             func(o *Options) { o.MaxWaiting = 7 },
		`digest is "eve"`:                              func(o *Options) { o.Digest = "eve" },
		"digest is set without mail.host":              func(o *Options) { o.Mail = DefaultOptions().Mail },
	} {
		o := sound()
		alter(&o)
		require.Regexp(t, `(?m)^`+regexp.QuoteMeta(path), o.Validate().Error())
		_, err := New(t.Context(), nil, nil, nil, o, nil, nil)
		require.Error(t, err)
	}
	o := sound()
	o.Mail.Security, o.Mail.Host = "plain", "127.0.0.1"
	require.NoError(t, o.Validate(), "this machine may do without TLS")
	o.Mail.Host = "::1"
	require.NoError(t, o.Validate())
}

func TestRelativePathsAreTakenFromTheFolder(t *testing.T) {
	o := sound()
	o.Mail.Password, o.Mail.TLS.CAFile, o.Webhook.API.TLS.CAFile = secret.Source{File: "password"}, "ca.pem", "/abs/ca.pem"
	copied := o
	o.Resolve("/etc/star97")
	require.Equal(t, "/etc/star97/password", o.Mail.Password.File)
	require.Equal(t, "/etc/star97/ca.pem", o.Mail.TLS.CAFile)
	require.Equal(t, "/abs/ca.pem", o.Webhook.API.TLS.CAFile)
	require.Equal(t, "/etc/star97/key", o.Webhook.Keys[0].Secret.File)
	require.Equal(t, "key", copied.Webhook.Keys[0].Secret.File, "a copy is left alone")
}

// A key that cannot be read is told at the start, by its place.
func TestAKeyThatCannotBeReadIsToldAtTheStart(t *testing.T) {
	o := sound()
	o.Webhook.Keys[0].Secret.File = t.TempDir() + "/none"
	_, err := New(t.Context(), nil, nil, nil, o, nil, nil)
	require.ErrorContains(t, err, "notify.webhook: keys[0].secret: the secret's file")
}
