package uas

import (
	"net"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// stampedUDP is a UDP socket that tells when each datagram came by the kernel's clock:
// what waits in the socket, because this process is given no time, waits too.
type stampedUDP struct {
	*net.UDPConn
	oob [64]byte
	at  time.Time // of the datagram read last
}

func stamped(conn *net.UDPConn) PacketConn {
	if raw, err := conn.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			// Without it the time of reading counts.
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
		})
	}
	return &stampedUDP{UDPConn: conn}
}

// ReadFromUDPAddrPort reads one datagram and keeps when it came.
func (c *stampedUDP) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	n, oobn, _, from, err := c.ReadMsgUDPAddrPort(b, c.oob[:])
	c.at = stampOf(c.oob[:oobn])
	return n, from, err
}

// arrived is when the datagram read last came.
func (c *stampedUDP) arrived() time.Time { return c.at }

// stampOf reads the control message SCM_TIMESTAMPNS; without one it is now.
func stampOf(oob []byte) time.Time {
	const size = int(unsafe.Sizeof(unix.Timespec{}))
	if len(oob) < unix.CmsgSpace(size) {
		return time.Now()
	}
	h := (*unix.Cmsghdr)(unsafe.Pointer(&oob[0]))
	if h.Level != unix.SOL_SOCKET || h.Type != unix.SCM_TIMESTAMPNS {
		return time.Now()
	}
	ts := (*unix.Timespec)(unsafe.Pointer(&oob[unix.CmsgLen(0)]))
	return time.Unix(ts.Unix())
}
