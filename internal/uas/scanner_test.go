package uas

import (
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// scanned are the users that a scanner tries: of a mailbox, of a number, of neither.
var scanned = []string{"4001", "5000", "9999", "*97", "admin", ""}

var scanMethods = []string{"INVITE", "OPTIONS", "REGISTER", "BYE", "CANCEL", "INFO", "UPDATE", "NOTIFY", "SUBSCRIBE", "REFER", "PUBLISH", "MESSAGE", "PRACK", "NOSUCH"}

// scan is a request of a scanner, at a user from a user, as plain makes it.
func scan(method, user string, tagged bool) string {
	text := plain(method)
	if method == "INVITE" {
		text = invite(offerText)
	}
	at := "sip:"
	if user != "" {
		at += user + "@"
	}
	text = strings.NewReplacer("sip:*97@example.org", at+"example.org", "sip:4001@example.org", at+"example.org").Replace(text)
	if tagged {
		text = strings.Replace(text, "example.org>\r\nCall-ID", "example.org>;tag=x\r\nCall-ID", 1)
	}
	return text
}

// plainly is an answer without what the question said itself and what is different each time.
func plainly(m message) string {
	tag := regexp.MustCompile(`tag=[0-9a-z]+`)
	var b strings.Builder
	b.WriteString(m.start + "\n")
	for _, name := range slices.Sorted(maps.Keys(m.header)) {
		switch name {
		case "Via", "From", "Call-Id", "Cseq", "To":
			b.WriteString(name + "\n")
		default:
			b.WriteString(name + ": " + tag.ReplaceAllString(strings.Join(m.header[name], "|"), "tag") + "\n")
		}
	}
	return b.String()
}

// A stranger gets one answer whatever he asks, whomever he names, and the same work is
// done for it.
func TestAScannerHearsOneAnswer(t *testing.T) {
	only := func(o *Options) { o.Peers[0].Addresses = []string{"192.0.2.0/24"} }
	h := newHouse(t, setting{options: only, server: func(s *Server) {
		s.gate.strangers, s.gate.crowd = newBuckets(1e6, 1e6), oneBucket(1e6, 1e6)
	}})
	p := h.udp(t)
	heard, times, asked := map[string]int{}, map[string][]time.Duration{}, 0
	for round := range 5 {
		for _, method := range scanMethods {
			for _, user := range scanned {
				for _, tagged := range []bool{false, true} {
					asked++
					begin := time.Now()
					p.write(strings.ReplaceAll(scan(method, user, tagged), "BRANCH", fmt.Sprint("s", asked)))
					heard[plainly(p.fresh())]++
					if round > 0 {
						times[user] = append(times[user], time.Since(begin))
					}
				}
			}
		}
	}
	require.Equal(t, map[string]int{"SIP/2.0 403 Forbidden\nCall-Id\nContent-Length: 0\nCseq\nFrom\nTo\nVia\n": asked}, heard)
	p.write(plain("ACK"))
	p.write("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKx\r\n\r\n")
	p.write(plain("OPTIONS"))
	require.Contains(t, p.next().get("Cseq"), "OPTIONS", "to an ACK and an answer: nothing")
	for _, user := range scanned {
		slices.Sort(times[user])
		t.Logf("stranger asks for %-6q %3d times: p50 %v", user, len(times[user]), times[user][len(times[user])/2].Round(time.Microsecond))
	}
	t.Logf("%d requests of strangers, %d methods, %d users: %d answer", asked, len(scanMethods), len(scanned), len(heard))

	g := gateOf(t, only)
	g.strangers, g.crowd = h.gate.strangers, h.gate.crowd
	var work []float64
	for _, user := range []string{"4001", "5000", "9999", "root"} { // of one length
		msg := []byte(scan("REGISTER", user, false))
		work = append(work, testing.AllocsPerRun(200, func() { g.admit("udp", someone, msg, time.Now()) }))
	}
	require.InDelta(t, slices.Min(work), slices.Max(work), 1, "the same work for every user: %v", work)
}

// A peer whose word is not believed learns as little: there is no user for whom an answer
// differs. Only numbers of the dialplan are known, and callers are not looked at.
func TestAPeerWithoutIdentityLearnsNoUser(t *testing.T) {
	h := newHouse(t, setting{server: untroubled, options: func(o *Options) {
		o.Peers[0].Identity = "none"
		o.Limits.Unacknowledged, o.Limits.Calls = 1000, 2000
	}})
	for _, method := range append(scanMethods, "ACK") {
		heard := map[string]bool{}
		for _, user := range scanned {
			p := h.udp(t)
			text := scan(method, user, false)
			if method == "INVITE" { // who calls is tried: whom he calls is a number
				text = strings.Replace(invite(offerText), "sip:4001@example.org>;tag", "sip:"+user+"@example.org>;tag", 1)
				text = strings.Replace(text, "sip:@", "sip:", 1)
			}
			p.write(strings.NewReplacer("BRANCH", p.callID, "CALLID", p.callID).Replace(text))
			if method == "ACK" {
				p.send("OPTIONS", "", "")
				require.Contains(t, p.fresh().get("Cseq"), "OPTIONS")
				continue
			}
			m := p.fresh()
			m.header.Del("Contact") // our address
			m.header.Del("Content-Length")
			heard[plainly(m)] = true
		}
		if method != "ACK" {
			require.Len(t, heard, 1, "%s: %v", method, heard)
		}
	}
}

// Over a connection a stranger learns nothing at all, not even our certificate.
func TestAStrangerOverTLSSeesNoCertificate(t *testing.T) {
	a := newAuthority(t)
	h := secureHouse(t, a, func(o *Options) { o.Peers[0].Addresses = []string{"127.0.0.1"} }, nil)
	for at, first := range []string{"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03", plain("OPTIONS")} {
		conn := dialFrom(t, "tcp", netip.MustParseAddrPort("127.0.0.9:0"), h.Addrs()[at].Addr)
		if conn == nil {
			t.Skip("this system has no such loopback address")
		}
		_, _ = conn.Write([]byte(first))
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
		n, err := io.Copy(io.Discard, conn)
		require.Zero(t, n)
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "it is closed")
	}
	secured := dialFrom(t, "tcp", netip.MustParseAddrPort("127.0.0.9:0"), h.Addrs()[0].Addr)
	client := tls.Client(secured, &tls.Config{RootCAs: a.pool(), ServerName: "127.0.0.1"})
	require.Error(t, client.Handshake())
	require.Empty(t, client.ConnectionState().PeerCertificates)
	require.Zero(t, len(h.connections))
}

// Who forges an address has the answer sent there: it is at most twice what he sent.
func TestAnAnswerWithoutStateIsNotMuchLargerThanTheQuestion(t *testing.T) {
	for _, listed := range []string{"127.0.0.0/8", "192.0.2.0/24"} {
		h := newHouse(t, setting{options: func(o *Options) { o.Peers[0].Addresses = []string{listed} }})
		p := h.udp(t)
		tiny := "X sip:a SIP/2.0\r\nv:a;rport\r\n\r\n"
		reply, _ := scanRequest([]byte(tiny))
		require.Greater(t, len(reply.reply(400, "Missing From", "", someone)), answerMost*len(tiny))
		p.write(tiny)
		p.write(strings.Replace(plain("NOSUCH"), "CSeq: 1", "CSeq: x", 1))
		m := p.next()
		require.Contains(t, m.get("Cseq"), "NOSUCH", "the first answer")
	}
}
