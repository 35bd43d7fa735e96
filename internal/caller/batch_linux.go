package caller

import (
	"encoding/binary"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	batchSize  = 16
	stampSpace = 64 // bytes of control message: one SCM_TIMESTAMPNS
	packetSize = 512
)

// batch are the buffers of recvmmsg(2), used for one socket after the other.
type batch struct {
	msgs  [batchSize]mmsghdr
	iov   [batchSize]unix.Iovec
	bufs  [batchSize][packetSize]byte
	stamp [batchSize][stampSpace]byte
	name  [batchSize]unix.RawSockaddrInet6 // large enough for the one of IPv4
}

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
}

func newBatch() *batch {
	b := &batch{}
	for i := range b.msgs {
		b.iov[i].Base = &b.bufs[i][0]
		b.iov[i].SetLen(packetSize)
		b.msgs[i].hdr.Iov = &b.iov[i]
		b.msgs[i].hdr.SetIovlen(1)
		b.msgs[i].hdr.Control = &b.stamp[i][0]
		b.msgs[i].hdr.Name = (*byte)(unsafe.Pointer(&b.name[i]))
	}
	return b
}

// receive reads up to batchSize datagrams that are there already, and returns how
// many. It neither waits nor tells errors: an unreachable port is a silent one.
func (b *batch) receive(fd int) int {
	for i := range b.msgs {
		b.msgs[i].hdr.SetControllen(stampSpace)
		b.msgs[i].hdr.Namelen = unix.SizeofSockaddrInet6
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.msgs[0])), batchSize, unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// write sends a datagram to where a socket is connected; UDP may lose it, too.
func write(fd int, data []byte) {
	unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(data))), uintptr(len(data)), unix.MSG_DONTWAIT, 0, 0)
}

// message is the i-th datagram of the last receive and its arrival in nanoseconds of
// the wall clock. It is valid until the next receive.
func (b *batch) message(i int) ([]byte, int64) {
	m := &b.msgs[i]
	at, ok := stampOf(b.stamp[i][:m.hdr.Controllen])
	if !ok {
		at = time.Now()
	}
	return b.bufs[i][:m.n], at.UnixNano()
}

// from is where the i-th datagram came from. The port is in the network's byte order.
func (b *batch) from(i int) netip.AddrPort {
	six := &b.name[i]
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&six.Port))[:])
	if six.Family == unix.AF_INET {
		four := (*unix.RawSockaddrInet4)(unsafe.Pointer(six))
		return netip.AddrPortFrom(netip.AddrFrom4(four.Addr), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16(six.Addr), port)
}
