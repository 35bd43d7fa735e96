package uas

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/call"
)

// rings sends an INVITE that requires 100rel and returns its provisional answer.
func rings(p *phone, offer string) message {
	p.t.Helper()
	kind := "application/sdp"
	if offer == "" {
		kind = ""
	}
	p.extra = "Require: 100rel\r\n"
	p.send("INVITE", offer, kind)
	m := p.fresh()
	require.Equal(p.t, "100rel", m.get("Require"), "%s", m.start)
	require.Contains(p.t, m.get("Contact"), "sip:star97@")
	p.learn(m)
	return m
}

// pracks acknowledges a provisional answer.
func pracks(p *phone, m message, description string) {
	kind := ""
	if description != "" {
		kind = "application/sdp"
	}
	p.extra = "RAck: " + m.get("Rseq") + " 1 INVITE\r\n"
	p.send("PRACK", description, kind)
}

// expectOf returns the next fresh answer to a method, which may come beside others.
func expectOf(p *phone, method string, status int) message {
	p.t.Helper()
	for {
		m := p.fresh()
		if strings.HasSuffix(m.get("Cseq"), method) {
			require.Equal(p.t, status, m.status(), "%s", m.start)
			return m
		}
	}
}

func TestAProvisionalAnswerIsAcknowledgedBeforeTheCallIsAnswered(t *testing.T) {
	bothNetworks(t, func(t *testing.T, h *house, p *phone) {
		ringing := rings(p, offerText)
		require.Equal(t, 180, ringing.status())
		require.Empty(t, ringing.body, "the answer is in the 200")
		again := p.next()
		require.Equal(t, ringing.get("Rseq"), again.get("Rseq"), "it is repeated, over TCP too")
		for _, wrong := range []string{
			"", "RAck: 0 1 INVITE\r\n", "RAck: " + ringing.get("Rseq") + " 2 INVITE\r\n", "RAck: " + ringing.get("Rseq") + " 1 OPTIONS\r\n",
			"RAck: " + ringing.get("Rseq") + " 1\r\n", "RAck: x y z\r\n",
		} {
			p.extra = wrong
			p.send("PRACK", "", "")
			expectOf(p, "PRACK", 481)
		}
		require.Empty(t, h.calls.calls)
		pracks(p, ringing, "")
		expectOf(p, "PRACK", 200)
		ok := expectOf(p, "INVITE", 200)
		require.Contains(t, ok.body, "m=audio ")
		require.Equal(t, ringing.get("To"), ok.get("To"))
		c := h.calls.next(t)
		p.write(p.buildAs("ACK", 1, "z9hG4bK-ack", "", ""))
		require.Equal(t, call.Confirmed, c.hear(t).Kind)
		require.EqualValues(t, 39000, c.session.(*spy).last().Remote.Port())
		pracks(p, ringing, "")
		expectOf(p, "PRACK", 481)
		c.hearsNext(p)
	})
}

func TestADelayedOfferIsAnsweredInThePRACK(t *testing.T) {
	bothNetworks(t, func(t *testing.T, h *house, p *phone) {
		progress := rings(p, "")
		require.Equal(t, 183, progress.status())
		require.Contains(t, progress.body, "m=audio ")
		p.send("UPDATE", offerText, "application/sdp")
		expectOf(p, "UPDATE", 491)
		pracks(p, progress, offerAs(39300, ""))
		expectOf(p, "PRACK", 200)
		ok := expectOf(p, "INVITE", 200)
		require.Empty(t, ok.body)
		require.Empty(t, ok.get("Content-Type"))
		c := h.calls.next(t)
		p.write(p.buildAs("ACK", 1, "z9hG4bK-ack", "", ""))
		require.Equal(t, call.Confirmed, c.hear(t).Kind)
		require.EqualValues(t, 39300, c.session.(*spy).last().Remote.Port())
		c.hearsNext(p)
	})
}

func TestWhatMayNotComeBeforeTheAnswer(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	ringing := rings(p, offerText)
	p.send("UPDATE", offerAs(39400, ""), "application/sdp")
	require.NotEmpty(t, expectOf(p, "UPDATE", 500).get("Retry-After"))
	p.send("INVITE", offerText, "application/sdp")
	require.NotEmpty(t, expectOf(p, "INVITE", 500).get("Retry-After"))
	p.write(p.buildAs("ACK", p.cseq, fmt.Sprintf("z9hG4bK-%s-%d", p.callID, p.branches), "", ""))
	pracks(p, ringing, offerText)
	expectOf(p, "PRACK", 400)
	p.send("UPDATE", "", "")
	expectOf(p, "UPDATE", 200)
	p.send("INFO", "4", "application/dtmf")
	expectOf(p, "INFO", 200)
	pracks(p, ringing, "")
	expectOf(p, "PRACK", 200)
	expectOf(p, "1 INVITE", 200)
	c := h.calls.next(t)
	p.write(p.buildAs("ACK", 1, "z9hG4bK-ack", "", ""))
	require.Equal(t, call.Confirmed, c.hear(t).Kind)
	require.Equal(t, call.InfoKey, c.hear(t).Kind, "the key before the answer is kept")
	c.hearsNext(p)
}

// However a call ends that was not answered, nothing of it is left.
func TestACallThatEndsBeforeItsAnswer(t *testing.T) {
	for rule, row := range map[string]struct {
		offer string
		end   func(h *house, p *phone, ringing message)
		says  int
	}{
		"no PRACK":                      {offerText, func(*house, *phone, message) {}, 504},
		"CANCEL":                        {offerText, func(_ *house, p *phone, _ message) { p.send("CANCEL", "", "") }, 487},
		"BYE":                           {offerText, func(_ *house, p *phone, _ message) { p.send("BYE", "", ""); expectOf(p, "BYE", 200) }, 487},
		"a PRACK without the answer":    {"", func(_ *house, p *phone, m message) { pracks(p, m, ""); expectOf(p, "PRACK", 200) }, 400},
		"an answer that does not fit":   {"", func(_ *house, p *phone, m message) { pracks(p, m, strings.ReplaceAll(offerText, "0 101", "18")) }, 488},
		"an answer that cannot be read": {"", func(_ *house, p *phone, m message) { pracks(p, m, "v=1\r\n") }, 400},
		"the server is closed":          {offerText, func(h *house, _ *phone, _ message) { go h.Close() }, 503},
	} {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, setting{options: func(o *Options) { o.T1, o.T2 = 20*time.Millisecond, 80*time.Millisecond }})
			p := h.udp(t)
			ringing := rings(p, row.offer)
			branch := fmt.Sprintf("z9hG4bK-%s-%d", p.callID, p.branches)
			if rule == "CANCEL" {
				tag := p.toTag
				p.toTag = ""
				p.write(p.buildAs("CANCEL", 1, branch, "", ""))
				p.toTag = tag
			} else {
				row.end(h, p, ringing)
			}
			expectOf(p, "1 INVITE", row.says)
			if row.says == 504 {
				_, more := p.read(700 * time.Millisecond) // a transaction would repeat it after 500 ms
				require.False(t, more, "whoever forged this address gets no more sent to it")
			}
			p.write(p.buildAs("ACK", 1, branch, "", ""))
			h.over(t)
			soon(t, func() bool { return h.terms.Load().peers.all[0].calls.Load() == 0 })
			require.Empty(t, h.calls.calls)
		})
	}
}

// A PRACK is asked of nobody who can do without: the 200 comes at once.
func TestWhoOnlySupportsReliableAnswersGetsThe200AtOnce(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	p.extra = "Supported: 100rel\r\n"
	ok := p.dial()
	require.Contains(t, ok.get("Supported"), "100rel")
	require.Contains(t, ok.get("Allow"), "PRACK")
	require.Equal(t, call.Confirmed, h.calls.next(t).hear(t).Kind)
}
