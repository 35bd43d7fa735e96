package uas

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/call"
	"star97/internal/srtp"
)

// aging is a confirmed call with a session timer, answered and acknowledged.
func aging(t *testing.T, h *house, p *phone, allow string, e expiry) *dialog {
	t.Helper()
	p.extra = allow
	d := h.opened(t, p)
	p.toTag = d.id.local
	_, settle, refused := d.answerOffer([]byte(offerText))
	require.Nil(t, refused)
	settle()
	d.acked, d.expiry = true, e
	h.dialogs.confirmed(d)
	t.Cleanup(func() { d.abandon(); <-d.over })
	go d.run()
	return d
}

// old is a session that is ours to refresh, now.
func old() expiry {
	return expiry{interval: 10 * time.Minute, ours: true, refresh: time.Now(), ends: time.Now().Add(time.Hour)}
}

const updating = "Allow: INVITE, ACK, UPDATE\r\n"

// left is the session timer of a call when it is over.
func left(d *dialog) expiry {
	d.abandon()
	<-d.over
	return d.expiry
}

func TestASessionIsRefreshedByUPDATE(t *testing.T) {
	for rule, row := range map[string]struct {
		says     string
		interval time.Duration
		ours     bool
	}{
		"as asked":                  {"Session-Expires: 600;refresher=uac\r\n", 10 * time.Minute, true},
		"shorter":                   {"Session-Expires: 300;refresher=uac\r\n", 5 * time.Minute, true},
		"they will refresh":         {"Session-Expires: 600;refresher=uas\r\n", 10 * time.Minute, false},
		"no timer any more":         {"", 0, true},
		"an interval that is wrong": {"Session-Expires: 1;refresher=uac\r\n", leastExpires, true},
	} {
		t.Run(rule, func(t *testing.T) {
			h := newHouse(t, setting{})
			p, elsewhere := h.udp(t), h.udp(t)
			d := aging(t, h, p, updating, old())
			u := p.expectRequest("UPDATE")
			require.Empty(t, u.body)
			require.Equal(t, "600;refresher=uac", u.get("Session-Expires"))
			require.Equal(t, "100rel, replaces, timer", u.get("Supported"))
			require.Empty(t, u.get("Min-Se"))
			require.Contains(t, u.get("Contact"), "sip:star97@")
			before := time.Now()
			p.answer(u, "200 OK", "Contact: "+elsewhere.contact+"\r\n"+row.says, "")
			soon(t, func() bool { return strings.Contains(h.log.String(), "the session was refreshed") })
			d.Hangup()
			elsewhere.expectRequest("BYE") // the answer has changed the target, so it was taken
			e := left(d)
			require.Equal(t, row.interval, e.interval)
			if row.interval != 0 {
				require.Equal(t, row.ours, e.ours)
				require.WithinRange(t, e.refresh, before.Add(row.interval/2), time.Now().Add(row.interval/2))
			}
		})
	}
}

func TestASessionIsRefreshedByAReINVITEThatChangesNothing(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	d := aging(t, h, p, "", old())
	s := d.session.(*spy)
	sent := string(d.talk.sent)
	invite := p.expectRequest("INVITE")
	require.Equal(t, sent, invite.body, "the same version of the same description")
	require.Equal(t, "600;refresher=uac", invite.get("Session-Expires"))

	// Whatever else the far end asks for now is glare, but for what carries no offer.
	p.send("INVITE", offerText, "application/sdp")
	p.expect(491)
	p.write(p.buildAs("ACK", p.cseq, fmt.Sprintf("z9hG4bK-%s-%d", p.callID, p.branches), "", ""))
	p.send("UPDATE", offerText, "application/sdp")
	p.expect(491)
	p.send("UPDATE", "", "")
	p.expect(200)

	p.answer(invite, "200 OK", "Contact: "+p.contact+"\r\nSession-Expires: 600;refresher=uac\r\n", offerAs(39500, ""))
	ack := p.expectRequest("ACK")
	number, _, _ := strings.Cut(invite.get("Cseq"), " ")
	require.Equal(t, number+" ACK", ack.get("Cseq"))
	require.Empty(t, ack.body)
	require.NotEqual(t, invite.get("Via"), ack.get("Via"), "an ACK of a 2xx is a request of its own")
	soon(t, func() bool { return s.last().Remote.Port() == 39500 })
	// The 2xx comes again: its ACK was lost.
	p.answer(invite, "200 OK", "Contact: "+p.contact+"\r\n", offerAs(39500, ""))
	again := p.next()
	require.Equal(t, ack.start+ack.get("Via")+ack.get("Cseq"), again.start+again.get("Via")+again.get("Cseq"))
	p.send("UPDATE", offerText, "application/sdp")
	p.expect(200) // no offer is open any more
	d.Hangup()
	p.expectRequest("BYE")
}

// A 2xx may come again while its ACK is on its way.
func TestA2xxThatComesAgainAtOnce(t *testing.T) {
	for range 20 {
		h := newHouse(t, setting{})
		p := h.udp(t)
		d := aging(t, h, p, "", old())
		invite := p.expectRequest("INVITE")
		for range 40 {
			p.answer(invite, "200 OK", "Contact: "+p.contact+"\r\n", offerText)
		}
		p.expectRequest("ACK")
		d.abandon()
	}
}

func TestAReINVITEOfOursWhoseAnswerDoesNotFitEndsTheCall(t *testing.T) {
	for rule, answer := range map[string]string{
		"none": "", "another codec": strings.ReplaceAll(offerText, "RTP/AVP 0 101", "RTP/AVP 18"),
	} {
		t.Run(rule, func(t *testing.T) {
			h := newHouse(t, setting{})
			p := h.udp(t)
			aging(t, h, p, "", old())
			invite := p.expectRequest("INVITE")
			p.answer(invite, "200 OK", "Contact: "+p.contact+"\r\n", answer)
			p.expectRequest("ACK")
			p.expectRequest("BYE")
		})
	}
}

// RFC 4028 section 10, RFC 3261 section 14.1.
func TestARefreshThatIsRefused(t *testing.T) {
	for status, then := range map[string]func(t *testing.T, p *phone, first message){
		"408 Request Timeout": func(t *testing.T, p *phone, _ message) { p.expectRequest("BYE") },
		"481 Call/Transaction Does Not Exist": func(t *testing.T, p *phone, _ message) {
			p.expectRequest("BYE")
		},
		"491 Request Pending": func(t *testing.T, p *phone, first message) {
			again := p.expectRequest("UPDATE")
			require.NotEqual(t, first.get("Cseq"), again.get("Cseq"))
			p.answer(again, "200 OK", "", "")
		},
		"422 Session Interval Too Small\r\nMin-SE: 1800": func(t *testing.T, p *phone, _ message) {
			again := p.expectRequest("UPDATE")
			require.Equal(t, "1800;refresher=uac", again.get("Session-Expires"))
			require.Equal(t, "1800", again.get("Min-Se"))
			p.answer(again, "200 OK", "", "")
		},
		"405 Method Not Allowed": func(t *testing.T, p *phone, _ message) {
			invite := p.expectRequest("INVITE")
			p.answer(invite, "200 OK", "Contact: "+p.contact+"\r\n", offerText)
			p.expectRequest("ACK")
		},
		"500 Server Internal Error\r\nRetry-After: 1": func(t *testing.T, p *phone, _ message) {
			p.send("OPTIONS", "", "")
			p.expect(200) // the call goes on, and nothing else comes
		},
	} {
		t.Run(status[:3], func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, setting{})
			p := h.udp(t)
			d := aging(t, h, p, updating, old())
			first := p.expectRequest("UPDATE")
			p.reply(first, status)
			if strings.HasPrefix(status, "500") {
				soon(t, func() bool { return strings.Contains(h.log.String(), "the session was not refreshed") })
			}
			then(t, p, first)
			switch e := left(d); status[:3] {
			case "500":
				require.WithinRange(t, e.refresh, time.Now().Add(25*time.Minute), time.Now().Add(31*time.Minute), "half of what is left")
			case "422":
				require.Equal(t, 30*time.Minute, d.leastSE)
			}
		})
	}
}

func TestARefreshThatNobodyAnswersEndsTheCall(t *testing.T) {
	t.Parallel()
	h := newHouse(t, setting{options: func(o *Options) { o.T1, o.T2 = 10*time.Millisecond, 40*time.Millisecond }})
	p := h.udp(t)
	aging(t, h, p, updating, old())
	p.expectRequest("UPDATE")
	p.expectRequest("BYE")
}

func TestAReINVITEOfOursWaitsForTheEndOfAnother(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	e := old()
	e.refresh = e.ends
	d := aging(t, h, p, "", e)
	p.extra = "Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n"
	p.send("INVITE", offerText, "application/sdp")
	require.Equal(t, "600;refresher=uas", p.expect(200).get("Session-Expires"))
	p.send("OPTIONS", "", "")
	p.expect(200)
	left(d)
	d.phase = up // as if the refresh were due before the ACK
	d.renew(time.Now())
	require.Nil(t, d.renewal)
	d.phase = ended
}

// The description that a re-INVITE repeats has our key in it (RFC 4568 section 7.1.1).
func TestARefreshShowsNoKeyToTheWay(t *testing.T) {
	h := newHouse(t, setting{})
	d := h.opened(t, h.udp(t))
	d.acked, d.expiry, d.talk.key = true, old(), srtp.NewKey(srtp.AES128SHA80)
	d.renew(time.Now())
	require.Nil(t, d.renewal)
	require.Less(t, time.Now(), d.expiry.refresh, "it is tried again, and the call ends when its time is up")
	d.updates = true // which has no description
	d.renew(time.Now())
	require.NotNil(t, d.renewal)
}

func TestACallThatNobodyRefreshesIsHungUp(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	d := aging(t, h, p, "", expiry{interval: 90 * time.Second, ends: time.Now().Add(50 * time.Millisecond)})
	p.reply(p.expectRequest("BYE"), "200 OK")
	require.Equal(t, call.Gone, lastSignal(d))
	require.Contains(t, h.log.String(), "nobody has refreshed the session")
}

func lastSignal(d *dialog) (kind call.SignalKind) {
	for s := range d.signals {
		kind = s.Kind
	}
	return kind
}

func TestAnIntervalThatIsTooSmallIsRefusedAndTheNextOneTaken(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	const asks = "Supported: timer\r\nSession-Expires: 60\r\n"
	p.extra = asks
	p.send("INVITE", offerText, "application/sdp")
	require.Equal(t, "90", p.expect(422).get("Min-Se"))
	p.extra = strings.Replace(asks, "60", "90", 1)
	p.send("INVITE", offerText, "application/sdp")
	ok := p.expect(200)
	require.Equal(t, "90;refresher=uac", ok.get("Session-Expires"))
	require.Equal(t, "timer", ok.get("Require"))
	p.learn(ok)
	p.send("ACK", "", "")
	c := h.calls.next(t)
	require.Equal(t, call.Confirmed, c.hear(t).Kind)
	p.extra = asks
	p.send("UPDATE", "", "")
	require.Equal(t, "90", p.expect(422).get("Min-Se"), "within the call too")
	p.extra = strings.Replace(asks, "60", "120", 1)
	p.send("UPDATE", "", "")
	require.Equal(t, "120;refresher=uac", p.expect(200).get("Session-Expires"))
	p.send("UPDATE", "", "")
	require.Empty(t, p.expect(200).get("Session-Expires"), "from who serves no timers any more")
	c.hearsNext(p)
}
