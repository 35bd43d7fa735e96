package sim

import (
	"container/heap"
	"context"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"star97/internal/media"
	"star97/internal/uas"
)

// network is every wire of a round. The program's ends are sockets; the telephones'
// are sinks, which are told of a datagram when it is sent.
type network struct {
	mu      sync.Mutex
	sockets map[netip.AddrPort]*socket
	sinks   map[netip.AddrPort]sink
}

// sink takes what the program sends to one address. It must not block.
type sink func(from netip.AddrPort, data []byte, now time.Time)

func newNetwork() *network {
	return &network{sockets: map[netip.AddrPort]*socket{}, sinks: map[netip.AddrPort]sink{}}
}

func (n *network) attach(at netip.AddrPort, s sink) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sinks[at] = s
}

func (n *network) open(at netip.AddrPort) (*socket, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.sockets[at] != nil {
		return nil, syscall.EADDRINUSE
	}
	s := &socket{net: n, at: at, quit: make(chan struct{}), wake: make(chan struct{}, 1), timer: time.NewTimer(time.Hour)}
	n.sockets[at] = s
	return s, nil
}

// listenSIP is uas.Deps.ListenPacket.
func (n *network) listenSIP(_ context.Context, _, address string) (uas.PacketConn, error) {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	return n.open(at)
}

// listenRTP is media.Options.Listen.
func (n *network) listenRTP(at netip.AddrPort) (media.PacketConn, error) { return n.open(at) }

// ports are the addresses that are open.
func (n *network) ports() (open []netip.AddrPort) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for at := range n.sockets {
		open = append(open, at)
	}
	return open
}

// deliver puts a datagram into the socket at to, where one is open when it is sent.
func (n *network) deliver(from, to netip.AddrPort, data []byte, at time.Time) bool {
	n.mu.Lock()
	s := n.sockets[to]
	n.mu.Unlock()
	return s != nil && s.put(datagram{at: at, from: from, data: data})
}

// datagram is on its way until at.
type datagram struct {
	at   time.Time
	from netip.AddrPort
	data []byte
}

type inbox []datagram

func (q inbox) Len() int           { return len(q) }
func (q inbox) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q inbox) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *inbox) Push(x any)        { *q = append(*q, x.(datagram)) }
func (q *inbox) Pop() any {
	last := len(*q) - 1
	d := (*q)[last]
	(*q)[last] = datagram{}
	*q = (*q)[:last]
	return d
}

// socket is a UDP socket of the program. One goroutine reads it.
type socket struct {
	net   *network
	at    netip.AddrPort
	quit  chan struct{}
	wake  chan struct{}
	timer *time.Timer

	mu     sync.Mutex
	closed bool
	in     inbox
}

func (s *socket) put(d datagram) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	heap.Push(&s.in, d)
	if s.in[0].at.Equal(d.at) {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
	return true
}

// due is the next datagram that has arrived, or how long to wait for one; a
// negative wait has no end.
func (s *socket) due() (d datagram, wait time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return d, 0, net.ErrClosed
	}
	if len(s.in) == 0 {
		return d, -1, nil
	}
	if wait = time.Until(s.in[0].at); wait > 0 {
		return d, wait, nil
	}
	return heap.Pop(&s.in).(datagram), 0, nil
}

func (s *socket) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	for {
		d, wait, err := s.due()
		if err != nil {
			return 0, d.from, err
		}
		if d.data != nil {
			return copy(b, d.data), d.from, nil
		}
		if wait > 0 {
			s.timer.Reset(wait)
		} else {
			s.timer.Stop()
		}
		select {
		case <-s.timer.C:
		case <-s.wake:
		case <-s.quit:
		}
	}
}

func (s *socket) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return 0, net.ErrClosed
	}
	s.net.mu.Lock()
	sink := s.net.sinks[netip.AddrPortFrom(to.Addr().Unmap(), to.Port())]
	s.net.mu.Unlock()
	if sink != nil {
		sink(s.at, b, time.Now())
	}
	return len(b), nil
}

func (s *socket) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	s.closed = true
	s.timer.Stop()
	close(s.quit)
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	delete(s.net.sockets, s.at)
	return nil
}

func (s *socket) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := s.ReadFromUDPAddrPort(b)
	if err != nil {
		return n, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

func (s *socket) WriteTo(b []byte, to net.Addr) (int, error) {
	return s.WriteToUDPAddrPort(b, to.(*net.UDPAddr).AddrPort())
}

func (s *socket) LocalAddr() net.Addr              { return net.UDPAddrFromAddrPort(s.at) }
func (s *socket) SetDeadline(time.Time) error      { return nil }
func (s *socket) SetReadDeadline(time.Time) error  { return nil }
func (s *socket) SetWriteDeadline(time.Time) error { return nil }
