package media

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
)

// reactorFirst: what EngineAuto means here.
const reactorFirst = true

// reactor is the engine of Linux: a few threads, each of which reads the sockets of its
// sessions by epoll(7), keeps their time and sends their frames.
type reactor struct {
	base
	threads []*thread
	work    sync.WaitGroup
}

// newReactor starts a reactor with valid options. Errors: those of epoll(7) and
// eventfd(2), which a sandbox can forbid.
func newReactor(o Options) (Engine, error) {
	e := new(reactor)
	e.init(o, func(at netip.AddrPort) (PacketConn, error) { return listenRaw(at, o.DSCP) })
	for range o.Pacers {
		t, err := newThread(e.now, newSender(o))
		if err != nil {
			return nil, errors.Join(err, e.Close())
		}
		e.threads, e.carriers = append(e.threads, t), append(e.carriers, t)
		e.work.Go(t.run)
	}
	return e, nil
}

// Name implements Engine.
func (e *reactor) Name() string {
	var senders []string // a thread may have lost its own
	for _, t := range e.threads {
		if name := t.out.name(); !slices.Contains(senders, name) {
			senders = append(senders, name)
		}
	}
	return EngineReactor + " (epoll, " + strings.Join(senders, "; ") + ")"
}

// Close implements Engine. It returns when every thread has ended.
func (e *reactor) Close() error {
	if !e.shut() {
		return nil
	}
	for _, t := range e.threads {
		t.end()
	}
	e.work.Wait()
	for _, t := range e.threads {
		t.close()
	}
	return nil
}
