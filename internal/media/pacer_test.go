package media

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

func startBench(t *testing.T) *bench {
	b := newBench(t, &sink{})
	b.Start(0)
	b.frame()
	return b
}

// work lets the pacer do all that is due by now, and returns the slot it would
// sleep for.
func (b *bench) work() int64 {
	for {
		var at int64
		if b.due, at = b.pacer.collect(b.due[:0]); at != 0 {
			return at
		}
		for _, t := range b.due {
			t.s.tick(t.at, b.now)
		}
	}
}

// lateFrames is how late a frame leaves, and how many are left out before it.
var lateFrames = []struct {
	name   string
	late   time.Duration
	missed uint32
}{
	{"in time", 0, 0},
	{"late by less than a frame: nothing is left out", 19 * time.Millisecond, 0},
	{"late by a frame: one is left out", 20 * time.Millisecond, 1},
	{"late by a tenth of a second: one packet, no burst", 109 * time.Millisecond, 5},
	{"late by a second", time.Second, 50},
}

func TestLateFrames(t *testing.T) {
	for _, tt := range lateFrames {
		t.Run(tt.name, func(t *testing.T) {
			b := startBench(t)
			due, ts, sent := b.session.due, b.out.header.Timestamp, b.sink.sent
			b.now = time.Duration(due)*slot + tt.late
			next := b.work()
			require.Equal(t, sent+1, b.sink.sent)
			require.Equal(t, ts+160*tt.missed, b.out.last)
			require.Equal(t, due+4*int64(tt.missed+1), next, "the schedule is the one of before")
			require.Equal(t, next, b.session.due)
		})
	}
}

func TestPacerHasNothingToDoWithoutCalls(t *testing.T) {
	b := newBench(t, &sink{})
	require.Equal(t, int64(-1), b.work(), "before Start")
	b.Start(0)
	next := b.work()
	require.Equal(t, b.session.due, next, "it sleeps through empty slots")
	st := benchStream
	st.Send = false
	b.Set(st)
	b.now = time.Duration(next) * slot
	require.Equal(t, int64(-1), b.work(), "on hold")
	b.now += time.Hour
	b.Set(benchStream)
	require.Equal(t, b.session.due, b.work())
	b.Close()
	b.now += time.Second
	require.Equal(t, int64(-1), b.work(), "after Close")
	require.Zero(t, b.pacer.turns)
}

func TestPacerIsWokenForAnEarlierTurn(t *testing.T) {
	b := startBench(t)
	asleep := b.work()
	woken := func() bool {
		select {
		case <-b.pacer.wake:
			return true
		default:
			return false
		}
	}
	woken()
	b.pacer.add(b.session, asleep+2)
	require.False(t, woken())
	b.pacer.add(b.session, asleep-1)
	require.True(t, woken())
}

// TestPacerKeepsTurnsOfALaterRound books a turn in a cell that also holds one of
// the time before a stall.
func TestPacerKeepsTurnsOfALaterRound(t *testing.T) {
	b := startBench(t)
	old := b.session.due
	other := newBench(t, &sink{})
	other.carry(b.pacer)
	at := b.pacer.add(other.session, old+ringSlots)
	require.Equal(t, old+ringSlots, at)
	other.session.due = at
	other.started = true
	b.now = time.Duration(old) * slot
	b.work()
	require.Zero(t, other.sink.sent)
	b.now = time.Duration(at) * slot
	b.work()
	require.Equal(t, 1, other.sink.sent)
}

func TestSecondPacerAboveAThousandCalls(t *testing.T) {
	e := &base{carriers: make([]carrier, 2), load: []int{0, 0}, sessions: map[*session]int{}}
	for range 1500 {
		i := e.lightest()
		e.load[i]++
		e.sessions[&session{}] = i
	}
	require.Equal(t, []int{1000, 500}, e.load)
}

// zoned is a socket on a link-local address.
type zoned struct {
	sink
	*bench
	came int
}

func (z *zoned) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	if z.came == latchPackets {
		z.end()
		return 0, netip.AddrPort{}, net.ErrClosed
	}
	z.came++
	z.far.SequenceNumber++
	n, err := z.far.MarshalTo(b)
	return n, netip.MustParseAddrPort("[fe80::7%eth9]:4000"), err
}

func (z *zoned) Close() error { return nil }

func (z *zoned) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	return z.sink.WriteToUDPAddrPort(b, to)
}

// The signalled address has no zone (RFC 8866 section 9), and the reactor tells none.
func TestZonesTellNobodyApart(t *testing.T) {
	for _, tt := range []struct {
		remote, signaller string
		want              uint64
	}{
		{"[fe80::7]:4000", "192.0.2.1", latchPackets},
		{"[fe80::7%eth9]:4000", "192.0.2.1", latchPackets},
		{"[fe80::7]:5000", "192.0.2.1", 1}, // another port: it has to prove itself
		{"[fe80::8]:4000", "fe80::7%eth9", 1},
		{"[fe80::8]:4000", "192.0.2.1", 0},
	} {
		b := newBench(t, &sink{})
		stream := benchStream
		stream.Remote, stream.Signaller = netip.MustParseAddrPort(tt.remote), netip.MustParseAddr(tt.signaller)
		b.Set(stream)
		b.read(&zoned{bench: b}, b.receive)
		require.Equal(t, tt.want, b.Stats().PacketsIn, "%s %s", tt.remote, tt.signaller)
	}
}

func TestDSCP(t *testing.T) {
	four, err := listenUDP(netip.AddrPortFrom(loopback, 0), 46)
	require.NoError(t, err)
	defer four.Close()
	tos, err := ipv4.NewConn(four.(net.Conn)).TOS()
	require.NoError(t, err)
	require.Equal(t, 0xB8, tos)
	six, err := listenUDP(netip.AddrPortFrom(netip.IPv6Loopback(), 0), 46)
	require.NoError(t, err)
	defer six.Close()
	class, err := ipv6.NewConn(six.(net.Conn)).TrafficClass()
	require.NoError(t, err)
	require.Equal(t, 0xB8, class)
}
