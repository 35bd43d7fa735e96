package caller

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"star97/internal/dtmf"
	"star97/internal/pin"
)

// load is one load run.
type load struct {
	o     LoadOptions
	line  *Line
	deck  *deck
	from  netip.Addr
	begun time.Time

	mu       sync.Mutex
	r        *LoadReport
	answer   Histogram
	refusal  Histogram
	readLate Histogram
	dialLate Histogram
	invites  invites
	calls    []*loaded
	seconds  float64   // call-seconds of ended calls in the measured window
	up       int       // calls
	heard    time.Time // when a request of ours was last answered
	silent   int       // requests since then that were not
	stage    string
	until    time.Time // when the stage is over; zero: that is not known
	played   tally     // script mode: what the calls so far received
	lasted   Histogram // script mode: calls whose script ran to its end
}

// loaded is one call of the run with its stream.
type loaded struct {
	*Call
	stream *loadStream
	user   User
}

// Load runs many calls from this process and reports what their telephones saw. A
// far end that refuses or loses calls is a finding in the report, not an error. When
// ctx ends, the calls are hung up and what was measured until then is reported.
// Errors: ErrOptions, ErrUnreachable or ErrNoAnswer of the first call, which goes ahead
// alone, ctx's if it ended before that was answered, or what kept this machine from making
// calls at all.
func Load(ctx context.Context, o LoadOptions) (*LoadReport, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	if err := enoughDescriptors(o.Calls); err != nil {
		return nil, err
	}
	l := &load{o: o, begun: time.Now(), r: &LoadReport{Mode: o.Mode, Calls: o.Calls, Rate: o.Rate, Failures: map[string]int{}}}
	if err := l.open(ctx); err != nil {
		return nil, err
	}
	defer l.line.Close()
	stop := l.deck.start()
	defer stop()
	told := l.tellProgress()
	err := l.run(ctx)
	told()
	if err != nil {
		return nil, err
	}
	l.r.Interrupted = ctx.Err() != nil
	stop()
	l.report()
	return l.r, nil
}

func (l *load) run(ctx context.Context) error {
	switch l.o.Mode {
	case RateMode:
		return l.steady(ctx)
	case ScriptMode:
		return l.playAll(ctx)
	}
	return l.together(ctx)
}

// spareDescriptors are what a run needs beside the two of each call.
const spareDescriptors = 64

// enoughDescriptors tells before the first call when there are too few for all. Go has
// raised the limit as far as it may.
func enoughDescriptors(calls int) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || uint64(2*calls+spareDescriptors) <= limit.Cur {
		return nil // where it cannot be asked, opening tells
	}
	return fmt.Errorf("%w: %d calls need %d open files and this process may have %d; raise the limit (ulimit -n) or make fewer calls",
		ErrOptions, calls, 2*calls+spareDescriptors, limit.Cur)
}

func (l *load) open(ctx context.Context) error {
	var uri sip.Uri
	if err := sip.ParseUri(l.o.URI, &uri); err != nil {
		return fmt.Errorf("%w: %w", ErrOptions, err)
	}
	local, err := localAddr(l.o.Listen)
	if err != nil {
		return err
	}
	far, err := resolve(ctx, &uri, local.Addr())
	if err != nil {
		return err
	}
	if !local.IsValid() {
		if local, err = routeTo(far); err != nil {
			return err
		}
	}
	l.from = local.Addr()
	if l.line, err = openLine(transportOf(Options{Transport: l.o.Transport}, &uri), local, l.o.TLS); err != nil {
		return err
	}
	if l.deck, err = newDeck(l.o); err != nil {
		l.line.Close()
	}
	return err
}

// together sets all calls up, measures while they last, and ends them.
func (l *load) together(ctx context.Context) error {
	if err := l.dialAll(ctx); err != nil {
		return err
	}
	if len(l.calls) == 0 {
		return nil
	}
	l.settle(ctx)
	l.enter("measuring", l.o.Duration)
	usage := startUsage(l.o.PID)
	begin := time.Now()
	l.deck.measure(true)
	sleepUntil(ctx, begin.Add(l.o.Duration))
	l.deck.measure(false)
	for _, c := range l.calls {
		until := time.Now()
		if t := c.Times().Ended; !t.IsZero() {
			l.endedEarly(c)
			until = t
		}
		l.seconds += max(until.Sub(begin).Seconds(), 0)
	}
	l.r.Usage = usage.stop(l.seconds)
	l.enter("hanging up", 0)
	l.hangUpAll(ctx)
	return nil
}

// dialAll dials at the asked rate from absolute times, each call on a goroutine that
// ends with its answer. The first one is answered or refused before there is another.
func (l *load) dialAll(ctx context.Context) error {
	l.enter("waiting for the first answer", l.o.Answer)
	c, err := l.first(ctx)
	if err != nil {
		return err
	}
	l.join(c)
	l.enter("setting up calls", 0)
	var dialing errgroup.Group
	begin := time.Now()
	for n := 1; n < l.o.Calls; n++ {
		due := begin.Add(time.Duration(float64(n) / l.o.Rate * float64(time.Second)))
		if !sleepUntil(ctx, due) {
			break
		}
		// One caller: started here at its time; stops when it is signed in or has failed.
		dialing.Go(func() error {
			c, _ := l.dial(ctx, n, due) // which counts its error
			l.join(c)
			return nil
		})
	}
	_ = dialing.Wait() // the callers have no error: what they find is in the report
	return nil
}

// join keeps a call that was answered, and signs it in.
func (l *load) join(c *loaded) {
	if c == nil {
		return
	}
	l.mu.Lock()
	l.calls = append(l.calls, c)
	l.mu.Unlock()
	l.signIn(c)
}

// invites are the moments of the first and of the last INVITE that had its time, how many
// there were, and in mode rate the time that was asked for.
type invites struct {
	first, last time.Time
	n           int
	asked       time.Duration
}

// invited notes when an INVITE left that was due at a moment. Time in our own queue, for a
// goroutine or for sockets, is ours and not the far end's.
func (l *load) invited(at, due time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dialLate.Record(at.Sub(due))
	i := &l.invites
	if i.n++; i.n == 1 {
		i.first, i.last = at, at
	}
	if at.After(i.last) {
		i.last = at
	}
}

// rate is how many left a second: in mode rate of the time that was asked for, or of the
// longer one that they took; 0: too few to tell.
func (i invites) rate() float64 {
	if i.asked > 0 {
		return round(float64(i.n)/max(i.asked, i.last.Sub(i.first)).Seconds(), 1)
	}
	if d := i.last.Sub(i.first); i.n > 1 && d > 0 {
		return round(float64(i.n-1)/d.Seconds(), 1)
	}
	return 0
}

// signIn presses the code of a caller that has one, as soon as its call is up, so that
// codes are asked about at the rate of the calls.
func (l *load) signIn(c *loaded) {
	keys := signInKeys(c.user.Code)
	if len(keys) == 0 {
		return
	}
	l.deck.post(func() {
		c.stream.queue = keys
		l.deck.schedule(c.stream, time.Now())
	})
}

func signInKeys(code pin.PIN) (keys []dtmf.Digit) {
	if code.Empty() {
		return nil
	}
	code.Reveal(func(digits []byte) {
		for _, d := range digits {
			keys = append(keys, dtmf.Digit(d-'0'))
		}
	})
	return append(keys, dtmf.Pound)
}

// settle waits until the last caller has signed in and the far end has said what it
// says then.
func (l *load) settle(ctx context.Context) {
	longest := 0
	for _, c := range l.calls {
		longest = max(longest, len(signInKeys(c.user.Code)))
	}
	if longest == 0 {
		return
	}
	d := time.Duration(longest)*(loadPressLength+loadPressGap) + l.o.Settle
	l.enter("signing in", d)
	sleepUntil(ctx, time.Now().Add(d))
}

// steady sets calls up at the rate and ends each after its hold, for the duration. The
// first one is answered or refused before the rate begins, and stands for its first INVITE.
func (l *load) steady(ctx context.Context) error {
	l.enter("waiting for the first answer", l.o.Answer)
	first, err := l.first(ctx)
	if err != nil {
		return err
	}
	var running errgroup.Group
	running.SetLimit(l.o.Calls)
	l.enter("measuring", l.o.Duration)
	usage := startUsage(l.o.PID)
	begin := time.Now()
	l.deck.measure(true)
	l.invites = invites{first: begin, last: begin, n: 1}
	for n := 0; ; n++ {
		past := time.Duration(float64(n) / l.o.Rate * float64(time.Second))
		due := begin.Add(past)
		if past >= l.o.Duration || !sleepUntil(ctx, due) {
			l.invites.asked = min(past, l.o.Duration)
			break
		}
		// One call: started here at its time; stops when it has ended or failed.
		if !running.TryGo(func() error {
			l.attempt()
			c := first
			if n > 0 {
				c, _ = l.dial(ctx, n, due) // which counts its error
			}
			l.visit(ctx, c)
			return nil
		}) {
			l.notPlaced()
		}
	}
	l.enter("hanging up", 0)
	_ = running.Wait() // visit has no error: what it finds is in the report
	l.r.Usage = usage.stop(l.seconds)
	return nil
}

// visit stays on one call of rate mode, and ends it.
func (l *load) visit(ctx context.Context, c *loaded) {
	if c == nil {
		return
	}
	begin := time.Now()
	if !c.pause(ctx, l.o.Hold) && c.End() != NotEnded {
		l.endedEarly(c)
	}
	l.leave(ctx, c)
	l.mu.Lock()
	l.seconds += time.Since(begin).Seconds()
	l.mu.Unlock()
}

func (l *load) attempt() {
	l.mu.Lock()
	l.r.Attempted++
	l.mu.Unlock()
}

// notPlaced counts a call whose time came while as many as are allowed were under way. It
// is no failure of the far end: that saw no INVITE.
func (l *load) notPlaced() {
	l.mu.Lock()
	l.r.NotPlaced++
	l.mu.Unlock()
}

func sleepUntil(ctx context.Context, at time.Time) bool {
	d := time.Until(at)
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
