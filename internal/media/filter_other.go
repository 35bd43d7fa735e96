//go:build !linux

package media

import (
	"errors"
	"net"
)

// withFilter leaves the socket as it is.
func withFilter(conn *net.UDPConn) PacketConn { return conn }

// tryFilter tells why there is no filter.
func tryFilter() error { return errors.New("this system has none") }
