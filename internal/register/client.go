package register

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Times of a registration.
const (
	// lookWithin bounds a look at the DNS.
	lookWithin = 10 * time.Second
	// lookAgain is how often the DNS is asked while nothing else is due.
	lookAgain = 5 * time.Minute
	// answerWithin is for an answer (RFC 3261 section 17.1.2.2, timer F), tryWithin for one
	// while there is another address to try.
	answerWithin = 32 * time.Second
	tryWithin    = 8 * time.Second
	// avoidFor is how long an address that failed is tried after all others.
	avoidFor = 5 * time.Minute
	// leaveWithin is for taking a registration back.
	leaveWithin = 4 * time.Second
	// soonest is the shortest time between two refreshes, whatever is granted.
	soonest = 5 * time.Second
	// usualMost is between two tries of what may pass by itself.
	usualMost = 5 * time.Minute
	// slowest is between two tries that cannot be hoped to end otherwise than the last.
	slowest = time.Hour
)

// client keeps one registration. Its run goroutine owns every field below the line.
type client struct {
	opts  Options
	deps  Deps
	log   *slog.Logger
	after <-chan struct{} // the registration in whose place this one comes is taken back
	first time.Duration   // before the first try

	life context.Context
	stop context.CancelFunc
	wake chan struct{}
	done chan struct{}
	upTo atomic.Int64 // end of the registration, in nanoseconds since 1970; 0: there is none
	row  atomic.Int64 // fails, for whoever asks

	// ---
	dialog   identity
	targets  []Target
	at       Target                       // that the last answer came from
	avoided  map[netip.AddrPort]time.Time // addresses that failed, until then
	kept     map[netip.Addr]time.Time     // those that calls may come from until then
	local    netip.AddrPort               // what Contact would say without a NAT
	chosen   bool                         // the configuration advertises it
	outer    netip.AddrPort               // what it says behind one; not valid: there is none
	bound    sip.Uri                      // the Contact that is registered; no host: none
	asked    time.Duration                // Expires of the next REGISTER
	fails    int                          // tries in a row
	told     string                       // the last state that the log has
	silent   bool                         // OPTIONS are answered "not found" although registered
	resolved time.Time
}

func newClient(o Options, d Deps) *client {
	c := &client{
		opts: o, deps: d, log: d.Log.With("registration", o.Name),
		wake: make(chan struct{}, 1), done: make(chan struct{}),
		dialog: newIdentity(), asked: o.Expires,
		avoided: map[netip.AddrPort]time.Time{}, kept: map[netip.Addr]time.Time{},
	}
	c.life, c.stop = context.WithCancel(context.Background())
	return c
}

// hurry has a registration that failed tried again at once.
func (c *client) hurry() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *client) state() State {
	s := State{Name: c.opts.Name, Failed: int(c.row.Load())}
	if until := time.Unix(0, c.upTo.Load()); until.After(time.Now()) {
		s.Registered, s.Expires = true, until
	}
	return s
}

// over says that run has ended.
func (c *client) over() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// run keeps the registration until stop, and takes it back then.
func (c *client) run() {
	defer close(c.done)
	defer c.deps.Sender.Place(c.opts.Name, nil, "", netip.AddrPort{})
	if c.after != nil {
		<-c.after
	}
	c.pause(c.first)
	for c.life.Err() == nil {
		c.rest(c.renew())
	}
	c.leave()
}

// pause waits, or until the end.
func (c *client) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.life.Done():
	}
}

// rest waits until the next REGISTER is due and keeps the way open meanwhile.
func (c *client) rest(d time.Duration) {
	due := time.NewTimer(d)
	defer due.Stop()
	tick := time.NewTicker(c.tick())
	defer tick.Stop()
	for {
		select {
		case <-due.C:
			return
		case <-c.life.Done():
			return
		case <-c.wake:
			if c.fails > 0 {
				return
			}
		case <-tick.C:
			if c.fails == 0 && !c.keep() {
				return
			}
			if c.fails > 0 && c.state().Registered && c.opts.KeepAlive > 0 { // calls may still come
				_ = c.deps.Sender.Ping(c.at.Network, c.at.Addr, c.name())
			}
		}
	}
}

func (c *client) tick() time.Duration {
	if c.opts.KeepAlive == 0 {
		return lookAgain
	}
	return c.opts.KeepAlive
}

// renew registers, or tries to, and returns how long to wait.
func (c *client) renew() time.Duration {
	granted, f := c.register()
	if c.life.Err() != nil {
		return 0
	}
	now := time.Now()
	if f == nil {
		c.failed(0)
		c.upTo.Store(now.Add(granted).UnixNano())
		c.kept[c.at.Addr.Addr()] = now.Add(granted)
		c.place()
		c.tell(fmt.Sprint("registered ", c.at.Addr, c.bound.String()), func() {
			c.log.Info("registered", "as", c.opts.AOR(), "contact", c.bound.String(), "at", c.at.Addr, "network", c.at.Network, "expires", granted)
		})
		// Between 75 and 90 of a hundred parts, so that a lost message can come again.
		return max(soonest, between(granted*3/4, granted*9/10))
	}
	c.failed(c.fails + 1)
	c.deps.Metrics.RegistrationFailed(c.opts.Name, f.reason)
	wait := c.backOff(f)
	s := c.state()
	c.tell(fmt.Sprint(f.reason, s.Registered), func() { // also when what stood so far has ended
		say, words := c.log.Warn, []any{"as", c.opts.AOR(), "reason", f.Error(), "next_try", wait.Round(time.Second)}
		if f.class != passing {
			say = c.log.Error
		}
		if s.Registered {
			words = append(words, "stands_for", time.Until(s.Expires).Round(time.Second))
		}
		say("registration failed", words...)
	})
	return wait
}

// failed notes how many tries in a row did.
func (c *client) failed(tries int) {
	c.fails = tries
	c.row.Store(int64(tries))
}

// tell logs a change of state.
func (c *client) tell(state string, say func()) {
	if c.told != state {
		c.told = state
		say()
	}
}

// backOff is the wait after a failure: RFC 5626 section 4.5's for what may pass by itself,
// minutes to an hour for the rest, and never more than RetryMost where that is set, unless
// the registrar asks for it.
func (c *client) backOff(f *failure) time.Duration {
	first, most := c.opts.RetryFirst, usualMost
	switch f.class {
	case refused:
		first, most = slowest, slowest
	case mistrusted:
		first, most = wrongFirst, slowest
	}
	most = cmp.Or(c.opts.RetryMost, most)
	wait := first << min(c.fails-1, 20)
	if wait > most || wait <= 0 {
		wait = most
	}
	return max(between(wait/2, wait), min(f.retryAfter, slowest))
}

// wrongFirst is the wait after a password was not taken: whoever hammers is locked out.
const wrongFirst = 5 * time.Minute

// between is a random time.
func between(least, most time.Duration) time.Duration {
	return least + time.Duration(rand.Int64N(int64(most-least)+1))
}

// resolve asks the DNS and tells where calls may come from. What it said last holds while
// it does not answer.
func (c *client) resolve() error {
	ctx, cancel := context.WithTimeout(c.life, lookWithin)
	defer cancel()
	c.resolved = time.Now()
	targets, err := c.opts.Targets(ctx, c.deps.Resolver)
	if err != nil {
		if len(c.targets) > 0 {
			c.log.Debug("the registrar's addresses are those from before", "error", err)
			return nil
		}
		return err
	}
	c.targets = targets
	c.place()
	return nil
}

// place tells where calls may come from: the addresses that the name stands for, and those
// that may still hold a registration of ours.
func (c *client) place() {
	var all []netip.Addr
	for _, t := range c.targets {
		all = append(all, t.Addr.Addr())
	}
	for a, until := range c.kept {
		if time.Now().After(until) {
			delete(c.kept, a)
			continue
		}
		all = append(all, a)
	}
	slices.SortFunc(all, netip.Addr.Compare)
	c.deps.Sender.Place(c.opts.Name, slices.Compact(all), c.at.Network, c.outer)
}

// order is the order of trying: the address that answered last stays the first among those
// of its priority, and what failed not long ago comes last.
func (c *client) order() []Target {
	maps.DeleteFunc(c.avoided, func(_ netip.AddrPort, until time.Time) bool { return !time.Now().Before(until) })
	all := slices.Clone(c.targets)
	slices.SortStableFunc(all, func(a, b Target) int { return c.rank(a) - c.rank(b) })
	if i := slices.Index(all, c.at); i > 0 && all[0].Priority == c.at.Priority && c.rank(all[0]) == c.rank(c.at) {
		all = slices.Insert(slices.Delete(all, i, i+1), 0, c.at)
	}
	return all
}

func (c *client) rank(t Target) int {
	if _, failed := c.avoided[t.Addr]; failed {
		return 1
	}
	return 0
}

// keep is one sign of life; false if the registration has to be renewed at once.
func (c *client) keep() bool {
	if time.Since(c.resolved) >= lookAgain {
		if err := c.resolve(); err == nil && !slices.Contains(c.targets, c.at) {
			c.log.Info("the registrar's name stands for other addresses now", "before", c.at.Addr)
			return false
		}
	}
	if c.opts.KeepAlive == 0 {
		return true
	}
	ctx, cancel := context.WithTimeout(c.life, tryWithin)
	defer cancel()
	if err := c.deps.Sender.Ping(c.at.Network, c.at.Addr, c.name()); err != nil {
		c.log.Info("the way to the registrar is gone", "at", c.at.Addr, "error", err)
		return false
	}
	if local, _, err := c.deps.Sender.Local(ctx, c.at.Network, c.at.Addr, c.name()); err == nil && local != c.local {
		c.log.Info("star97 is reached by another address now", "before", c.local, "now", local)
		return false
	}
	return c.opts.KeepAliveBy != byOptions || c.question(ctx)
}

// question asks about the own user, which the registrar sends on to our own Contact if it
// has it. Some answer by themselves, whatever they have.
func (c *client) question(ctx context.Context) bool {
	res, err := c.deps.Sender.Send(ctx, c.request(sip.OPTIONS, c.at), c.at.Network, c.at.Addr, c.name())
	switch {
	case c.life.Err() != nil:
		return true
	case err != nil:
		c.log.Info("the registrar does not answer", "at", c.at.Addr, "error", err)
		c.avoid(c.at, 0)
		return false
	case slices.Contains([]int{sip.StatusNotFound, sip.StatusGone, sip.StatusTemporarilyUnavailable}, res.StatusCode):
		if c.silent { // a new registration made no difference
			return true
		}
		c.silent = true
		c.log.Info("the registrar does not know the registration any more", "status", res.StatusCode)
		return false
	case res.IsSuccess():
		c.silent = false
	}
	return !c.moved(res, c.at)
}

func (c *client) avoid(t Target, retryAfter time.Duration) {
	c.avoided[t.Addr] = time.Now().Add(max(avoidFor, min(retryAfter, slowest)))
}

// leave takes the registration back, so that no more calls come.
func (c *client) leave() {
	if c.bound.Host == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaveWithin)
	defer cancel()
	_, f := c.exchange(ctx, c.at, 0)
	c.upTo.Store(0)
	if f != nil {
		c.log.Warn("the registration could not be taken back; it ends by itself", "reason", f.Error())
		return
	}
	c.log.Info("registration taken back", "as", c.opts.AOR())
}
