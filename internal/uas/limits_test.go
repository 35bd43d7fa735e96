package uas

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/stretchr/testify/require"

	"star97/internal/call"
)

func TestCallsThatNobodyAcknowledgesAreBoundedByTheirHost(t *testing.T) {
	h := newHouse(t, setting{options: func(o *Options) { waitsLong(o); o.Limits.Unacknowledged = 2 }})
	call1, call2, another := h.udp(t), h.tcp(t), h.udp(t)
	for _, p := range []*phone{call1, call2} {
		p.send("INVITE", offerText, "application/sdp")
		p.learn(p.expect(200))
		h.calls.next(t)
	}
	another.send("INVITE", offerText, "application/sdp")
	require.NotEmpty(t, another.expect(503).get("Retry-After"))
	require.Contains(t, h.log.String(), "sip.limits.unacknowledged")
	elsewhere := from(t, h, "127.0.0.9")
	begun(t, h, elsewhere)
	call1.send("ACK", "", "")
	soon(t, func() bool {
		h.dialogs.mu.Lock()
		defer h.dialogs.mu.Unlock()
		return h.dialogs.waiting[mustAddr("127.0.0.1")] == 1
	}, "its ACK makes room for one")
	another.send("INVITE", offerText, "application/sdp")
	another.learn(another.expect(200))
	another.send("ACK", "", "")
	call2.send("BYE", "", "")
	call2.expect(200)
	call1.send("BYE", "", "")
	call1.expect(200)
	another.send("BYE", "", "")
	another.expect(200)
	elsewhere.send("BYE", "", "")
	elsewhere.expect(200)
	h.over(t)
	require.Empty(t, h.dialogs.waiting, "nothing is kept of what is over")
}

func TestTheINVITEsThatAreRememberedAreBounded(t *testing.T) {
	h := newHouse(t, setting{options: waitsLong, server: func(s *Server) { s.dialogs.most = 2 }})
	p := h.udp(t)
	for range 2 { // a call that is over is remembered while its INVITE may come again
		p.callID, p.toTag = "call-"+randomToken(), ""
		begun(t, h, p)
		p.send("BYE", "", "")
		p.expect(200)
	}
	h.over(t)
	p.callID, p.toTag = "call-"+randomToken(), ""
	p.send("INVITE", offerText, "application/sdp")
	require.NotEmpty(t, p.expect(503).get("Retry-After"))
	require.Contains(t, h.log.String(), "too many calls came")
	require.Len(t, h.dialogs.openings, 2)
}

func TestAnINVITEIsRememberedByItsNameAndItsWay(t *testing.T) {
	r := newRegistry()
	one := inviteID{callID: "a", remote: "b", cseq: 1}
	way := trail{way: 1, host: 1}
	require.Equal(t, afresh, r.open(r.keyOf(one), way))
	require.Equal(t, repeated, r.open(r.keyOf(one), way))
	require.Equal(t, repeated, r.open(r.keyOf(one), trail{way: 1, host: 2}), "a NAT may show it by another address")
	require.Equal(t, merged, r.open(r.keyOf(one), trail{way: 2, host: 1}))
	require.True(t, r.knows(r.keyOf(one), way))
	require.False(t, r.knows(r.keyOf(one), trail{way: 1, host: 2}))
	require.False(t, r.knows(r.keyOf(one), trail{way: 2, host: 1}))
	ours := inviteID{callID: "of a host that is believed"}
	r.open(r.keyOf(ours), trail{way: 1, host: 1, peer: 1})
	for came, is := range map[trail]bool{
		{way: 1, host: 1}: true, {way: 1, host: 2, peer: 1}: true, {way: 1, host: 1, peer: 2}: true,
		{way: 1, host: 2}: false, {way: 1, host: 2, peer: 2}: false, {way: 2, host: 1, peer: 1}: false,
	} {
		require.Equal(t, is, r.knows(r.keyOf(ours), came), "%+v", came)
	}
	for _, other := range []inviteID{{"ab", "", 1}, {"", "ab", 1}, {"b", "a", 1}, {"a", "b", 2}} {
		require.Equal(t, afresh, r.open(r.keyOf(other), way))
	}
	r.forget(r.keyOf(one))
	require.False(t, r.seen(r.keyOf(one)))
	require.Equal(t, afresh, r.open(r.keyOf(one), way))
}

// from is a UDP phone at another address of this machine.
func from(t *testing.T, h *house, addr string) *phone {
	t.Helper()
	to := net.UDPAddrFromAddrPort(h.Addrs()[0].Addr)
	conn, err := net.DialUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(mustAddr(addr), 0)), to)
	if err != nil {
		t.Skip("this system has no such loopback address: ", err)
	}
	p := newPhone(t, "udp", h.at(0))
	require.NoError(t, p.conn.Close())
	p.conn = conn
	t.Cleanup(func() { _ = conn.Close() })
	p.contact = "<sip:4001@" + conn.LocalAddr().String() + ">"
	return p
}

func TestAnAnswerIsNotRepeatedOnAConnectionThatIsGone(t *testing.T) {
	t.Parallel()
	h := newHouse(t, setting{options: func(o *Options) { o.T1, o.T2 = 20*time.Millisecond, 40*time.Millisecond }})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	p := h.tcp(t)
	p.contact = "<sip:4001@" + ln.Addr().String() + ";transport=tcp>"
	p.send("INVITE", offerText, "application/sdp")
	p.expect(200)
	c := h.calls.next(t)
	require.NoError(t, p.conn.Close())
	conn, err := ln.Accept() // after 64*T1
	require.NoError(t, err)
	back := &phone{t: t, network: "tcp", conn: conn, reader: bufio.NewReader(conn)}
	back.reply(back.expectRequest("BYE"), "200 OK")
	require.Equal(t, call.Gone, c.hear(t).Kind)
	h.over(t)
	require.Equal(t, 1, strings.Count(h.log.String(), "a repeated answer did not go out"))
	require.NoError(t, conn.Close())
}

func TestACallerThatComesBackByAnotherConnectionGetsTheAnswerThere(t *testing.T) {
	h := newHouse(t, setting{options: func(o *Options) { o.T1, o.T2 = 50*time.Millisecond, 5*time.Second }})
	p, again := h.tcp(t), h.tcp(t)
	p.cseq = 1
	invite := p.buildAs("INVITE", 1, "z9hG4bK-one", offerText, "application/sdp")
	p.write(invite)
	first := p.expect(200)
	require.NoError(t, p.conn.Close())
	var second message
	for ok := false; !ok; second, ok = again.read(50 * time.Millisecond) { // while sipgo has the transaction it keeps quiet
		again.write(invite)
	}
	require.Equal(t, first, second)
	again.callID, again.tag = p.callID, p.tag
	again.learn(second)
	again.write(again.buildAs("ACK", 1, "z9hG4bK-ack", "", ""))
	require.Equal(t, call.Confirmed, h.calls.next(t).hear(t).Kind)
	require.Empty(t, h.calls.calls)
	require.Equal(t, 1, h.Calls())
}

func TestWithoutOurTagTheBranchOfTheINVITEReachesNoDialog(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	p.dial()
	c := h.calls.next(t)
	require.Equal(t, call.Confirmed, c.hear(t).Kind)
	branch := fmt.Sprintf("z9hG4bK-%s-1", p.callID)
	for _, method := range []string{"BYE", "INFO", "UPDATE"} {
		f := h.udp(t)
		f.callID, f.tag = p.callID, p.tag
		f.write(f.buildAs(method, 1, branch, "", ""))
		f.expect(481)
	}
	c.hearsNext(p)
}

// untroubled is a server on however busy a machine: it has sent no 100.
func untroubled(s *Server) { s.untold = time.Hour }

// What can be refused again is refused without a transaction that would wait for its
// repetition.
func TestRefusalsOfNoCallKeepNothing(t *testing.T) {
	h := newHouse(t, setting{server: untroubled})
	twice := func(text string, p *phone, status int) {
		t.Helper()
		for range 2 {
			p.write(text)
			require.Equal(t, status, p.next().status())
			h.idle(t)
		}
	}
	p := h.udp(t)
	p.cseq = 1
	twice(p.build("CANCEL", "", ""), p, 481)
	p.extra = "Require: x\r\n"
	twice(p.build("INVITE", offerText, "application/sdp"), p, 420) // by the front door
	p.ruri = "sip:nobody@" + h.at(0)
	twice(p.build("INVITE", offerText, "application/sdp"), p, 404) // by the dialplan
	again := p.build("INVITE", offerText, "application/sdp")
	h.draining.Store(true)
	twice(again, p, 503)
	twice(p.build("OPTIONS", "", ""), p, 503)
	require.Equal(t, 2, strings.Count(h.log.String(), "status=481"))
	require.Equal(t, 4, strings.Count(h.log.String(), "status=503"))
}

// An ACK that never comes, or comes to nobody, costs nothing.
func TestARefusedINVITEIsNotHeldForItsACK(t *testing.T) {
	h := newHouse(t, setting{server: untroubled})
	for n, p := range []*phone{h.udp(t), h.tcp(t)} {
		p.ruri = "sip:nobody@" + h.at(0)
		invite := p.build("INVITE", offerText, "application/sdp")
		p.write(invite)
		first := p.expect(404)
		h.idle(t)
		p.write(invite)
		require.Equal(t, first, p.next(), "the same again")
		require.Equal(t, 2*(n+1), strings.Count(h.log.String(), "status=404"), "but not by a transaction that was kept")
		p.learn(first)
		p.write(p.buildAs("ACK", p.cseq, fmt.Sprintf("z9hG4bK-%s-%d", p.callID, p.branches), "", ""))
		p.toTag = ""
		p.send("OPTIONS", "", "")
		require.Equal(t, 200, p.next().status())
	}
}

// After a 100 the far end no longer repeats its INVITE, so the refusal is repeated to it.
func TestARefusalAfterA100IsRepeated(t *testing.T) {
	t.Parallel()
	told := make(chan struct{})
	h := newHouse(t, setting{open: func() error { <-told; return errors.New("no port") }})
	p := h.udp(t)
	p.send("INVITE", offerText, "application/sdp")
	trying, ok := p.read(patience)
	close(told)
	require.True(t, ok)
	require.Equal(t, 100, trying.status())
	require.Equal(t, 503, p.next().status())
	require.Equal(t, 503, p.next().status())
	require.Equal(t, 1, strings.Count(h.log.String(), "status=503"))
	p.write(p.buildAs("ACK", p.cseq, fmt.Sprintf("z9hG4bK-%s-%d", p.callID, p.branches), "", ""))
}

func TestWhereOurRequestsGo(t *testing.T) {
	h := newHouse(t, setting{})
	for _, row := range []struct{ rule, symmetric, contact, source, want string }{
		{"a public contact is believed", "", "sip:a@198.51.100.7:5062", "203.0.113.9:1024", "198.51.100.7:5062"},
		{"a private one is not, from elsewhere", "", "sip:a@192.168.1.7:5062", "203.0.113.9:1024", "203.0.113.9:1024"},
		{"nor behind a NAT within", "private", "sip:a@192.168.1.7", "10.0.0.9:1024", "10.0.0.9:1024"},
		{"nor one of RFC 4193", "", "sip:a@[fd00::7]:5062", "[2001:db8::9]:1024", "[2001:db8::9]:1024"},
		{"a private one is, from there", "", "sip:a@192.168.1.7:5062", "192.168.1.7:1024", "192.168.1.7:5062"},
		{"a name is believed", "", "sip:a@pbx.example.org", "203.0.113.9:1024", "pbx.example.org:5060"},
		{"always", "always", "sip:a@198.51.100.7:5062", "203.0.113.9:1024", "203.0.113.9:1024"},
		{"never", "never", "sip:a@192.168.1.7:5062", "203.0.113.9:1024", "192.168.1.7:5062"},
	} {
		t.Run(row.rule, func(t *testing.T) {
			var hop sip.Uri
			require.NoError(t, sip.ParseUri(row.contact, &hop))
			d := &dialog{s: h.Server, peer: &peer{symmetric: row.symmetric}, source: row.source, acked: true,
				network: "udp", near: near{network: "udp", bind: mustAddr("127.0.0.1"), shown: mustAddr("127.0.0.1")}}
			_, to := d.road(hop)
			require.Equal(t, row.want, to)
			d.acked = false
			_, to = d.road(hop)
			require.Equal(t, row.source, to, "before the ACK")
		})
	}
}

func TestOurBYEReachesAPhoneBehindANAT(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	p.contact = "<sip:4001@192.168.77.7:5062>"
	c := begun(t, h, p)
	c.leg.Hangup()
	bye := p.expectRequest("BYE")
	require.Equal(t, "sip:4001@192.168.77.7:5062", strings.Fields(bye.start)[1])
	p.reply(bye, "200 OK")
	h.over(t)
}

// sipgo would open a socket beside the listener to send from if it did not know it yet.
func TestReadyMeansThatWeCanSend(t *testing.T) {
	for range 20 {
		h := newHouse(t, setting{})
		require.NotNil(t, h.transport.Pool("udp").Get(h.at(0)))
	}
}

// The key of a transaction without the magic cookie is made of the whole Via (RFC 3261
// section 17.2.3), which must not change for some of its messages only.
func TestAnACKOfRFC2543FindsItsINVITE(t *testing.T) {
	h := newHouse(t, setting{})
	keys := map[string]bool{}
	for _, method := range []string{"INVITE", "ACK"} {
		text := strings.NewReplacer("127.0.0.1:9;branch=z9hG4bK-BRANCH;rport", "pbx.example.org;branch=1").Replace(plain(method))
		msg, err := sip.NewParser().ParseSIP([]byte(text))
		require.NoError(t, err)
		msg.SetSource("127.0.0.1:5070")
		h.stamp(msg)
		require.Contains(t, msg.Via().Value(), "received=127.0.0.1")
		key, err := sip.ServerTxKeyMake(msg)
		require.NoError(t, err)
		keys[key] = true
	}
	require.Len(t, keys, 1)
}
