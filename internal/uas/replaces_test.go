package uas

import (
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/call"
	"star97/internal/dialplan"
	"star97/internal/mailbox"
)

func redirecting(string) (dialplan.Route, bool) {
	return dialplan.Route{Door: mailbox.OwnDoor, Redirect: target}, true
}

// replaces names the call of p for another phone's INVITE.
func replaces(p *phone, more string) string {
	return "Replaces: " + p.callID + ";to-tag=" + p.toTag + ";from-tag=" + p.tag + more + "\r\n"
}

func TestACallTakesThePlaceOfAnother(t *testing.T) {
	for _, door := range []mailbox.Door{mailbox.OwnDoor, mailbox.AnyDoor, mailbox.CheckDoor} {
		t.Run(door.String(), func(t *testing.T) {
			h := newHouse(t, setting{plan: plan{func(string) (dialplan.Route, bool) {
				return dialplan.Route{Door: door, Layout: "express", Language: "de-DE", Slow: true, Domain: "north",
					Words: dialplan.Words{Code: "pin"}}, true
			}}})
			for _, pair := range [][2]*phone{{h.udp(t), h.tcp(t)}, {h.tcp(t), h.udp(t)}} {
				p, q := pair[0], pair[1]
				old := begun(t, h, p)
				q.ruri = "sip:star97@" + h.at(0)
				q.extra = replaces(p, "") + "Require: replaces\r\n"
				ok := func() message { q.send("INVITE", offerText, "application/sdp"); return q.expect(200) }()
				require.Equal(t, "replaces", ok.get("Supported"))
				q.learn(ok)
				p.reply(p.expectRequest("BYE"), "200 OK")
				require.Equal(t, call.Gone, old.hear(t).Kind, "the old call was hung up")
				q.send("ACK", "", "")
				c := h.calls.next(t)
				require.Equal(t, call.Confirmed, c.hear(t).Kind)
				want := old.arrival
				want.Number, want.CallID, want.Transport = "", q.callID, q.network
				if want.Door = door; door == mailbox.OwnDoor {
					require.NotEmpty(t, old.arrival.Number)
					want.Door = mailbox.AnyDoor
				}
				require.Equal(t, want, c.arrival, "the route stays, the sign-in does not")
				q.send("BYE", "", "")
				q.expect(200)
				h.over(t)
			}
		})
	}
}

func TestReplacesThatFitsNoCall(t *testing.T) {
	h := newHouse(t, setting{options: func(o *Options) {
		waitsLong(o)
		o.Peers = append(o.Peers, Peer{Name: "other", Addresses: []string{"127.0.0.9"}})
	}})
	p, unacked := h.udp(t), h.udp(t)
	c := begun(t, h, p)
	unacked.send("INVITE", offerText, "application/sdp")
	unacked.learn(unacked.expect(200))
	h.calls.next(t)
	for _, row := range []struct {
		rule, header string
		status       int
	}{
		{"no such call", "Replaces: nobody;to-tag=a;from-tag=b\r\n", 481},
		{"our tag is another", "Replaces: " + p.callID + ";to-tag=a;from-tag=" + p.tag + "\r\n", 481},
		{"the tags are in each other's place", "Replaces: " + p.callID + ";to-tag=" + p.tag + ";from-tag=" + p.toTag + "\r\n", 481},
		{"it was not acknowledged", replaces(unacked, ""), 481},
		{"it is confirmed, and may be replaced early only", replaces(p, ";early-only"), 486},
		{"two of them", replaces(p, "") + replaces(p, ""), 400},
		{"two of them in one line", "Replaces: " + p.callID + ";to-tag=a;from-tag=b, c;to-tag=d;from-tag=e\r\n", 400},
		{"no tags", "Replaces: " + p.callID + "\r\n", 400},
		{"one tag", "Replaces: " + p.callID + ";to-tag=" + p.toTag + "\r\n", 400},
	} {
		q := h.udp(t)
		q.extra = row.header
		q.send("INVITE", offerText, "application/sdp")
		require.Equal(t, row.status, q.fresh().status(), row.rule)
	}
	other := from(t, h, "127.0.0.9")
	other.extra = replaces(p, "")
	other.send("INVITE", offerText, "application/sdp")
	other.expect(481)
	for _, method := range []string{"INVITE", "UPDATE", "OPTIONS"} { // within a dialog, or of another method
		p.extra = replaces(p, "")
		p.send(method, "", "")
		require.Equal(t, 400, p.fresh().status(), method)
		if method == "INVITE" {
			p.write(p.buildAs("ACK", p.cseq, "z9hG4bK-"+p.callID+"-3", "", ""))
		}
	}
	c.hearsNext(p)
	require.Equal(t, 2, h.Calls())
}
