package uas

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/call"
)

// plain is a request that is right in all but what a test changes.
func plain(method string) string {
	return method + " sip:*97@example.org SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK-BRANCH;rport\r\n" +
		"Max-Forwards: 70\r\nFrom: <sip:4001@example.org>;tag=f1\r\nTo: <sip:*97@example.org>\r\nCall-ID: CALLID\r\n" +
		"CSeq: 1 " + method + "\r\nContact: <sip:4001@127.0.0.1:9>\r\nContent-Length: 0\r\n\r\n"
}

func invite(offer string) string {
	return strings.Replace(plain("INVITE"), "Content-Length: 0\r\n\r\n",
		fmt.Sprintf("Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s", len(offer), offer), 1)
}

// gateOf is a gate alone; someone sends to it.
func gateOf(t testing.TB, set func(*Options)) *gate {
	o := DefaultOptions()
	set(&o)
	require.NoError(t, o.Validate())
	p, err := newPeers(o, nil)
	require.NoError(t, err)
	return newGate(o, p, newTagger(), slog.New(slog.DiscardHandler))
}

var someone = netip.MustParseAddrPort("127.0.0.1:5070")

func TestTheFrontDoor(t *testing.T) {
	h := newHouse(t, setting{})
	swap := func(text string, pairs ...string) string {
		for i := 0; i < len(pairs); i += 2 {
			require.Contains(t, text, pairs[i])
			text = strings.Replace(text, pairs[i], pairs[i+1], 1)
		}
		return text
	}
	options, inv := plain("OPTIONS"), invite(offerText)
	for _, row := range []struct {
		rule, text string
		status     int
		owes       string // a header line that the answer owes
	}{
		{"a right OPTIONS is answered", options, 200, "Allow: " + allowed},
		{"version", swap(options, " SIP/2.0\r\nVia", " SIP/7.0\r\nVia"), 505, ""},
		{"version before anything else", swap(options, " SIP/2.0\r\nVia", " SIP/3.0\r\nVia", "CSeq: 1 OPTIONS\r\n", ""), 505, ""},
		{"blanks within the Request-URI", swap(options, "sip:*97@example.org SIP", "sip:*97@example.org; lr SIP"), 400, ""},
		{"two blanks in the request line", swap(options, "OPTIONS sip", "OPTIONS  sip"), 400, ""},
		{"blank after the version", swap(options, " SIP/2.0\r\nVia", " SIP/2.0 \r\nVia"), 400, ""},
		{"brackets around the Request-URI", swap(options, "sip:*97@example.org SIP", "<sip:*97@example.org> SIP"), 400, ""},
		{"no From", swap(options, "From: <sip:4001@example.org>;tag=f1\r\n", ""), 400, ""},
		{"no To", swap(options, "To: <sip:*97@example.org>\r\n", ""), 400, ""},
		{"no Call-ID", swap(options, "Call-ID: CALLID\r\n", ""), 400, ""},
		{"no CSeq", swap(options, "CSeq: 1 OPTIONS\r\n", ""), 400, ""},
		{"two From", swap(options, "To:", "From: <sip:x@y>;tag=2\r\nTo:"), 400, ""},
		{"two CSeq", swap(options, "Contact", "CSeq: 2 OPTIONS\r\nContact"), 400, ""},
		{"two Call-ID", swap(options, "Contact", "i: other\r\nContact"), 400, ""},
		{"CSeq of another method", swap(inv, "CSeq: 1 INVITE", "CSeq: 1 OPTIONS"), 400, ""},
		{"CSeq of 2**31", swap(options, "CSeq: 1 ", "CSeq: 2147483648 "), 400, ""},
		{"CSeq without number", swap(options, "CSeq: 1 ", "CSeq: one "), 400, ""},
		{"two lengths that differ", swap(options, "Content-Length: 0", "Content-Length: 0\r\nContent-Length: 5"), 400, ""},
		{"negative length", swap(options, "Content-Length: 0", "Content-Length: -999"), 400, ""},
		{"more length than there is", swap(inv, "Content-Length: ", "Content-Length: 9"), 400, ""},
		{"unbalanced quote in To", swap(options, "To: <sip", "To: \"Mr. J. User <sip"), 400, ""},
		{"unbalanced bracket in From", swap(options, "<sip:4001@example.org>", "<sip:4001@example.org"), 400, ""},
		{"LF alone", swap(options, "Max-Forwards: 70\r\n", "Max-Forwards: 70\n"), 400, ""},
		{"CR alone", swap(options, "Max-Forwards: 70\r\n", "Max-Forwards: 70\rX: y\r\n"), 400, ""},
		{"header line without colon", swap(options, "Contact: ", "Nonsense\r\nContact: "), 400, ""},
		{"header line without name", swap(options, "Contact: ", "Contact "), 400, ""},
		{"tel scheme", swap(options, "sip:*97@example.org SIP", "tel:+12125551212 SIP"), 416, ""},
		{"unknown scheme", swap(options, "sip:*97@example.org SIP", "soap.beep://192.0.2.103:3002 SIP"), 416, ""},
		{"sips without TLS", swap(options, "sip:*97@example.org SIP", "sips:*97@example.org SIP"), 416, ""},
		{"no scheme", swap(options, "sip:*97@example.org SIP", "example SIP"), 400, ""},
		{"unknown method", swap(options, "OPTIONS", "NEWMETHOD", "1 OPTIONS", "1 NEWMETHOD"), 405, "Allow: " + allowed},
		{"REGISTER", plain("REGISTER"), 405, "Allow: " + allowed},
		{"no hop left", swap(inv, "Max-Forwards: 70", "Max-Forwards: 0"), 483, ""},
		{"no hop left for OPTIONS", swap(options, "Max-Forwards: 70", "Max-Forwards: 0"), 200, "Allow: " + allowed},
		// RFC 4475 section 3.1.2.4: it may be taken as if it were not there.
		{"more hops than 255", swap(options, "Max-Forwards: 70", "Max-Forwards: 300"), 200, "Allow: " + allowed},
		{"hops that are 0 in eight bits", swap(inv, "Max-Forwards: 70", "Max-Forwards: 256", "sip:*97@example.org SIP", "sip:*98@example.org SIP"), 404, ""},
		// Sections 8.2.2.3 and 20.29: what a proxy has to serve is nothing to who is none.
		{"an extension is required of proxies", swap(options, "Contact", "Proxy-Require: nosuch\r\nContact"), 200, "Allow: " + allowed},
		{"of proxies and of us", swap(options, "Contact", "Proxy-Require: one\r\nRequire: other\r\nContact"), 420, "Unsupported: other"},
		{"reliable provisional answers, of which OPTIONS has none", swap(options, "Contact", "Require: 100rel\r\nContact"), 200, ""},
		{"preconditions are required", swap(inv, "Contact", "Require: timer, precondition\r\nContact"), 420, "Unsupported: precondition"},
		{"an extension is required", swap(inv, "Contact", "Require: nosuch, 100rel\r\nContact"), 420, "Unsupported: nosuch"},
		{"extension before tag", swap(options, "example.org>\r\nCall", "example.org>;tag=x\r\nRequire: a\r\nCall"), 420, "Unsupported: a"},
		{"a tag without a dialog", swap(inv, "To: <sip:*97@example.org>", "To: <sip:*97@example.org>;tag=x"), 481, ""},
		{"BYE without a dialog", plain("BYE"), 481, ""},
		{"INFO without a dialog", plain("INFO"), 481, ""},
		{"UPDATE without a dialog", plain("UPDATE"), 481, ""},
		{"CANCEL without an INVITE", plain("CANCEL"), 481, ""},
		{"no From tag", swap(inv, ";tag=f1", ""), 400, ""},
		{"no Contact", swap(inv, "Contact: <sip:4001@127.0.0.1:9>\r\n", ""), 400, ""},
		{"unknown body", swap(inv, "application/sdp", "application/unknown"), 415, "Accept: application/sdp"},
		{"body without type", swap(inv, "Content-Type: application/sdp\r\n", ""), 415, "Accept: application/sdp"},
		{"encoded body", swap(inv, "Contact", "Content-Encoding: gzip\r\nContact"), 415, "Accept-Encoding: identity"},
		{"encoded body, compact", swap(inv, "Contact", "e: gzip\r\nContact"), 415, "Accept-Encoding: identity"},
		{"no SDP in the body", invite("nonsense"), 400, ""},
		{"video only", invite(strings.Replace(offerText, "m=audio", "m=video", 1)), 488, "Warning: 304 star97"},
		{"no common codec", invite(strings.Replace(offerText, "RTP/AVP 0 101", "RTP/AVP 18", 1)), 488, "Warning: 305 star97"},
		{"unknown number", swap(inv, "sip:*97@example.org SIP", "sip:*98@example.org SIP"), 404, ""},
	} {
		t.Run(row.rule, func(t *testing.T) {
			for _, p := range []*phone{h.udp(t), h.tcp(t)} {
				text := strings.NewReplacer("CALLID", p.callID, "BRANCH", p.callID).Replace(row.text)
				if p.network == "tcp" {
					text = strings.Replace(text, "/UDP", "/TCP", 1)
					if row.rule == "more length than there is" {
						continue // on a stream the rest may still come
					}
				}
				p.write(text)
				m := p.expect(row.status)
				require.Contains(t, m.get("Via"), p.callID)
				require.Contains(t, m.get("Via"), "received=127.0.0.1")
				if m.get("To") != "" {
					require.Contains(t, m.get("To"), ";tag=", "section 8.2.6.2")
				}
				name, value, _ := strings.Cut(row.owes, ": ")
				require.True(t, strings.HasPrefix(m.get(name), value), "%s: %s", name, m.get(name))
				if row.status == 400 || row.status == 505 {
					continue // without state: nothing to acknowledge
				}
				p.write(strings.NewReplacer("INVITE sip", "ACK sip", "1 INVITE", "1 ACK").Replace(text))
			}
			require.Zero(t, h.Calls())
		})
	}
	require.Empty(t, h.calls.calls)
}

func TestAnOptionalBodyIsPassedOver(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	p.extra = "Content-Disposition: session; handling=optional\r\n"
	p.send("INVITE", "<x/>", "application/unknown+xml")
	require.Contains(t, p.expect(200).body, "m=audio", "as if it had none: our offer")
}

func TestAStrangerLearnsNothing(t *testing.T) {
	only := func(o *Options) { o.Peers[0].Addresses = []string{"192.0.2.0/24"} }
	t.Run("one answer for every request", func(t *testing.T) {
		h := newHouse(t, setting{options: only})
		p := h.udp(t)
		var answers []string
		for _, text := range []string{invite(offerText), plain("OPTIONS"), strings.Replace(plain("REGISTER"), "SIP/2.0\r\nVia", "SIP/9.0\r\nVia", 1)} {
			p.write(text)
			m := p.expect(403)
			require.Empty(t, m.get("Allow")+m.get("Server")+m.get("Contact")+m.get("Accept")+m.get("User-Agent"))
			answers = append(answers, m.start)
		}
		require.Equal(t, []string{"SIP/2.0 403 Forbidden", "SIP/2.0 403 Forbidden", "SIP/2.0 403 Forbidden"}, answers)
		require.Zero(t, h.transport.Pool("udp").Size()-1, "sipgo keeps the listener only")
		require.Empty(t, h.calls.calls)
		require.Contains(t, h.log.String(), "stranger refused")
	})
	t.Run("a few a second", func(t *testing.T) {
		g, now := gateOf(t, only), time.Now()
		answers := func(at time.Time) (n int) {
			for range 200 {
				if _, reply, to := g.admit("udp", someone, []byte(plain("OPTIONS")), at); reply != nil {
					require.Equal(t, someone, to)
					n++
				}
			}
			return n
		}
		require.Equal(t, strangerBurst, answers(now))
		require.Equal(t, 2*strangerRate, answers(now.Add(2*time.Second)))
	})
	t.Run("or none at all", func(t *testing.T) {
		g := gateOf(t, func(o *Options) { only(o); o.Strangers = "ignore" })
		pass, reply, _ := g.admit("udp", someone, []byte(plain("OPTIONS")), time.Now())
		require.Nil(t, pass)
		require.Nil(t, reply)
	})
	t.Run("on TCP the connection is closed", func(t *testing.T) {
		h := newHouse(t, setting{options: only})
		conn, err := net.Dial("tcp", h.at(1))
		require.NoError(t, err)
		defer conn.Close()
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
		_, err = conn.Read(make([]byte, 1))
		require.ErrorContains(t, err, "EOF")
	})
	t.Run("a peer on a transport that it does not use", func(t *testing.T) {
		h := newHouse(t, setting{options: func(o *Options) { o.Peers[0].Transports = []string{"tcp"} }})
		p := h.udp(t)
		p.write(plain("OPTIONS"))
		p.expect(403)
		tcp := h.tcp(t)
		tcp.send("OPTIONS", "", "")
		tcp.expect(200)
	})
}

func TestAFloodOfAPeerIsCut(t *testing.T) {
	g := gateOf(t, func(o *Options) { o.Limits.Rate, o.Limits.Burst = 10, 20 })
	passed := func(at time.Time) (n int) {
		for range 100 {
			pass, reply, _ := g.admit("udp", someone, []byte(plain("OPTIONS")), at)
			require.Nil(t, reply)
			if pass != nil {
				n++
			}
		}
		return n
	}
	now := time.Now()
	require.Equal(t, 20, passed(now))
	require.Equal(t, 5, passed(now.Add(500*time.Millisecond)))
}

func TestTooLargeAMessageIs513(t *testing.T) {
	h := newHouse(t, setting{})
	for _, p := range []*phone{h.udp(t), h.tcp(t)} {
		p.extra = "X-Long: " + strings.Repeat("x", 20000) + "\r\n"
		p.send("OPTIONS", "", "")
		p.expect(513)
	}
	p := h.udp(t)
	p.extra = "X-Long: " + strings.Repeat("x", 15000) + "\r\n"
	p.send("OPTIONS", "", "")
	p.expect(200)
}

func TestALargeAnswerIsSentOverUDP(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	p.extra = "Record-Route: <sip:192.0.2.1;lr;x=" + strings.Repeat("y", 3000) + ">\r\n"
	p.send("INVITE", offerText, "application/sdp")
	require.Greater(t, len(p.expect(200).get("Record-Route")), 3000)
}

func TestAStreamIsCutIntoMessages(t *testing.T) {
	h := newHouse(t, setting{})
	t.Run("byte by byte, and two at once", func(t *testing.T) {
		p := h.tcp(t)
		one := p.build("OPTIONS", "", "")
		for i := range one {
			p.write(one[i : i+1])
		}
		p.expect(200)
		p.write(p.build("OPTIONS", "", "") + "\r\n" + p.build("OPTIONS", "", ""))
		p.expect(200)
		p.expect(200)
	})
	t.Run("a malformed one does not cost the next", func(t *testing.T) {
		p := h.tcp(t)
		p.write(strings.Replace(p.build("OPTIONS", "", ""), "CSeq: ", "CSeq: x", 1) + p.build("OPTIONS", "", ""))
		require.Equal(t, 400, p.expect(400).status())
		p.expect(200)
	})
	t.Run("a ping gets a pong", func(t *testing.T) {
		p := h.tcp(t)
		p.write("\r\n\r\n")
		require.NoError(t, p.conn.SetReadDeadline(time.Now().Add(patience)))
		b := make([]byte, 4)
		n, err := p.conn.Read(b)
		require.NoError(t, err)
		require.Equal(t, "\r\n", string(b[:n]))
	})
	t.Run("without Content-Length there is no boundary: 400 and the end", func(t *testing.T) {
		p := h.tcp(t)
		p.write(strings.Replace(p.build("OPTIONS", "", ""), "Content-Length: 0\r\n", "", 1))
		p.expect(400)
		_, err := p.reader.ReadByte()
		require.ErrorContains(t, err, "EOF")
	})
	t.Run("too many connections", func(t *testing.T) {
		h := newHouse(t, setting{options: func(o *Options) { o.Limits.Connections, o.Peers[0].Addresses = 2, []string{"127.0.0.1"} }})
		a, b := h.tcp(t), h.tcp(t)
		a.send("OPTIONS", "", "")
		a.expect(200)
		b.send("OPTIONS", "", "")
		b.expect(200)
		c := h.tcp(t)
		require.NoError(t, c.conn.SetReadDeadline(time.Now().Add(patience)))
		_, err := c.reader.ReadByte()
		require.ErrorContains(t, err, "EOF")
		require.NoError(t, a.conn.Close())
		soon(t, func() bool { return len(h.connections) == 1 })
		d := h.tcp(t)
		d.send("OPTIONS", "", "")
		d.expect(200)
	})
}

func TestKeepAlivesOnUDPAreIgnored(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	for _, k := range []string{"\r\n\r\n", "\r\n", "\x00\x00\x00\x00", ""} {
		p.write(k)
	}
	p.send("OPTIONS", "", "")
	require.Equal(t, 200, p.next().status(), "the first answer")
}

func TestAnswersFindTheirWay(t *testing.T) {
	h := newHouse(t, setting{})
	t.Run("to the port of Via without rport", func(t *testing.T) {
		p, other := h.udp(t), h.udp(t)
		p.via = "SIP/2.0/UDP " + other.conn.LocalAddr().String()
		p.send("OPTIONS", "", "")
		other.expect(200)
		p.send("FOO BAR", "", "") // malformed: answered without state
		other.expect(400)
		p.via += ";rport"
		p.send("OPTIONS", "", "")
		require.Contains(t, p.expect(200).get("Via"), "received=127.0.0.1")
		p.send("FOO BAR", "", "")
		_, port, _ := net.SplitHostPort(p.conn.LocalAddr().String())
		require.Contains(t, p.expect(400).get("Via"), "rport="+port)
	})
	t.Run("a name in Via is told the address", func(t *testing.T) {
		p := h.udp(t)
		p.via = "SIP/2.0/UDP pbx.example.org;rport"
		p.send("OPTIONS", "", "")
		require.Contains(t, p.expect(200).get("Via"), "received=127.0.0.1")
		p.via = "SIP/2.0/UDP pbx.example.org;received=192.0.2.1;rport"
		p.send("OPTIONS", "", "")
		via := p.expect(200).get("Via")
		require.Contains(t, via, "received=127.0.0.1", "whatever it said before")
		require.NotContains(t, via, "192.0.2.1")
	})
}

func TestIPv6(t *testing.T) {
	probe, err := net.ListenPacket("udp6", "[::1]:0")
	if err != nil {
		t.Skip("this machine has no IPv6 loopback: ", err)
	}
	require.NoError(t, probe.Close())
	h := newHouse(t, setting{options: func(o *Options) {
		o.Listen = []Listen{{Network: "udp", Address: "[::1]:0"}, {Network: "tcp", Address: "[::1]:0"}}
	}})
	for _, p := range []*phone{h.udp(t), h.tcp(t)} {
		p.send("INVITE", strings.ReplaceAll(offerText, "IP4 127.0.0.1", "IP6 ::1"), "application/sdp")
		ok := p.expect(200)
		require.Contains(t, ok.get("Contact"), "@[::1]:")
		require.Contains(t, ok.body, "c=IN IP6 ::1")
		p.learn(ok)
		p.send("ACK", "", "")
		c := h.calls.next(t)
		require.Equal(t, call.Confirmed, c.hear(t).Kind)
		c.leg.Hangup()
		bye := p.expectRequest("BYE")
		require.Contains(t, bye.get("Via"), "[::1]:")
		p.reply(bye, "200 OK")
		h.over(t)
	}
}

func TestTheLogIsNotFilledByWhoHasProvedNothing(t *testing.T) {
	now := time.Now()
	for identity, want := range map[string]int{"from": 10 * linesBurst, "digest": linesBurst} {
		var log syncBuffer
		g := gateOf(t, func(o *Options) {
			if o.Peers[0].Identity = identity; identity == "digest" {
				users(t, o)
			}
		})
		g.log = slog.New(slog.NewTextHandler(&log, nil))
		for range 10 * linesBurst {
			_, reply, _ := g.admit("udp", someone, []byte(strings.Replace(plain("OPTIONS"), "CSeq: ", "CSeq: x", 1)), now)
			require.Contains(t, string(reply), "400")
		}
		require.Equal(t, want, strings.Count(log.String(), "malformed"), identity)
	}
}

func TestManyAddressesOfPeersShareOneRate(t *testing.T) {
	g := gateOf(t, func(o *Options) {
		o.Limits.Rate, o.Limits.Burst = 10, 20
		o.Peers = append(o.Peers, Peer{Name: "pbx", Addresses: []string{"127.0.0.9"}})
	})
	passed, now := 0, time.Now()
	for i := range 500 {
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 1, byte(i >> 8), byte(i)}), 5060)
		if pass, _, _ := g.admit("udp", from, []byte(plain("OPTIONS")), now); pass != nil {
			passed++
		}
	}
	require.Equal(t, totalShare*20, passed)
	pass, _, _ := g.admit("udp", netip.MustParseAddrPort("127.0.0.9:5060"), []byte(plain("OPTIONS")), now)
	require.NotNil(t, pass, "who stands alone has not to do with them")
}

func TestARefusalOutsideOfACallLeavesNothingBehind(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	bye := p.build("BYE", "", "")
	var tags []string
	for range 2 { // a transaction that was kept would answer the second itself
		p.write(bye)
		m := p.next()
		require.Equal(t, 481, m.status())
		tags = append(tags, m.get("To"))
		h.idle(t)
	}
	require.Equal(t, tags[0], tags[1])
	require.Equal(t, 2, strings.Count(h.log.String(), "status=481"))
}
