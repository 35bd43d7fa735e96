package caller

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"star97/internal/codec"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func within(t *testing.T, d time.Duration) context.Context {
	ctx, stop := context.WithTimeout(context.Background(), d)
	t.Cleanup(stop)
	return ctx
}

// dial calls the peer and closes the call when the test ends.
func dial(t *testing.T, p *peer, o Options) *Call {
	t.Helper()
	o.URI = p.uri()
	c, err := Dial(within(t, patience), o)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func TestCallFromInviteToBye(t *testing.T) {
	for _, road := range []struct {
		name      string
		transport Transport
		ip        string
	}{{"UDP over IPv4", UDP, "127.0.0.1"}, {"TCP over IPv4", TCP, "127.0.0.1"}, {"UDP over IPv6", UDP, "::1"}, {"TCP over IPv6", TCP, "::1"}} {
		t.Run(road.name, func(t *testing.T) {
			p := newPeer(t, road.transport, road.ip).answering()
			c := dial(t, p, Options{From: "4001", PAI: "sip:4001@pbx.example", Headers: []Header{{"Diversion", "<sip:4002@pbx.example>"}}})
			invite := p.got(sip.INVITE, 1)
			require.Equal(t, "4001", invite.From().Address.User)
			require.Equal(t, "<sip:4001@pbx.example>", invite.GetHeader("P-Asserted-Identity").Value())
			require.Equal(t, "<sip:4002@pbx.example>", invite.GetHeader("Diversion").Value())
			require.Equal(t, "*97", invite.Recipient.User)

			ack := p.got(sip.ACK, 1)
			require.Equal(t, invite.CSeq().SeqNo, ack.CSeq().SeqNo)
			require.Equal(t, peerTag, ack.To().Params.GetOr("tag", ""))
			require.Equal(t, "star97", ack.Recipient.User, "the ACK goes to the Contact")
			require.NotEqual(t, branchOf(invite), branchOf(ack))

			require.NoError(t, c.Press(within(t, patience), "12#"))
			p.heardKeys("12#")
			require.NoError(t, c.Hangup(within(t, patience)))
			require.Greater(t, p.got(sip.BYE, 1).CSeq().SeqNo, invite.CSeq().SeqNo)
			require.Equal(t, WeHungUp, c.End())
		})
	}
}

func TestRefusalEndsTheCallWithItsStatus(t *testing.T) {
	for _, status := range []int{302, 403, 486, 503, 603} {
		p := newPeer(t, UDP, "127.0.0.1")
		p.when(sip.INVITE, func(req *sip.Request) { p.reply(req, status, `Warning: 399 here "not you"`, "") })
		_, err := Dial(within(t, patience), Options{URI: p.uri()})
		var refused *Refused
		require.ErrorAs(t, err, &refused)
		require.Equal(t, status, refused.Status)
		require.Contains(t, err.Error(), "not you")
		require.Equal(t, CallRefused, OutcomeOf(err))
		invite, ack := p.got(sip.INVITE, 1), p.got(sip.ACK, 1)
		require.Equal(t, branchOf(invite), strings.Replace(branchOf(ack), "ACK", "INVITE", 1), "RFC 3261 section 17.1.1.3: the INVITE's branch")
		require.Equal(t, invite.Recipient.String(), ack.Recipient.String())
	}
}

// Whoever reads late has the time of arrival all the same, and a challenge is no last word.
func TestAnswersAreDatedAsTheyArrived(t *testing.T) {
	var times Times
	came := time.Now().Add(-time.Minute)
	for i, status := range []int{180, 401, 183, 486} {
		times.note(sip.NewResponse(status, ""), came.Add(time.Duration(i)*time.Second))
	}
	require.Equal(t, came.Add(3*time.Second), times.Refused)
	require.Zero(t, times.Answered)
	times.note(sip.NewResponse(200, ""), came)
	require.Equal(t, came, times.Answered)
	require.WithinDuration(t, time.Now(), times.Read, patience)
}

func TestNobodyThere(t *testing.T) {
	far, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer far.Close()
	for _, transport := range []Transport{UDP, TCP} {
		// The port of a socket that speaks with somebody else: nobody listens there.
		busy, err := net.Dial(string(transport), far.Addr().String())
		require.NoError(t, err)
		defer busy.Close()
		begin := time.Now()
		_, err = Dial(within(t, time.Minute), Options{URI: "sip:*97@" + busy.LocalAddr().String(), Transport: transport})
		require.ErrorIs(t, err, ErrUnreachable, transport)
		require.Equal(t, Unreachable, OutcomeOf(err))
		require.Less(t, time.Since(begin), 20*time.Second, "the system knows at once; no transaction has to time out")
	}
}

func TestSilenceIsNoAnswer(t *testing.T) {
	p := newPeer(t, UDP, "127.0.0.1")
	begin := time.Now()
	_, err := Dial(within(t, patience), Options{URI: p.uri(), Answer: 1200 * time.Millisecond})
	require.ErrorIs(t, err, ErrNoAnswer)
	most := 0
	for at, gap := t1, 2*t1; at <= time.Since(begin); at, gap = at+gap, 2*gap {
		most++
	}
	require.Eventually(t, func() bool { return p.repeated(sip.INVITE) >= 1 }, patience, time.Millisecond, "once more after T1")
	require.LessOrEqual(t, p.repeated(sip.INVITE), most, "the next after twice the time")
}

func TestGivenUpCallIsCancelled(t *testing.T) {
	t.Parallel()
	p := newPeer(t, UDP, "127.0.0.1")
	var invite *sip.Request
	p.when(sip.INVITE, func(req *sip.Request) {
		invite = req
		p.reply(req, 180, "", "")
	})
	p.when(sip.CANCEL, func(req *sip.Request) {
		p.reply(req, 200, "", "")
		p.reply(invite, 487, "", "")
	})
	_, err := Dial(within(t, 1500*time.Millisecond), Options{URI: p.uri()})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Equal(t, OutOfTime, OutcomeOf(err))
	cancel := p.got(sip.CANCEL, 1)
	require.Equal(t, strings.Replace(branchOf(cancel), "CANCEL", "INVITE", 1), branchOf(p.got(sip.INVITE, 1)), "RFC 3261 section 9.1")
	require.Equal(t, p.got(sip.INVITE, 1).CSeq().SeqNo, cancel.CSeq().SeqNo)
	require.False(t, cancel.To().Params.Has("tag"))
	p.got(sip.ACK, 1)
	require.Zero(t, p.count(sip.BYE))
}

func TestAnswerThatCrossesTheCancelIsHungUp(t *testing.T) {
	t.Parallel()
	p := newPeer(t, UDP, "127.0.0.1").answering()
	var invite *sip.Request
	p.when(sip.INVITE, func(req *sip.Request) {
		invite = req
		p.reply(req, 180, "", "")
	})
	p.when(sip.CANCEL, func(req *sip.Request) {
		p.reply(invite, 200, p.contact(), p.description("sendrecv"))
		p.reply(req, 200, "", "")
	})
	_, err := Dial(within(t, 1500*time.Millisecond), Options{URI: p.uri()})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	p.got(sip.ACK, 1)
	require.Equal(t, peerTag, p.got(sip.BYE, 1).To().Params.GetOr("tag", ""))
}

func TestRepeated2xxIsAcknowledgedAgain(t *testing.T) {
	p := newPeer(t, UDP, "127.0.0.1").answering()
	c := dial(t, p, Options{})
	p.reply(p.got(sip.INVITE, 1), 200, p.contact(), p.description("sendrecv"))
	repeats := func() int { return 1 + p.repeated(sip.INVITE) }
	require.Eventually(t, func() bool { return p.repeated(sip.ACK) == repeats() }, patience, time.Millisecond)
	require.Eventually(t, func() bool { return c.Repeated2xx() == repeats() }, patience, time.Millisecond)
	require.Equal(t, 1, p.count(sip.ACK), "byte by byte the same")
}

func TestAckCanBeWithheldOrDelayed(t *testing.T) {
	p := newPeer(t, UDP, "127.0.0.1").answering()
	c := dial(t, p, Options{Ack: Ack{Withhold: true}})
	p.reply(p.got(sip.INVITE, 1), 200, p.contact(), p.description("sendrecv"))
	p.sendRTP(c.Media().LocalAddr(), make([]byte, 160), true)
	require.Eventually(t, func() bool { return c.Media().Stats().BeforeAck == 1 }, patience, time.Millisecond)
	require.Zero(t, p.count(sip.ACK))
	require.Empty(t, p.rtpSoFar(), "media waits for the ACK")

	p = newPeer(t, UDP, "127.0.0.1").answering()
	c = dial(t, p, Options{Ack: Ack{Delay: 200 * time.Millisecond}})
	require.Greater(t, c.Times().Acked.Sub(c.Times().Answered), 190*time.Millisecond)
	p.got(sip.ACK, 1)
}

func TestDelayedOfferAnswersInTheAck(t *testing.T) {
	p := newPeer(t, UDP, "127.0.0.1").answering()
	c := dial(t, p, Options{Delayed: true})
	require.Empty(t, p.got(sip.INVITE, 1).Body())
	ack := p.got(sip.ACK, 1)
	require.True(t, isSDP(ack))
	require.Contains(t, string(ack.Body()), fmt.Sprintf("m=audio %d ", c.Media().LocalAddr().Port()))
	require.EqualValues(t, 101, c.Agreed().EventPT)
}

func TestStreamIsRenegotiated(t *testing.T) {
	p := newPeer(t, UDP, "127.0.0.1").answering()
	c := dial(t, p, Options{NoEvents: true, PTime: 30 * time.Millisecond})
	ctx := within(t, patience)
	offer := string(p.got(sip.INVITE, 1).Body())
	require.NotContains(t, offer, "telephone-event")
	require.Contains(t, offer, "RTP/AVP 0 8\r\n")
	require.Contains(t, offer, "a=ptime:30\r\n")
	old := c.Media().LocalAddr()

	require.NoError(t, c.Hold(ctx))
	require.Contains(t, string(p.got(sip.INVITE, 2).Body()), "a=sendonly")
	require.Equal(t, p.got(sip.INVITE, 2).CSeq().SeqNo, p.got(sip.ACK, 2).CSeq().SeqNo)
	require.NoError(t, c.Resume(ctx))
	require.Contains(t, string(p.got(sip.INVITE, 3).Body()), "a=sendrecv")

	require.NoError(t, c.Renegotiate(ctx, Stream{MovePort: true, Codecs: []codec.ID{codec.PCMA, codec.PCMU}, Update: true}))
	require.NotEqual(t, old, c.Media().LocalAddr())
	moved := string(p.got(sip.UPDATE, 1).Body())
	require.Contains(t, moved, fmt.Sprintf("m=audio %d RTP/AVP 8 0\r\n", c.Media().LocalAddr().Port()))

	require.NoError(t, c.Renegotiate(ctx, Stream{NoOffer: true}))
	require.Empty(t, p.got(sip.INVITE, 4).Body())
	require.True(t, isSDP(p.got(sip.ACK, 4)), "we answer in the ACK")

	p.when(sip.INVITE, func(req *sip.Request) { p.reply(req, 491, "", "") })
	var refused *Refused
	require.ErrorAs(t, c.Hold(ctx), &refused)
	require.Equal(t, 491, refused.Status)
	require.Equal(t, NotEnded, c.End(), "a refused re-INVITE leaves the call as it was")
}

func TestFarEndsRequestsInsideTheCall(t *testing.T) {
	p := newPeer(t, UDP, "127.0.0.1").answering()
	c := dial(t, p, Options{})
	invite := p.got(sip.INVITE, 1)

	p.ask(invite, "OPTIONS", 1, "")
	require.Contains(t, p.answered(1).GetHeader("Allow").Value(), "INVITE")

	p.ask(invite, "INVITE", 2, p.description("sendonly"))
	require.Contains(t, string(p.answered(2).Body()), "a=recvonly")
	require.False(t, c.Agreed().Send)
	require.ErrorIs(t, c.Press(within(t, patience), "1"), ErrHeld)

	p.ask(invite, "INVITE", 3, "")
	require.True(t, isSDP(p.answered(3)), "an offer of ours")
	p.ask(invite, "ACK", 3, p.description("sendrecv"))
	require.Eventually(t, func() bool { return c.Agreed().Send }, patience, time.Millisecond)

	p.ask(invite, "UPDATE", 4, strings.Replace(p.description("sendrecv"), "RTP/AVP 0 101", "RTP/AVP 99", 1))
	require.Equal(t, 488, p.answered(4).StatusCode)
	p.ask(invite, "REFER", 5, "")
	require.Equal(t, 501, p.answered(5).StatusCode)
	p.ask(invite, "OPTIONS", 2, "")
	require.Equal(t, 500, p.answered(6).StatusCode, "an old CSeq (RFC 3261 section 12.2.2)")

	p.ask(invite, "BYE", 6, "")
	require.Equal(t, 200, p.answered(7).StatusCode)
	<-c.Done()
	require.Equal(t, TheyHung, c.End())
	require.NoError(t, c.Hangup(within(t, patience)), "it is over already")
	require.Zero(t, p.count(sip.BYE))
	require.ErrorIs(t, c.Press(within(t, patience), "1"), ErrEnded)
}

func TestRequestOutsideAnyCallIsToldSo(t *testing.T) {
	p := newPeer(t, UDP, "127.0.0.1").answering()
	dial(t, p, Options{})
	invite := p.got(sip.INVITE, 1)
	strange := sip.CallIDHeader("nobody@nowhere")
	invite.ReplaceHeader(&strange)
	p.ask(invite, "BYE", 1, "")
	require.Equal(t, 481, p.answered(1).StatusCode)
}

func TestRouteSetIsFollowed(t *testing.T) {
	proxy := newPeer(t, UDP, "127.0.0.1").answering()
	p := newPeer(t, UDP, "127.0.0.1")
	p.when(sip.INVITE, func(req *sip.Request) {
		p.reply(req, 200, "Record-Route: <sip:far@203.0.113.1;lr>\r\nRecord-Route: <sip:near@"+proxy.addr()+";lr>\r\n"+p.contact(), p.description("sendrecv"))
	})
	c := dial(t, p, Options{})
	ack := proxy.got(sip.ACK, 1)
	var routes []string
	for _, h := range ack.GetHeaders("Route") {
		routes = append(routes, h.Value())
	}
	require.Equal(t, []string{"<sip:near@" + proxy.addr() + ";lr>", "<sip:far@203.0.113.1;lr>"}, routes, "RFC 3261 section 12.1.2: reversed")
	require.NoError(t, c.Hangup(within(t, patience)))
	proxy.got(sip.BYE, 1)
	require.Zero(t, p.count(sip.BYE))
}

func TestOptionsAreChecked(t *testing.T) {
	good := Options{URI: "sip:*97@127.0.0.1"}
	require.NoError(t, good.Validate())
	for name, spoil := range map[string]func(*Options){
		"no URI":               func(o *Options) { o.URI = "" },
		"tel URI":              func(o *Options) { o.URI = "tel:97" },
		"SCTP":                 func(o *Options) { o.URI += ";transport=sctp" },
		"unknown transport":    func(o *Options) { o.Transport = "sctp" },
		"header injection":     func(o *Options) { o.From = "4001\r\nEvil: yes" },
		"injection in header":  func(o *Options) { o.Headers = []Header{{"X", "1\nVia: x"}} },
		"endless key":          func(o *Options) { o.Press.Length = time.Hour },
		"volume of 6 bits":     func(o *Options) { o.Press.Volume = 64 },
		"odd packet time":      func(o *Options) { o.PTime = 25 * time.Millisecond },
		"unknown codec":        func(o *Options) { o.Codecs = []codec.ID{codec.Count} },
		"hasty answer timeout": func(o *Options) { o.Answer = time.Millisecond },
	} {
		o := good
		spoil(&o)
		require.ErrorIs(t, o.Validate(), ErrOptions, name)
		_, err := Dial(context.Background(), o)
		require.Equal(t, BadScript, OutcomeOf(err), name)
	}
}
