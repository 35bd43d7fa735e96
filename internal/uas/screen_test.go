package uas

import (
	"context"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/ipv4"

	"star97/internal/call"
	"star97/internal/mailbox"
)

func TestWhoseWordIsBelieved(t *testing.T) {
	const from = "<sip:4001@example.org>"
	for _, row := range []struct {
		rule, identity, from, headers string
		door                          mailbox.Door
		number                        string
	}{
		{"nobody by default", "", from, "P-Asserted-Identity: <sip:4002@example.org>\r\n", mailbox.AnyDoor, ""},
		{"none", "none", from, "P-Asserted-Identity: <sip:4002@example.org>\r\n", mailbox.AnyDoor, ""},
		{"from", "from", from, "", mailbox.OwnDoor, "4001"},
		{"from with a display name", "from", "\"4009\" <sip:4001@example.org>", "", mailbox.OwnDoor, "4001"},
		{"from with user parameters", "from", "<sip:4001;phone-context=x@example.org>", "", mailbox.OwnDoor, "4001"},
		{"from escaped", "from", "<sip:%34001@example.org>", "", mailbox.OwnDoor, "4001"},
		{"from with a password", "from", "<sip:4001:secret@example.org>", "", mailbox.OwnDoor, "4001"},
		{"from of an outside caller", "from", "<sip:+12125551212@example.org>", "", mailbox.AnyDoor, ""},
		{"from anonymous", "from", "\"Anonymous\" <sip:anonymous@anonymous.invalid>", "", mailbox.AnyDoor, ""},
		{"from without user", "from", "<sip:example.org>", "", mailbox.AnyDoor, ""},
		{"from as tel", "from", "<tel:4001;phone-context=example.org>", "", mailbox.OwnDoor, "4001"},
		{"pai", "pai", from, "P-Asserted-Identity: <sip:4002@example.org>\r\n", mailbox.OwnDoor, "4002"},
		{"pai is not from", "pai", from, "", mailbox.AnyDoor, ""},
		{"pai with a display name of commas", "pai", from, "P-Asserted-Identity: \"4,<sip:1@x>\" <sip:4002@example.org>\r\n", mailbox.OwnDoor, "4002"},
		{"pai with a sip and a tel value", "pai", from, "P-Asserted-Identity: <sip:4002@example.org>, <tel:4003>\r\n", mailbox.OwnDoor, "4002"},
		{"pai in two lines, sip before tel", "pai", from, "P-Asserted-Identity: tel:40-02\r\nP-Asserted-Identity: <sip:4003@x>\r\n", mailbox.OwnDoor, "4003"},
		{"pai as tel alone", "pai", from, "P-Asserted-Identity: tel:40-02\r\n", mailbox.OwnDoor, "4002"},
		{"pai with two sip values", "pai", from, "P-Asserted-Identity: <sip:4009@x>, <sip:4002@x>\r\n", mailbox.AnyDoor, ""},
		{"pai with two sip lines", "pai", from, "P-Asserted-Identity: <sip:4009@x>\r\nP-Asserted-Identity: <sip:4002@x>\r\n", mailbox.AnyDoor, ""},
		{"pai with two tel values", "pai", from, "P-Asserted-Identity: <tel:4009>, <TEL:4002>\r\n", mailbox.AnyDoor, ""},
		{"pai of another scheme first", "pai", from, "P-Asserted-Identity: <mailto:4009@x>, <sip:4002@x>\r\n", mailbox.OwnDoor, "4002"},
		{"pai of an outside caller", "pai", from, "P-Asserted-Identity: <sip:+4002@x>\r\n", mailbox.AnyDoor, ""},
		{"a header", "header X-Extension", from, "X-Extension: 4005\r\n", mailbox.OwnDoor, "4005"},
		{"a header with an address", "header X-Extension", from, "x-extension: \"A\" <sip:4005@x>;y=z\r\n", mailbox.OwnDoor, "4005"},
		{"a header that stands twice", "header X-Extension", from, "X-Extension: 9999\r\nx-extension: 4001\r\n", mailbox.AnyDoor, ""},
		{"a header that is absent", "header X-Extension", from, "", mailbox.AnyDoor, ""},
		{"a header with nonsense", "header X-Extension", from, "X-Extension: <sip:4005\r\n", mailbox.AnyDoor, ""},
	} {
		t.Run(row.rule, func(t *testing.T) {
			h := newHouse(t, setting{options: func(o *Options) { o.Peers[0].Identity = row.identity }})
			p := h.udp(t)
			p.extra = row.headers
			p.write(strings.Replace(p.build("INVITE", offerText, "application/sdp"), "\"Ann\" <sip:4001@example.org>", row.from, 1))
			p.expect(200)
			a := h.calls.next(t).arrival
			require.Equal(t, row.door, a.Door)
			require.Equal(t, row.number, a.Number)
			require.Equal(t, "this-machine", a.Peer)
			require.Equal(t, p.callID, a.CallID)
		})
	}
}

func TestAWithheldNumberIsNobody(t *testing.T) {
	for _, from := range []string{
		"\"Anonymous\" <sip:anonymous@anonymous.invalid>", "<sip:ANONYMOUS@192.0.2.1>", "<sip:%61nonymous@x>", "<sip:Restricted@x>",
		"<sip:unavailable@x>", "<sip:unknown;a=b@x>", "<sip:example.org>",
	} {
		t.Run(from, func(t *testing.T) {
			h := newHouse(t, setting{options: func(o *Options) { o.Peers[0].Identity = "from" }})
			p := h.udp(t)
			p.write(strings.Replace(p.build("INVITE", offerText, "application/sdp"), "\"Ann\" <sip:4001@example.org>", from, 1))
			p.expect(200)
			a := h.calls.next(t).arrival
			require.Empty(t, a.Caller, "what many callers share must not be counted as one")
			require.Equal(t, "127.0.0.1", a.Source)
		})
	}
}

func TestTheDialledNumberIsComparedUnescapedWithoutParameters(t *testing.T) {
	h := newHouse(t, setting{})
	for uri, want := range map[string]mailbox.Door{
		"sip:*97@HOST":                    mailbox.OwnDoor,
		"sip:%2A97@HOST":                  mailbox.OwnDoor,
		"sip:%2a%39%37@HOST":              mailbox.OwnDoor,
		"sip:*97;user=phone@HOST":         mailbox.OwnDoor,
		"sip:*97@HOST;user=phone":         mailbox.OwnDoor,
		"SIP:*97@HOST":                    mailbox.OwnDoor,
		"sip:5000@HOST;transport=udp?a=b": mailbox.AnyDoor,
		"sip:*98@HOST":                    0,
		"sip:%2597@HOST":                  0,
		"sip:*97x@HOST":                   0,
		"sip:HOST":                        0,
	} {
		p := h.udp(t)
		text := p.build("INVITE", offerText, "application/sdp")
		p.write(strings.Replace(text, p.ruri+" SIP/2.0", strings.Replace(uri, "HOST", h.at(0), 1)+" SIP/2.0", 1))
		if want == 0 {
			p.expect(404)
			require.Contains(t, h.log.String(), "call_id="+p.callID+" peer="+h.opts.Peers[0].Name+"\n", "written before the answer")
			continue
		}
		p.expect(200)
		a := h.calls.next(t).arrival
		require.Equal(t, want, a.Door, uri)
		if want == mailbox.AnyDoor {
			require.Empty(t, a.Number, "the any door asks")
			require.Equal(t, "north", a.Domain)
		}
	}
	require.NotContains(t, h.log.String(), "*98", "what was dialled may be a code")
}

func TestTheLongestPrefixNamesThePeer(t *testing.T) {
	o := testOptions()
	o.Peers = []Peer{
		{Name: "net", Addresses: []string{"10.0.0.0/8", "2001:db8::/32"}},
		{Name: "host", Addresses: []string{"10.1.2.3", "::ffff:10.1.2.4"}, Transports: []string{"tcp"}},
	}
	require.NoError(t, o.Validate())
	table, err := newPeers(o, nil)
	require.NoError(t, err)
	name := func(network, addr string) string {
		if p := table.of(network, mustAddr(addr)); p != nil {
			return p.name
		}
		return "stranger"
	}
	require.Equal(t, "net", name("udp", "10.9.9.9"))
	require.Equal(t, "host", name("TCP", "10.1.2.3"))
	require.Equal(t, "host", name("tcp", "::ffff:10.1.2.3"))
	require.Equal(t, "host", name("tcp", "10.1.2.4"))
	require.Equal(t, "stranger", name("udp", "10.1.2.3"), "its own entry decides, not the net's")
	require.Equal(t, "net", name("udp", "2001:db8::1"))
	require.Equal(t, "stranger", name("udp", "192.0.2.1"))
}

func TestLimitsOfCalls(t *testing.T) {
	t.Run("of a peer: 486", func(t *testing.T) {
		h := newHouse(t, setting{options: func(o *Options) { o.Peers[0].MaxCalls = 1 }})
		p, q := h.udp(t), h.udp(t)
		begun(t, h, p)
		q.send("INVITE", offerText, "application/sdp")
		require.NotEmpty(t, q.expect(486).get("Retry-After"))
		p.send("BYE", "", "")
		p.expect(200)
		h.over(t)
		begun(t, h, h.udp(t))
	})
	t.Run("of all: 503", func(t *testing.T) {
		h := newHouse(t, setting{options: func(o *Options) { o.Limits.Calls = 1 }})
		p, q := h.udp(t), h.udp(t)
		begun(t, h, p)
		q.send("INVITE", offerText, "application/sdp")
		require.NotEmpty(t, q.expect(503).get("Retry-After"))
	})
	t.Run("of RTP ports: 503, and the log says why", func(t *testing.T) {
		h := newHouse(t, setting{rtp: 19900, pairs: 1})
		p, q := h.udp(t), h.udp(t)
		begun(t, h, p)
		begin := time.Now()
		for range 4 * linesBurst {
			q.callID = "call-" + randomToken()
			q.send("INVITE", offerText, "application/sdp")
			require.NotEmpty(t, q.expect(503).get("Retry-After"))
		}
		h.reads(t, `star97_refusals_total{reason="no-port"}`, strconv.Itoa(4*linesBurst))
		lines := strings.Count(h.log.String(), "no media for a call")
		require.Positive(t, lines)
		require.LessOrEqual(t, float64(lines), linesBurst+linesRate*time.Since(begin).Seconds()+1)
		p.send("BYE", "", "")
		p.expect(200)
		h.over(t)
		for begin, status := time.Now(), 0; status != 200; { // soon the ports are free again
			require.Less(t, time.Since(begin), patience)
			r := h.udp(t)
			r.send("INVITE", offerText, "application/sdp")
			status = r.fresh().status()
		}
	})
	t.Run("a failed refusal leaks no port and no place", func(t *testing.T) {
		h := newHouse(t, setting{rtp: 19910, pairs: 1, options: func(o *Options) { o.Peers[0].MaxCalls = 1 }})
		for range 20 {
			p := h.udp(t)
			p.send("INVITE", strings.Replace(offerText, "m=audio", "m=video", 1), "application/sdp")
			p.expect(488)
		}
		begun(t, h, h.udp(t))
	})
}

func TestAPortThatIsTakenIsNamedAtTheStart(t *testing.T) {
	taken, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	o := testOptions()
	o.Listen = []Listen{{Network: "udp", Address: taken.LocalAddr().String()}}
	h := newHouse(t, setting{})
	s, err := New(o, h.deps)
	require.NoError(t, err)
	err = s.Serve(context.Background())
	require.ErrorContains(t, err, taken.LocalAddr().String())
	require.ErrorContains(t, err, "choose another in sip.listen")
}

// Close may come while Serve still opens its sockets; both return, and nothing stays behind.
func TestACloseBesideTheStart(t *testing.T) {
	h := newHouse(t, setting{})
	for range 50 {
		o := testOptions()
		o.Listen = []Listen{{Network: "udp", Address: "127.0.0.1:0"}, {Network: "tcp", Address: "127.0.0.1:0"}}
		s, err := New(o, h.deps)
		require.NoError(t, err)
		served := make(chan error, 1)
		go func() { served <- s.Serve(context.Background()) }()
		require.NoError(t, s.Close())
		require.ErrorIs(t, <-served, ErrClosed)
	}
}

func TestPeersOutsideAreToldTheAdvertisedAddress(t *testing.T) {
	for _, row := range []struct {
		rule      string
		local     []string
		advertise string
		contact   string
		media     string
	}{
		{"inside", nil, "203.0.113.5:5999", "@127.0.0.1:", "c=IN IP4 127.0.0.1"},
		{"outside", []string{"10.0.0.0/8"}, "203.0.113.5:5999", "@203.0.113.5:5999", "c=IN IP4 203.0.113.5"},
		{"outside, our own port", []string{"10.0.0.0/8"}, "203.0.113.5", "@203.0.113.5:", "c=IN IP4 203.0.113.5"},
	} {
		t.Run(row.rule, func(t *testing.T) {
			h := newHouse(t, setting{options: func(o *Options) {
				o.LocalNetworks = row.local
				o.Listen[0].Advertise = row.advertise
			}})
			p := h.udp(t)
			p.send("INVITE", offerText, "application/sdp")
			ok := p.expect(200)
			require.Contains(t, ok.get("Contact"), row.contact)
			require.Contains(t, ok.body, row.media)
			p.learn(ok)
			p.send("ACK", "", "")
			c := h.calls.next(t)
			require.Equal(t, call.Confirmed, c.hear(t).Kind)
			require.Equal(t, "127.0.0.1", c.session.LocalAddr().Addr().String(), "bound where the call came in")
			c.leg.Hangup()
			p.reply(p.expectRequest("BYE"), "200 OK")
			h.over(t)
		})
	}
}

func TestAWildcardListenerNamesTheAddressTowardsThePeer(t *testing.T) {
	h := newHouse(t, setting{options: func(o *Options) {
		o.Listen = []Listen{{Network: "udp", Address: "0.0.0.0:0"}, {Network: "tcp", Address: "0.0.0.0:0"}}
	}})
	for i, network := range []string{"udp", "tcp"} {
		_, port, _ := net.SplitHostPort(h.at(i))
		p := newPhone(t, network, "127.0.0.1:"+port)
		p.send("INVITE", offerText, "application/sdp")
		ok := p.expect(200)
		require.Contains(t, ok.get("Contact"), "@127.0.0.1:"+port)
		p.learn(ok)
		p.send("ACK", "", "")
		c := h.calls.next(t)
		require.Equal(t, call.Confirmed, c.hear(t).Kind)
		c.leg.Hangup()
		p.reply(p.expectRequest("BYE"), "200 OK")
		h.over(t)
	}
}

func TestOPTIONSWithinACall(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	begun(t, h, p)
	p.send("OPTIONS", "", "")
	m := p.expect(200)
	require.Equal(t, allowed, m.get("Allow"))
	require.Contains(t, m.get("Accept"), "application/sdp")
}

func TestSignallingIsMarked(t *testing.T) {
	h := newHouse(t, setting{})
	u := h.udp(t)
	u.send("OPTIONS", "", "")
	u.expect(200)
	conn := h.transport.Pool("udp").Get(h.at(0)).(*sip.UDPConnection)
	tos, err := ipv4.NewPacketConn(conn.PacketConn.(*gatedPackets).PacketConn).TOS()
	require.NoError(t, err)
	require.Equal(t, 24<<2, tos, "CS3 in the upper six bits (RFC 2474)")
	p := h.tcp(t)
	p.send("OPTIONS", "", "")
	p.expect(200)
	stream := h.transport.Pool("tcp").Get(p.conn.LocalAddr().String()).(*sip.TCPConnection)
	tos, err = ipv4.NewConn(stream.Conn.(*gatedStream).Conn).TOS()
	require.NoError(t, err)
	require.Equal(t, 24<<2, tos)
}
