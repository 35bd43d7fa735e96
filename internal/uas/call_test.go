package uas

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/call"
	"star97/internal/codec"
	"star97/internal/mailbox"
)

func bothNetworks(t *testing.T, do func(t *testing.T, h *house, p *phone)) {
	t.Run("udp", func(t *testing.T) { h := newHouse(t, setting{}); do(t, h, h.udp(t)) })
	t.Run("tcp", func(t *testing.T) { h := newHouse(t, setting{}); do(t, h, h.tcp(t)) })
}

func TestEarlyOfferIsAnsweredAtOnceAndStartsWithTheACK(t *testing.T) {
	bothNetworks(t, func(t *testing.T, h *house, p *phone) {
		p.send("INVITE", offerText, "application/sdp")
		ok := p.expect(200)
		p.learn(ok)
		require.GreaterOrEqual(t, len(p.toTag), 16, "at least 64 random bits in hexadecimal")
		require.Equal(t, "application/sdp", ok.get("Content-Type"))
		require.Contains(t, ok.body, "m=audio ")
		require.Contains(t, ok.get("Contact"), "sip:star97@127.0.0.1:")
		require.Contains(t, ok.get("Allow"), "UPDATE")
		c := h.calls.next(t)
		s := c.session.(*spy)
		c.quiet(t, 50*time.Millisecond)
		require.Zero(t, s.started(), "sending began before the ACK")
		p.send("ACK", "", "")
		require.Equal(t, call.Confirmed, c.hear(t).Kind)
		require.Equal(t, []time.Duration{200 * time.Millisecond}, s.starts)
		require.Equal(t, codec.PCMU, s.last().Codec)
		require.Equal(t, uint8(101), s.last().EventPT)
		require.EqualValues(t, 39000, s.last().Remote.Port())
		require.Equal(t, mailbox.OwnDoor, c.arrival.Door)
		require.Equal(t, "4001", c.arrival.Number)
		require.Equal(t, "127.0.0.1", c.arrival.Source)
		require.Equal(t, "4001", c.arrival.Caller)
		require.Equal(t, p.network, c.arrival.Transport)
		p.send("BYE", "", "")
		p.expect(200)
		require.Equal(t, call.Gone, c.hear(t).Kind)
		require.Zero(t, c.hear(t), "Signals is closed after Gone")
		h.over(t)
		require.Eventually(t, s.isClosed, time.Second, time.Millisecond)
	})
}

func TestDelayedOfferTakesTheAnswerFromTheACK(t *testing.T) {
	bothNetworks(t, func(t *testing.T, h *house, p *phone) {
		p.send("INVITE", "", "")
		ok := p.expect(200)
		p.learn(ok)
		require.Contains(t, ok.body, "m=audio ")
		c := h.calls.next(t)
		s := c.session.(*spy)
		require.Zero(t, s.sets())
		p.send("ACK", offerText, "application/sdp")
		require.Equal(t, call.Confirmed, c.hear(t).Kind)
		require.EqualValues(t, 39000, s.last().Remote.Port())
		require.Equal(t, 1, s.started())
		c.leg.Hangup()
		bye := p.expectRequest("BYE")
		require.Contains(t, bye.get("From"), p.toTag)
		require.Contains(t, bye.get("To"), p.tag)
		p.reply(bye, "200 OK")
		require.Equal(t, call.Gone, c.hear(t).Kind)
		h.over(t)
	})
}

func TestDelayedOfferWithoutUsableAnswerEndsWithBYE(t *testing.T) {
	for name, body := range map[string]string{
		"no answer in the ACK":    "",
		"the answer has no codec": strings.ReplaceAll(strings.ReplaceAll(offerText, "RTP/AVP 0 101", "RTP/AVP 9"), "a=rtpmap:0 PCMU/8000\r\n", ""),
		"the answer is no SDP":    "hello",
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, setting{})
			p := h.udp(t)
			p.send("INVITE", "", "")
			p.learn(p.expect(200))
			c := h.calls.next(t)
			kind := "application/sdp"
			if body == "" {
				kind = ""
			}
			p.send("ACK", body, kind)
			p.reply(p.expectRequest("BYE"), "200 OK")
			require.Equal(t, call.Gone, c.hear(t).Kind, "never Confirmed")
			require.Zero(t, c.session.(*spy).started())
			h.over(t)
		})
	}
}

func TestTheAnswerIsRepeatedUntilTheACKAndThenGivenUp(t *testing.T) {
	h := newHouse(t, setting{options: func(o *Options) { o.T1, o.T2 = 50*time.Millisecond, 200*time.Millisecond }})
	bothNetworks := []*phone{h.udp(t), h.tcp(t)}
	for _, p := range bothNetworks {
		t.Run(p.network, func(t *testing.T) {
			p.t = t
			begin := time.Now()
			p.send("INVITE", offerText, "application/sdp")
			first := p.expect(200)
			p.learn(first)
			c := h.calls.next(t)
			due := time.Duration(0)
			for _, gap := range []time.Duration{50, 100, 200, 200, 200, 200} {
				due += gap * time.Millisecond
				again := p.expect(200)
				require.Equal(t, first, again)
				require.InDelta(t, (due + 100*time.Millisecond).Seconds(), time.Since(begin).Seconds(), 0.105, "5 ms early to 205 ms late")
			}
			for {
				m, ok := p.read(3 * time.Second)
				require.True(t, ok)
				if m.status() == 200 {
					continue
				}
				require.Equal(t, "BYE", strings.Fields(m.start)[0])
				require.InDelta(t, (64 * 50 * time.Millisecond).Seconds(), time.Since(begin).Seconds(), 0.4)
				p.reply(m, "200 OK")
				break
			}
			require.Equal(t, call.Gone, c.hear(t).Kind, "never Confirmed")
			require.Zero(t, c.session.(*spy).started(), "a spoofed INVITE gets no audio")
			h.over(t)
		})
	}
}

func TestHangupWaitsForTheACK(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	p.send("INVITE", offerText, "application/sdp")
	p.learn(p.expect(200))
	c := h.calls.next(t)
	c.leg.Hangup()
	p.expect(200) // the 2xx goes on being repeated
	p.send("ACK", "", "")
	p.reply(p.expectRequest("BYE"), "200 OK")
	require.Equal(t, call.Gone, c.hear(t).Kind)
	h.over(t)
}

func TestOurBYEIsRepeatedAndGivenUp(t *testing.T) {
	h := newHouse(t, setting{options: func(o *Options) { o.T1 = 20 * time.Millisecond }})
	p := h.udp(t)
	p.dial()
	c := h.calls.next(t)
	require.Equal(t, call.Confirmed, c.hear(t).Kind)
	c.leg.Hangup()
	p.expectRequest("BYE")
	require.Equal(t, call.Gone, c.hear(t).Kind, "the call need not wait for the answer")
	p.expectRequest("BYE")
	p.send("INFO", "Signal=1\r\n", "application/dtmf-relay")
	for {
		m, ok := p.read(3 * time.Second)
		require.True(t, ok)
		if m.status() != 0 {
			require.Equal(t, 481, m.status())
			break
		}
	}
	h.over(t)
}

func TestCrossingBYEsAreBothAnswered(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	p.dial()
	c := h.calls.next(t)
	require.Equal(t, call.Confirmed, c.hear(t).Kind)
	c.leg.Hangup()
	bye := p.expectRequest("BYE")
	p.send("BYE", "", "")
	p.expect(200)
	p.reply(bye, "200 OK")
	h.over(t)
}

func TestCancelBeforeTheAnswerEndsTheINVITE(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	h := newHouse(t, setting{open: func() error { close(entered); <-release; return nil }})
	p := h.udp(t)
	branch := "z9hG4bK-cancelled"
	p.cseq = 1
	p.write(p.buildAs("INVITE", 1, branch, offerText, "application/sdp"))
	<-entered
	p.write(p.buildAs("CANCEL", 1, branch, "", ""))
	seen := map[string]int{}
	for len(seen) < 2 {
		m, ok := p.read(3 * time.Second)
		require.True(t, ok)
		if m.status() != 100 {
			seen[m.get("CSeq")] = m.status()
		}
	}
	require.Equal(t, map[string]int{"1 CANCEL": 200, "1 INVITE": 487}, seen)
	close(release)
	for { // the 487 is repeated until its ACK; never a 200 of the INVITE
		m, ok := p.read(700 * time.Millisecond)
		require.True(t, ok)
		require.Equal(t, 487, m.status())
		if h.Calls() == 0 {
			break
		}
	}
	p.write(p.buildAs("ACK", 1, branch, "", ""))
	require.Empty(t, h.calls.calls, "no call began")
	h.over(t)
}

func TestCancelAfterTheAnswerHasNoEffect(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	branch := "z9hG4bK-late"
	p.cseq = 1
	p.write(p.buildAs("INVITE", 1, branch, offerText, "application/sdp"))
	ok := p.expect(200)
	p.write(p.buildAs("CANCEL", 1, branch, "", ""))
	require.Equal(t, "1 CANCEL", p.expect(200).get("CSeq"))
	p.learn(ok)
	p.send("ACK", "", "")
	require.Equal(t, call.Confirmed, h.calls.next(t).hear(t).Kind)

	stray := h.udp(t)
	stray.cseq = 7
	stray.send("CANCEL", "", "")
	stray.expect(481)
}

func TestARepeatedINVITEIsAbsorbedAndAMergedOneRefused(t *testing.T) {
	h := newHouse(t, setting{options: func(o *Options) { o.T1, o.T2 = time.Second, time.Second }})
	p := h.udp(t)
	p.cseq = 1
	invite := p.buildAs("INVITE", 1, "z9hG4bK-one", offerText, "application/sdp")
	p.write(invite)
	ok := p.expect(200)
	p.write(invite)
	p.silent(100 * time.Millisecond)
	p.write(p.buildAs("INVITE", 1, "z9hG4bK-two", offerText, "application/sdp"))
	p.expect(482)
	p.learn(ok)
	p.send("ACK", "", "")
	h.calls.next(t)
	require.Empty(t, h.calls.calls)
	require.Equal(t, 1, h.Calls())
}

func TestACKWithTheBranchOfTheINVITEIsTaken(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	p.cseq = 1
	p.write(p.buildAs("INVITE", 1, "z9hG4bK-same", offerText, "application/sdp"))
	p.learn(p.expect(200))
	p.write(p.buildAs("ACK", 1, "z9hG4bK-same", "", ""))
	require.Equal(t, call.Confirmed, h.calls.next(t).hear(t).Kind)
}

func TestRequestsWithWrongTagsReachNoDialog(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	p.dial()
	c := h.calls.next(t)
	require.Equal(t, call.Confirmed, c.hear(t).Kind)
	for name, forge := range map[string]func(f *phone){
		"our tag guessed":    func(f *phone) { f.toTag = "0" + p.toTag[1:] + "0" },
		"their tag guessed":  func(f *phone) { f.tag = "x" + p.tag },
		"another Call-ID":    func(f *phone) { f.callID = "x" + p.callID },
		"our tag left out":   func(f *phone) { f.toTag = "" },
		"tags in each other": func(f *phone) { f.tag, f.toTag = p.toTag, p.tag },
	} {
		for _, method := range []string{"BYE", "INFO", "UPDATE"} {
			f := h.udp(t)
			f.callID, f.tag, f.toTag, f.cseq = p.callID, p.tag, p.toTag, 50
			forge(f)
			f.send(method, "", "")
			require.Equal(t, 481, f.expect(481).status(), "%s, %s", name, method)
		}
	}
	c.quiet(t, 20*time.Millisecond)
	require.Equal(t, 1, h.Calls())
}

func TestAnACKWithAWrongTagConfirmsNothing(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	p.send("INVITE", offerText, "application/sdp")
	ok := p.expect(200)
	c := h.calls.next(t)
	p.toTag = "0123456789abcdef0123456789abcdef"
	p.send("ACK", "", "")
	p.toTag = ""
	p.send("ACK", "", "")
	c.quiet(t, 50*time.Millisecond)
	p.learn(ok)
	p.send("ACK", "", "")
	require.Equal(t, call.Confirmed, c.hear(t).Kind)
}
