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
				require.Equal(t, supported, ok.get("Supported"))
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

// It adds no call that lasts, so it is let in where every place is taken.
func TestACallIsReplacedWhereNoOtherIsLetIn(t *testing.T) {
	for name, limit := range map[string]func(*Options){
		"of the peer":                  func(o *Options) { o.Peers[0].MaxCalls = 1 },
		"of all":                       func(o *Options) { o.Limits.Calls = 1 },
		"of one host's unacknowledged": func(o *Options) { o.Limits.Calls, o.Limits.Unacknowledged = 2, 1 },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, setting{options: func(o *Options) { waitsLong(o); limit(o) }})
			p := h.udp(t)
			begun(t, h, p)
			if h.opts.Limits.Calls == 2 {
				unacknowledged := h.udp(t)
				unacknowledged.send("INVITE", offerText, "application/sdp")
				unacknowledged.expect(200)
				h.calls.next(t)
			}
			full := func() {
				t.Helper()
				other := h.udp(t)
				other.send("INVITE", offerText, "application/sdp")
				require.Contains(t, []int{486, 503}, other.fresh().status())
			}
			full()
			failing := h.udp(t) // its failure leaves things as they were
			failing.extra = replaces(p, "")
			failing.send("INVITE", "v=0\r\n", "application/sdp")
			require.GreaterOrEqual(t, failing.fresh().status(), 400)
			full()
			q := h.udp(t)
			q.extra = replaces(p, "")
			q.dial()
			bye := p.expectRequest("BYE")
			twice := h.udp(t) // its place is another's already
			twice.extra = replaces(p, "")
			twice.send("INVITE", offerText, "application/sdp")
			twice.expect(481)
			full()
			p.reply(bye, "200 OK")
			require.Equal(t, call.Confirmed, h.calls.next(t).hear(t).Kind)
			soon(t, func() bool { return h.dialogs.find(dialogID{p.callID, p.toTag, p.tag}) == nil })
			full()
			r := h.udp(t)
			r.extra = replaces(q, "")
			r.dial()
			require.Equal(t, call.Confirmed, h.calls.next(t).hear(t).Kind)
			q.reply(q.expectRequest("BYE"), "200 OK")
			r.send("BYE", "", "")
			r.expect(200)
			if h.opts.Limits.Calls == 1 || h.opts.Peers[0].MaxCalls == 1 {
				h.over(t)
				begun(t, h, h.udp(t))
				full()
			}
		})
	}
}

// Who takes the place of a call after a reload gets what the new dialplan gives.
func TestACallIsReplacedByTheDialplanInForce(t *testing.T) {
	h := newHouse(t, setting{})
	p, gone := h.udp(t), h.udp(t)
	begun(t, h, p)
	gone.ruri = "sip:5000@" + h.at(0)
	old := begun(t, h, gone)
	require.NoError(t, h.Exchange(testOptions(), plan{func(n string) (dialplan.Route, bool) {
		return dialplan.Route{Door: mailbox.OwnDoor, Domain: "south", Layout: "unity", Language: "fr-FR"}, n == "*97"
	}}, h.calls))
	q := h.udp(t)
	q.ruri, q.extra = "sip:star97@"+h.at(0), replaces(p, "")
	q.dial()
	p.reply(p.expectRequest("BYE"), "200 OK")
	a := h.calls.next(t).arrival
	require.Equal(t, []string{"south", "unity", "fr-FR", ""}, []string{a.Domain, a.Layout, a.Language, a.Number})
	require.Equal(t, mailbox.AnyDoor, a.Door)

	late := h.udp(t)
	late.ruri, late.extra = "sip:star97@"+h.at(0), replaces(gone, "")
	late.send("INVITE", offerText, "application/sdp")
	late.expect(481)
	require.NoError(t, h.Exchange(testOptions(), plan{redirecting}, h.calls))
	late = h.udp(t)
	late.extra = replaces(gone, "")
	late.send("INVITE", offerText, "application/sdp")
	late.expect(481)
	old.hearsNext(gone)
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
