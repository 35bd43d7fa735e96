package media

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// sender sends what the sessions of one thread write, of each socket in order. Any
// goroutine calls send and flush; begin is the thread's.
type sender interface {
	// name is the call of the system that sends.
	name() string
	// begin opens a row of frames that are due together: until flush, send may keep what
	// it is given, a copy of it, to send all of them with fewer calls of the system.
	begin()
	// send sends b to where c is aimed. What the system has no room for is lost, and an
	// error if that is known.
	send(c *rawConn, b []byte) error
	// flush sends what was kept and ends the row. Every socket is flushed before it is closed.
	flush()
	// close frees what the sender has, when no socket is left.
	close()
}

// newSender is io_uring where the system lets it send, else sendto.
func newSender(o Options) sender {
	if o.noRing {
		return atOnce{}
	}
	r, err := newRing()
	if err != nil {
		return atOnce{why: err}
	}
	r.lost = o.OnRingLost
	return r
}

// atOnce is the sender that keeps nothing.
type atOnce struct{ why error } // there is no io_uring; nil: none was wanted

func (o atOnce) name() string {
	if o.why == nil {
		return "sendto"
	}
	return "sendto, no io_uring: " + o.why.Error()
}
func (atOnce) begin() {}
func (atOnce) flush() {}
func (atOnce) close() {}

func (atOnce) send(c *rawConn, b []byte) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(c.fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0,
		uintptr(unsafe.Pointer(&c.toRaw)), uintptr(c.toSize))
	if errno != 0 {
		return errno
	}
	return nil
}
