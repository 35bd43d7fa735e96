package media

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// PacketConn is what a session needs of a socket: the part of *net.UDPConn that
// allocates nothing. Close must end a blocked read with an error.
type PacketConn interface {
	ReadFromUDPAddrPort([]byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort([]byte, netip.AddrPort) (int, error)
	Close() error
}

// listenUDP opens one UDP port of the system, marked with dscp (RFC 2474).
func listenUDP(at netip.AddrPort, dscp int) (PacketConn, error) {
	network := "udp6"
	if at.Addr().Is4() {
		network = "udp4"
	}
	pc, err := new(net.ListenConfig).ListenPacket(context.Background(), network, at.String())
	if err != nil {
		return nil, err
	}
	conn := pc.(*net.UDPConn)
	if dscp == 0 {
		return withFilter(conn), nil
	}
	if network == "udp4" {
		err = ipv4.NewConn(conn).SetTOS(dscp << 2)
	} else {
		err = ipv6.NewConn(conn).SetTrafficClass(dscp << 2)
	}
	if err != nil {
		conn.Close()
		return nil, refusedDSCP(dscp, err)
	}
	return withFilter(conn), nil
}

func refusedDSCP(dscp int, err error) error {
	return fmt.Errorf("the system refuses DSCP %d (%w); set media dscp to 0", dscp, err)
}
