package uas

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/ipv4"
)

// sender sends UDP from whatever loopback address is asked for.
type sender struct {
	t    *testing.T
	conn *ipv4.PacketConn
	to   net.Addr
}

// newSender skips the test where the system has no such addresses.
func newSender(t *testing.T, to netip.AddrPort) *sender {
	conn, err := net.ListenPacket("udp4", "0.0.0.0:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	s := &sender{t: t, conn: ipv4.NewPacketConn(conn), to: net.UDPAddrFromAddrPort(to)}
	if _, err := s.conn.WriteTo([]byte("\r\n"), &ipv4.ControlMessage{Src: sourceN(1)}, s.to); err != nil {
		t.Skip("this system has no such loopback addresses: ", err)
	}
	return s
}

// sourceN is the n-th address, none of them the one that the server has.
func sourceN(n int) net.IP { return net.IPv4(127, byte(8+n>>16), byte(n>>8), byte(n)) }

func (s *sender) send(n int, text string) {
	_, err := s.conn.WriteTo([]byte(text), &ipv4.ControlMessage{Src: sourceN(n)}, s.to)
	require.NoError(s.t, err)
}

// However many addresses send, as strangers or forged as those of a peer, what is kept of
// them does not grow, and a peer is served meanwhile.
func TestStrangeSources(t *testing.T) {
	count := 5000
	if long() {
		count = 50000
	}
	for _, row := range []struct {
		name    string
		options func(*Options)
		margin  uint64 // bytes of heap
	}{
		{"strangers", func(o *Options) { o.Peers[0].Addresses = []string{"127.0.0.1"} }, 2 << 20},
		{"forged as a peer's", func(o *Options) { o.Limits.Rate, o.Limits.Burst = 1000000, 1000000 }, 16 << 20},
		{"forged as a peer's, at its rate", func(*Options) {}, 16 << 20},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := newHouse(t, setting{options: row.options})
			s := newSender(t, h.Addrs()[0].Addr)
			p := h.udp(t)
			c := begun(t, h, p)
			before, begin := levelNow(), time.Now()
			for n := range count {
				s.send(n, plain("OPTIONS"))
				if n%200 == 199 && row.name != "forged as a peer's, at its rate" { // the flood has its rate
					p.send("OPTIONS", "", "")
					p.expect(200)
				}
			}
			took := time.Since(begin)
			h.idle(t)
			h.log.cut()
			after := fallsTo(t, before, 1, row.margin)
			t.Logf("%d addresses in %v; before: %v; after: %v", count, took.Round(time.Millisecond), &before, &after)
			require.LessOrEqual(t, h.transport.Pool("udp").Size(), 1+4*h.sources.most)
			soon(t, func() bool { // the rate of all is free again
				p.send("OPTIONS", "", "")
				_, ok := p.read(100 * time.Millisecond)
				return ok
			})
			c.leg.Hangup()
			for bye := p.next(); ; bye = p.next() {
				if bye.start[:3] == "BYE" {
					p.reply(bye, "200 OK")
					break
				}
			}
			h.over(t)
		})
	}
}
