package media_test

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"
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
	// thins: the engine's sockets drop packets that nobody needs; thinned: they do so
	// before a row of pitfalls begins.
	thins, thinned bool
}

// loopback is the real world, with one of the engines.
func loopback(engine string) world {
	return world{thins: runtime.GOOS == "linux", socket: loopbackSocket, options: func() media.Options {
		o := media.DefaultOptions()
		o.Engine, o.PortMin, o.PortMax = engine, 41000, 42998
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

// memory is a world without a system: a lossless network under a fake clock. Its engine
// is the portable one.
func memory() world {
	n := &network{at: make(map[netip.AddrPort]*wire), port: 50000}
	return world{exact: true, thins: true, options: func() media.Options {
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

	through func(port uint16, data []byte) bool // of the filter; nil: there is none
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
	if far := w.net.at[to]; far != nil && (far.through == nil || far.through(w.addr.Port(), b)) {
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
	{"a fixed de-jitter buffer", testPlayout},
	{"Stop", testStop},
	{"hold and resume", testHold},
	{"hold by address", testHoldByAddress},
	{"inactive first answer", testInactiveFirstAnswer},
	{"early change starts the sentence again", testEarlyChange},
	{"late change goes on", testLateChange},
	{"codec change", testCodecChange},
	{"exact schedule", testSchedule},
	{"a sparse peer", testSparse},
	{"keys", testKeys},
	{"keys before Start", testKeysBeforeStart},
	{"keys in redundancy", testRedundancy},
	{"keys that only redundancy brings", testOnlyRedundancy},
	{"a code in redundancy", testRedundancyOfACode},
	{"redundancy across a renegotiation", testEventsInRedundancyChanged},
	{"key-up by own clock", testForcedUp},
	{"rows of pitfalls", testRows},
	{"rows of pitfalls behind the filter", testRowsThinned},
	{"event clocks", testEventClocks},
	{"tones", testTones},
	{"a tone that stops", testToneUp},
	{"tones beside events", testTonesBesideEvents},
	{"tones beside INFO", testTonesOff},
	{"tones across a renegotiation", testTonesRenegotiated},
	{"tones among other packets", testTonesAmongOthers},
	{"echo of prompts", testToneEcho},
	{"payload types", testPayloadTypes},
	{"too many keys", testOverrun},
	{"events that wait for room", testLateEvents},
	{"jitter", testJitter},
	{"symmetric RTP", testSymmetric},
	{"a stranger", testStranger},
	{"a thief", testThief},
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
	{"the kernel filter", testFilter},
	{"what takes the filter off", testFilterOff},
	{"a thief behind the filter", testFilterThief},
	{"moved media behind the filter", testFilterRebound},
	{"silence behind the filter", testFilterSilence},
	{"loss behind the filter", testFilterLoss},
	{"close", testClose},
	{"engine close", testEngineClose},
	{"IPv6", testIPv6},
	{"everything at once", testRace},
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPortableLoopback(t *testing.T) { testLoopback(t, media.EnginePortable) }

// testLoopback waits more than it computes: both engines do so at the same time.
func testLoopback(t *testing.T, engine string) {
	t.Parallel()
	loopback(engine).pass(t, func(string) bool { return true })
}

// pass has the world pass those of the suite that it takes, two at a time.
func (w world) pass(t *testing.T, takes func(name string) bool) {
	var lanes sync.WaitGroup
	for lane := range 2 {
		lanes.Go(func() {
			for i := lane; i < len(suite); i += 2 {
				if s := suite[i]; takes(s.name) {
					t.Run(s.name, func(t *testing.T) { s.test(t, w) })
				}
			}
		})
	}
	lanes.Wait()
}

// unproved are tests with packets of a second telephone, which under keys prove nothing.
var unproved = []string{"hold by address", "symmetric RTCP", "hostile RTCP", "symmetric RTP", "a thief", "disbelief", "the signalling host", "any host", "moved media"}

func TestPortableProtected(t *testing.T) {
	for _, s := range suite {
		if slices.Contains(unproved, s.name) {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := memory()
				w.protected = true
				s.test(t, w)
			})
		})
	}
}

func TestPortableMemory(t *testing.T) {
	for _, s := range suite {
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { s.test(t, memory()) })
		})
	}
}

// unfiltered is memory on a system whose sockets cannot drop packets.
func unfiltered() world {
	w := memory()
	w.thins = false
	options := w.options
	w.options = func() media.Options {
		o := options()
		listen := o.Listen
		o.Listen = func(at netip.AddrPort) (media.PacketConn, error) {
			c, err := listen(at)
			return struct{ media.PacketConn }{c}, err
		}
		return o
	}
	return w
}

func TestPortableUnfiltered(t *testing.T) {
	for _, s := range suite {
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { s.test(t, unfiltered()) })
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
	e, err := media.New(o)
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
