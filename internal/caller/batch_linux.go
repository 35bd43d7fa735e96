package caller

import (
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
	}
	return b
}

// receive reads up to batchSize datagrams that are there already, and returns how
// many. It neither waits nor tells errors: an unreachable port is a silent one.
func (b *batch) receive(fd int) int {
	for i := range b.msgs {
		b.msgs[i].hdr.SetControllen(stampSpace)
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.msgs[0])), batchSize, unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
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
