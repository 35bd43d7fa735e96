package caller

import (
	"errors"
	"net"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// stampArrivals asks the kernel to note when each datagram came, so that a busy
// reader does not make the far end look late. Without it the read time counts.
func stampArrivals(conn *net.UDPConn) {
	control(conn, func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1) })
}

// reportUnreachable asks the kernel to hand over "port unreachable" answers, which
// an unconnected socket does not see otherwise.
func reportUnreachable(conn *net.UDPConn) {
	control(conn, func(fd int) error {
		return errors.Join(
			unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_RECVERR, 1),
			unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1))
	})
}

// control sets socket options that the caller can do without.
func control(conn *net.UDPConn, set func(fd int) error) {
	if raw, err := conn.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = set(int(fd)) })
	}
}

// readStamped reads one datagram and when it arrived by the kernel's clock.
func readStamped(conn *net.UDPConn, buf, oob []byte) (int, time.Time, netip.AddrPort, error) {
	n, oobn, _, from, err := conn.ReadMsgUDPAddrPort(buf, oob)
	if err != nil {
		return 0, time.Time{}, from, err
	}
	if at, ok := stampOf(oob[:oobn]); ok {
		return n, at, from, nil
	}
	return n, time.Now(), from, nil
}

// stampOf reads the SCM_TIMESTAMPNS control message.
func stampOf(oob []byte) (time.Time, bool) {
	const size = int(unsafe.Sizeof(unix.Timespec{}))
	if len(oob) < unix.SizeofCmsghdr+size {
		return time.Time{}, false
	}
	h := (*unix.Cmsghdr)(unsafe.Pointer(&oob[0]))
	if h.Level != unix.SOL_SOCKET || h.Type != unix.SCM_TIMESTAMPNS {
		return time.Time{}, false
	}
	ts := (*unix.Timespec)(unsafe.Pointer(&oob[unix.CmsgLen(0)]))
	return time.Unix(ts.Unix()), true
}
