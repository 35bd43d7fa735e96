package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"star97/internal/caller"
	"star97/internal/caller/callertest"
	"star97/internal/prompt"
)

// postbox is a mail server on loopback.
type postbox struct {
	addr *net.TCPAddr

	refuses string // mails to this address, and says what is in them

	mu    sync.Mutex
	mails []mailIn
}

// mailIn is a mail that somebody has brought.
type mailIn struct{ to, text string }

func postboxOn(t testing.TB, refuses string) *postbox {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &postbox{addr: l.Addr().(*net.TCPAddr), refuses: refuses}
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &mailing{postbox: p}, nil }))
	s.Domain = "mail.example.test"
	over := make(chan struct{})
	// The server: started here; stops at the test's end; owns the listener.
	go func() {
		defer close(over)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		s.Close()
		l.Close() // which the server does not know before it serves
		<-over
	})
	return p
}

// mailing is one connection to a postbox.
type mailing struct {
	*postbox
	to string
}

func (m *mailing) Mail(string, *smtp.MailOptions) error { return nil }
func (m *mailing) Reset()                               {}
func (m *mailing) Logout() error                        { return nil }

func (m *mailing) Rcpt(to string, _ *smtp.RcptOptions) error {
	m.to = to
	return nil
}

func (m *mailing) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mails = append(m.mails, mailIn{m.to, string(text)})
	if m.to == m.refuses {
		_, body, _ := strings.Cut(string(text), "\r\n\r\n")
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "refused: " + strings.Join(strings.Fields(body), " ")}
	}
	return nil
}

func (p *postbox) got() []mailIn {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.mails)
}

// mailedCode is a one-time code, as long as all codes of the test.
var mailedCode = regexp.MustCompile(`\b\d{10}\b`)

// oneTimeTo waits for the mail with a one-time code to an address and returns the code.
func (p *postbox) oneTimeTo(t testing.TB, to string) (code string) {
	t.Helper()
	require.Eventually(t, func() bool {
		for _, mail := range p.got() {
			if mail.to == to && code == "" {
				code = mailedCode.FindString(mail.text)
			}
		}
		return code != ""
	}, readyWithin, 10*time.Millisecond, "no mail with a code came")
	return code
}

// collector keeps what is sent to it by TCP, as a syslog collector does.
type collector struct {
	addr string
	transcript
}

func collectorOn(t testing.TB) *collector {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	c := &collector{addr: l.Addr().String()}
	var all sync.WaitGroup
	// Who accepts: started here; stops when the listener is closed; owns nothing.
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			// Who reads: started for a connection; stops with it; owns it.
			all.Go(func() {
				defer conn.Close()
				_, _ = io.Copy(&c.transcript, conn)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	return c
}

func ownerOf(extension string) string { return "owner" + extension + "@example.test" }

// forgets calls from a mailbox's telephone, types two wrong codes, and asks for a one-time
// code.
func forgets(t testing.TB, v *service, b *book, extension string) *callertest.Phone {
	p := keysOf(t, v, "*97", extension, caller.Events)
	p.Press(b.code("") + "#")
	p.Hear(prompt.WrongCode)
	p.Press(b.code("") + "#")
	p.Hear(prompt.ForgottenOffer)
	p.Press("1#")
	p.Hear(prompt.OneTimeSent)
	return p
}

// usesOneTime types a one-time code after a wrong one, changes the code by it, and tries it
// once more.
func usesOneTime(t testing.TB, v *service, b *book, post *postbox, extension string) {
	p := forgets(t, v, b, extension)
	used := b.note(post.oneTimeTo(t, ownerOf(extension)))
	p.Press(b.code("") + "#")
	p.Hear(prompt.WrongOneTime)
	p.Press(used + "#")
	p.Hear(asksForNew)
	next := b.code(extension)
	p.Press(next + "#" + next + "#")
	p.Hear(prompt.Changed)
	p.Hangup()
	p = keysOf(t, v, "*97", extension, caller.Info)
	p.Press(used + "#")
	p.Hear(prompt.WrongCode)
	p.Press(next + "#")
	p.Hear(prompt.MainMenu)
	p.Hangup()
}

// A one-time code that was really mailed, and typed by telephone, stands in its mail and
// nowhere else: used, tried wrongly, left alone, and quoted by a mail server that refuses it.
func TestNoOneTimeCodeLeaks(t *testing.T) {
	t.Parallel()
	callertest.InTime(t, func(t testing.TB) {
		b, post, records := newBook(), postboxOn(t, ownerOf("4003")), collectorOn(t)
		plan := filepath.Join(t.TempDir(), "plan.yaml")
		require.NoError(t, os.WriteFile(plan, []byte("routes:\n  - {number: \"*97\", door: own, forgotten: offer}\n"), 0o600))
		s := leakSetup()
		s.Sections["dialplan"] = plan
		s.Sections["one_time"] = "{digits: 10}"
		s.Sections["notify"] = fmt.Sprintf("{mail: {host: 127.0.0.1, port: %d, security: plain, from: voicemail@example.test}}", post.addr.Port)
		s.Sections["audit"] = fmt.Sprintf("{syslog: {address: %q, network: tcp}}", records.addr)
		v := startService(t, s)
		for _, extension := range []string{"4001", "4002", "4003"} {
			_, errs, exit := v.mailbox(b.code(extension)+"\n", "add", extension, "--mail", ownerOf(extension))
			require.Zero(t, exit, errs)
		}

		sideBySide(t, map[string]func(testing.TB){
			"used": func(t testing.TB) { usesOneTime(t, v, b, post, "4001") },
			"left alone": func(t testing.TB) {
				p := forgets(t, v, b, "4002")
				b.note(post.oneTimeTo(t, ownerOf("4002")))
				p.Hangup()
			},
			"refused by the mail server": func(t testing.TB) {
				p := forgets(t, v, b, "4003")
				b.note(post.oneTimeTo(t, ownerOf("4003")))
				p.Hangup()
				v.says("a one-time code could not be delivered", 1)
			},
		})
		b.late = func() {
			for i, mail := range post.got() {
				b.wrote(fmt.Sprintf("mail %d but for its code", i), mailedCode.ReplaceAllString(mail.text, ""))
				require.LessOrEqual(t, len(mailedCode.FindAllString(mail.text, -1)), 1, "a mail has one code at most")
			}
			require.Contains(t, records.String(), `send`, "what was sent is on record at the collector")
			b.wrote("the syslog collector", records.String())
		}
		requireNoLeak(t, v, b)
		require.GreaterOrEqual(t, len(post.got()), 4, "three with a code, and a notice of the change")
	})
}
