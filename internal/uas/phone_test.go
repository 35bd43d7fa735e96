package uas

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const offerText = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n" +
	"m=audio 39000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\n"

// message is a SIP message as a test reads it.
type message struct {
	start  string
	header textproto.MIMEHeader
	body   string
}

func (m message) status() int {
	n, _ := strconv.Atoi(strings.Fields(m.start + " 0 0")[1])
	return n
}

func (m message) get(name string) string { return m.header.Get(name) }

func parseMessage(r *bufio.Reader) (message, error) {
	m := message{header: textproto.MIMEHeader{}}
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return message{}, err
		}
		line = strings.TrimRight(line, "\r\n")
		switch name, value, _ := strings.Cut(line, ":"); {
		case line == "" && m.start == "": // a keep-alive
		case line == "":
			n, _ := strconv.Atoi(m.get("Content-Length"))
			body := make([]byte, n)
			_, err = io.ReadFull(r, body)
			m.body = string(body)
			return m, err
		case m.start == "":
			m.start = line
		default:
			m.header.Add(name, strings.TrimSpace(value))
		}
	}
}

// phone is a telephone made of text: it sends what a test writes and hands over
// what comes back. It keeps only the names of one dialog.
type phone struct {
	t       testing.TB
	network string
	conn    net.Conn
	reader  *bufio.Reader

	ruri, callID, tag, toTag string
	branches, cseq           int
	contact                  string
	extra                    string // header lines of the next request
	via                      string // Via value without branch; empty: the socket's

	seen map[string]bool // what came already: it may be repeated at any time
}

func newPhone(t testing.TB, network, server string) *phone {
	conn, err := net.Dial(network, server)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return newPhoneOn(t, network, conn)
}

// newPhoneOn is a telephone on a connection that is up already.
func newPhoneOn(t testing.TB, network string, conn net.Conn) *phone {
	p := &phone{
		t: t, network: network, conn: conn,
		ruri: "sip:*97@" + conn.RemoteAddr().String(), callID: "call-" + randomToken()[:12], tag: "from-" + randomToken()[:8],
	}
	if network == "tcp" {
		p.reader = bufio.NewReader(conn)
	}
	p.contact = "<sip:4001@" + conn.LocalAddr().String() + ";transport=" + network + ">"
	return p
}

func (p *phone) write(text string) {
	_, err := p.conn.Write([]byte(text))
	require.NoError(p.t, err)
}

// build makes a request; cseq and branch are new unless given in opts.
func (p *phone) build(method, body, contentType string) string {
	switch method {
	case "ACK", "CANCEL":
	default:
		p.cseq++
	}
	p.branches++
	return p.buildAs(method, p.cseq, fmt.Sprintf("z9hG4bK-%s-%d", p.callID, p.branches), body, contentType)
}

func (p *phone) buildAs(method string, cseq int, branch, body, contentType string) string {
	via := p.via
	if via == "" {
		via = "SIP/2.0/" + strings.ToUpper(p.network) + " " + p.conn.LocalAddr().String() + ";rport"
	}
	to := "<" + p.ruri + ">"
	if p.toTag != "" {
		to += ";tag=" + p.toTag
	}
	text := method + " " + p.ruri + " SIP/2.0\r\nVia: " + via + ";branch=" + branch + "\r\n" +
		"Max-Forwards: 70\r\nFrom: \"Ann\" <sip:4001@example.org>;tag=" + p.tag + "\r\nTo: " + to + "\r\n" +
		"Call-ID: " + p.callID + "\r\nCSeq: " + strconv.Itoa(cseq) + " " + method + "\r\nContact: " + p.contact + "\r\n" + p.extra
	p.extra = ""
	if contentType != "" {
		text += "Content-Type: " + contentType + "\r\n"
	}
	return text + "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

func (p *phone) send(method, body, contentType string) { p.write(p.build(method, body, contentType)) }

// read returns the next message within wait; false if none comes.
func (p *phone) read(wait time.Duration) (message, bool) {
	require.NoError(p.t, p.conn.SetReadDeadline(time.Now().Add(wait)))
	r := p.reader
	if p.network == "udp" {
		var buf [65535]byte
		n, err := p.conn.Read(buf[:])
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return message{}, false
		}
		require.NoError(p.t, err)
		r = bufio.NewReader(strings.NewReader(string(buf[:n])))
	}
	m, err := parseMessage(r)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return message{}, false
	}
	require.NoError(p.t, err)
	return m, true
}

// next returns the next message that is no 100, repeated or not.
func (p *phone) next() message {
	p.t.Helper()
	for {
		m, ok := p.read(patience)
		require.True(p.t, ok, "nothing came")
		if m.status() != 100 {
			return m
		}
	}
}

// fresh returns the next message that is no 100 and did not come before.
func (p *phone) fresh() message {
	p.t.Helper()
	if p.seen == nil {
		p.seen = map[string]bool{}
	}
	for {
		m := p.next()
		name := m.start + m.get("Via") + m.get("Cseq")
		if !p.seen[name] {
			p.seen[name] = true
			return m
		}
	}
}

// expect returns the next fresh message and checks its status.
func (p *phone) expect(status int) message {
	p.t.Helper()
	m := p.fresh()
	require.Equal(p.t, status, m.status(), "%s", m.start)
	return m
}

// expectRequest returns the next fresh message and checks that it is a request.
func (p *phone) expectRequest(method string) message {
	p.t.Helper()
	m := p.fresh()
	require.Equal(p.t, method, strings.Fields(m.start)[0])
	return m
}

// learn takes the To tag of an answer.
func (p *phone) learn(m message) {
	_, tag, ok := strings.Cut(m.get("To"), ";tag=")
	require.True(p.t, ok)
	p.toTag = tag
}

// dial makes a call with an early offer up to the ACK.
func (p *phone) dial() message {
	p.t.Helper()
	p.send("INVITE", offerText, "application/sdp")
	ok := p.expect(200)
	p.learn(ok)
	p.send("ACK", "", "")
	return ok
}

// reply answers a request that came.
func (p *phone) reply(m message, status string) { p.answer(m, status, "", "") }

// answer is a reply with header lines and a session description.
func (p *phone) answer(m message, status, headers, description string) {
	var b strings.Builder
	b.WriteString("SIP/2.0 " + status + "\r\n")
	for _, name := range []string{"Via", "From", "To", "Call-Id", "Cseq"} {
		for _, v := range m.header[textproto.CanonicalMIMEHeaderKey(name)] {
			b.WriteString(name + ": " + v + "\r\n")
		}
	}
	if description != "" {
		headers += "Content-Type: application/sdp\r\n"
	}
	fmt.Fprintf(&b, "%sContent-Length: %d\r\n\r\n%s", headers, len(description), description)
	p.write(b.String())
}
