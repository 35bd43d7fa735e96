package uas

import (
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/call"
	"star97/internal/dialplan"
	"star97/internal/mailbox"
)

// elsewhere are options whose only peer is not this machine.
func elsewhere() Options {
	o := testOptions()
	o.Peers = []Peer{{Name: "pbx", Addresses: []string{"192.0.2.1"}}}
	return o
}

func TestAnExchangeIsForTheCallsThatComeThen(t *testing.T) {
	h := newHouse(t, setting{})
	before, after := h.udp(t), h.udp(t)
	old := begun(t, h, before)
	next := &recorder{calls: make(chan *taken, 10)}
	to := plan{func(n string) (dialplan.Route, bool) {
		return dialplan.Route{Number: n, Door: mailbox.AnyDoor, Domain: "south"}, true
	}}
	o := testOptions()
	o.Peers[0].Name = "renamed"
	require.NoError(t, h.Exchange(o, to, next))

	after.dial()
	c := next.next(t)
	require.Equal(t, "south", c.arrival.Domain)
	require.Equal(t, "renamed", c.arrival.Peer)
	require.Equal(t, call.Confirmed, c.hear(t).Kind)

	before.send("INFO", "Signal=5\r\nDuration=100\r\n", "application/dtmf-relay")
	before.expect(200)
	require.Equal(t, call.InfoKey, old.hear(t).Kind, "the call of before goes on where it was")
	for _, p := range []*phone{before, after} {
		p.send("BYE", "", "")
		p.expect(200)
	}
	h.over(t)
}

func TestACallOfAPeerThatIsGoneEndsAsItShould(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			h := newHouse(t, setting{})
			p := newPhone(t, network, h.at(map[string]int{"udp": 0, "tcp": 1}[network]))
			c := begun(t, h, p)
			require.NoError(t, h.Exchange(elsewhere(), plan{defaultRoutes}, h.calls))

			stranger := h.udp(t)
			stranger.send("INVITE", offerText, "application/sdp")
			stranger.expect(403)

			theirs, toTag := p.callID, p.toTag
			p.callID, p.toTag = "another-call", ""
			p.send("INVITE", offerText, "application/sdp")
			p.expect(403)
			p.callID, p.toTag = theirs, toTag

			p.send("OPTIONS", "", "")
			p.expect(200)
			c.leg.Hangup()
			p.reply(p.expectRequest("BYE"), "200 OK")
			require.Equal(t, call.Gone, c.hear(t).Kind)
			h.over(t)
		})
	}
}

func TestMaxCallsCountsOverAnExchange(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	begun(t, h, p)
	o := testOptions()
	o.Peers[0].MaxCalls = 1
	require.NoError(t, h.Exchange(o, plan{defaultRoutes}, h.calls))
	q := h.udp(t)
	q.send("INVITE", offerText, "application/sdp")
	q.expect(486)
	p.send("BYE", "", "")
	p.expect(200)
	h.over(t)
	require.NoError(t, h.Exchange(o, plan{defaultRoutes}, h.calls))
	begun(t, h, h.udp(t))
}

func TestPeersThatCannotBeReadAreNotExchanged(t *testing.T) {
	h := newHouse(t, setting{})
	o := testOptions()
	o.Peers = []Peer{{Name: "x", Addresses: []string{"nowhere"}}}
	require.Error(t, h.Exchange(o, plan{defaultRoutes}, h.calls))
	begun(t, h, h.udp(t))
}
