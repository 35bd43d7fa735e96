package uas

import (
	"bufio"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/call"
)

// begun is a phone in a confirmed call.
func begun(t *testing.T, h *house, p *phone) *taken {
	t.Helper()
	p.dial()
	c := h.calls.next(t)
	require.Equal(t, call.Confirmed, c.hear(t).Kind)
	return c
}

func offerAs(port int, attribute string) string {
	text := strings.Replace(offerText, "39000", strconv.Itoa(port), 1)
	if attribute != "" {
		text += "a=" + attribute + "\r\n"
	}
	return text
}

func TestReINVITEAndUPDATEHoldResumeMoveAndRefresh(t *testing.T) {
	for _, method := range []string{"INVITE", "UPDATE"} {
		t.Run(method, func(t *testing.T) {
			bothNetworks(t, func(t *testing.T, h *house, p *phone) {
				c := begun(t, h, p)
				s := c.session.(*spy)
				again := func(offer string) message {
					kind := "application/sdp"
					if offer == "" {
						kind = ""
					}
					p.send(method, offer, kind)
					ok := p.expect(200)
					if method == "INVITE" {
						p.send("ACK", "", "")
					}
					require.Contains(t, ok.get("Contact"), "sip:star97@")
					p.send("OPTIONS", "", "") // answered when what came before is done
					p.expect(200)
					return ok
				}
				ok := again(offerAs(39000, "sendonly"))
				require.Contains(t, ok.body, "a=recvonly")
				require.False(t, s.last().Send, "held")
				again(offerAs(39000, "inactive"))
				require.False(t, s.last().Send)
				require.False(t, s.last().Recv)
				again(offerAs(39000, "sendrecv"))
				require.True(t, s.last().Send, "resumed")
				again(offerAs(39100, ""))
				require.EqualValues(t, 39100, s.last().Remote.Port(), "moved")
				again(strings.Replace(strings.ReplaceAll(offerAs(39100, ""), "RTP/AVP 0 101", "RTP/AVP 8 96"), "rtpmap:101", "rtpmap:96", 1))
				require.EqualValues(t, 8, s.last().PT, "codec changed")
				require.EqualValues(t, 96, s.last().EventPT)
				require.Equal(t, 1, s.started(), "Start is for the first ACK only")
				c.hearsNext(p)
				require.EqualValues(t, 5, c.again.Load(), "the call is told each time")
				require.Equal(t, 1, h.Calls())
			})
		})
	}
}

func TestAnOfferThatDoesNotFitLeavesTheCallAsItWas(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	c := begun(t, h, p)
	before := c.session.(*spy).sets()
	p.send("INVITE", strings.ReplaceAll(offerText, "RTP/AVP 0 101", "RTP/AVP 18"), "application/sdp")
	require.Contains(t, p.expect(488).get("Warning"), "305 star97")
	p.write(p.buildAs("ACK", p.cseq, fmt.Sprintf("z9hG4bK-%s-%d", p.callID, p.branches), "", ""))
	p.send("UPDATE", strings.ReplaceAll(offerText, "m=audio", "m=video"), "application/sdp")
	require.Contains(t, p.expect(488).get("Warning"), "304 star97")
	require.Equal(t, before, c.session.(*spy).sets())
	p.send("BYE", "", "")
	p.expect(200)
}

func TestUPDATEWithoutOfferRefreshesTheTargetOnly(t *testing.T) {
	h := newHouse(t, setting{})
	p, elsewhere := h.udp(t), h.udp(t)
	c := begun(t, h, p)
	sets := c.session.(*spy).sets()
	p.contact = elsewhere.contact
	p.send("UPDATE", "", "")
	ok := p.expect(200)
	require.Empty(t, ok.body)
	require.Equal(t, sets, c.session.(*spy).sets())
	c.leg.Hangup()
	elsewhere.reply(elsewhere.expectRequest("BYE"), "200 OK")
	h.over(t)
}

func TestReINVITEWithoutOfferGetsOurOfferAndItsACKTheAnswer(t *testing.T) {
	h := newHouse(t, setting{})
	p, elsewhere := h.udp(t), h.udp(t)
	first := p.dial()
	c := h.calls.next(t)
	require.Equal(t, call.Confirmed, c.hear(t).Kind)
	s := c.session.(*spy)
	p.contact = elsewhere.contact
	p.send("INVITE", "", "")
	ok := p.expect(200)
	require.Contains(t, ok.body, "m=audio")
	require.NotEqual(t, origin(first.body), origin(ok.body), "another description has another version")
	p.send("INVITE", offerText, "application/sdp")
	p.expect(491) // glare: our offer has no answer yet
	p.write(p.buildAs("ACK", p.cseq, fmt.Sprintf("z9hG4bK-%s-%d", p.callID, p.branches), "", ""))
	p.send("UPDATE", offerText, "application/sdp")
	p.expect(491)
	p.write(p.buildAs("ACK", 2, "z9hG4bK-answer", offerAs(39500, ""), "application/sdp"))
	soon(t, func() bool { return s.last().Remote.Port() == 39500 })
	c.leg.Hangup()
	elsewhere.reply(elsewhere.expectRequest("BYE"), "200 OK")
	h.over(t)
}

// waitsLong makes the dialog wait for a gap longer than any machine stands still.
func waitsLong(o *Options) { o.T1, o.T2 = 5*time.Second, 5*time.Second }

// patient is bothNetworks with a house that waits long for what is out of order.
func patient(t *testing.T, do func(t *testing.T, h *house, p *phone)) {
	t.Run("udp", func(t *testing.T) { h := newHouse(t, setting{options: waitsLong}); do(t, h, h.udp(t)) })
	t.Run("tcp", func(t *testing.T) { h := newHouse(t, setting{options: waitsLong}); do(t, h, h.tcp(t)) })
}

func origin(body string) string {
	_, rest, _ := strings.Cut(body, "o=")
	line, _, _ := strings.Cut(rest, "\r\n")
	return line
}

func TestAReINVITEBeforeTheACKIsTakenAndEitherACKConfirms(t *testing.T) {
	for _, acked := range []int{1, 2} {
		t.Run(fmt.Sprint("ACK of INVITE ", acked), func(t *testing.T) {
			h := newHouse(t, setting{})
			p := h.udp(t)
			p.send("INVITE", offerText, "application/sdp")
			p.learn(p.expect(200))
			c := h.calls.next(t)
			p.send("INVITE", offerAs(39200, ""), "application/sdp")
			require.Equal(t, "2 INVITE", p.expect(200).get("CSeq"))
			require.Zero(t, c.session.(*spy).started())
			p.write(p.buildAs("ACK", acked, "z9hG4bK-ack", "", ""))
			require.Equal(t, call.Confirmed, c.hear(t).Kind)
			require.EqualValues(t, 39200, c.session.(*spy).last().Remote.Port())
		})
	}
}

func TestTheRouteSetLeadsOurBYE(t *testing.T) {
	t.Run("loose", func(t *testing.T) {
		h := newHouse(t, setting{})
		p, proxy := h.udp(t), h.udp(t)
		p.extra = "Record-Route: <sip:" + proxy.conn.LocalAddr().String() + ";lr>, <sip:192.0.2.7;lr;x=y>\r\n"
		p.send("INVITE", offerText, "application/sdp")
		ok := p.expect(200)
		require.Len(t, ok.header["Record-Route"], 2)
		p.learn(ok)
		p.send("ACK", "", "")
		c := h.calls.next(t)
		require.Equal(t, call.Confirmed, c.hear(t).Kind)
		c.leg.Hangup()
		bye := proxy.expectRequest("BYE")
		require.Equal(t, strings.Trim(p.contact, "<>"), strings.Fields(bye.start)[1])
		require.Equal(t, []string{"<sip:" + proxy.conn.LocalAddr().String() + ";lr>", "<sip:192.0.2.7;lr;x=y>"}, bye.header["Route"])
		proxy.reply(bye, "200 OK")
		h.over(t)
	})
	t.Run("strict", func(t *testing.T) {
		h := newHouse(t, setting{})
		p, proxy := h.udp(t), h.udp(t)
		strict := "sip:" + proxy.conn.LocalAddr().String()
		p.extra = "Record-Route: <" + strict + ">\r\nRecord-Route: <sip:192.0.2.7;lr>\r\n"
		c := begun(t, h, p)
		c.leg.Hangup()
		bye := proxy.expectRequest("BYE")
		require.Equal(t, strict, strings.Fields(bye.start)[1])
		require.Equal(t, []string{"<sip:192.0.2.7;lr>", p.contact}, bye.header["Route"])
		proxy.reply(bye, "200 OK")
		h.over(t)
	})
}

func TestOurBYEOverTCPUsesTheConnectionOfTheCall(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.tcp(t)
	p.contact = "<sip:4001@192.0.2.1;transport=tcp>" // behind a NAT
	c := begun(t, h, p)
	c.leg.Hangup()
	bye := p.expectRequest("BYE")
	require.Contains(t, bye.get("Via"), "SIP/2.0/TCP")
	p.reply(bye, "200 OK")
	h.over(t)
}

func TestABrokenTCPConnectionDoesNotEndTheCall(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.tcp(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	p.contact = "<sip:4001@" + ln.Addr().String() + ";transport=tcp>"
	c := begun(t, h, p)
	require.NoError(t, p.conn.Close())
	soon(t, func() bool { return len(h.connections) == 0 })
	require.Equal(t, 1, h.Calls())
	c.leg.Hangup()
	conn, err := ln.Accept()
	require.NoError(t, err)
	back := &phone{t: t, network: "tcp", conn: conn}
	back.reader = bufio.NewReader(conn)
	back.reply(back.expectRequest("BYE"), "200 OK")
	h.over(t)
	require.NoError(t, conn.Close())
}

func TestACancelledReINVITELeavesTheCallAsItWas(t *testing.T) {
	t.Parallel()
	h := newHouse(t, setting{})
	p := h.udp(t)
	c := begun(t, h, p)
	before := c.session.(*spy).sets()
	const branch = "z9hG4bK-again"
	serving := func(n int64) {
		t.Helper()
		soon(t, func() bool { return h.serving.Load() == n })
	}
	serving(0) // the INVITE and its ACK
	p.contact = "<sip:4001@192.0.2.1>"
	p.write(p.buildAs("INVITE", 3, branch, offerAs(39777, ""), "application/sdp")) // 2 is missing: it waits
	serving(1)
	p.write(p.buildAs("CANCEL", 3, branch, "", ""))
	for range 2 {
		m := p.fresh()
		require.Contains(t, []string{"200 3 CANCEL", "487 3 INVITE"}, fmt.Sprint(m.status(), " ", m.get("CSeq")))
		require.Contains(t, m.get("To"), p.toTag)
	}
	serving(0) // its turn came
	p.write(p.buildAs("ACK", 3, branch, "", ""))
	p.cseq = 3
	p.send("OPTIONS", "", "")
	require.Equal(t, "4 OPTIONS", p.expect(200).get("CSeq"), "the re-INVITE has no 2xx")
	require.Equal(t, before, c.session.(*spy).sets())
	p.contact = "<sip:4001@" + p.conn.LocalAddr().String() + ">"
	c.leg.Hangup()
	p.reply(p.expectRequest("BYE"), "200 OK") // at the old target
	h.over(t)
}

func TestEveryRequestOfACallIsASignOfLife(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	c := begun(t, h, p)
	for i, method := range []string{"OPTIONS", "UPDATE", "INFO", "INVITE"} {
		require.EqualValues(t, i, c.stirs.Load())
		body, kind := "", ""
		if method == "INVITE" {
			body, kind = offerText, "application/sdp"
		}
		p.send(method, body, kind)
		p.expect(200)
		soon(t, func() bool { return int(c.stirs.Load()+c.again.Load()) > i }, method)
	}
}
