package media_test

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"star97/internal/media"
)

// world is where the suite runs: an engine and the network between it and the
// telephones.
type world struct {
	build func(media.Options) (media.Engine, error)
	// socket opens a port of a telephone.
	socket func(t testing.TB, local netip.Addr) (media.PacketConn, netip.AddrPort)
	// options prepares an engine for this network.
	options func() media.Options
	// pair finds a free pair of ports.
	pair func(t testing.TB) uint16
	// exact: the clock stands still while anybody works, so times can be compared.
	exact bool
	// protected: calls have keys of SRTP.
	protected bool
}

// loopback is the real world.
func loopback(build func(media.Options) (media.Engine, error)) world {
	return world{build: build, socket: loopbackSocket, options: func() media.Options {
		o := media.DefaultOptions()
		o.PortMin, o.PortMax = 41000, 42998
		return o
	}, pair: func(t testing.TB) uint16 { return media.FreePorts(t, 1) }}
}

func loopbackSocket(t testing.TB, local netip.Addr) (media.PacketConn, netip.AddrPort) {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, 0)))
	require.NoError(t, err)
	at := c.LocalAddr().(*net.UDPAddr).AddrPort()
	return c, netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
}

// memory is a world without a system: a lossless network under a fake clock.
func memory(build func(media.Options) (media.Engine, error)) world {
	n := &network{at: make(map[netip.AddrPort]*wire), port: 50000}
	return world{build: build, exact: true, options: func() media.Options {
		o := media.DefaultOptions()
		o.Listen = func(at netip.AddrPort) (media.PacketConn, error) { return n.listen(at) }
		return o
	}, socket: func(t testing.TB, local netip.Addr) (media.PacketConn, netip.AddrPort) {
		n.mu.Lock()
		n.port += 7 // RTCP is not next to RTP
		at := netip.AddrPortFrom(local, n.port)
		n.mu.Unlock()
		c, err := n.listen(at)
		require.NoError(t, err)
		return c, at
	}, pair: func(testing.TB) uint16 { return 43900 }}
}

type network struct {
	mu   sync.Mutex
	at   map[netip.AddrPort]*wire
	port uint16
}

type datagram struct {
	data []byte
	from netip.AddrPort
}

// wire is one socket of the network in memory.
type wire struct {
	net  *network
	addr netip.AddrPort
	in   chan datagram
	end  chan struct{}
}

func (n *network) listen(at netip.AddrPort) (*wire, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.at[at] != nil {
		return nil, fmt.Errorf("listen %s: %w", at, syscall.EADDRINUSE)
	}
	w := &wire{net: n, addr: at, in: make(chan datagram, 500), end: make(chan struct{})}
	n.at[at] = w
	return w, nil
}

func (w *wire) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	select {
	case d := <-w.in:
		return copy(b, d.data), d.from, nil
	case <-w.end:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

func (w *wire) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	w.net.mu.Lock()
	defer w.net.mu.Unlock()
	if far := w.net.at[to]; far != nil {
		select {
		case far.in <- datagram{append([]byte(nil), b...), w.addr}:
		default: // a full socket drops, as UDP does
		}
	}
	return len(b), nil
}

func (w *wire) Close() error {
	w.net.mu.Lock()
	defer w.net.mu.Unlock()
	if w.net.at[w.addr] == w {
		delete(w.net.at, w.addr)
		close(w.end)
	}
	return nil
}

// suite is what every engine has to pass.
var suite = []struct {
	name string
	test func(*testing.T, world)
}{
	{"first packets", testFirstPackets},
	{"every packet time", testPacketTimes},
	{"nothing before Start", testNothingBeforeStart},
	{"lead", testLead},
	{"Say at once", testSayAtOnce},
	{"Stop", testStop},
	{"hold and resume", testHold},
	{"hold by address", testHoldByAddress},
	{"inactive first answer", testInactiveFirstAnswer},
	{"early change starts the sentence again", testEarlyChange},
	{"late change goes on", testLateChange},
	{"codec change", testCodecChange},
	{"exact schedule", testSchedule},
	{"keys", testKeys},
	{"keys before Start", testKeysBeforeStart},
	{"keys in redundancy", testRedundancy},
	{"key-up by own clock", testForcedUp},
	{"payload types", testPayloadTypes},
	{"too many keys", testOverrun},
	{"events that wait for room", testLateEvents},
	{"jitter", testJitter},
	{"symmetric RTP", testSymmetric},
	{"a stranger", testStranger},
	{"disbelief", testDisbelief},
	{"the signalling host", testSignaller},
	{"any host", testAnyHost},
	{"moved media", testMoved},
	{"our SSRC from the far end", testCollision},
	{"sender report", testSenderReport},
	{"round trip and loss", testReceivedReports},
	{"symmetric RTCP", testSymmetricRTCP},
	{"hostile RTCP", testHostileRTCP},
	{"report interval", testReportInterval},
	{"silence of the caller", testSilent},
	{"close", testClose},
	{"engine close", testEngineClose},
	{"IPv6", testIPv6},
	{"everything at once", testRace},
}

func TestPortableLoopback(t *testing.T) {
	goleak.VerifyNone(t)
	for _, s := range suite {
		t.Run(s.name, func(t *testing.T) {
			t.Cleanup(func() { goleak.VerifyNone(t) })
			s.test(t, loopback(media.NewPortable))
		})
	}
}

// unproved are tests with packets of a second telephone, which under keys prove nothing.
var unproved = []string{"hold by address", "symmetric RTCP", "hostile RTCP", "symmetric RTP", "disbelief", "the signalling host", "any host", "moved media"}

func TestPortableProtected(t *testing.T) {
	for _, s := range suite {
		if slices.Contains(unproved, s.name) {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := memory(media.NewPortable)
				w.protected = true
				s.test(t, w)
			})
		})
	}
}

func TestPortableMemory(t *testing.T) {
	for _, s := range suite {
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { s.test(t, memory(media.NewPortable)) })
		})
	}
}

// call opens an engine with one session and its telephone.
func (w world) call(t testing.TB) (media.Session, *phone) {
	t.Helper()
	return w.callOn(t, w.engine(t, w.options()))
}

func (w world) engine(t testing.TB, o media.Options) media.Engine {
	t.Helper()
	e, err := w.build(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e
}

var home = netip.MustParseAddr("127.0.0.1")

func (w world) callOn(t testing.TB, e media.Engine) (media.Session, *phone) {
	t.Helper()
	s, err := e.Open(home)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	p := w.phone(t, home)
	p.to = s.LocalAddr()
	return s, p
}

// event reads the session's next event.
func event(t testing.TB, s media.Session) media.Event {
	t.Helper()
	select {
	case e, ok := <-s.Events():
		require.True(t, ok, "Events is closed")
		return e
	case <-time.After(patience):
		require.FailNow(t, "no event came")
		return media.Event{}
	}
}

func want(t testing.TB, s media.Session, kinds ...media.EventKind) (last media.Event) {
	t.Helper()
	for _, k := range kinds {
		last = event(t, s)
		require.Equal(t, k, last.Kind)
	}
	return last
}
