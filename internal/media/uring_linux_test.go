package media

import (
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// WithoutRing has the reactor send without io_uring.
func WithoutRing(o Options) Options {
	o.noRing = true
	return o
}

// testRing is a ring, where the system allows one.
func testRing(t testing.TB) *ring {
	r, err := newRing()
	if err != nil {
		t.Skip("no io_uring here: ", err)
	}
	t.Cleanup(r.close)
	return r
}

// pipe is a socket of ours and the one that it sends to.
type pipe struct {
	*rawConn
	far  *net.UDPConn
	sent uint32
}

func newPipe(t testing.TB, local string) *pipe {
	at := netip.AddrPortFrom(netip.MustParseAddr(local), 0)
	conn, err := listenRaw(at, 46)
	require.NoError(t, err)
	far, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	require.NoError(t, err)
	t.Cleanup(func() { far.Close(); conn.Close() })
	p := &pipe{rawConn: conn.(*rawConn), far: far}
	p.aim(far.LocalAddr().(*net.UDPAddr).AddrPort())
	return p
}

// put sends a packet that only this call of it can have made, and alters it at once.
func (p *pipe) put(t testing.TB, by sender) {
	data := p.packet(p.sent)
	p.sent++
	require.NoError(t, by.send(p.rawConn, data))
	clear(data)
}

func (p *pipe) packet(n uint32) []byte {
	data := binary.BigEndian.AppendUint32(nil, uint32(p.fd))
	return append(binary.BigEndian.AppendUint32(data, n), make([]byte, n*37%300)...)
}

// got requires that everything came, in order.
func (p *pipe) got(t testing.TB) {
	data := make([]byte, 2000)
	for n := range p.sent {
		require.NoError(t, p.far.SetReadDeadline(time.Now().Add(20*time.Second)))
		size, _, err := p.far.ReadFromUDPAddrPort(data)
		require.NoError(t, err, "packet %d of %d", n, p.sent)
		require.Equal(t, p.packet(n), data[:size])
	}
	p.sent = 0
}

func TestARingSendsRows(t *testing.T) {
	r := testRing(t)
	pipes := []*pipe{newPipe(t, "127.0.0.1"), newPipe(t, "127.0.0.1"), newPipe(t, "127.0.0.1")}
	if c, err := net.ListenUDP("udp6", &net.UDPAddr{IP: net.IPv6loopback}); err == nil {
		c.Close()
		pipes = append(pipes, newPipe(t, "::1"))
	}
	for _, size := range []int{0, 1, 2, 50, ringEntries - 1, ringEntries, ringEntries + 1, 2*ringEntries + 3} {
		r.begin()
		for range size {
			pipes[rand.IntN(len(pipes))].put(t, r)
		}
		r.flush()
		for _, p := range pipes {
			p.got(t)
		}
		require.Zero(t, r.kept)
		pipes[0].put(t, r) // between rows: at once
		pipes[0].got(t)
	}
	big := make([]byte, ringBuffer)
	r.begin()
	pipes[0].put(t, r)
	require.NoError(t, r.send(pipes[0].rawConn, big), "too long for a buffer")
	pipes[0].got(t)
	n, err := pipes[0].far.Read(big)
	require.NoError(t, err)
	require.Len(t, big, n)
	r.flush()
}

// A packet that the system refuses holds up nobody.
func TestARingGoesOnAfterARefusedPacket(t *testing.T) {
	r := testRing(t)
	p, lost := newPipe(t, "127.0.0.1"), newPipe(t, "127.0.0.1")
	lost.aim(netip.MustParseAddrPort("255.255.255.255:9")) // needs SO_BROADCAST
	for range 3 {
		r.begin()
		for range 5 {
			lost.put(t, r)
			p.put(t, r)
		}
		r.flush()
		p.got(t)
	}
	require.False(t, r.broken)
}

// Where the kernel takes no more orders, what was kept goes all the same, and what follows;
// that is told once.
func TestABrokenRingLosesNothing(t *testing.T) {
	r := testRing(t)
	told := make(chan error, 3)
	r.lost = func(why error) { told <- why }
	require.Equal(t, "io_uring", r.name())
	p := newPipe(t, "127.0.0.1")
	r.begin()
	p.put(t, r)
	p.put(t, r)
	whole := r.fd
	null, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(null)
	r.fd = null
	p.put(t, r)
	r.flush()
	r.fd = whole
	require.True(t, r.broken)
	p.got(t)
	r.begin()
	p.put(t, r)
	p.got(t)
	r.flush()
	require.ErrorIs(t, <-told, unix.EOPNOTSUPP)
	require.Empty(t, told)
	require.Equal(t, "sendto, io_uring was given up", r.name())
	e := &reactor{threads: []*thread{{out: r}, {out: testRing(t)}, {out: r}}}
	require.Equal(t, "reactor (epoll, sendto, io_uring was given up; io_uring)", e.Name())
}

// A kernel that takes an order and does not answer is left behind: the rest of the row has
// gone once, and what follows goes at once.
func TestARingThatIsNotAnsweredIsLeftBehind(t *testing.T) {
	r := testRing(t)
	p := newPipe(t, "127.0.0.1")
	var never [2]int
	require.NoError(t, unix.Pipe2(never[:], unix.O_CLOEXEC))
	defer unix.Close(never[0])
	defer unix.Close(never[1])
	r.begin()
	p.put(t, r)
	p.put(t, r)
	const pollAdd, pollIn = 6, unix.POLLIN
	r.orders[r.next%ringEntries] = ringOrder{op: pollAdd, fd: int32(never[0]), sendFlags: pollIn}
	r.next++
	r.kept++
	p.put(t, r)
	r.flush()
	require.True(t, r.broken)
	p.got(t)
	r.begin()
	p.put(t, r)
	p.got(t)
	r.flush()
	p.sent = 77
	p.put(t, r)
	data := make([]byte, 2000)
	require.NoError(t, p.far.SetReadDeadline(time.Now().Add(20*time.Second)))
	n, err := p.far.Read(data)
	require.NoError(t, err)
	require.Equal(t, p.packet(77), data[:n], "nothing went twice")

	r.close()
	require.NoError(t, unix.Madvise(r.room, unix.MADV_WILLNEED), "the order that has no answer may still read there")
	r.fd, r.queues, r.all = -1, nil, nil // for the second close
}

// Whoever writes while a row is open is sent with it or at once, and nothing is lost.
func TestARingServesEverybody(t *testing.T) {
	r := testRing(t)
	pipes := make([]*pipe, 8)
	for i := range pipes {
		pipes[i] = newPipe(t, "127.0.0.1")
	}
	var writing sync.WaitGroup
	for _, p := range pipes {
		writing.Go(func() {
			for range 100 {
				p.put(t, r)
			}
		})
	}
	done := make(chan struct{})
	go func() { writing.Wait(); close(done) }()
	for open := true; open; {
		select {
		case <-done:
			open = false
		default:
		}
		r.begin()
		r.flush()
	}
	for _, p := range pipes {
		p.got(t)
	}
}

func TestARingAllocatesNothing(t *testing.T) {
	r, p := testRing(t), newPipe(t, "127.0.0.1")
	data := make([]byte, 172)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		r.begin()
		for range 3 {
			require.NoError(t, r.send(p.rawConn, data))
		}
		r.flush()
	}))
}

// Where the system refuses a ring the reactor says so and sends without.
func TestWithoutARing(t *testing.T) {
	var before unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &before))
	none := before
	none.Cur = 0
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &none))
	out := newSender(DefaultOptions())
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &before))
	require.ErrorIs(t, out.(atOnce).why, unix.EMFILE)
	require.Equal(t, "sendto, no io_uring: io_uring_setup: too many open files", out.name())

	o := DefaultOptions()
	o.Engine = EngineReactor
	for want, o := range map[string]Options{"sendto": WithoutRing(o), newSender(o).name(): o} {
		e, err := New(o)
		require.NoError(t, err)
		require.Equal(t, "reactor (epoll, "+want+")", e.Name())
		require.NoError(t, e.Close())
	}
}
