package uas

import (
	"net"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheAddressesOfDatagramsAreForgotten(t *testing.T) {
	h := newHouse(t, setting{server: func(s *Server) { s.sources.most, s.sources.wait = 4, 0 }})
	p := h.udp(t)
	c := begun(t, h, p)
	for range 20 {
		other := h.udp(t)
		other.send("OPTIONS", "", "")
		other.expect(200)
	}
	require.LessOrEqual(t, h.transport.Pool("udp").Size(), 1+2*4)
	require.Nil(t, h.transport.Pool("udp").Get(p.conn.LocalAddr().String()))
	// A call that is up does not notice.
	c.leg.Refer(target, 1)
	p.reply(p.expectRequest("REFER"), "486 Busy Here")
	c.referredTo(t, 486)
	c.hearsNext(p)
	c.leg.Hangup()
	bye := p.expectRequest("BYE")
	require.Contains(t, bye.get("Via"), "SIP/2.0/UDP "+h.at(0))
	p.reply(bye, "200 OK")
	h.over(t)
	require.NoError(t, h.Close())
	require.Zero(t, h.transport.Pool("udp").Size())
}

// sipgo's own list of what a socket has heard from cannot be emptied.
func TestSipgoIsToldOneAddressOfAllDatagrams(t *testing.T) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer conn.Close()
	c := &gatedPackets{PacketConn: conn, gate: newTestGate(t), sources: newSources(1, 0), asked: func() {}}
	for range 2 {
		far, err := net.Dial("udp", conn.LocalAddr().String())
		require.NoError(t, err)
		defer far.Close()
		_, err = far.Write([]byte(plain("OPTIONS")))
		require.NoError(t, err)
		_, from, err := c.ReadFrom(make([]byte, maxDatagram))
		require.NoError(t, err)
		require.Equal(t, conn.LocalAddr().String(), from.String())
		require.Equal(t, far.LocalAddr().String(), c.from.String())
	}
}

func TestAnAddressThatIsInUseIsNotForgotten(t *testing.T) {
	h := newHouse(t, setting{})
	pool := h.transport.Pool("udp")
	socket := pool.Get(h.at(0))
	s := newSources(3, 0)
	for n := range 100 {
		s.enter(pool, "often", socket)
		s.enter(pool, strconv.Itoa(n), socket)
		require.NotNil(t, pool.Get("often"))
		require.NotNil(t, pool.Get(strconv.Itoa(n)))
		if n > 0 {
			require.NotNil(t, pool.Get(strconv.Itoa(n-1)), "the last few stay")
		}
		require.LessOrEqual(t, pool.Size(), 1+2*3)
	}
	s.forget(pool)
	require.Equal(t, 1, pool.Size())
}

func TestTheSourceOfADatagramIsItsOwn(t *testing.T) {
	h := newHouse(t, setting{})
	p := h.udp(t)
	c := begun(t, h, p)
	require.Equal(t, "127.0.0.1", c.arrival.Source)
	own := netip.MustParseAddrPort(p.conn.LocalAddr().String())
	soon(t, func() bool { return h.dialogs.inUse(own.String()) })
	require.False(t, h.dialogs.inUse(h.at(0)))
}

// Whoever forges new addresses for each datagram cannot have those forgotten whose requests
// wait for their transactions: for them sipgo would open sockets beside the gate.
func TestNewAddressesAreLeftOutRatherThanOthersForgotten(t *testing.T) {
	h := newHouse(t, setting{})
	pool := h.transport.Pool("udp")
	socket := pool.Get(h.at(0))
	s, now := newSources(4, time.Hour), time.Now()
	from := func(n int) netip.AddrPort { return netip.AddrPortFrom(mustAddr("192.0.2.1"), uint16(n)) }
	enter := func(n int) bool {
		if s.full(from(n), now) {
			return false
		}
		s.enter(pool, nameOf(from(n)), socket)
		return true
	}
	for n := range 8 {
		require.True(t, enter(n) == (n < 4), n)
	}
	s.wait = 0
	require.True(t, enter(4), "the next generation")
	s.wait = time.Hour
	for n := 5; n < 20; n++ {
		require.Equal(t, n < 8, enter(n), n)
	}
	for n := range 4 {
		require.True(t, enter(n), "it was here lately")
	}
	require.False(t, enter(30))
	require.Len(t, s.now, 8)
	require.Equal(t, 1+8, pool.Size())
	for n := range 8 {
		require.NotNil(t, pool.Get(nameOf(from(n))))
	}
	s.forget(pool)
}
