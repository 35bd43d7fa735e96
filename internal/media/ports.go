package media

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"syscall"
)

// ErrPortsExhausted says that every port pair of the range is taken.
var ErrPortsExhausted = errors.New("no free RTP port pair")

// ports hands out port pairs, the one that rested longest first, so that what
// an ended call still gets sent does not meet the next call.
type ports struct {
	min, max uint16
	listen   func(netip.AddrPort) (PacketConn, error)

	mu   sync.Mutex
	free []uint16 // RTP ports, longest free first
}

// pair is the two sockets of one call.
type pair struct {
	port      uint16
	rtp, rtcp PacketConn
}

func newPorts(min, max uint16, listen func(netip.AddrPort) (PacketConn, error)) *ports {
	p := &ports{min: min, max: max, listen: listen}
	n := (int(max)-int(min))/2 + 1
	start := int(random32() % uint32(n))
	for i := range n {
		p.free = append(p.free, min+2*uint16((start+i)%n))
	}
	return p
}

// open binds the next free pair at addr. A port that somebody else holds is
// skipped and tried again when its turn comes.
func (p *ports) open(addr netip.Addr) (pair, error) {
	p.mu.Lock()
	tries := len(p.free)
	p.mu.Unlock()
	for range tries {
		port, ok := p.take()
		if !ok {
			break
		}
		got, err := p.bind(addr, port)
		if err == nil {
			return got, nil
		}
		p.give(port)
		if !errors.Is(err, syscall.EADDRINUSE) {
			return pair{}, fmt.Errorf("media: no RTP port in %d-%d at %s: %w; %s", p.min, p.max+1, addr, err, remedy(err))
		}
	}
	return pair{}, fmt.Errorf("media: %w in %d-%d at %s; widen port_min to port_max", ErrPortsExhausted, p.min, p.max+1, addr)
}

func (p *ports) bind(addr netip.Addr, port uint16) (pair, error) {
	rtp, err := p.listen(netip.AddrPortFrom(addr, port))
	if err != nil {
		return pair{}, err
	}
	rtcp, err := p.listen(netip.AddrPortFrom(addr, port+1))
	if err != nil {
		rtp.Close()
		return pair{}, err
	}
	return pair{port: port, rtp: rtp, rtcp: rtcp}, nil
}

// remedy is what to do about an error of the system.
func remedy(err error) string {
	switch {
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "raise the limit of open files; each call takes two"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "set bind to addresses that this machine has"
	}
	return "check bind and the port range"
}

func (p *ports) take() (uint16, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) == 0 {
		return 0, false
	}
	port := p.free[0]
	copy(p.free, p.free[1:])
	p.free = p.free[:len(p.free)-1]
	return port, true
}

func (p *ports) give(port uint16) {
	p.mu.Lock()
	p.free = append(p.free, port)
	p.mu.Unlock()
}

// random32 is for what RFC 3550 section 5.1 wants unpredictable.
func random32() uint32 {
	var b [4]byte
	rand.Read(b[:]) // never fails since Go 1.24
	return binary.BigEndian.Uint32(b[:])
}
