package uas

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/call"
)

const target = "sip:messages@pbx.example.org"

// asked is a phone in a call that was just asked to call the target.
func asked(t *testing.T, h *house, p *phone) (*taken, message) {
	t.Helper()
	c := begun(t, h, p)
	c.leg.Refer(target, 1)
	return c, p.expectRequest("REFER")
}

// tells sends a NOTIFY about a transfer; extra headers and a status line.
func (p *phone) tells(frag, state, event string) {
	p.extra = "Event: " + event + "\r\n"
	if state != "" {
		p.extra += "Subscription-State: " + state + "\r\n"
	}
	kind := ""
	if frag != "" {
		kind = "message/sipfrag;version=2.0"
	}
	p.send("NOTIFY", frag, kind)
}

// referredTo fails unless the next that the call hears is the outcome of a transfer,
// whose number it returns.
func (c *taken) referredTo(t *testing.T, status int) uint32 {
	t.Helper()
	s := c.hear(t)
	require.Equal(t, call.Referred, s.Kind)
	require.Equal(t, status, s.Status)
	return s.Number
}

func TestATransferSucceeds(t *testing.T) {
	bothNetworks(t, func(t *testing.T, h *house, p *phone) {
		c, refer := asked(t, h, p)
		require.Equal(t, "<"+target+">", refer.get("Refer-To"))
		require.Contains(t, refer.get("Referred-By"), "<sip:star97@127.0.0.1:")
		require.Contains(t, refer.get("Contact"), "<sip:star97@127.0.0.1:")
		require.Contains(t, refer.get("From"), p.toTag)
		require.Contains(t, refer.get("To"), p.tag)
		p.reply(refer, "202 Accepted")
		p.tells("SIP/2.0 100 Trying\r\n", "active;expires=60", "refer")
		p.expect(200)
		p.tells("SIP/2.0 180 Ringing\r\n", "active;expires=60", "refer")
		p.expect(200)
		p.tells("SIP/2.0 200 OK\r\n", "terminated;reason=noresource", "refer")
		p.expect(200)
		c.referredTo(t, 200)
		c.leg.Hangup()
		p.reply(p.expectRequest("BYE"), "200 OK")
		h.over(t)
	})
}

func TestHowATransferEnds(t *testing.T) {
	type step = func(p *phone, refer message)
	answer := func(status string) step { return func(p *phone, refer message) { p.reply(refer, status) } }
	tell := func(frag, state string) step {
		return func(p *phone, _ message) { p.tells(frag, state, "refer"); p.expect(200) }
	}
	for rule, row := range map[string]struct {
		steps  []step
		status int
	}{
		"the NOTIFY comes before the 202":          {[]step{tell("SIP/2.0 200 OK\r\n", "terminated"), answer("202 Accepted")}, 200},
		"200 in place of 202":                      {[]step{answer("200 OK"), tell("SIP/2.0 200 OK\r\n", "terminated")}, 200},
		"the target is busy":                       {[]step{answer("202 Accepted"), tell("SIP/2.0 486 Busy Here\r\n", "terminated;reason=noresource")}, 486},
		"the target declines":                      {[]step{answer("202 Accepted"), tell("SIP/2.0 603 Decline\r\nX: y\r\n\r\n", "terminated")}, 603},
		"the far end does not transfer":            {[]step{answer("501 Not Implemented")}, 501},
		"the far end refuses":                      {[]step{answer("403 Forbidden")}, 403},
		"the far end redirects":                    {[]step{answer("302 Moved")}, 302},
		"the subscription ends without an outcome": {[]step{answer("202 Accepted"), tell("SIP/2.0 100 Trying\r\n", "Terminated ; reason=timeout")}, 408},
		"it ends without a word":                   {[]step{answer("202 Accepted"), tell("", "terminated")}, 408},
		"progress is no outcome": {[]step{answer("202 Accepted"), tell("SIP/2.0 183 Session Progress\r\n", "active"),
			tell("", "pending"), tell("SIP/2.0 404 Not Found", "terminated")}, 404},
		"without a Subscription-State": {[]step{answer("202 Accepted"), tell("SIP/2.0 180 Ringing\r\n", ""), tell("SIP/2.0 200 OK\r\n", "")}, 200},
	} {
		t.Run(rule, func(t *testing.T) {
			bothNetworks(t, func(t *testing.T, h *house, p *phone) {
				c, refer := asked(t, h, p)
				for _, do := range row.steps {
					do(p, refer)
				}
				c.referredTo(t, row.status)
				c.hearsNext(p) // and that was all
			})
		})
	}
}

func TestATransferThatNobodyTellsOfIsGivenUp(t *testing.T) {
	t.Parallel()
	t.Run("202 and no NOTIFY", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t, setting{})
		h.referWait = 50 * time.Millisecond
		p := h.udp(t)
		c, refer := asked(t, h, p)
		p.reply(refer, "202 Accepted")
		c.referredTo(t, 408)
		p.tells("SIP/2.0 486 Busy Here\r\n", "terminated", "refer")
		p.expect(200)
		c.hearsNext(p)
		p.tells("SIP/2.0 200 OK\r\n", "terminated", "refer")
		p.expect(200)
		c.referredTo(t, 200) // the caller is there
	})
	t.Run("no answer", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t, setting{options: func(o *Options) { o.T1 = 30 * time.Millisecond }})
		p := h.udp(t)
		c, _ := asked(t, h, p)
		c.referredTo(t, 408)
		c.hearsNext(p)
	})
}

func TestTheFarEndHangsUpDuringATransfer(t *testing.T) {
	bothNetworks(t, func(t *testing.T, h *house, p *phone) {
		c, refer := asked(t, h, p)
		p.reply(refer, "202 Accepted")
		p.send("BYE", "", "")
		p.expect(200)
		require.Equal(t, call.Gone, c.hear(t).Kind)
		require.Zero(t, c.hear(t), "no outcome comes after it")
		h.over(t)
	})
	t.Run("without an answer to the REFER", func(t *testing.T) {
		h := newHouse(t, setting{})
		p := h.udp(t)
		c, _ := asked(t, h, p)
		p.send("BYE", "", "")
		p.expect(200)
		require.Equal(t, call.Gone, c.hear(t).Kind)
		h.over(t)
	})
}

// RFC 3515 section 2.4.6: from the second REFER on a NOTIFY names the one it is about.
func TestANewerTransferTakesTheOlderOnesPlace(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	c, first := asked(t, h, p)
	p.reply(first, "202 Accepted")
	c.leg.Refer("sip:operator@pbx.example.org", 2)
	second := p.expectRequest("REFER")
	require.Equal(t, "<sip:operator@pbx.example.org>", second.get("Refer-To"))
	p.reply(second, "202 Accepted")
	id := func(refer message) string { return "refer;id=" + strings.Fields(refer.get("CSeq"))[0] }
	for _, old := range []string{"refer", id(first)} {
		p.tells("SIP/2.0 486 Busy Here\r\n", "terminated", old)
		p.expect(200)
	}
	p.tells("SIP/2.0 200 OK\r\n", "terminated", id(second))
	p.expect(200)
	require.EqualValues(t, 2, c.referredTo(t, 200))
	c.hearsNext(p)
}

// The caller is there, whatever was asked for since.
func TestAnOlderTransferThatSucceedsIsTold(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	c, first := asked(t, h, p)
	p.reply(first, "202 Accepted")
	c.leg.Refer("sip:operator@pbx.example.org", 2)
	p.reply(p.expectRequest("REFER"), "202 Accepted")
	for _, frag := range []string{"SIP/2.0 180 Ringing\r\n", "SIP/2.0 200 OK\r\n", "SIP/2.0 200 OK\r\n"} {
		p.tells(frag, "active", "refer;id="+strings.Fields(first.get("CSeq"))[0])
		p.expect(200)
	}
	require.EqualValues(t, 1, c.referredTo(t, 200))
	p.tells("SIP/2.0 487 Request Terminated\r\n", "terminated", "refer;id=1000")
	p.expect(200)
	c.hearsNext(p) // and once only
}

func TestOnlyTheLastTransfersAreRemembered(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	c := begun(t, h, p)
	var ids []string
	for n := range referralsMax + 1 {
		c.leg.Refer(target, uint32(n))
		refer := p.expectRequest("REFER")
		ids = append(ids, strings.Fields(refer.get("CSeq"))[0])
		p.reply(refer, "202 Accepted")
	}
	for _, id := range ids[:2] {
		p.tells("SIP/2.0 200 OK\r\n", "active", "refer;id="+id)
		p.expect(200)
	}
	require.EqualValues(t, 1, c.referredTo(t, 200))
}

// Its outcome is known before the next is asked for, and waits to be heard.
func TestAnOutcomeSaysOfWhichTransferItIs(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	c, first := asked(t, h, p)
	p.reply(first, "486 Busy Here")
	soon(t, func() bool { return len(c.heard) > 0 })
	c.leg.Refer(target, 2)
	p.reply(p.expectRequest("REFER"), "603 Decline")
	require.EqualValues(t, 1, c.referredTo(t, 486))
	require.EqualValues(t, 2, c.referredTo(t, 603))
}

func TestNOTIFYsThatAreRefused(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	c := begun(t, h, p)
	p.tells("SIP/2.0 200 OK\r\n", "terminated", "refer")
	p.expect(481) // nobody has asked
	c.leg.Refer(target, 1)
	p.reply(p.expectRequest("REFER"), "202 Accepted")
	p.tells("SIP/2.0 200 OK\r\n", "terminated", "presence")
	require.Equal(t, "refer", p.expect(489).get("Allow-Events"))
	p.send("NOTIFY", "", "")
	p.expect(489)
	for _, frag := range []string{"hello", "SIP/2.0 2000 OK", "SIP/2.0 099 x", "SIP/2.0 abc x", "SIP/2.0", "INVITE sip:a SIP/2.0\r\n", "SIP/2.0 700 x"} {
		p.tells(frag, "terminated", "refer")
		p.expect(400)
	}
	p.extra = "Event: refer\r\n"
	p.send("NOTIFY", "x", "text/plain")
	require.Equal(t, fragType, p.expect(415).get("Accept"))
	stranger := h.udp(t)
	stranger.tells("SIP/2.0 200 OK\r\n", "terminated", "refer")
	stranger.expect(481)
	c.hearsNext(p)
	p.tells("SIP/2.0 200 OK\r\n", "terminated", "refer")
	p.expect(200)
	c.referredTo(t, 200)
}

// RFC 5057: a subscription may outlive the call that it was made in.
func TestANOTIFYThatCrossesOurBYEIsTaken(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	c, refer := asked(t, h, p)
	p.reply(refer, "202 Accepted")
	p.tells("SIP/2.0 200 OK\r\n", "active", "refer")
	p.expect(200)
	c.referredTo(t, 200)
	c.leg.Hangup()
	bye := p.expectRequest("BYE")
	p.tells("SIP/2.0 200 OK\r\n", "terminated", "refer")
	p.expect(200)
	p.send("INFO", "", "")
	p.expect(481)
	p.reply(bye, "200 OK")
	h.over(t)
}

func TestATargetThatIsNoURIIsNotSent(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	c := begun(t, h, p)
	for _, bad := range []string{"sip:a>;x=<y", "sip:a\r\nX: y", "sip:a b", "\"sip:a"} {
		c.leg.Refer(bad, 7)
		require.EqualValues(t, 7, c.referredTo(t, 400))
	}
	c.hearsNext(p)
}

func TestKeysDuringATransferAreHeard(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	c, refer := asked(t, h, p)
	c.hearsNext(p)
	p.reply(refer, "503 Service Unavailable")
	c.referredTo(t, 503)
}

func TestAREFERToUsIsNotServed(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	begun(t, h, p)
	p.extra = "Refer-To: <" + target + ">\r\n"
	p.send("REFER", "", "")
	require.NotContains(t, p.expect(405).get("Allow"), "REFER")
}

func TestARouteMaySendTheCallerElsewhere(t *testing.T) {
	h := newHouse(t, setting{plan: plan{redirecting}})
	for _, p := range []*phone{h.udp(t), h.tcp(t)} {
		p.send("INVITE", offerText, "application/sdp")
		m := p.expect(302)
		require.Equal(t, "<"+target+">", m.get("Contact"))
		p.write(p.buildAs("ACK", p.cseq, fmt.Sprintf("z9hG4bK-%s-%d", p.callID, p.branches), "", ""))
	}
	require.Zero(t, h.Calls())
	require.Empty(t, h.calls.calls)
	require.Contains(t, h.log.String(), "call redirected")
	h.reads(t, `star97_refusals_total{reason="other"}`, "0")
}
