package media

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// hand is a reactor whose one thread the test runs by hand, under a clock of its own.
type hand struct {
	base
	*thread
	at time.Duration
}

func newHand(t testing.TB) *hand { return newHandFor(t, 16, atOnce{}) }

// newHandFor is newHand for so many calls, which send by out.
func newHandFor(t testing.TB, calls int, out sender) *hand {
	h, o := &hand{at: time.Second}, DefaultOptions()
	o.PortMin = FreePorts(t, calls)
	o.PortMax = o.PortMin + 2*uint16(calls-1)
	h.init(o, func(at netip.AddrPort) (PacketConn, error) { return listenRaw(at, o.DSCP) })
	var err error
	h.base.now = func() time.Duration { return h.at }
	h.thread, err = newThread(h.base.now, out)
	require.NoError(t, err)
	h.carriers = []carrier{h.thread}
	t.Cleanup(func() {
		h.shut()
		h.thread.close()
	})
	return h
}

// talker is a session of it and its telephone.
type talker struct {
	*session
	far  *net.UDPConn
	head rtp.Header
	data []byte
	to   netip.AddrPort
}

func (h *hand) call(t testing.TB) *talker {
	far, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, 0)))
	require.NoError(t, err)
	t.Cleanup(func() { far.Close() })
	s, err := h.Open(loopback)
	require.NoError(t, err)
	stream := benchStream
	stream.Remote = far.LocalAddr().(*net.UDPAddr).AddrPort()
	s.Set(stream)
	return &talker{session: s.(*session), far: far, head: rtp.Header{Version: 2, SSRC: 7}, data: make([]byte, headerSize+160), to: s.LocalAddr()}
}

// say sends a packet of payload type pt.
func (c *talker) say(t testing.TB, pt uint8, payload []byte) {
	c.head.SequenceNumber++
	c.head.PayloadType = pt
	n, err := c.head.MarshalTo(c.data)
	require.NoError(t, err)
	n += copy(c.data[n:], payload)
	_, err = c.far.WriteToUDPAddrPort(c.data[:n], c.to)
	require.NoError(t, err)
}

// look waits until something has come, and takes one datagram of each socket.
func (h *hand) look() {
	for woken := true; woken; {
		n := h.wait(time.Minute)
		woken = n == 1 && h.ready[0].Fd == wakeMark
		h.take(n)
	}
}

// arrived waits until n sockets have something.
func (h *hand) arrived(t testing.TB, n int) {
	require.Eventually(t, func() bool { return h.wait(0) == n }, time.Minute, time.Millisecond)
}

// await looks until the n-th packet of c has come.
func (h *hand) await(t testing.TB, c *talker, n uint64) {
	require.Eventually(t, func() bool { h.look(); return c.Stats().PacketsIn == n }, time.Minute, time.Millisecond)
}

func (c *talker) events() (n int) {
	for ; c.queue.size() > 0; n++ {
		c.queue.take()
	}
	return n
}

func TestReactorAllocatesNothing(t *testing.T) {
	h := newHand(t)
	c := h.call(t)
	audio, pieces := make([]byte, 160), keyPieces()
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		c.head.Timestamp += 160
		c.say(t, 0, audio)
		h.look()
	}), "an audio packet")
	require.Equal(t, uint64(1001), c.Stats().PacketsIn)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		c.head.Timestamp += 1600
		for i := range pieces {
			c.say(t, 101, pieces[i].Payload[:])
			h.look()
		}
		require.Equal(t, 2, c.events())
	}), "a key")
	c.Start(0)
	c.Say(Utterance{Clips: [MaxClips]Clip{make(bytesClip, 1<<20)}})
	frame := func() {
		at := c.due
		h.at = time.Duration(at) * slot
		for c.due == at {
			h.serve()
		}
	}
	for range 20 { // let the ring's cells grow
		frame()
	}
	c.alarm.stop() // a report allocates, every five seconds
	c.events()
	sent := c.Stats().PacketsOut
	require.Zero(t, testing.AllocsPerRun(1000, frame), "a frame")
	require.Equal(t, sent+1001, c.Stats().PacketsOut)
}

// A flood on one socket is read as often as anybody is: once a turn.
func TestReactorReadsEverybodyInTurn(t *testing.T) {
	h := newHand(t)
	flooded, calls := h.call(t), []*talker{}
	for range 10 {
		calls = append(calls, h.call(t))
	}
	for range 100 {
		flooded.say(t, 0, make([]byte, 160))
	}
	for _, c := range calls {
		c.say(t, 0, make([]byte, 160))
	}
	h.arrived(t, 11)
	h.look()
	for _, c := range calls {
		require.Equal(t, uint64(1), c.Stats().PacketsIn)
	}
	require.Equal(t, uint64(1), flooded.Stats().PacketsIn)
	for range 99 {
		h.look()
	}
	require.Equal(t, uint64(100), flooded.Stats().PacketsIn, "nothing is lost either")
	require.Zero(t, h.wait(0))
}

func TestReactorHasNothingToDoWithoutCalls(t *testing.T) {
	h := newHand(t)
	require.Equal(t, time.Duration(forever), h.serve())
	c := h.call(t)
	require.Equal(t, time.Duration(forever), h.serve(), "before Start")
	c.Start(0)
	require.Equal(t, time.Duration(c.due)*slot, h.serve(), "it sleeps through empty slots")
	stream := c.stream
	stream.Send = false
	c.Set(stream)
	h.at = time.Duration(h.soonest()) * slot
	require.Equal(t, c.alarm.next, h.serve(), "on hold it sleeps until the next report")
	h.at = c.alarm.next
	require.Greater(t, h.serve(), h.at)
	c.Close()
	require.Equal(t, time.Duration(forever), h.serve(), "after Close")
	require.Empty(t, h.deadlines)
}

func TestReactorIsWokenForWhatComesEarlier(t *testing.T) {
	h := newHand(t)
	c := h.call(t)
	c.Start(0)
	asleep := h.serve()
	woken := func() bool {
		n := h.wait(0)
		require.LessOrEqual(t, n, 1)
		if n == 1 {
			require.Equal(t, int32(wakeMark), h.ready[0].Fd)
		}
		return n == 1
	}
	require.False(t, woken())
	h.add(c.session, int64(asleep/slot)+2)
	require.False(t, woken(), "a turn after that one")
	h.add(c.session, int64(asleep/slot)-1)
	require.True(t, woken(), "an earlier one")
	require.False(t, woken(), "once")
	h.add(c.session, int64(asleep/slot)-2)
	require.False(t, woken(), "who is awake need not be woken")
	asleep = h.serve()
	c.mu.Lock()
	c.alarm.at(alarmFlush, asleep-slot/2, 0)
	c.mu.Unlock()
	require.True(t, woken(), "a bell")
}

// What epoll told of a socket that was closed meanwhile is not taken for the next one's.
func TestReactorReadsNobodyElsesSocket(t *testing.T) {
	h := newHand(t)
	gone := h.call(t)
	gone.say(t, 0, make([]byte, 160))
	n := h.wait(0)
	require.Equal(t, 1, n)
	old := gone.ports.rtp.(*rawConn)
	gone.Close()
	require.Equal(t, len(h.sockets), len(h.vacant))
	h.take(n) // nobody has its number
	heir := h.call(t)
	rtp := heir.ports.rtp.(*rawConn)
	for other := range h.sockets { // give it the number, and its descriptor it may have anyhow
		if h.sockets[other] == rtp && old.number != rtp.number {
			h.sockets[other], h.sockets[old.number] = h.sockets[old.number], rtp
		}
	}
	h.take(n)
	_, _, err := old.ReadFromUDPAddrPort(h.data[:])
	require.ErrorIs(t, err, net.ErrClosed)
	require.Zero(t, heir.Stats().PacketsIn)
	require.Zero(t, heir.Stats().Dropped)
	require.ErrorIs(t, old.Close(), net.ErrClosed)
	heir.say(t, 0, make([]byte, 160))
	h.read(old.number, 0)
	require.Equal(t, uint64(1), heir.Stats().PacketsIn)
}

// An error of the socket is not the end of a call: not an answer of ICMP to what was sent,
// nor what the system refuses to send.
func TestReactorOutlivesErrorsOfSockets(t *testing.T) {
	h := newHand(t)
	c := h.call(t)
	conn := c.ports.rtp.(*rawConn)
	require.NoError(t, unix.SetsockoptInt(conn.fd, unix.IPPROTO_IP, unix.IP_RECVERR, 1)) // else ICMP is not even told
	nobody, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, 0)))
	require.NoError(t, err)
	closed := nobody.LocalAddr().(*net.UDPAddr).AddrPort()
	require.NoError(t, nobody.Close())
	_, err = conn.WriteToUDPAddrPort(make([]byte, 172), closed)
	require.NoError(t, err)
	n := h.wait(0)
	require.Equal(t, 1, n)
	require.NotZero(t, h.ready[0].Events&unix.EPOLLERR)
	h.take(n)
	c.say(t, 0, make([]byte, 160))
	require.Eventually(t, func() bool { h.look(); return c.Stats().PacketsIn == 1 }, time.Minute, time.Millisecond)

	stream := c.stream
	for _, refused := range []string{"255.255.255.255:9", "[::1]:9"} {
		before := c.Stats().PacketsOut
		stream.Remote = netip.MustParseAddrPort(refused)
		c.Set(stream)
		c.Start(0)
		require.Equal(t, before, c.Stats().PacketsOut, refused)
		require.NotZero(t, c.due, "it goes on")
		stream.Remote = c.far.LocalAddr().(*net.UDPAddr).AddrPort()
		c.Set(stream)
		require.Equal(t, before+1, c.Stats().PacketsOut)
	}
}

// Without epoll_pwait2(2) times are kept to the millisecond after.
func TestReactorOnAnOldKernel(t *testing.T) {
	h := newHand(t)
	require.False(t, h.coarse)
	h.coarse = true
	began := time.Now()
	require.Zero(t, h.wait(1100*time.Microsecond))
	require.GreaterOrEqual(t, time.Since(began), 2*time.Millisecond)
	c := h.call(t)
	c.say(t, 0, make([]byte, 160))
	h.take(h.wait(forever))
	require.Equal(t, uint64(1), c.Stats().PacketsIn)
}

func TestReactorThatTheSystemRefuses(t *testing.T) {
	var limit unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	none := limit
	none.Cur = 3
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &none))
	o := DefaultOptions()
	o.Engine = EngineReactor
	_, err := New(o)
	o.Engine = EngineAuto
	instead, err2 := New(o)
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
	require.EqualError(t, err, "media: no reactor: epoll_create1: too many open files; set engine to auto or portable")
	require.NoError(t, err2)
	require.Equal(t, "portable (no reactor: epoll_create1: too many open files)", instead.Name())
	require.NoError(t, instead.Close())
}

func TestRawSockets(t *testing.T) {
	for _, at := range []netip.Addr{loopback, netip.IPv6Loopback()} {
		c, err := listenRaw(netip.AddrPortFrom(at, 0), 46)
		require.NoError(t, err)
		defer c.Close()
		fd := c.(*rawConn).fd
		level, option := unix.IPPROTO_IP, unix.IP_TOS
		if at.Is6() {
			level, option = unix.IPPROTO_IPV6, unix.IPV6_TCLASS
		}
		class, err := unix.GetsockoptInt(fd, level, option)
		require.NoError(t, err)
		require.Equal(t, 0xB8, class)
		_, _, err = c.ReadFromUDPAddrPort(make([]byte, 9))
		require.ErrorIs(t, err, unix.EAGAIN, "it does not wait")
	}
	first := FreePorts(t, 2)
	other, err := listenUDP(netip.AddrPortFrom(loopback, first), 0)
	require.NoError(t, err)
	defer other.Close()
	got, err := newPorts(first, first+2, func(at netip.AddrPort) (PacketConn, error) { return listenRaw(at, 46) }).open(loopback)
	require.NoError(t, err, "a port that somebody holds is skipped")
	require.Equal(t, first+2, got.port)
	closePair(got)
	_, err = listenRaw(netip.MustParseAddrPort("192.0.2.1:42000"), 46)
	require.ErrorIs(t, err, unix.EADDRNOTAVAIL)
	_, err = listenRaw(netip.MustParseAddrPort("[fe80::1%no-such]:42000"), 46)
	require.ErrorContains(t, err, "zone no-such")
}
