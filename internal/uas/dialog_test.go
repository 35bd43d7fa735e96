package uas

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/call"
	"star97/internal/dtmf"
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

func TestINFOKeysComeOutInTheOrderOfTheirCSeq(t *testing.T) {
	patient(t, func(t *testing.T, h *house, p *phone) {
		c := begun(t, h, p)
		keys := "0123456789*#ABCD"
		for burst := range 300 {
			var want []dtmf.Digit
			for i := range 6 {
				k := keys[(burst*7+i*5)%len(keys)]
				d, _ := dtmf.DigitOf(k)
				want = append(want, d)
				body, kind := "Signal="+string(k)+"\r\nDuration=160\r\n", "application/dtmf-relay"
				if i%2 == 1 {
					body, kind = string(k), "application/dtmf"
				}
				p.send("INFO", body, kind)
			}
			var got []dtmf.Digit
			for range 6 {
				p.expect(200)
				s := c.hear(t)
				require.Equal(t, call.InfoKey, s.Kind)
				require.Equal(t, dtmf.Down, s.Report.Kind)
				require.Equal(t, dtmf.FromInfo, s.Report.Source)
				got = append(got, s.Report.Digit)
			}
			for i := range want {
				require.True(t, want[i] == got[i], "burst %d: key %d of 6 came out of order", burst, i)
			}
		}
	})
}

func TestAGapInTheCSeqIsWaitedForAndThenPassedOver(t *testing.T) {
	t.Parallel()
	info := func(p *phone, seq int, key string) {
		p.write(p.buildAs("INFO", seq, fmt.Sprint("z9hG4bK-gap-", seq), key, "application/dtmf"))
	}
	t.Run("filled in time", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t, setting{options: waitsLong})
		p := h.udp(t)
		c := begun(t, h, p)
		h.idle(t)
		info(p, 4, "4")
		info(p, 3, "3")
		soon(t, func() bool { return h.serving.Load() == 2 }, "both wait")
		info(p, 2, "2")
		for want := dtmf.Digit(2); want <= 4; want++ {
			require.True(t, want == c.hear(t).Report.Digit)
			p.expect(200)
		}
	})
	t.Run("filled too late: 500, and the call hears of a lost key", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t, setting{})
		p := h.udp(t)
		c := begun(t, h, p)
		info(p, 4, "4")
		require.True(t, dtmf.Digit(4) == c.hear(t).Report.Digit)
		p.expect(200)
		info(p, 2, "2")
		p.expect(500)
		require.Equal(t, dtmf.Lost, c.hear(t).Report.Kind)
		info(p, 5, "5")
		p.expect(200)
		require.True(t, dtmf.Digit(5) == c.hear(t).Report.Digit)
	})
	t.Run("a CSeq that was served already is 500 and no key", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t, setting{})
		p := h.udp(t)
		c := begun(t, h, p)
		info(p, 2, "2")
		c.hear(t)
		p.expect(200)
		p.write(p.buildAs("INFO", 2, "z9hG4bK-other", "9", "application/dtmf"))
		p.expect(500)
		p.cseq = 2
		c.hearsNext(p)
	})
	t.Run("a refused request takes its place in the order", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t, setting{options: waitsLong})
		p := h.udp(t)
		c := begun(t, h, p)
		p.send("REFER", "", "")
		p.expect(405)
		begin := time.Now()
		info(p, 3, "3")
		require.True(t, dtmf.Digit(3) == c.hear(t).Report.Digit)
		require.Less(t, time.Since(begin), 7*time.Second, "no gap was seen")
	})
}

func TestKeysBeforeTheACKAreKeptUntilIt(t *testing.T) {
	h := newHouse(t, setting{options: func(o *Options) { o.T1, o.T2 = time.Second, time.Second }})
	p := h.udp(t)
	p.send("INVITE", offerText, "application/sdp")
	p.learn(p.expect(200))
	c := h.calls.next(t)
	for range keysMax + 5 {
		p.send("INFO", "7", "application/dtmf")
		p.expect(200)
	}
	require.Zero(t, c.session.(*spy).started())
	p.write(p.buildAs("ACK", 1, "z9hG4bK-ack", "", ""))
	require.Equal(t, call.Confirmed, c.hear(t).Kind)
	for range keysMax {
		require.Equal(t, dtmf.Down, c.hear(t).Report.Kind)
	}
	require.Equal(t, dtmf.Lost, c.hear(t).Report.Kind)
	c.hearsNext(p)
}

func TestACallThatReadsNoSignalsLosesKeysAndLearnsOfIt(t *testing.T) {
	stop := make(chan struct{})
	h := newHouse(t, setting{act: func(_ context.Context, c *taken) {
		<-stop
		for s := range c.leg.Signals() {
			if s.Kind != call.Stirred {
				c.heard <- s
			}
		}
		close(c.heard)
	}})
	p := h.udp(t)
	p.dial()
	c := h.calls.next(t)
	for range 3 * keysMax {
		p.send("INFO", "7", "application/dtmf")
		p.expect(200)
	}
	close(stop)
	require.Equal(t, call.Confirmed, c.hear(t).Kind)
	kinds := map[dtmf.Kind]int{}
	for range keysMax {
		kinds[c.hear(t).Report.Kind]++
	}
	require.Equal(t, map[dtmf.Kind]int{dtmf.Down: keysMax - 1, dtmf.Lost: 1}, kinds)
	p.send("BYE", "", "")
	p.expect(200)
	require.Equal(t, call.Gone, c.hear(t).Kind)
}

func TestINFOBodies(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	c := begun(t, h, p)
	for name, row := range map[string]struct {
		body, kind string
		status     int
	}{
		"nothing asks whether the call is alive": {"", "", 200},
		"another type":                           {"x", "application/media_control+xml", 415},
		"no single key":                          {"Signal=\r\n", "application/dtmf-relay", 400},
		"two keys":                               {"Signal=1\r\nSignal=2\r\n", "application/dtmf-relay", 400},
		"no telephone key":                       {"Q", "application/dtmf", 400},
	} {
		p.send("INFO", row.body, row.kind)
		m := p.expect(row.status)
		if row.status == 415 {
			require.Equal(t, "application/dtmf-relay, application/dtmf", m.get("Accept"), name)
		}
	}
	p.send("INFO", "Signal=8\r\nDuration=100\r\n", "Application/DTMF-Relay; x=y")
	p.expect(200)
	require.True(t, dtmf.Digit(8) == c.hear(t).Report.Digit)
}

func TestNoKeyOfAnINFOReachesTheLog(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	c := begun(t, h, p)
	for _, body := range []string{"Signal=QZQ73951\r\n", "Signal: QZQ73951\r\n\r\n", "QZQ73951"} {
		for _, kind := range []string{"application/dtmf-relay", "application/dtmf", "text/QZQ"} {
			p.send("INFO", body, kind)
			require.GreaterOrEqual(t, p.fresh().status(), 400)
		}
	}
	good := p.build("INFO", "QZQ73951", "application/dtmf")
	p.write(strings.Replace(good, "CSeq:", "CSeq", 1)) // a parse error quotes its line
	p.expect(400)
	tcp := h.tcp(t)
	tcp.write(strings.Replace(good, "Content-Length: 8", "Content-Length: 2", 1)) // the rest is taken for a message
	_, _ = tcp.conn.Write([]byte("QZQ73951\r\n\r\n"))
	require.NoError(t, tcp.conn.SetReadDeadline(time.Now().Add(patience)))
	_, err := io.Copy(io.Discard, tcp.conn)
	if !errors.Is(err, syscall.ECONNRESET) {
		require.NoError(t, err, "closed by the far end")
	}
	c.hearsNext(p) // the copy by TCP took its place in the order
	require.NotContains(t, h.log.String(), "73951")
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
