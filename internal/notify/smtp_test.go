package notify

import (
	"bytes"
	"errors"
	"io"
	"mime/quotedprintable"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"crypto/tls"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"star97/internal/backend/conformance/trouble"
	"star97/internal/secret"
)

// fault is what goes wrong with a mail.
type fault struct {
	at   string // mail, rcpt, data; empty: after the whole mail was taken
	fail *smtp.SMTPError
	hang bool // until the other side has hung up
	cut  bool // the connection ends
}

// office is a real SMTP server on loopback.
type office struct {
	*trouble.Cert
	t        testing.TB
	server   *smtp.Server
	host     string
	port     int
	close    func()
	user     string // who may sign in; empty: anybody may send without
	password string

	mu     sync.Mutex
	faults []fault
	mails  []letterIn
	signed int // sessions that signed in
	tried  int // mails that somebody began to send
}

// letterIn is a mail that arrived.
type letterIn struct{ from, to, text string }

func (l letterIn) header(name string) string { return header(l.text, name) }

// body is the text as its reader sees it.
func (l letterIn) body(t testing.TB) string {
	t.Helper()
	_, coded, ok := strings.Cut(l.text, "\r\n\r\n")
	require.True(t, ok)
	text, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(coded)))
	require.NoError(t, err)
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

type kindOfOffice struct {
	trust    trouble.Trust
	implicit bool // TLS from the first byte
	noTLS    bool
	user     string
}

func officeOn(t testing.TB, k kindOfOffice) *office {
	t.Helper()
	o := &office{t: t, Cert: trouble.NewCert(t, k.trust), user: k.user, password: "correct horse"}
	o.server = smtp.NewServer(o)
	o.server.Domain, o.server.AllowInsecureAuth, o.server.ErrorLog = "mail.example.test", k.noTLS, quiet{}
	var secure *tls.Config
	if o.TLS != nil {
		secure = o.TLS.Clone()
		secure.NextProtos = nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	o.host, o.port = "127.0.0.1", l.Addr().(*net.TCPAddr).Port
	switch {
	case k.implicit:
		l = tls.NewListener(l, secure)
	case !k.noTLS:
		o.server.TLSConfig = secure
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = o.server.Serve(l)
	}()
	o.close = sync.OnceFunc(func() {
		o.server.Close()
		l.Close() // which the server does not know before it serves
		<-done
	})
	t.Cleanup(o.close)
	return o
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

// options are those of a client that trusts the office.
func (o *office) options() Mail {
	m := DefaultOptions().Mail
	m.Host, m.Port, m.From, m.TLS.CAFile, m.Timeout = o.host, o.port, "Voicemail <voicemail@example.test>", o.CAFile, 30*time.Second
	if o.user != "" {
		m.User, m.Password = o.user, secretFile(o.t, o.password)
	}
	return m
}

func secretFile(t testing.TB, text string) secret.Source {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(file, []byte(text+"\n"), 0o600))
	return secret.Source{File: file}
}

// breaks has the next mails go wrong, one each.
func (o *office) breaks(faults ...fault) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.faults = append(o.faults, faults...)
}

func (o *office) got() []letterIn {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]letterIn(nil), o.mails...)
}

// mail waits for the mail of a number.
func (o *office) mail(n int) letterIn {
	o.t.Helper()
	require.Eventually(o.t, func() bool { return len(o.got()) >= n }, patience, lookAgain)
	return o.got()[n-1]
}

// NewSession implements smtp.Backend.
func (o *office) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &session{office: o, conn: c, signed: o.user == ""}, nil
}

type session struct {
	office *office
	conn   *smtp.Conn
	fault  fault
	faulty bool
	signed bool
	in     letterIn
}

// befall makes the session's trouble at a place.
func (s *session) befall(at string) error {
	if !s.faulty || s.fault.at != at {
		return nil
	}
	switch {
	case s.fault.hang:
		_, _ = io.Copy(io.Discard, s.conn.Conn())
		return errors.New("gone")
	case s.fault.cut:
		s.conn.Conn().Close()
		return errors.New("cut")
	}
	return s.fault.fail
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != s.office.user || password != s.office.password {
			return smtp.ErrAuthFailed
		}
		s.signed = true
		s.office.mu.Lock()
		s.office.signed++
		s.office.mu.Unlock()
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if !s.signed {
		return smtp.ErrAuthRequired
	}
	s.in.from = from
	s.office.mu.Lock()
	if s.office.tried++; len(s.office.faults) > 0 {
		s.fault, s.office.faults = s.office.faults[0], s.office.faults[1:]
		s.faulty = true
	}
	s.office.mu.Unlock()
	return s.befall("mail")
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.in.to = to
	return s.befall("rcpt")
}

func (s *session) Data(r io.Reader) error {
	if err := s.befall("data"); err != nil {
		return err
	}
	var text bytes.Buffer
	if _, err := text.ReadFrom(r); err != nil {
		return err
	}
	if s.faulty && s.fault.at == "" && s.fault.fail != nil {
		// As a filter that quotes what it does not like.
		return &smtp.SMTPError{Code: s.fault.fail.Code, EnhancedCode: s.fault.fail.EnhancedCode, Message: s.fault.fail.Message + " " + oneLine(text.String())}
	}
	s.in.text = text.String()
	s.office.mu.Lock()
	s.office.mails = append(s.office.mails, s.in)
	s.office.mu.Unlock()
	return s.befall("")
}

func oneLine(s string) string {
	_, s, _ = strings.Cut(s, "\r\n\r\n")
	return strings.Join(strings.Fields(s), " ")
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }
