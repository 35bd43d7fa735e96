package media

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The part of io_uring(7) that is used; golang.org/x/sys has the numbers of its calls alone.
const (
	ringEntries   = 256
	ringBuffer    = 2048 // bytes for an address and a packet
	ringAddress   = 64   // of them for the address
	ringSQEs      = 0x10000000
	ringOpSend    = 26 // with an address from Linux 6.1 on
	ringAnswer    = 16 // bytes, struct io_uring_cqe; which packets were refused is nobody's business
	ringGetEvents = 1  // how to enter: wait for answers
	ringExtended  = 8  // and so long as ringWait says
	ringOneMap    = 1  // features: both queues are in one mapping
	ringMayWait   = 1 << 8

	// ringPatience is how long a row's answers may be waited for, ringTries how often that
	// may begin again because of a signal: a kernel that answers later stops every call.
	ringPatience = slot
	ringTries    = 4
)

// ringParams is struct io_uring_params, with offsets into the queues.
type ringParams struct {
	sqEntries, cqEntries, flags, cpu, idle, features, workers uint32
	_                                                         [3]uint32
	sq                                                        struct{ head, tail, mask, entries, flags, dropped, array, _, _, _ uint32 }
	cq                                                        struct{ head, tail, mask, entries, overflow, cqes, flags, _, _, _ uint32 }
}

// ringOrder is struct io_uring_sqe for a send.
type ringOrder struct {
	op            uint8
	_             [3]uint8 // flags, priority
	fd            int32
	address, data uint64
	size          uint32
	sendFlags     uint32
	_             [12]uint8 // tag, buffer
	addressSize   uint16
	_             [18]uint8
}

// ringWait is struct io_uring_getevents_arg: no signals, and for how long.
type ringWait struct {
	_    [16]byte
	time uint64 // where a timespec is
}

// ring is the sender that hands the frames of a row to the kernel in one call, by
// io_uring(7). Each is copied into a buffer of the ring's own, outside of Go's memory, and
// flush returns when every one was sent or refused: no send waits for room, so that is at
// once, and then the buffers are free again. What another goroutine writes while a row is
// open goes with it.
type ring struct {
	fd                int
	queues, all, room []byte // mapped: the queues, the orders, the buffers
	orders            *[ringEntries]ringOrder
	taken, tail       *atomic.Uint32 // of the orders: by the kernel; by us
	read, told        *atomic.Uint32 // of the answers: by us; by the kernel
	patience          timespec
	wait              ringWait        // for that time
	lost              func(why error) // told if the kernel fails us later; may be nil

	mu     sync.Mutex
	open   bool   // a row is
	broken bool   // the kernel failed us: every packet goes at once
	next   uint32 // our end of the orders
	kept   uint32 // of them in this row
}

// newRing makes a ring that has sent a packet. Errors: those of the system, which may
// forbid io_uring to a container, or be too old for it.
func newRing() (r *ring, err error) {
	var p ringParams
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, ringEntries, uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return nil, fmt.Errorf("io_uring_setup: %w", errno)
	}
	r = &ring{fd: int(fd), patience: timespec{nsec: int64(ringPatience)}}
	r.wait.time = uint64(uintptr(unsafe.Pointer(&r.patience)))
	if err = r.mapAll(&p); err == nil {
		err = r.try()
	}
	if err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// mapAll maps what is shared with the kernel.
func (r *ring) mapAll(p *ringParams) (err error) {
	if p.features&ringMayWait == 0 {
		return errors.New("io_uring: it knows no longest wait")
	}
	if p.features&ringOneMap == 0 || p.sqEntries != ringEntries || p.cqEntries != 2*ringEntries {
		return errors.New("io_uring: not the queues that were asked for")
	}
	const shared = unix.MAP_SHARED | unix.MAP_POPULATE
	size := max(p.sq.array+4*p.sqEntries, p.cq.cqes+p.cqEntries*ringAnswer)
	if r.queues, err = unix.Mmap(r.fd, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, shared); err != nil {
		return fmt.Errorf("mmap: %w", err)
	}
	if r.all, err = unix.Mmap(r.fd, ringSQEs, int(unsafe.Sizeof(*r.orders)), unix.PROT_READ|unix.PROT_WRITE, shared); err != nil {
		return fmt.Errorf("mmap: %w", err)
	}
	if r.room, err = unix.Mmap(-1, 0, ringEntries*ringBuffer, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON); err != nil {
		return fmt.Errorf("mmap: %w", err)
	}
	at := func(offset uint32) unsafe.Pointer { return unsafe.Pointer(&r.queues[offset]) }
	r.orders = (*[ringEntries]ringOrder)(unsafe.Pointer(&r.all[0]))
	r.taken, r.tail = (*atomic.Uint32)(at(p.sq.head)), (*atomic.Uint32)(at(p.sq.tail))
	r.read, r.told = (*atomic.Uint32)(at(p.cq.head)), (*atomic.Uint32)(at(p.cq.tail))
	r.next = r.tail.Load()
	places := (*[ringEntries]uint32)(at(p.sq.array))
	for i := range places { // once for all: the order in place i is order i
		places[i] = uint32(i)
	}
	return nil
}

// try sends a packet to itself: the system may know io_uring and not this of it.
func (r *ring) try() error {
	conn, err := listenRaw(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0), 0)
	if err != nil {
		return err
	}
	c := conn.(*rawConn)
	defer c.Close()
	at, err := unix.Getsockname(c.fd)
	if err != nil {
		return fmt.Errorf("getsockname: %w", err)
	}
	c.aim(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(at.(*unix.SockaddrInet4).Port)))
	data := []byte{0}
	r.begin()
	err = r.send(c, data)
	r.flush()
	if err != nil {
		return err
	}
	if r.broken {
		return errUnanswered
	}
	const busy = 1000 // ms; the loopback may hand it over later
	if n, _ := unix.Poll([]unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLIN}}, busy); n != 1 {
		return errors.New("what it sent to 127.0.0.1 did not come")
	}
	return nil
}

// close frees what the ring has; nothing may be sent any more. The buffers of a broken one
// stay: an order that the kernel never answered may still send what is at their address,
// and that would be whatever the process puts there next.
func (r *ring) close() {
	mapped := [][]byte{r.queues, r.all, r.room}
	if r.broken {
		mapped = mapped[:2]
	}
	for _, m := range mapped {
		if m != nil {
			unix.Munmap(m)
		}
	}
	unix.Close(r.fd)
}

func (r *ring) name() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broken {
		return "sendto, io_uring was given up"
	}
	return "io_uring"
}

func (r *ring) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = !r.broken
}

func (r *ring) send(c *rawConn, b []byte) error {
	if r.keep(c, b) {
		return nil
	}
	return atOnce{}.send(c, b)
}

// keep takes a packet into the row.
func (r *ring) keep(c *rawConn, b []byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open && r.kept == ringEntries || len(b) > ringBuffer-ringAddress {
		r.submit()
	}
	if !r.open || len(b) > ringBuffer-ringAddress {
		return false
	}
	place := int(r.next % ringEntries)
	room := r.room[place*ringBuffer:][:ringBuffer]
	copy(room, (*[unix.SizeofSockaddrInet6]byte)(unsafe.Pointer(&c.toRaw))[:])
	size := copy(room[ringAddress:], b)
	r.orders[place] = ringOrder{
		op: ringOpSend, fd: int32(c.fd), sendFlags: unix.MSG_DONTWAIT,
		address: pointer(&room[0]), addressSize: uint16(c.toSize), data: pointer(&room[ringAddress]), size: uint32(size),
	}
	r.next++
	r.kept++
	return true
}

// pointer is an address as the kernel takes it.
func pointer(b *byte) uint64 { return uint64(uintptr(unsafe.Pointer(b))) }

func (r *ring) flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.submit()
	r.open = false
}

// submit has the kernel send what is kept, and waits for its answers, which a send that
// may not wait gives before the call returns.
func (r *ring) submit() {
	r.tail.Store(r.next)
	for tries := 0; r.told.Load()-r.read.Load() < r.kept; tries++ {
		if tries == ringTries {
			r.giveUp(errUnanswered)
			return
		}
		_, _, errno := unix.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(r.next-r.taken.Load()), uintptr(r.kept),
			ringGetEvents|ringExtended, uintptr(unsafe.Pointer(&r.wait)), unsafe.Sizeof(r.wait))
		if errno != 0 && errno != unix.EINTR {
			r.giveUp(fmt.Errorf("io_uring_enter: %w", errno))
			return
		}
	}
	r.read.Store(r.told.Load())
	r.kept = 0
}

var errUnanswered = errors.New("io_uring_enter: orders were not answered")

// giveUp sends at once what the kernel did not take, and everything from now on: no buffer
// is used again, whatever still reads it.
func (r *ring) giveUp(why error) {
	for i := r.taken.Load(); i != r.next; i++ {
		o := &r.orders[i%ringEntries]
		unix.RawSyscall6(unix.SYS_SENDTO, uintptr(o.fd), uintptr(o.data), uintptr(o.size), unix.MSG_DONTWAIT, uintptr(o.address), uintptr(o.addressSize))
	}
	r.broken, r.open, r.kept = true, false, 0
	if r.lost != nil {
		// Started here, once, as a log may wait and the calls may not; stops when why is
		// told; owns nothing.
		go r.lost(why)
	}
}
