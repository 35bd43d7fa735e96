package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"net/textproto"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// textPhone is a telephone made of text over UDP: it sends whatever a test writes,
// right or wrong, and reads what comes back. One dialog.
type textPhone struct {
	t      testing.TB
	conn   net.Conn
	uri    string // of the request line
	from   string // user
	callID string
	toTag  string
	cseq   int
	extra  string // header lines of the next request
}

// sipAnswer is a final answer as a test reads it.
type sipAnswer struct {
	status int
	reason string
	header textproto.MIMEHeader
	body   string
}

// words are the parts of an answer that a caller's system acts on.
func (a sipAnswer) words() string {
	s := fmt.Sprintf("%d %s", a.status, a.reason)
	for _, name := range []string{"Warning", "Retry-After", "Accept", "Accept-Encoding", "Allow", "Unsupported"} {
		if v := a.header.Get(name); v != "" {
			s += "; " + name + ": " + v
		}
	}
	return s
}

func newTextPhone(t testing.TB, server netip.AddrPort, number string) *textPhone {
	t.Helper()
	conn, err := net.Dial("udp", server.String())
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return &textPhone{t: t, conn: conn, uri: "sip:" + number + "@" + server.String(), from: "4001", callID: fmt.Sprintf("text-%x", rand.Uint64())}
}

const textOffer = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n" +
	"m=audio 9 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\n"

// request writes a request; its CSeq is the next one, but for ACK.
func (p *textPhone) request(method, kind, body string) string {
	if method != "ACK" {
		p.cseq++
	}
	to := "<" + p.uri + ">"
	if p.toTag != "" {
		to += ";tag=" + p.toTag
	}
	local := p.conn.LocalAddr().String()
	s := method + " " + p.uri + " SIP/2.0\r\nVia: SIP/2.0/UDP " + local + ";rport;branch=z9hG4bK" + fmt.Sprint(rand.Uint64()) + "\r\n" +
		"Max-Forwards: 70\r\nFrom: <sip:" + p.from + "@example.org>;tag=a" + p.callID + "\r\nTo: " + to + "\r\nCall-ID: " + p.callID + "\r\n" +
		"CSeq: " + strconv.Itoa(p.cseq) + " " + method + "\r\nContact: <sip:" + p.from + "@" + local + ">\r\n" + p.extra
	p.extra = ""
	if kind != "" {
		s += "Content-Type: " + kind + "\r\n"
	}
	return s + "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

// ask sends a whole message and returns its final answer.
func (p *textPhone) ask(message string) sipAnswer {
	p.t.Helper()
	_, err := p.conn.Write([]byte(message))
	require.NoError(p.t, err)
	buf := make([]byte, 64<<10)
	require.NoError(p.t, p.conn.SetReadDeadline(time.Now().Add(soundPatience)))
	for {
		n, err := p.conn.Read(buf)
		require.NoError(p.t, err, "no answer to\n%s", message)
		a := readAnswer(p.t, string(buf[:n]))
		if a.status >= 200 && a.header.Get("Cseq") == cseqOf(message) {
			return a
		}
	}
}

func cseqOf(message string) string {
	_, rest, _ := strings.Cut(message, "\r\nCSeq: ")
	value, _, _ := strings.Cut(rest, "\r\n")
	return value
}

func readAnswer(t testing.TB, text string) (a sipAnswer) {
	t.Helper()
	r := textproto.NewReader(bufio.NewReader(strings.NewReader(text)))
	line, err := r.ReadLine()
	require.NoError(t, err)
	if !strings.HasPrefix(line, "SIP/2.0 ") {
		return a // a request of the far end
	}
	parts := strings.SplitN(line, " ", 3)
	a.status, err = strconv.Atoi(parts[1])
	require.NoError(t, err)
	a.reason = parts[2]
	a.header, err = r.ReadMIMEHeader()
	require.NoError(t, err)
	body, err := io.ReadAll(r.R)
	require.NoError(t, err)
	a.body = string(body)
	return a
}

// call sends an INVITE with a description; a 2xx is acknowledged.
func (p *textPhone) call(description string) sipAnswer {
	p.t.Helper()
	a := p.ask(p.request("INVITE", "application/sdp", description))
	if a.status/100 == 2 {
		_, tag, _ := strings.Cut(a.header.Get("To"), ";tag=")
		p.toTag = tag
		_, err := p.conn.Write([]byte(p.request("ACK", "", "")))
		require.NoError(p.t, err)
	}
	return a
}

func (p *textPhone) hangUp() {
	p.t.Helper()
	require.Equal(p.t, 200, p.ask(p.request("BYE", "", "")).status)
}
