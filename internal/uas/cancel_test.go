package uas

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/stretchr/testify/require"
)

// cancelOf is a CANCEL of the first INVITE of a telephone, or of one with another branch.
func cancelOf(p *phone, branch int) string {
	defer func(tag string) { p.toTag = tag }(p.toTag)
	p.toTag = ""
	return p.buildAs("CANCEL", 1, fmt.Sprintf("z9hG4bK-%s-%d", p.callID, branch), "", "")
}

// held counts the INVITEs whose transactions are there.
func (h *house) held() int {
	h.gate.pending.mu.Lock()
	defer h.gate.pending.mu.Unlock()
	return len(h.gate.pending.invites)
}

// A CANCEL ends an INVITE that waits for its answer only where the INVITE came from. Who
// has read its branch elsewhere hears that there is none.
func TestAForgedCANCELEndsNothing(t *testing.T) {
	h := newHouse(t, setting{options: func(o *Options) {
		o.Peers = []Peer{{Name: "pbx", Addresses: []string{"127.0.0.1"}}, {Name: "other", Addresses: []string{"127.0.0.3"}}}
	}})
	p := h.udp(t)
	ringing := rings(p, offerText)
	conn, err := (&net.Dialer{LocalAddr: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 3)}}).Dial("udp", h.at(0))
	require.NoError(t, err)
	forger := newPhoneOn(t, "udp", conn)
	defer conn.Close()
	forger.write(cancelOf(p, p.branches))
	expectOf(forger, "1 CANCEL", 481)

	pracks(p, ringing, "")
	expectOf(p, "PRACK", 200)
	expectOf(p, "1 INVITE", 200)
	h.calls.next(t)
}

// The call that a CANCEL means may be known or not, and wait for its answer, have it, or have
// been refused: another peer hears the same of each, to the byte.
func TestAStrangeCANCELIsToldNothing(t *testing.T) {
	h := newHouse(t, setting{options: func(o *Options) {
		o.Peers = []Peer{{Name: "pbx", Addresses: []string{"127.0.0.1"}}, {Name: "other", Addresses: []string{"127.0.0.3"}}}
	}})
	conn, err := (&net.Dialer{LocalAddr: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 3)}}).Dial("udp", h.at(0))
	require.NoError(t, err)
	defer conn.Close()
	said := func(p *phone, branch int) string {
		_, err := conn.Write([]byte(cancelOf(p, branch)))
		require.NoError(t, err)
		var buf [65535]byte
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
		n, err := conn.Read(buf[:])
		require.NoError(t, err)
		_, port, _ := net.SplitHostPort(p.conn.LocalAddr().String())
		text := strings.NewReplacer(p.callID, "ID", p.tag, "FROM", ":"+port, ":PORT", p.ruri, "URI").Replace(string(buf[:n]))
		return regexp.MustCompile("To: (.*);tag=[0-9a-f]{20}\r").ReplaceAllString(text, "To: $1;tag=OURS\r")
	}
	unknown, waits, answered, refused := h.udp(t), h.udp(t), h.udp(t), h.udp(t)
	ringing := rings(waits, offerText)
	c := begun(t, h, answered)
	refused.ruri = "sip:none@" + h.at(0)
	refused.send("INVITE", offerText, "application/sdp")
	refused.expect(404)
	want := said(unknown, 1)
	require.Contains(t, want, "SIP/2.0 481 ")
	for name, p := range map[string]*phone{"waits": waits, "answered": answered, "refused": refused} {
		require.Equal(t, want, said(p, 1), name)
	}
	soon(t, func() bool { return h.held() == 1 }, "the transaction of what is answered ends")
	require.Equal(t, want, said(answered, 1), "answered long ago")
	pracks(waits, ringing, "")
	expectOf(waits, "PRACK", 200)
	expectOf(waits, "1 INVITE", 200)
	h.calls.next(t)

	// Its own sender hears that there is such a call, by its branch alone.
	answered.write(cancelOf(answered, 1))
	answered.expect(200)
	answered.write(cancelOf(answered, 7))
	answered.expect(481)
	c.hearsNext(answered)
}

// An exchange of the peers makes no stranger of who sent an INVITE before it: he may be
// listed no more, or by another name.
func TestACANCELCountsOverAnExchange(t *testing.T) {
	many := func(o *Options) { o.Peers[0].Addresses = []string{"127.0.0.0/28"} }
	renamed := testOptions()
	many(&renamed)
	renamed.Peers[0].Name = "renamed"
	for name, next := range map[string]Options{"listed no more": elsewhere(), "renamed": renamed} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, setting{options: many})
			same, another, waits := h.udp(t), h.udp(t), h.udp(t)
			calls := map[*phone]*phone{same: same, another: from(t, h, "127.0.0.9")} // with who cancels
			for p := range calls {
				begun(t, h, p)
			}
			soon(t, func() bool { return h.held() == 0 }, "the transactions of what is answered end")
			rings(waits, offerText)
			require.NoError(t, h.Exchange(next, plan{defaultRoutes}, h.calls))

			for p, sender := range calls {
				sender.write(cancelOf(p, 1))
				expectOf(sender, "CANCEL", 200)
				sender.write(cancelOf(p, 7))
				expectOf(sender, "CANCEL", 481)
			}
			waits.write(cancelOf(waits, 1))
			expectOf(waits, "CANCEL", 200)
			expectOf(waits, "INVITE", 487)
		})
	}
}

func TestWhoseCANCELCounts(t *testing.T) {
	read := func(text string) *sip.Request {
		m, err := sip.NewParser().ParseSIP([]byte(strings.NewReplacer("BRANCH", "b1", "CALLID", "c1").Replace(text)))
		require.NoError(t, err)
		return m.(*sip.Request)
	}
	invite, cancel := read(invite(offerText)), read(plain("CANCEL"))
	invite.SetSource("192.0.2.1:5060")
	require.NotEqual(t, transactionOf(read(strings.Replace(plain("CANCEL"), "BRANCH", "another", 1))), transactionOf(invite))
	all, err := newPeers(Options{Peers: []Peer{{Name: "pbx", Addresses: []string{"192.0.2.0/30"}}}}, nil)
	require.NoError(t, err)
	believed, proving := *all.all[0], *all.all[0]
	proving.identity.kind = byDigest
	for name, row := range map[string]struct {
		peer    *peer
		from    string
		foreign bool
	}{
		"the host of the INVITE":                        {&believed, "192.0.2.1", false},
		"another host of the same peer":                 {&believed, "192.0.2.2", false},
		"a host of another peer":                        {&believed, "192.0.2.9", true},
		"the same host, whose callers prove themselves": {&proving, "192.0.2.1", false},
		"another host, whose callers prove themselves":  {&proving, "192.0.2.2", true},
	} {
		var p pending
		over := p.begin(invite, row.peer)
		require.Equal(t, row.foreign, p.foreign(cancel, "udp", netip.MustParseAddr(row.from)), name)
		over()
		require.False(t, p.foreign(cancel, "udp", netip.MustParseAddr(row.from)), "%s: it is answered", name)
		require.Empty(t, p.invites)
	}
	var p pending
	first := p.begin(invite, &believed)
	again := p.begin(invite, &proving)
	first()
	require.True(t, p.foreign(cancel, "udp", netip.MustParseAddr("192.0.2.2")), "the transaction that came in its place is known")
	again()
	require.Empty(t, p.invites)
}
