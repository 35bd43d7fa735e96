package media

import (
	"errors"
	"net/netip"
	"sync"
	"time"
)

// ErrClosed says that the engine has been closed.
var ErrClosed = errors.New("media: the engine is closed")

// pacerCalls is the number of calls above which another pacer gets work.
const pacerCalls = 1000

// portable is the engine for every system and for the simulation: two reading
// goroutines per call and the shared pacers.
type portable struct {
	options Options
	epoch   time.Time
	ports   *ports
	pacers  []*pacer
	work    sync.WaitGroup // pacers and readers

	mu       sync.Mutex
	closed   bool
	sessions map[*session]int // with the pacer of each
	load     []int            // sessions of each pacer
}

// NewPortable starts an engine. Errors: those of Options.Validate.
func NewPortable(o Options) (Engine, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if o.Listen == nil {
		dscp := o.DSCP
		o.Listen = func(at netip.AddrPort) (PacketConn, error) { return listenUDP(at, dscp) }
	}
	e := &portable{options: o, epoch: time.Now(), sessions: make(map[*session]int), load: make([]int, o.Pacers)}
	e.ports = newPorts(o.PortMin, o.PortMax, o.Listen)
	for range o.Pacers {
		p := newPacer(e.now)
		e.pacers = append(e.pacers, p)
		e.work.Go(p.run)
	}
	return e, nil
}

// now is the engine's clock: the time since its epoch.
func (e *portable) now() time.Duration { return time.Since(e.epoch) }

// Open implements Engine.
func (e *portable) Open(local netip.Addr) (Session, error) {
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
	s.pacer = e.pacers[i]
	e.load[i]++
	e.sessions[s] = i
	e.work.Go(s.readRTP)
	e.work.Go(s.readRTCP)
	return s, nil
}

// FreePorts implements Engine.
func (e *portable) FreePorts() int {
	e.ports.mu.Lock()
	defer e.ports.mu.Unlock()
	return len(e.ports.free)
}

// lightest picks the pacer for one more session.
func (e *portable) lightest() int {
	best := 0
	for i := range min(len(e.pacers), 1+len(e.sessions)/pacerCalls) {
		if e.load[i] < e.load[best] {
			best = i
		}
	}
	return best
}

// drop forgets a session that has closed and frees its ports.
func (e *portable) drop(s *session) {
	e.release(s.ports)
	e.mu.Lock()
	defer e.mu.Unlock()
	if i, ok := e.sessions[s]; ok {
		e.load[i]--
		delete(e.sessions, s)
	}
}

func (e *portable) release(p pair) {
	p.rtp.Close()
	p.rtcp.Close()
	e.ports.give(p.port)
}

// Close implements Engine. It returns when every goroutine has ended.
func (e *portable) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
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
	for _, p := range e.pacers {
		close(p.quit)
	}
	e.work.Wait()
	return nil
}
