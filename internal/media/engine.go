package media

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

// ErrClosed says that the engine has been closed.
var ErrClosed = errors.New("media: the engine is closed")

// The engines, as Options.Engine names them.
const (
	EngineAuto     = "auto"     // the better one that the system can have
	EnginePortable = "portable" // goroutines: two that read for each call, and the pacers
	EngineReactor  = "reactor"  // Linux: a few threads that read, keep time and send
)

// New starts an engine. Errors: those of Options.Validate, and what the engine that was
// asked for by its name cannot have of the system.
func New(o Options) (Engine, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if o.Listen != nil || o.Engine == EnginePortable || o.Engine == EngineAuto && !reactorFirst {
		return newPortable(o), nil
	}
	e, err := newReactor(o)
	switch {
	case err == nil:
		return e, nil
	case o.Engine == EngineAuto:
		instead := newPortable(o)
		instead.why = err
		return instead, nil
	}
	return nil, fmt.Errorf("media: no reactor: %w; set engine to auto or portable", err)
}

// carrierCalls is the number of calls above which another carrier gets work.
const carrierCalls = 1000

// carrier carries the packets of its sessions: it hands what their sockets bring to
// receive and receiveRTCP, and lets each have the turns and the bells that it asks for.
// Both may be asked for by any goroutine that holds the session's lock; a carrier's own
// lock comes after it.
type carrier interface {
	// join begins to read the sockets of s, until they are closed.
	join(s *session) error
	// add books a turn for s and returns its slot, at or after the one asked for:
	// then comes tick.
	add(s *session, at int64) int64
	// bell makes what calls ring at the time that it is set to.
	bell(ring func()) bell
}

// bell rings once, at the time on the engine's clock that it was last set to. The
// session's lock guards it.
type bell interface {
	set(due, now time.Duration)
	stop()
}

// base is what every engine is made of: it opens sessions, spreads them over its
// carriers and frees their ports.
type base struct {
	options  Options
	epoch    time.Time
	now      func() time.Duration // the engine's clock: the time since its epoch
	ports    *ports
	carriers []carrier

	mu       sync.Mutex
	closed   bool
	sessions map[*session]int // with the carrier of each
	load     []int            // sessions of each carrier
}

// init makes a base whose ports are opened by listen. Its carriers are still to come.
func (e *base) init(o Options, listen func(netip.AddrPort) (PacketConn, error)) {
	e.options, e.epoch = o, time.Now()
	e.now = func() time.Duration { return time.Since(e.epoch) }
	e.ports = newPorts(o.PortMin, o.PortMax, listen)
	e.sessions, e.load = make(map[*session]int), make([]int, o.Pacers)
}

// Open implements Engine.
func (e *base) Open(local netip.Addr) (Session, error) {
	addr, err := e.options.bindFor(local)
	if err != nil {
		return nil, err
	}
	pair, err := e.ports.open(addr)
	if err != nil {
		return nil, err
	}
	s := newSession(e, pair, netip.AddrPortFrom(addr, pair.port))
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		e.release(pair)
		return nil, ErrClosed
	}
	i := e.lightest()
	s.carry(e.carriers[i])
	if err := s.carrier.join(s); err != nil {
		e.release(pair)
		return nil, err
	}
	e.load[i]++
	e.sessions[s] = i
	return s, nil
}

// FreePorts implements Engine.
func (e *base) FreePorts() int {
	e.ports.mu.Lock()
	defer e.ports.mu.Unlock()
	return len(e.ports.free)
}

// lightest picks the carrier for one more session.
func (e *base) lightest() int {
	best := 0
	for i := range min(len(e.carriers), 1+len(e.sessions)/carrierCalls) {
		if e.load[i] < e.load[best] {
			best = i
		}
	}
	return best
}

// drop forgets a session that has closed and frees its ports.
func (e *base) drop(s *session) {
	e.release(s.ports)
	e.mu.Lock()
	defer e.mu.Unlock()
	if i, ok := e.sessions[s]; ok {
		e.load[i]--
		delete(e.sessions, s)
	}
}

func (e *base) release(p pair) {
	p.rtp.Close()
	p.rtcp.Close()
	e.ports.give(p.port)
}

// shut ends every session and lets no other one begin. False: that was done before.
func (e *base) shut() bool {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return false
	}
	e.closed = true
	var open []*session
	for s := range e.sessions {
		open = append(open, s)
	}
	e.mu.Unlock()
	for _, s := range open {
		s.end()
	}
	return true
}
