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
		require.Equal(t, "127.0.0.1 4001", c.arrival.Source)
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
