package media_test

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"

	"star97/internal/codec"
	"star97/internal/dtmf"
	"star97/internal/media"
)

// eventPT is the telephone-event payload type of the tests' streams.
const eventPT = 101

// phone is the far end of a session: two real sockets of loopback.
type phone struct {
	t         testing.TB
	rtp, rtcp *net.UDPConn
	to        netip.AddrPort
	header    rtp.Header
}

func newPhone(t testing.TB, local string) *phone {
	t.Helper()
	p := &phone{t: t, header: rtp.Header{Version: 2, SSRC: 0x51515151, SequenceNumber: 65530, Timestamp: 0xFFFFFF00}}
	p.rtp = socket(t, local)
	p.rtcp = socket(t, local)
	return p
}

func socket(t testing.TB, local string) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(local), 0)))
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func addrOf(c *net.UDPConn) netip.AddrPort {
	a := c.LocalAddr().(*net.UDPAddr).AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// stream is what was negotiated with this phone: PCMU, 20 ms, both ways.
func (p *phone) stream() media.Stream {
	return media.Stream{Remote: addrOf(p.rtp), RemoteRTCP: addrOf(p.rtcp), Codec: codec.PCMU, PT: 0,
		EventPT: eventPT, EventRate: 8000, PTime: 20 * time.Millisecond, Send: true, Recv: true}
}

// heard is one packet as it came.
type heard struct {
	rtp.Packet
	at time.Time
}

// hear reads the next packet; false if none comes within limit.
func (p *phone) hear(limit time.Duration) (heard, bool) {
	p.t.Helper()
	buf := make([]byte, 2000)
	require.NoError(p.t, p.rtp.SetReadDeadline(time.Now().Add(limit)))
	n, err := p.rtp.Read(buf)
	if err != nil {
		return heard{}, false
	}
	h := heard{at: time.Now()}
	require.NoError(p.t, h.Unmarshal(buf[:n]))
	return h, true
}

// must reads the next packet.
func (p *phone) must() heard {
	p.t.Helper()
	h, ok := p.hear(2 * time.Second)
	require.True(p.t, ok, "no RTP came")
	return h
}

// next counts the header up by one packet of 20 ms.
func (p *phone) next() {
	p.header.SequenceNumber++
	p.header.Timestamp += 160
}

// talk sends n packets of audio from c at once.
func (p *phone) talk(c *net.UDPConn, n int) {
	for range n {
		p.send(c, 0, false, make([]byte, 160))
		p.next()
	}
}

func (p *phone) send(c *net.UDPConn, pt uint8, marker bool, payload []byte) {
	p.t.Helper()
	h := p.header
	h.PayloadType, h.Marker = pt, marker
	data, err := (&rtp.Packet{Header: h, Payload: payload}).Marshal()
	require.NoError(p.t, err)
	_, err = c.WriteToUDPAddrPort(data, p.to)
	require.NoError(p.t, err)
}

// press sends the packets of one key without waiting between them.
func (p *phone) press(c *net.UDPConn, d dtmf.Digit) {
	p.t.Helper()
	start := p.header.Timestamp
	for _, piece := range dtmf.Encode(nil, dtmf.Press{Digit: d, Length: 80 * time.Millisecond, Volume: 10}, 8000, 20*time.Millisecond) {
		p.header.Timestamp = start + piece.Offset
		p.send(c, eventPT, piece.Marker, piece.Payload[:])
		p.header.SequenceNumber++
	}
	p.header.Timestamp = start + 1600
}
