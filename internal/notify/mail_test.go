package notify

import (
	"context"
	"errors"
	"net/mail"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance/trouble"
	"star97/internal/backend/httpapi"
)

func sendTo(o Mail) error {
	return (&mailer{o}).send(context.Background(), "ada@example.test", "1-test", letter{"a subject", "a text\n"})
}

func TestMailTakesTheWaysThatItMay(t *testing.T) {
	for name, c := range map[string]struct {
		office kindOfOffice
		alter  func(o *office, m *Mail)
	}{
		"STARTTLS":                 {kindOfOffice{}, nil},
		"TLS from the first byte":  {kindOfOffice{implicit: true}, func(_ *office, m *Mail) { m.Security = fullTLS }},
		"none, to this machine":    {kindOfOffice{trust: trouble.Plain, noTLS: true}, func(_ *office, m *Mail) { m.Security = plainTCP }},
		"a certificate by its sum": {kindOfOffice{trust: trouble.Untrusted}, func(o *office, m *Mail) { m.TLS = httpapi.TLS{Fingerprint: o.Fingerprint} }},
		"another name":             {kindOfOffice{trust: trouble.WrongName}, func(_ *office, m *Mail) { m.TLS.ServerName = "elsewhere.example" }},
		"with a name and password": {kindOfOffice{user: "star97"}, nil},
		"the same with full TLS":   {kindOfOffice{user: "star97", implicit: true}, func(_ *office, m *Mail) { m.Security = fullTLS }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := officeOn(t, c.office)
			m := o.options()
			if c.alter != nil {
				c.alter(o, &m)
			}
			require.NoError(t, m.validate())
			require.NoError(t, sendTo(m))
			require.Len(t, o.got(), 1)
			require.Equal(t, c.office.user != "", o.signed == 1)
		})
	}
}

// Whom the mail server's certificate does not prove gets neither a password nor a mail.
func TestMailGoesNoOtherWay(t *testing.T) {
	for name, c := range map[string]struct {
		office kindOfOffice
		alter  func(o *office, m *Mail)
		want   string
	}{
		"an untrusted certificate":         {kindOfOffice{trust: trouble.Untrusted, user: "star97"}, nil, "does not prove it"},
		"an old certificate":               {kindOfOffice{trust: trouble.OutOfDate, user: "star97"}, nil, "does not prove it"},
		"a certificate of another name":    {kindOfOffice{trust: trouble.WrongName, user: "star97"}, nil, "does not prove it"},
		"the same from the first byte":     {kindOfOffice{trust: trouble.Untrusted, implicit: true, user: "star97"}, func(_ *office, m *Mail) { m.Security = fullTLS }, "does not prove it"},
		"a server without STARTTLS":        {kindOfOffice{trust: trouble.Plain, noTLS: true, user: "star97"}, nil, "does not offer what"},
		"a wrong password":                 {kindOfOffice{user: "star97"}, func(o *office, m *Mail) { m.Password = secretFile(o.t, "wrong") }, "check mail.user"},
		"a password that cannot be read":   {kindOfOffice{user: "star97"}, func(_ *office, m *Mail) { m.Password.File += ".gone" }, "is missing"},
		"a server that wants one":          {kindOfOffice{user: "star97"}, func(_ *office, m *Mail) { m.User = "" }, "answers 502"},
		"an authority that cannot be read": {kindOfOffice{}, func(_ *office, m *Mail) { m.TLS.CAFile += ".gone" }, "tls.ca_file"},
		"nobody there":                     {kindOfOffice{}, func(o *office, _ *Mail) { o.close() }, "cannot be used"},
		"full TLS to who speaks without":   {kindOfOffice{trust: trouble.Plain, noTLS: true}, func(_ *office, m *Mail) { m.Security = fullTLS }, "the mail server"},
		"a greeting that never comes":      {kindOfOffice{implicit: true}, func(_ *office, m *Mail) { m.Timeout = time.Second }, "the mail server"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := officeOn(t, c.office)
			m := o.options()
			if c.alter != nil {
				c.alter(o, &m)
			}
			err := sendTo(m)
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), o.password)
			var f *failure
			require.True(t, errors.As(err, &f) && f.server && !f.final, "%v", err)
			require.Empty(t, o.got())
			require.Zero(t, o.signed)
		})
	}
}

// A password that was replaced in its file is used from the next mail on.
func TestThePasswordIsReadAnew(t *testing.T) {
	t.Parallel()
	o := officeOn(t, kindOfOffice{user: "star97"})
	m := o.options()
	require.NoError(t, sendTo(m))
	o.password = "another one"
	require.Error(t, sendTo(m))
	require.NoError(t, os.WriteFile(m.Password.File, []byte("another one\n"), 0o600))
	require.NoError(t, sendTo(m))
}

func TestWhoWaitsNoLongerHangsUp(t *testing.T) {
	t.Parallel()
	o := officeOn(t, kindOfOffice{})
	o.breaks(fault{at: "data", hang: true})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- (&mailer{o.options()}).send(ctx, "ada@example.test", "1-test", letter{"a subject", "a text\n"})
	}()
	require.Eventually(t, func() bool { o.mu.Lock(); defer o.mu.Unlock(); return o.tried == 1 }, patience, lookAgain)
	cancel()
	require.ErrorContains(t, <-done, "in the time there was")
}

// known are the only headers that a mail may have.
var known = []string{
	"Auto-Submitted", "Content-Transfer-Encoding", "Content-Type", "Date", "From", "Message-Id", "Mime-Version", "Subject", "To",
}

// Whatever stands in an address on file, a number or a text, a mail has one recipient
// and no header of somebody else's making.
func FuzzMessage(f *testing.F) {
	f.Add("ada@example.test", "1-changed", "subject", "text")
	f.Add("a@b\r\nBcc: c@d", "x>\r\nBcc: <y", "s\r\nBcc: e@f", "t\r\n.\r\nQUIT\r\n")
	f.Add("Ada <ada@example.test>", "", "\x00\u2028", "\xff")
	f.Add("a@b, c@d", "\"", "=?utf-8?q?=0D=0ABcc:_x@y?=", "")
	m := mailer{Mail{From: "Voicemail <v@example.test>"}}
	f.Fuzz(func(t *testing.T, to, id, subject, text string) {
		msg, err := m.message(to, id, letter{subject, text})
		if err != nil {
			return
		}
		all, err := msg.GetRecipients()
		require.NoError(t, err)
		require.Len(t, all, 1)
		require.False(t, strings.ContainsAny(all[0], "\r\n"), "%q", all[0])
		var out strings.Builder
		if _, err := msg.WriteTo(&out); err != nil {
			return
		}
		in, err := mail.ReadMessage(strings.NewReader(out.String()))
		require.NoError(t, err, "%q", out.String())
		for name, values := range in.Header {
			require.Len(t, values, 1, "%s in %q", name, out.String())
			require.True(t, slices.Contains(known, name), "%s in %q", name, out.String())
		}
	})
}
