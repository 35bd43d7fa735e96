package media

import (
	"fmt"
	"net/netip"
	"sync"
)

// portable is the engine for every system and for the simulation: two reading
// goroutines per call and the shared pacers.
type portable struct {
	base
	why    error // it stands in for the reactor; nil: it does not
	pacers []*pacer
	work   sync.WaitGroup // pacers and readers
}

// newPortable starts an engine with valid options.
func newPortable(o Options) *portable {
	listen := o.Listen
	if listen == nil {
		listen = func(at netip.AddrPort) (PacketConn, error) { return listenUDP(at, o.DSCP) }
	}
	e := new(portable)
	e.init(o, listen)
	for range o.Pacers {
		p := newPacer(e.now, &e.work)
		e.pacers, e.carriers = append(e.pacers, p), append(e.carriers, p)
		e.work.Go(p.run)
	}
	return e
}

// Name implements Engine.
func (e *portable) Name() string {
	if e.why != nil {
		return fmt.Sprintf("%s (no reactor: %v)", EnginePortable, e.why)
	}
	return EnginePortable
}

// Close implements Engine. It returns when every goroutine has ended.
func (e *portable) Close() error {
	if !e.shut() {
		return nil
	}
	for _, p := range e.pacers {
		close(p.quit)
	}
	e.work.Wait()
	return nil
}
