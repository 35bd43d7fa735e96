package media

import (
	"errors"
	"fmt"
	"net"
	"syscall"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// filtered is a UDP socket of the system with a filter.
type filtered struct {
	*net.UDPConn
	raw syscall.RawConn
}

// withFilter gives conn the methods of thinner, where the system has them.
func withFilter(conn *net.UDPConn) PacketConn {
	raw, err := conn.SyscallConn()
	if err != nil {
		return conn
	}
	return &filtered{conn, raw}
}

// tryFilter tells why the system refuses the filter.
func tryFilter() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("no socket to try it on: %w", err)
	}
	defer unix.Close(fd)
	if err := attachFilter(fd, voice{}); err != nil {
		return fmt.Errorf("the system refuses it: %w", err)
	}
	return nil
}

// Thin implements thinner.
func (c *filtered) Thin(v voice) error {
	return c.control(func(fd int) error { return attachFilter(fd, v) })
}

// Whole implements thinner.
func (c *filtered) Whole() error { return c.control(detachFilter) }

func (c *filtered) control(act func(fd int) error) error {
	var failed error
	if err := c.raw.Control(func(fd uintptr) { failed = act(int(fd)) }); err != nil {
		return err
	}
	return failed
}

// attachFilter thins a voice on a UDP socket.
func attachFilter(fd int, v voice) error {
	assembled, err := bpf.Assemble(thinProgram(v))
	if err != nil {
		return err
	}
	program := make([]unix.SockFilter, len(assembled))
	for i, r := range assembled {
		program[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
}

// detachFilter ends that; it is no error if nothing was attached.
func detachFilter(fd int) error {
	err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}
