package uas

import (
	"fmt"
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
		p.send("OPTIONS", "", "")
		p.expect(200)
		require.Zero(t, s.started(), "sending began before the ACK")
		p.write(p.buildAs("ACK", 1, "z9hG4bK-ack", "", ""))
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
		soon(t, s.isClosed)
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
		"the answer has no codec": strings.ReplaceAll(strings.ReplaceAll(offerText, "RTP/AVP 0 101", "RTP/AVP 18"), "a=rtpmap:0 PCMU/8000\r\n", ""),
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

// RFC 3261 section 13.3.1.4: from T1 the waits double up to T2.
func TestTheAnswerIsDueAgainInDoublingWaits(t *testing.T) {
	begin := time.Unix(0, 0)
	a := &accepted{wait: 500 * time.Millisecond, next: begin.Add(500 * time.Millisecond)}
	var at []time.Duration
	for now := time.Duration(0); now < 20*time.Second; now += 10 * time.Millisecond {
		if a.due(begin.Add(now), 4*time.Second) {
			at = append(at, now)
		}
	}
	s := time.Second
	require.Equal(t, []time.Duration{s / 2, 3 * s / 2, 7 * s / 2, 15 * s / 2, 23 * s / 2, 31 * s / 2, 39 * s / 2}, at)
	late := begin.Add(time.Hour)
	require.True(t, a.due(late, 4*time.Second))
	require.False(t, a.due(late.Add(4*time.Second-1), 4*time.Second), "what was missed is not made up for")
	require.True(t, a.due(late.Add(4*time.Second), 4*time.Second))
}

func TestTheAnswerIsRepeatedUntilTheACKAndThenGivenUp(t *testing.T) {
	t.Parallel()
	const t1 = 30 * time.Millisecond
	for i, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, setting{options: func(o *Options) { o.T1, o.T2 = t1, 4*t1 }})
			p := newPhone(t, network, h.at(i))
			begin := time.Now()
			p.send("INVITE", offerText, "application/sdp")
			first := p.expect(200)
			p.learn(first)
			c := h.calls.next(t)
			n := 0
			m := p.next()
			for ; m.status() == 200; m = p.next() {
				require.Equal(t, first, m)
				require.GreaterOrEqual(t, time.Since(begin), t1<<min(n, 2), "early")
				n++
			}
			require.Positive(t, n)
			require.LessOrEqual(t, n, 17)
			require.Equal(t, "BYE", strings.Fields(m.start)[0])
			require.GreaterOrEqual(t, time.Since(begin), 64*t1)
			require.Equal(t, call.Gone, c.hear(t).Kind, "never Confirmed")
			require.Zero(t, c.session.(*spy).started(), "a spoofed INVITE gets no audio")
			if p.network == "tcp" { // a connection is proof of its address: the BYE waits for its answer
				require.Equal(t, 1, h.Calls())
				p.reply(m, "200 OK")
			}
			h.over(t)
			require.NotContains(t, h.log.String(), "not answered", "nobody waited for an answer to the one BYE over UDP")
		})
	}
}

func TestHangupWaitsForTheACK(t *testing.T) {
	t.Parallel()
	h := newHouse(t, setting{})
	p := h.udp(t)
	p.send("INVITE", offerText, "application/sdp")
	p.learn(p.expect(200))
	c := h.calls.next(t)
	c.leg.Hangup()
	require.Equal(t, 200, p.next().status(), "the 2xx goes on being repeated")
	p.send("ACK", "", "")
	p.reply(p.expectRequest("BYE"), "200 OK")
	require.Equal(t, call.Gone, c.hear(t).Kind)
	h.over(t)
}

func TestOurBYEIsRepeatedAndGivenUp(t *testing.T) {
	t.Parallel()
	h := newHouse(t, setting{options: func(o *Options) { o.T1 = 30 * time.Millisecond }})
	p := h.udp(t)
	p.dial()
	c := h.calls.next(t)
	require.Equal(t, call.Confirmed, c.hear(t).Kind)
	c.leg.Hangup()
	bye := p.expectRequest("BYE")
	require.Equal(t, call.Gone, c.hear(t).Kind, "the call need not wait for the answer")
	require.Equal(t, bye, p.next(), "repeated")
	p.send("INFO", "Signal=1\r\n", "application/dtmf-relay")
	p.expect(481)
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
	tags := map[string]bool{}
	for len(seen) < 2 {
		m := p.fresh()
		seen[m.get("CSeq")] = m.status()
		tags[m.get("To")] = true
	}
	require.Equal(t, map[string]int{"1 CANCEL": 200, "1 INVITE": 487}, seen)
	require.Len(t, tags, 1, "RFC 3261 section 9.2: both have the same tag")
	close(release)
	h.idle(t)
	p.write(p.buildAs("ACK", 1, branch, "", ""))
	p.send("OPTIONS", "", "")
	require.Equal(t, "2 OPTIONS", p.expect(200).get("CSeq"), "the INVITE has no other answer")
	require.Empty(t, h.calls.calls, "no call began")
	h.over(t)
}

func TestARequestOfACallThatIsNotBegunIsAnswered(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	invite, tx := h.handed(t, p, p.build("INVITE", offerText, "application/sdp"))
	d := h.made(t, invite, tx)
	defer d.session.Close()
	cancel, _ := h.handed(t, p, p.build("CANCEL", "", ""))
	require.NoError(t, tx.Receive(cancel))
	p.expect(487)
	bye, byeTx := h.handed(t, p, p.build("BYE", "", ""))
	answered := make(chan struct{})
	go func() { defer close(answered); d.deliver(bye, byeTx, nil) }() // it found the dialog while that was being opened
	soon(t, func() bool { return len(d.mail) == 1 })
	require.Zero(t, d.open(invite, tx, h.terms.Load().calls, false).status)
	p.expect(481)
	<-answered
	require.Zero(t, h.Calls())
}

func TestCancelAfterTheAnswerHasNoEffect(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	branch := "z9hG4bK-late"
	p.cseq = 1
	p.write(p.buildAs("INVITE", 1, branch, offerText, "application/sdp"))
	ok := p.expect(200)
	p.write(p.buildAs("CANCEL", 1, branch, "", ""))
	cancelled := p.expect(200)
	require.Equal(t, "1 CANCEL", cancelled.get("CSeq"))
	require.Equal(t, ok.get("To"), cancelled.get("To"), "RFC 3261 section 9.2: the same tag")
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
	c.hearsNext(p)
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
	p.write(p.buildAs("ACK", 1, fmt.Sprintf("z9hG4bK-%s-1", p.callID), "", "")) // the branch of the INVITE
	p.learn(ok)
	p.send("OPTIONS", "", "")
	p.expect(200)
	require.Zero(t, c.session.(*spy).started())
	p.write(p.buildAs("ACK", 1, "z9hG4bK-ack", "", ""))
	require.Equal(t, call.Confirmed, c.hear(t).Kind)
}
