package media

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rawConn is a UDP socket outside of Go's poller. Its calls never wait.
//
// A session writes under its lock and not after its end, which comes before Close; so
// only reading can meet Close, and mu keeps a descriptor from being read that is already
// somebody else's.
type rawConn struct {
	fd       int
	four     bool
	to       netip.AddrPort // of the packet before, and the same for the system
	toRaw    unix.RawSockaddrInet6
	toSize   uint32
	fromRaw  unix.RawSockaddrInet6
	fromSize uint32

	thread  *thread // nil: nobody reads it
	number  int32   // at its thread
	session *session
	take    func(data []byte, from netip.AddrPort, now time.Duration)

	mu     sync.Mutex
	closed bool
}

// listenRaw opens one UDP port of the system, marked with dscp (RFC 2474).
func listenRaw(at netip.AddrPort, dscp int) (PacketConn, error) {
	c := &rawConn{four: at.Addr().Is4()}
	family := unix.AF_INET6
	if c.four {
		family = unix.AF_INET
	}
	var err error
	if c.fd, err = unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_UDP); err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	if err = c.prepare(at, dscp); err != nil {
		unix.Close(c.fd)
		return nil, err
	}
	return c, nil
}

// prepare marks and binds the socket.
func (c *rawConn) prepare(at netip.AddrPort, dscp int) error {
	var err error
	if dscp != 0 {
		if c.four {
			err = unix.SetsockoptInt(c.fd, unix.IPPROTO_IP, unix.IP_TOS, dscp<<2)
		} else {
			err = unix.SetsockoptInt(c.fd, unix.IPPROTO_IPV6, unix.IPV6_TCLASS, dscp<<2)
		}
		if err != nil {
			return refusedDSCP(dscp, err)
		}
	}
	if c.four {
		err = unix.Bind(c.fd, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()})
	} else {
		if err = unix.SetsockoptInt(c.fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
			return fmt.Errorf("setsockopt: %w", err)
		}
		sa := &unix.SockaddrInet6{Port: int(at.Port()), Addr: at.Addr().As16()}
		if sa.ZoneId, err = zoneID(at.Addr().Zone()); err != nil {
			return err
		}
		err = unix.Bind(c.fd, sa)
	}
	if err != nil {
		return fmt.Errorf("bind udp %s: %w", at, err)
	}
	return nil
}

// zoneID is the number of an interface, by which a link-local address is bound to it.
func zoneID(name string) (uint32, error) {
	if name == "" {
		return 0, nil
	}
	i, err := net.InterfaceByName(name)
	if err != nil {
		return 0, fmt.Errorf("zone %s: %w", name, err)
	}
	return uint32(i.Index), nil
}

// ReadFromUDPAddrPort implements PacketConn, but with nothing there it returns EAGAIN. The
// address is plain: without the zone of a link-local source, to which the socket is bound.
func (c *rawConn) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, netip.AddrPort{}, net.ErrClosed
	}
	c.fromSize = unix.SizeofSockaddrInet6
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(c.fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0,
		uintptr(unsafe.Pointer(&c.fromRaw)), uintptr(unsafe.Pointer(&c.fromSize)))
	if errno != 0 {
		return 0, netip.AddrPort{}, errno
	}
	return int(n), c.source(), nil
}

// source is where the last datagram came from.
func (c *rawConn) source() netip.AddrPort {
	if c.four {
		raw := (*unix.RawSockaddrInet4)(unsafe.Pointer(&c.fromRaw))
		return netip.AddrPortFrom(netip.AddrFrom4(raw.Addr), swapped(raw.Port))
	}
	return netip.AddrPortFrom(netip.AddrFrom16(c.fromRaw.Addr), swapped(c.fromRaw.Port))
}

// swapped is a number between the order of the machine and that of the network.
func swapped(port uint16) uint16 {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], port)
	return binary.BigEndian.Uint16(b[:])
}

// WriteToUDPAddrPort implements PacketConn. What the system has no room for is lost.
func (c *rawConn) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	if to != c.to {
		if to.Addr().Is4() != c.four {
			return 0, unix.EAFNOSUPPORT
		}
		c.aim(to)
	}
	if err := c.thread.out.send(c, b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// aim writes to as the system wants it.
func (c *rawConn) aim(to netip.AddrPort) {
	c.to, c.toRaw, c.toSize = to, unix.RawSockaddrInet6{}, unix.SizeofSockaddrInet6
	if c.four {
		raw := (*unix.RawSockaddrInet4)(unsafe.Pointer(&c.toRaw))
		raw.Family, raw.Port, raw.Addr = unix.AF_INET, swapped(to.Port()), to.Addr().As4()
		c.toSize = unix.SizeofSockaddrInet4
		return
	}
	c.toRaw.Family, c.toRaw.Port, c.toRaw.Addr = unix.AF_INET6, swapped(to.Port()), to.Addr().As16()
}

// Thin implements thinner; like writing it is done under the session's lock.
func (c *rawConn) Thin(v voice) error { return attachFilter(c.fd, v) }

// Whole implements thinner.
func (c *rawConn) Whole() error { return detachFilter(c.fd) }

// Close implements PacketConn.
func (c *rawConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.closed = true
	if c.thread != nil {
		c.thread.forget(c)
		c.thread.out.flush()
	}
	return unix.Close(c.fd)
}
