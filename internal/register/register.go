// Package register keeps star97 registered with PBXs and providers: the REGISTER client of
// RFC 3261 sections 10.2 and 22, with the digests of RFC 8760, the way to the registrar by
// RFC 3263 (SRV, A and AAAA; NAPTR is not asked for), back-off by RFC 5626 section 4.5 and
// the keep-alive of its section 4.4.1. Each registration has one goroutine, which refreshes
// it, tries the next address when one fails, and tells only what has changed.
//
// It opens no socket: a Sender sends its requests by those that calls arrive on, since that
// is the way that a NAT keeps open. It follows no redirect (3xx), asks for no GRUU and no
// flow of its own (RFC 5626 section 4.2), and needs neither Path (RFC 3327) nor
// Service-Route (RFC 3608): nothing is ever called through a registration.
package register

import (
	"context"
	"log/slog"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"star97/internal/metrics"
)

// Sender sends from where calls arrive; *uas.Server is one. to is the address of the next
// hop; name is its host as it is written, which its certificate has to show (tls).
type Sender interface {
	// Send completes Via, sends, and waits for the final answer until ctx ends.
	Send(ctx context.Context, req *sip.Request, network string, to netip.AddrPort, name string) (*sip.Response, error)
	// Local is what Contact is to say. chosen: the configuration advertises it.
	Local(ctx context.Context, network string, to netip.AddrPort, name string) (at netip.AddrPort, chosen bool, err error)
	// Ping keeps the way open; an error says that there is none any more.
	Ping(network string, to netip.AddrPort, name string) error
	// Place tells where a registration's calls may come from, and what a NAT shows us by the
	// network that they come by; not valid: there is none.
	Place(registration string, at []netip.Addr, network string, shown netip.AddrPort)
}

// Deps is what registrations need. All is required but Metrics.
type Deps struct {
	Sender   Sender
	Resolver Resolver
	Log      *slog.Logger
	Metrics  *metrics.Metrics
}

// Registrar keeps registrations. Make one with New.
type Registrar struct {
	deps Deps

	mu      sync.Mutex
	clients []*client
	leaving []*client // that are no more, until they are taken back
	running sync.WaitGroup
	closed  bool
}

// New keeps none yet: Exchange begins.
func New(deps Deps) *Registrar { return &Registrar{deps: deps} }

// Exchange takes other registrations into use, which are valid: one that is as before goes
// on undisturbed, and tries again at once if it has failed; one that is gone or different is
// taken back at its registrar first. It returns at once.
func (r *Registrar) Exchange(next []Options) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	r.leaving = slices.DeleteFunc(r.leaving, (*client).over)
	var kept []*client
	for _, c := range r.clients {
		i := slices.IndexFunc(next, func(o Options) bool { return reflect.DeepEqual(o, c.opts) })
		if i >= 0 {
			kept = append(kept, c)
			c.hurry()
			continue
		}
		r.leaving = append(r.leaving, c)
		c.stop()
	}
	fresh := 0
	for _, o := range next {
		if slices.ContainsFunc(kept, func(c *client) bool { return c.opts.Name == o.Name }) {
			continue
		}
		c := newClient(o, r.deps)
		for _, old := range r.leaving { // the last of its name waits for those before it
			if old.opts.Name == o.Name {
				c.after = old.done
			}
		}
		// Many do not come at once, also where star97 starts on many machines together.
		c.first = between(0, time.Duration(fresh)*apart)
		fresh++
		kept = append(kept, c)
		// Started by Exchange; stops when the registration is exchanged or closed, once it is
		// taken back; owns it.
		r.running.Go(c.run)
	}
	r.clients = kept
}

// apart is the room that each registration has at the start.
const apart = 100 * time.Millisecond

// Close takes all registrations back and returns when that is done, or was given up after
// some seconds.
func (r *Registrar) Close() {
	r.mu.Lock()
	r.closed = true
	for _, c := range r.clients {
		c.stop()
	}
	r.mu.Unlock()
	r.running.Wait()
}

// State is how a registration stands.
type State struct {
	Name       string
	Registered bool
	Expires    time.Time // zero: it is not registered
	Failed     int       // tries in a row, up to the last one; what was granted before stands meanwhile
}

// States are those of all registrations.
func (r *Registrar) States() []State {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]State, 0, len(r.clients))
	for _, c := range r.clients {
		all = append(all, c.state())
	}
	return all
}
