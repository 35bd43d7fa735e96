package media

import (
	"container/heap"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// readiesPerTurn is how many sockets are read, one datagram each, before frames that
	// are due have their turn: a flood takes its place in the row like everybody.
	readiesPerTurn = 128

	wakeMark = -1            // what epoll tells of the eventfd in place of a socket's number
	awake    = 0             // thread.asleep while it works
	forever  = math.MaxInt64 // and while nothing is due
)

// thread is the carrier of the reactor: a goroutine that waits in the system, where it has
// a thread to itself. While nothing is due and nothing comes it sleeps, without any timer
// if no session sends.
//
// Each of its ways was measured beside another with BenchmarkPacing and
// BenchmarkKeyToPrompt, on two cores that were busy with other work, as medians of runs by
// turns; figures are us of CPU per call and second at 200 calls. Locked to its thread the
// goroutine cost 475 against 441 and 390 against 350 without speech to read, and a key was
// answered after 1.1 against 0.85 ms at the median: unlocked, it can let a run loop go
// first on the same thread. Edge-triggered sockets cost as much as level-triggered ones,
// which need no second read that finds nothing. A timerfd wakes 45 us closer to the slot,
// for 30 % more per wait than epoll_pwait2(2). Waits hidden from Go's scheduler saved a
// tenth and let packets leave later; half a millisecond of rest after each read saved a
// tenth as well and kept each key as long. Slots of 1 ms cost 621 against 495.
// A second, connected socket for sending would save 3 % of a call.
//
// Once a slot it passes through Go's scheduler. Where a goroutine does not for 10 ms, the
// monitor of the runtime takes its processor away (retake in runtime/proc.go), and after
// each such success wakes every 20 us for a while: a tenth of all processor time at 200
// calls. On a busy machine this way leads behind all that is ready to run; see courtesy.
type thread struct {
	now    func() time.Duration
	out    sender
	epoll  int // descriptors
	wake   int
	coarse bool // the system has no epoll_pwait2(2)
	ending atomic.Bool
	asleep atomic.Int64 // the time slept for; set under mu

	mu sync.Mutex
	schedule
	deadlines deadlines
	sockets   []*rawConn // by the number that epoll tells; nil: vacant
	vacant    []int32

	// Owned by run.
	due    []turn
	rings  []*deadline
	ready  [readiesPerTurn]unix.EpollEvent
	data   [maxDatagram + 1]byte
	events bool // a run loop has something to take
	courtesy
}

// newThread makes a thread, which owns out.
func newThread(now func() time.Duration, out sender) (*thread, error) {
	t := &thread{now: now, out: out}
	var err error
	if t.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		out.close()
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	if t.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		unix.Close(t.epoll)
		out.close()
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	// Edge-triggered it tells of each write, and nobody has to read it.
	if err = unix.EpollCtl(t.epoll, unix.EPOLL_CTL_ADD, t.wake, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: wakeMark}); err != nil {
		t.close()
		return nil, fmt.Errorf("epoll_ctl: %w", err)
	}
	_, err = t.waitFine(0)
	t.coarse = err != nil && !errors.Is(err, unix.EINTR)
	return t, nil
}

// close frees what is the system's of a thread that does not run.
func (t *thread) close() {
	unix.Close(t.wake)
	unix.Close(t.epoll)
	t.out.close()
}

// join implements carrier.
func (t *thread) join(s *session) error {
	if err := t.watch(s.ports.rtp.(*rawConn), s, s.receive); err != nil {
		return err
	}
	return t.watch(s.ports.rtcp.(*rawConn), s, s.receiveRTCP)
}

// watch begins to hand what c brings to take.
func (t *thread) watch(c *rawConn, s *session, take func([]byte, netip.AddrPort, time.Duration)) error {
	t.mu.Lock()
	if len(t.vacant) == 0 {
		t.vacant = append(t.vacant, int32(len(t.sockets)))
		t.sockets = append(t.sockets, nil)
	}
	last := len(t.vacant) - 1
	number := t.vacant[last]
	t.vacant = t.vacant[:last]
	c.thread, c.number, c.session, c.take = t, number, s, take
	t.sockets[number] = c
	t.mu.Unlock()
	if err := unix.EpollCtl(t.epoll, unix.EPOLL_CTL_ADD, c.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: number}); err != nil {
		return fmt.Errorf("media: epoll_ctl: %w", err)
	}
	return nil
}

// forget lets go of a socket before it is closed. What epoll has told of it by then
// meets nobody, or at most the next socket under its number, which is then looked at in vain.
func (t *thread) forget(c *rawConn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sockets[c.number] = nil
	t.vacant = append(t.vacant, c.number)
}

// add implements carrier.
func (t *thread) add(s *session, at int64) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	at = t.schedule.add(s, at)
	t.rouse(time.Duration(at) * slot)
	return at
}

// rouse wakes the thread if it sleeps for longer than until at.
func (t *thread) rouse(at time.Duration) {
	if int64(at) < t.asleep.Load() {
		t.asleep.Store(awake)
		t.signal()
	}
}

// signal ends a sleep.
func (t *thread) signal() {
	one := uint64(1)
	unix.RawSyscall(unix.SYS_WRITE, uintptr(t.wake), uintptr(unsafe.Pointer(&one)), unsafe.Sizeof(one))
}

// end has run return.
func (t *thread) end() {
	t.ending.Store(true)
	t.signal()
}

// run is the thread's goroutine: started by newReactor, stops at the engine's Close; owns
// its buffers, and nobody else reads the sockets of its sessions.
func (t *thread) run() {
	for !t.ending.Load() {
		t.poll(t.serve())
	}
}

// serve lets the sessions of one slot have their turns, and those whose deadline has
// come their bell. It returns when the next of them is due.
func (t *thread) serve() time.Duration {
	next := t.collect()
	if len(t.due) == 0 && len(t.rings) == 0 {
		return next
	}
	t.out.begin()
	for _, turn := range t.due {
		told := turn.s.tick(turn.at, t.now()) // to look at each queue would fetch it from memory
		t.events = t.events || told
	}
	for _, d := range t.rings {
		d.ring()
	}
	t.out.flush()
	t.events = t.events || len(t.rings) > 0
	clear(t.due)
	clear(t.rings)
	t.due, t.rings = t.due[:0], t.rings[:0]
	t.giveWay(t.now)
	return t.sleep()
}

// collect takes what is due, or else falls asleep and returns until when.
func (t *thread) collect() time.Duration {
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.due, _ = t.schedule.collect(t.due, int64(now/slot))
	t.rings = t.deadlines.passed(t.rings, now)
	if len(t.due) > 0 || len(t.rings) > 0 {
		return awake
	}
	return t.fallAsleep()
}

// sleep falls asleep and returns until when.
func (t *thread) sleep() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.fallAsleep()
}

func (t *thread) fallAsleep() time.Duration {
	until := time.Duration(forever)
	if t.turns > 0 {
		until = time.Duration(t.soonest()) * slot
	}
	if len(t.deadlines) > 0 {
		until = min(until, t.deadlines[0].due)
	}
	t.asleep.Store(int64(until))
	return until
}

// poll waits until a time on the engine's clock, a wake-up or a datagram, and hands the
// first datagram of each socket that has one to its session.
func (t *thread) poll(until time.Duration) {
	timeout := until
	if until != forever {
		timeout = max(until-t.now(), 0)
	}
	t.take(t.wait(timeout))
	if t.events { // their run loops go first: waiting in the system leaves them no place to run at once
		t.events = false
		runtime.Gosched()
	}
}

// take hands one datagram of each of the first n sockets that are ready to its session.
func (t *thread) take(n int) {
	t.asleep.Store(awake)
	now := t.now()
	for i := range n {
		if number := t.ready[i].Fd; number != wakeMark {
			t.read(number, now)
		}
	}
}

// read hands one datagram of a socket to its session.
func (t *thread) read(number int32, now time.Duration) {
	t.mu.Lock()
	c := t.sockets[number]
	t.mu.Unlock()
	if c == nil {
		return
	}
	n, from, err := c.ReadFromUDPAddrPort(t.data[:])
	if err != nil {
		return // nothing there, or what became of a packet that we sent: the next one may be taken
	}
	if n > maxDatagram {
		n = 0 // cut off: not well-formed
	}
	c.take(t.data[:n], from, now)
	t.events = t.events || len(c.session.queue.ch) > 0
}

// timespec is the struct __kernel_timespec of all machines.
type timespec struct{ sec, nsec int64 }

// wait waits for readiness; a signal can end it before its time.
func (t *thread) wait(timeout time.Duration) (n int) {
	if !t.coarse {
		n, _ = t.waitFine(timeout)
		return n
	}
	ms := -1
	if timeout != forever {
		ms = int((timeout + time.Millisecond - 1) / time.Millisecond)
	}
	n, _ = unix.EpollWait(t.epoll, t.ready[:], ms)
	return max(n, 0)
}

// waitFine waits by epoll_pwait2(2), of Linux 5.11 and later.
func (t *thread) waitFine(timeout time.Duration) (int, error) {
	ts := timespec{int64(timeout / time.Second), int64(timeout % time.Second)}
	p := unsafe.Pointer(&ts)
	if timeout == forever {
		p = nil
	}
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(t.epoll), uintptr(unsafe.Pointer(&t.ready[0])), readiesPerTurn, uintptr(p), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// bell implements carrier.
func (t *thread) bell(ring func()) bell { return &deadline{thread: t, ring: ring, place: -1} }

// deadline is the bell of one session. The thread's lock guards due and place.
type deadline struct {
	thread *thread
	ring   func()
	due    time.Duration
	place  int // among the thread's deadlines; -1: none
}

func (d *deadline) set(due, _ time.Duration) {
	d.thread.mu.Lock()
	defer d.thread.mu.Unlock()
	d.due = due
	if d.place < 0 {
		heap.Push(&d.thread.deadlines, d)
	} else {
		heap.Fix(&d.thread.deadlines, d.place)
	}
	d.thread.rouse(due)
}

func (d *deadline) stop() {
	d.thread.mu.Lock()
	defer d.thread.mu.Unlock()
	if d.place >= 0 {
		heap.Remove(&d.thread.deadlines, d.place)
	}
}

// deadlines is a heap (container/heap), the earliest first.
type deadlines []*deadline

// passed takes out what is due by now and adds it to rings.
func (h *deadlines) passed(rings []*deadline, now time.Duration) []*deadline {
	for len(*h) > 0 && (*h)[0].due <= now {
		rings = append(rings, heap.Pop(h).(*deadline))
	}
	return rings
}

func (h deadlines) Len() int           { return len(h) }
func (h deadlines) Less(i, j int) bool { return h[i].due < h[j].due }
func (h deadlines) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

func (h *deadlines) Push(x any) {
	d := x.(*deadline)
	d.place = len(*h)
	*h = append(*h, d)
}

func (h *deadlines) Pop() any {
	last := len(*h) - 1
	d := (*h)[last]
	d.place = -1
	(*h)[last] = nil
	*h = (*h)[:last]
	return d
}
