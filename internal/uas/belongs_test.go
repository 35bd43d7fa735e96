package uas

import (
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/call"
)

// from is a phone of the same dialog at another address of this machine.
func (p *phone) from(host string) *phone {
	conn, err := (&net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(host)}}).Dial("udp", p.conn.RemoteAddr().String())
	require.NoError(p.t, err)
	p.t.Cleanup(func() { _ = conn.Close() })
	q := *p
	q.conn, q.seen, q.branches = conn, nil, 1000*(len(host)+p.branches)
	return &q
}

// Whoever knows the names of a call may speak in it only if he is one of its ends.
func TestAnotherPeerHasNothingToSayInACall(t *testing.T) {
	two := func(o *Options) {
		o.Peers = []Peer{
			{Name: "pbx", Addresses: []string{"127.0.0.1", "127.0.0.4"}, Identity: "pai"},
			{Name: "phones", Addresses: []string{"127.0.0.3"}, Identity: "pai"},
		}
	}
	for name, c := range map[string]struct {
		from, contact, route string
		served               bool
	}{
		"the host that called":          {from: "127.0.0.1", served: true},
		"another host of its peer":      {from: "127.0.0.4", served: true},
		"another peer":                  {from: "127.0.0.3"},
		"another peer, the contact":     {from: "127.0.0.3", contact: "127.0.0.3", served: true},
		"another peer, a proxy":         {from: "127.0.0.3", route: "127.0.0.3", served: true},
		"another peer, a named contact": {from: "127.0.0.3", contact: "phone.example.org", served: true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, setting{options: two})
			p := h.udp(t)
			if c.contact != "" {
				p.contact = "<sip:4001@" + c.contact + ":5060>"
			}
			if c.route != "" {
				p.extra = "Record-Route: <sip:" + c.route + ":5060;lr>\r\n"
			}
			p.dial()
			begun := h.calls.next(t)
			require.Equal(t, call.Confirmed, begun.hear(t).Kind)
			q := p.from(c.from)
			for _, ask := range []string{"INFO", "UPDATE", "OPTIONS", "INVITE", "BYE"} {
				body, kind := "", ""
				switch ask {
				case "INFO":
					body, kind = "7", "application/dtmf"
				case "INVITE":
					body, kind = offerText, "application/sdp"
				}
				q.send(ask, body, kind)
				m := q.next()
				if !c.served {
					require.Equal(t, 481, m.status(), ask)
					continue
				}
				require.Equal(t, 200, m.status(), ask)
				if ask == "INVITE" {
					q.send("ACK", "", "")
				}
			}
			if c.served {
				h.over(t)
				return
			}
			// The forged ones took no CSeq and changed nothing.
			begun.hearsNext(p)
			require.Equal(t, 1, strings.Count(h.log.String(), "method=BYE"))
			p.send("BYE", "", "")
			p.expect(200)
			h.over(t)
		})
	}
}

// A peer that got another address, by a reload or as its registrar's name leads elsewhere,
// ends its calls from there.
func TestThePeerOfACallMayMove(t *testing.T) {
	var o Options
	h := newHouse(t, setting{options: func(all *Options) {
		all.Peers = []Peer{{Name: "pbx", Addresses: []string{"127.0.0.1"}}, {Name: "other", Addresses: []string{"127.0.0.3"}}}
		o = *all
	}})
	p := h.udp(t)
	p.dial()
	begun := h.calls.next(t)
	o.Peers = []Peer{{Name: "pbx", Addresses: []string{"127.0.0.4"}}, o.Peers[1]}
	require.NoError(t, h.Exchange(o, plan{defaultRoutes}, h.calls))
	q := p.from("127.0.0.3")
	q.send("BYE", "", "")
	q.expect(481)
	require.Equal(t, call.Confirmed, begun.hear(t).Kind)
	q = p.from("127.0.0.4")
	q.send("BYE", "", "")
	q.expect(200)
	h.over(t)
}

// An ACK from elsewhere proves nothing: the call still waits for its own.
func TestAForeignACKAcknowledgesNothing(t *testing.T) {
	h := newHouse(t, setting{options: func(o *Options) {
		o.Peers = []Peer{{Name: "pbx", Addresses: []string{"127.0.0.1"}}, {Name: "other", Addresses: []string{"127.0.0.3"}}}
	}})
	p := h.udp(t)
	p.send("INVITE", offerText, "application/sdp")
	p.learn(p.expect(200))
	q := p.from("127.0.0.3")
	q.send("ACK", "", "")
	require.Equal(t, 200, p.next().status(), "the 200 comes again")
	require.Zero(t, h.calls.next(t).session.(*spy).started())
	p.send("ACK", "", "")
	p.send("BYE", "", "")
	p.expect(200)
	h.over(t)
}
