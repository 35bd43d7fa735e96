package uas

import (
	"net"
	"os"
	"testing"
	"time"

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

// moved continues the dialog of p from another port or connection.
func (p *phone) moved(t *testing.T, q *phone) *phone {
	t.Helper()
	q.ruri, q.callID, q.tag, q.toTag, q.cseq, q.branches = p.ruri, p.callID, p.tag, p.toTag, p.cseq, p.branches+10
	return q
}

// A proxy sends by any of its ports, and opens a TCP connection when it has none.
func TestRequestsOfACallAreServedFromAllOfAPeerThatIsGone(t *testing.T) {
	t.Parallel()
	h := newHouse(t, setting{options: func(o *Options) {
		o.Peers[0].Addresses = []string{"127.0.0.0/28"}
	}})
	begin := map[string]func() *phone{"udp": func() *phone { return h.udp(t) }, "tcp": func() *phone { return h.tcp(t) }}
	type up struct {
		p *phone
		c *taken
	}
	var calls []up
	for _, network := range []string{"udp", "tcp"} {
		p := begin[network]()
		calls = append(calls, up{p, begun(t, h, p)})
	}
	require.NoError(t, h.Exchange(elsewhere(), plan{defaultRoutes}, h.calls))
	for _, call := range calls {
		for _, q := range []*phone{h.udp(t), h.tcp(t), from(t, h, "127.0.0.9")} {
			p := call.p.moved(t, q)
			call.p.cseq = p.cseq
			p.send("INVITE", offerText, "application/sdp")
			p.expect(200)
			p.send("ACK", "", "")
			p.send("OPTIONS", "", "")
			p.expect(200)
			call.p.cseq = p.cseq
			call.c.hearsNext(p)
			call.p.cseq = p.cseq
		}
	}
	for _, address := range []string{"127.0.0.16", "127.0.0.1"} { // a stranger; who may begin nothing any more
		stranger := from(t, h, address)
		stranger.send("INVITE", offerText, "application/sdp")
		stranger.expect(403)
	}
	for _, call := range calls {
		p := call.p.moved(t, h.tcp(t))
		p.send("BYE", "", "")
		p.expect(200)
	}
	h.over(t)
	stranger := h.udp(t)
	stranger.toTag = "abc"
	stranger.send("BYE", "", "")
	stranger.expect(403)
	h.noConnection(t)
}

// noConnection requires that a TCP connection is closed at once.
func (h *house) noConnection(t *testing.T) {
	t.Helper()
	conn, err := net.Dial("tcp", h.at(1))
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
	_, err = conn.Read(make([]byte, 1))
	require.Error(t, err)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
}

func TestAPeerThatComesBackHasTheCallsOfBefore(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	begun(t, h, p)
	o := testOptions()
	o.Peers[0].MaxCalls = 1
	require.NoError(t, h.Exchange(elsewhere(), plan{defaultRoutes}, h.calls))
	require.NoError(t, h.Exchange(o, plan{defaultRoutes}, h.calls))
	q := h.udp(t)
	q.send("INVITE", offerText, "application/sdp")
	q.expect(486)
	p.send("BYE", "", "")
	p.expect(200)
	h.over(t)
	begun(t, h, h.udp(t))
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
