//go:build !linux

package caller

import (
	"net"
	"net/netip"
	"time"
)

func stampArrivals(*net.UDPConn)     {}
func reportUnreachable(*net.UDPConn) {}

// readStamped reads one datagram; it arrived when it was read.
func readStamped(conn *net.UDPConn, buf, _ []byte) (int, time.Time, netip.AddrPort, error) {
	n, from, err := conn.ReadFromUDPAddrPort(buf)
	return n, time.Now(), from, err
}
