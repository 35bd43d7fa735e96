package uas

import (
	"net"
	"net/netip"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheAddressesOfDatagramsAreForgotten(t *testing.T) {
	h := newHouse(t, setting{server: func(s *Server) { s.sources.most = 4 }})
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
	c := &gatedPackets{PacketConn: conn, gate: newTestGate(t), asked: func() {}}
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
	s := newSources(3)
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
