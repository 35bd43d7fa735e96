//go:build !linux

package uas

import "net"

// stamped is the socket as it is: only Linux tells here when a datagram came.
func stamped(conn *net.UDPConn) PacketConn { return conn }
