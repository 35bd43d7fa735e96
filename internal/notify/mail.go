package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"time"

	"github.com/wneessen/go-mail"
)

// mailer sends mails, each on a connection of its own.
type mailer struct{ o Mail }

// send brings a letter to one address. The id stands in Message-ID, so that who got a
// letter twice can see it. The error is a *failure whose text holds nothing that the
// server said but its codes: it may have repeated the mail.
func (m *mailer) send(ctx context.Context, to, id string, l letter) error {
	msg, err := m.message(to, id, l)
	if err != nil {
		return &failure{detail: err, final: true}
	}
	ctx, cancel := context.WithTimeout(ctx, m.o.Timeout)
	defer cancel()
	line := &line{full: m.o.Security == fullTLS}
	defer line.close()
	client, err := m.client(line)
	if err != nil {
		return &failure{detail: err, server: true}
	}
	// The hang-up: started when ctx ends; stops at once; owns nothing.
	hangUp := context.AfterFunc(ctx, line.close)
	defer hangUp()
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return m.judge(ctx, err)
	}
	if err := client.SendWithSMTPClient(session, msg); err != nil && !msg.IsDelivered() {
		return m.judge(ctx, err)
	}
	_ = session.Quit() // it is delivered, whatever is said to that
	return nil
}

// message is a letter as a mail that no program answers (RFC 3834 section 5).
func (m *mailer) message(to, id string, l letter) (*mail.Msg, error) {
	msg := mail.NewMsg(mail.WithEncoding(mail.EncodingQP), mail.WithNoDefaultUserAgent())
	if err := msg.From(m.o.From); err != nil {
		return nil, errors.New("mail.from is no mail address")
	}
	if err := msg.To(to); err != nil {
		return nil, errors.New("the address on file is no mail address")
	}
	_, domain, _ := strings.Cut(msg.GetFrom()[0].Address, "@")
	msg.SetMessageIDWithValue("star97-" + id + "@" + domain)
	msg.SetDate()
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.Subject(clean(l.Subject))
	msg.SetBodyString(mail.TypeTextPlain, l.Body)
	return msg, nil
}

func (m *mailer) client(line *line) (*mail.Client, error) {
	secure, err := m.o.TLS.Config(m.o.Host)
	if err != nil {
		return nil, err
	}
	line.secure = secure
	policy := mail.TLSMandatory
	switch m.o.Security {
	case fullTLS:
		policy = mail.TLSOpportunistic // the line is secure already: nothing more is offered
	case plainTCP:
		policy = mail.NoTLS
	}
	options := []mail.Option{
		mail.WithPort(m.o.Port), mail.WithTimeout(m.o.Timeout), mail.WithTLSPolicy(policy), mail.WithTLSConfig(secure),
		mail.WithDialContextFunc(line.dial), mail.WithoutNoop(), mail.WithoutRset(),
	}
	if m.o.User != "" {
		password, err := m.o.Password.Read()
		if err != nil {
			return nil, err
		}
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(m.o.User), mail.WithPassword(password.Reveal()))
	}
	return mail.NewClient(m.o.Host, options...)
}

// judge makes a trouble of an error of go-mail.
func (m *mailer) judge(ctx context.Context, err error) error {
	place := net.JoinHostPort(m.o.Host, fmt.Sprint(m.o.Port))
	var said *mail.SendError
	var answer *textproto.Error
	var op *net.OpError
	var cert *tls.CertificateVerificationError
	end, _ := ctx.Deadline() // send has set it
	switch {
	case ctx.Err() != nil, !time.Now().Before(end): // the connection may notice first
		return &failure{detail: fmt.Errorf("the mail server %s did not take the mail in the time there was", place), server: true}
	case errors.As(err, &said) && said.ErrorCode() != 0:
		ofMail := said.Reason == mail.ErrSMTPRcptTo || said.Reason == mail.ErrSMTPData || said.Reason == mail.ErrSMTPDataClose
		return &failure{
			detail: fmt.Errorf("the mail server %s answers %s (%s)", place, strings.TrimSpace(fmt.Sprint(said.ErrorCode(), " ", said.EnhancedStatusCode())), said.Reason),
			final:  ofMail && said.ErrorCode() >= 500, server: !ofMail,
		}
	case errors.As(err, &answer):
		return &failure{detail: fmt.Errorf("the mail server %s answers %d before it takes a mail: check mail.user, mail.password and mail.security", place, answer.Code), server: true}
	case errors.As(err, &cert):
		return &failure{detail: fmt.Errorf("the certificate of the mail server %s does not prove it: %w", place, cert), server: true}
	case errors.As(err, &op):
		return &failure{detail: fmt.Errorf("the mail server %s cannot be used: %w", place, op), server: true}
	}
	return &failure{detail: fmt.Errorf("the mail server %s ended the connection, or does not offer what mail.security and mail.user need", place), server: true}
}

// line is the connection of one mail, which is closed whatever becomes of the mail.
type line struct {
	secure *tls.Config
	full   bool // TLS from the first byte

	mu    sync.Mutex
	conn  net.Conn
	ended bool
}

func (l *line) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.conn = conn
	ended := l.ended
	l.mu.Unlock()
	if ended {
		conn.Close()
	}
	if !l.full {
		return conn, nil
	}
	secured := tls.Client(conn, l.secure)
	return secured, secured.HandshakeContext(ctx)
}

func (l *line) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	if l.conn != nil {
		l.conn.Close()
	}
}
