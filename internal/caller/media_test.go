package caller

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"

	"star97/internal/codec"
	"star97/internal/dtmf"
	"star97/internal/sdp"
)

func TestTelephoneSendsSilenceOnABeat(t *testing.T) {
	p := newPeer(t, UDP, "127.0.0.1").answering()
	dial(t, p, Options{})
	require.Eventually(t, func() bool { return len(p.rtpSoFar()) >= 20 }, patience, time.Millisecond)
	got := p.rtpSoFar()[:20]
	require.True(t, got[0].Marker)
	for i, packet := range got[1:] {
		require.Equal(t, got[i].SequenceNumber+1, packet.SequenceNumber)
		require.Equal(t, got[i].Timestamp+160, packet.Timestamp, "the schedule is absolute: lateness does not show in timestamps")
		require.False(t, packet.Marker)
		require.Len(t, packet.Payload, 160)
		require.EqualValues(t, 0xFF, packet.Payload[0])
	}
}

func TestSilentCallerSendsKeysOnly(t *testing.T) {
	p := newPeer(t, UDP, "127.0.0.1").answering()
	c := dial(t, p, Options{Talk: Nothing})
	time.Sleep(200 * time.Millisecond)
	require.Empty(t, p.rtpSoFar())
	require.NoError(t, c.Press(within(t, patience), "*A"))
	p.heardKeys("*A")
	for _, packet := range p.rtpSoFar() {
		require.EqualValues(t, 101, packet.PayloadType)
	}
}

func TestPressIsAsRFC4733Says(t *testing.T) {
	p := newPeer(t, UDP, "127.0.0.1").answering()
	c := dial(t, p, Options{})
	require.NoError(t, c.PressAs(within(t, patience), "5", Press{Length: 100 * time.Millisecond, Volume: 7}))
	require.NoError(t, c.Press(within(t, patience), "6")) // all of the first key has come when this one has
	p.heardKeys("56")
	var events []rtp.Packet
	for _, packet := range p.rtpSoFar() {
		if packet.PayloadType == 101 && packet.Payload[0] == 5 {
			events = append(events, packet)
		}
	}
	require.Len(t, events, 8, "five of 20 ms and the end three times")
	for i, e := range events {
		require.Equal(t, events[0].Timestamp, e.Timestamp, "section 2.1: one timestamp for one press")
		require.Equal(t, i == 0, e.Marker)
		require.EqualValues(t, 5, e.Payload[0])
		require.EqualValues(t, 7, e.Payload[1]&0x3F)
		require.Equal(t, i >= 5, e.Payload[1]&0x80 != 0)
		require.EqualValues(t, min(160*(i+1), 800), int(e.Payload[2])<<8|int(e.Payload[3]))
	}
	require.Len(t, c.Media().KeyDowns(), 2)
}

func TestPressLosesWhatItIsToldTo(t *testing.T) {
	for name, road := range map[string]struct {
		lose  func(n int, end bool) bool
		left  int
		first int // the first of the eight packets that is not lost
	}{
		"all ends":   {func(_ int, end bool) bool { return end }, 5, 0},
		"all starts": {func(_ int, end bool) bool { return !end }, 3, 5},
		"the marker": {func(n int, _ bool) bool { return n == 0 }, 7, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, UDP, "127.0.0.1").answering()
			c := dial(t, p, Options{Talk: Nothing})
			ctx := within(t, patience)
			require.NoError(t, c.PressAs(ctx, "1", Press{Lose: road.lose}))
			require.NoError(t, c.Press(ctx, "2"))
			require.Eventually(t, func() bool { return len(p.rtpSoFar()) == road.left+8 }, patience, time.Millisecond)
			got := p.rtpSoFar()
			require.EqualValues(t, 8-road.first, got[road.left].SequenceNumber-got[0].SequenceNumber, "lost packets use up their numbers")
		})
	}
}

func TestKeysByInfo(t *testing.T) {
	for keys, events := range map[Keys]string{Info: "", Both: "4#"} {
		p := newPeer(t, UDP, "127.0.0.1").answering()
		c := dial(t, p, Options{Keys: keys})
		require.NoError(t, c.Press(within(t, patience), "4#"))
		for i, want := range []dtmf.Digit{4, dtmf.Pound} {
			info := p.got(sip.INFO, i+1)
			digit, length, err := dtmf.ParseInfo(info.GetHeader("Content-Type").Value(), info.Body())
			require.NoError(t, err)
			require.Equal(t, want, digit)
			require.Equal(t, 100*time.Millisecond, length)
		}
		p.heardKeys(events)
	}
}

func TestKeysThatCannotBeSent(t *testing.T) {
	p := newPeer(t, UDP, "127.0.0.1").answering()
	p.when(sip.INVITE, func(req *sip.Request) {
		p.reply(req, 200, p.contact(), strings.NewReplacer(" 101\r\n", "\r\n", "a=rtpmap:101 telephone-event/8000\r\n", "", "a=fmtp:101 0-16\r\n", "").Replace(p.description("sendrecv")))
	})
	c := dial(t, p, Options{})
	ctx := within(t, patience)
	require.ErrorIs(t, c.Press(ctx, "1"), ErrNoEvents)
	for _, keys := range []string{"1x", "１", strings.Repeat("1", MaxKeys+1)} {
		err := c.Press(ctx, keys)
		require.ErrorIs(t, err, ErrKeys)
		require.NotContains(t, err.Error(), keys)
	}
	require.ErrorIs(t, c.PressAs(ctx, "1", Press{Volume: 99}), ErrOptions)
}

func TestArrivalsAreCounted(t *testing.T) {
	agreed := sdp.Agreed{Codec: codec.PCMU, PT: 0, PTime: 20 * time.Millisecond}
	from := netip.MustParseAddrPort("192.0.2.1:4000")
	for start := range uint32(16) {
		first := uint16(65536 - 8 + start) // every run crosses the wrap or begins behind it
		a := newArrivals()
		at := time.Now()
		send := func(n int, pt uint8) {
			raw, err := (&rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: first + uint16(n), PayloadType: pt, SSRC: 9}, Payload: []byte{1}}).Marshal()
			require.NoError(t, err)
			at = at.Add(20 * time.Millisecond)
			a.packet(raw, at, from, 0, agreed)
		}
		for _, n := range []int{0, 1, 2, 5, 4, 6, 6, 7, 12, 13} { // 3 and 8-11 never come, 4 is late, 6 comes twice
			send(n, 0)
		}
		send(14, 96)
		a.packet([]byte("no RTP"), at, from, 0, agreed)
		require.EqualValues(t, 10, a.s.Received, "start %d", first)
		require.EqualValues(t, 5, a.s.Lost, "start %d", first)
		require.EqualValues(t, 1, a.s.Late)
		require.EqualValues(t, 1, a.s.Twice)
		require.EqualValues(t, 1, a.s.Other)
		require.EqualValues(t, 1, a.s.Junk)
		require.Len(t, a.log, 11)
	}
}

func TestReportsAreCounted(t *testing.T) {
	p := newPeer(t, UDP, "127.0.0.1").answering()
	c := dial(t, p, Options{})
	raw, err := rtcp.Marshal([]rtcp.Packet{&rtcp.SenderReport{}, &rtcp.ReceiverReport{}, &rtcp.SourceDescription{}, &rtcp.Goodbye{}})
	require.NoError(t, err)
	to := c.Media().LocalAddr()
	_, err = p.rtp.WriteToUDPAddrPort(raw, netip.AddrPortFrom(to.Addr(), to.Port()+1))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		s := c.Media().Stats()
		return s.SenderReports == 1 && s.ReceiverReports == 1 && s.Descriptions == 1 && s.Byes == 1
	}, patience, time.Millisecond)
}

func TestBusyReaderDoesNotMakeTheFarEndLate(t *testing.T) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer conn.Close()
	stampArrivals(conn)
	// The kernel begins to stamp a moment after it is asked for the first time.
	to := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	buf, oob := make([]byte, 100), make([]byte, 128)
	require.Eventually(t, func() bool {
		sent := time.Now()
		_, err := conn.WriteToUDPAddrPort([]byte("hello"), to)
		require.NoError(t, err)
		time.Sleep(30 * time.Millisecond)
		n, at, _, err := readStamped(conn, buf, oob)
		require.NoError(t, err)
		require.Equal(t, "hello", string(buf[:n]))
		return at.Sub(sent) < 20*time.Millisecond
	}, patience, time.Millisecond)
}

func TestMediaPortsAreAPair(t *testing.T) {
	m, err := openMedia(netip.MustParseAddr("::1"), Options{}.withDefaults())
	require.NoError(t, err)
	require.Zero(t, m.LocalAddr().Port()%2, "RFC 3550 section 11")
	require.Equal(t, m.LocalAddr().Port()+1, unmap(m.pair.rtcp.LocalAddr().(*net.UDPAddr).AddrPort()).Port())
	require.NoError(t, m.move())
	m.Close()
	m.Close()
	require.ErrorIs(t, m.move(), ErrEnded)
	_, err = openMedia(netip.MustParseAddr("192.0.2.77"), Options{}.withDefaults())
	require.Error(t, err, "not an address of this machine")
}

func TestCloseWithoutBye(t *testing.T) {
	p := newPeer(t, UDP, "127.0.0.1").answering()
	c := dial(t, p, Options{})
	done := make(chan error)
	go func() { done <- c.Press(context.Background(), strings.Repeat("1", 30)) }()
	time.Sleep(50 * time.Millisecond)
	c.Close()
	require.ErrorIs(t, <-done, ErrEnded)
	require.Equal(t, CutOff, c.End())
	require.Zero(t, p.count(sip.BYE))
}
