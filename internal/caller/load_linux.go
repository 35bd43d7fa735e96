package caller

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
	"golang.org/x/sync/errgroup"

	"star97/internal/dtmf"
	"star97/internal/pin"
)

// load is one load run.
type load struct {
	o    LoadOptions
	line *Line
	deck *deck
	from netip.Addr

	mu       sync.Mutex
	r        *LoadReport
	answer   Histogram
	readLate Histogram
	dialLate Histogram
	calls    []*loaded
	seconds  float64 // call-seconds of ended calls in the measured window
}

// loaded is one call of the run with its stream.
type loaded struct {
	*Call
	stream *loadStream
	user   User
}

// Load runs many calls from this process and reports what their telephones saw. A
// far end that refuses or loses calls is a finding in the report, not an error.
// Errors: ErrOptions, ctx's, or what kept this machine from making calls at all.
func Load(ctx context.Context, o LoadOptions) (*LoadReport, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	l := &load{o: o, r: &LoadReport{Mode: o.Mode, Calls: o.Calls, Rate: o.Rate, Failures: map[string]int{}}}
	if err := l.open(ctx); err != nil {
		return nil, err
	}
	defer l.line.Close()
	stop := l.deck.start()
	defer stop()
	var err error
	if o.Mode == RateMode {
		err = l.steady(ctx)
	} else {
		err = l.together(ctx)
	}
	if err != nil {
		return nil, err
	}
	stop()
	l.report()
	return l.r, nil
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
	if l.line, err = openLine(transportOf(Options{Transport: l.o.Transport}, &uri), local, nil); err != nil {
		return err
	}
	l.deck, err = newDeck(l.o)
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
	if err := l.settle(ctx); err != nil {
		return err
	}
	usage := startUsage(l.o.PID)
	begin := time.Now()
	l.deck.measure(true)
	timer := time.NewTimer(l.o.Duration)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	l.deck.measure(false)
	for _, c := range l.calls {
		until := time.Now()
		if t := c.Times().Ended; !t.IsZero() {
			l.r.EndedEarly++
			until = t
		}
		l.seconds += max(until.Sub(begin).Seconds(), 0)
	}
	l.r.Usage = usage.stop(l.seconds)
	l.hangUpAll(ctx)
	return nil
}

// dialAll dials at the asked rate from absolute times, each call on a goroutine that
// ends with its answer.
func (l *load) dialAll(ctx context.Context) error {
	var dialing errgroup.Group
	begin := time.Now()
	for n := range l.o.Calls {
		due := begin.Add(time.Duration(float64(n) / l.o.Rate * float64(time.Second)))
		if !sleepUntil(ctx, due) {
			break
		}
		l.lateBy(time.Since(due))
		// One caller: started here at its time; stops when it is signed in or has failed.
		dialing.Go(func() error {
			if c := l.dial(ctx, n); c != nil {
				l.mu.Lock()
				l.calls = append(l.calls, c)
				l.mu.Unlock()
				l.signIn(c)
			}
			return nil
		})
	}
	_ = dialing.Wait() // dial reports its failures itself
	return ctx.Err()
}

func (l *load) lateBy(d time.Duration) {
	l.mu.Lock()
	l.dialLate.Record(d)
	l.mu.Unlock()
}

func (l *load) user(n int) User {
	if len(l.o.Users) == 0 {
		return User{From: strconv.Itoa(1000 + n)}
	}
	return l.o.Users[n%len(l.o.Users)]
}

// dial makes one call; nil if it failed, which is counted under its reason.
func (l *load) dial(ctx context.Context, n int) *loaded {
	stream, err := l.deck.open(l.from)
	if err != nil {
		l.failed(err)
		return nil
	}
	user := l.user(n)
	call, err := Dial(ctx, Options{URI: l.o.URI, From: user.From, Transport: l.o.Transport, Line: l.line, Talk: l.o.Talk, rtp: stream})
	if err != nil {
		l.failed(err)
		return nil
	}
	t := call.Times()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.r.Answered++
	l.answer.Record(t.Answered.Sub(t.Invite))
	l.readLate.Record(t.Read.Sub(t.Answered))
	return &loaded{Call: call, stream: stream, user: user}
}

func (l *load) failed(err error) {
	var refused *Refused
	reason := err.Error()
	switch {
	case errors.As(err, &refused):
		reason = fmt.Sprintf("%d %s", refused.Status, refused.Reason)
	case errors.Is(err, ErrNoAnswer):
		reason = ErrNoAnswer.Error()
	case errors.Is(err, ErrUnreachable):
		reason = ErrUnreachable.Error()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.r.Failed++
	if len(l.r.Failures) < 20 || l.r.Failures[reason] > 0 {
		l.r.Failures[reason]++
	}
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
func (l *load) settle(ctx context.Context) error {
	longest := 0
	for _, c := range l.calls {
		longest = max(longest, len(signInKeys(c.user.Code)))
	}
	if longest == 0 {
		return nil
	}
	d := time.Duration(longest)*(loadPressLength+loadPressGap) + l.o.Settle
	if !sleepUntil(ctx, time.Now().Add(d)) {
		return ctx.Err()
	}
	return nil
}

// maxHangups bounds the BYEs under way at a time.
const maxHangups = 64

func (l *load) hangUpAll(ctx context.Context) {
	var leaving errgroup.Group
	leaving.SetLimit(maxHangups)
	for _, c := range l.calls {
		// One BYE: started here, at most maxHangups at a time; stops when it is answered.
		leaving.Go(func() error {
			l.leave(ctx, c)
			return nil
		})
	}
	_ = leaving.Wait() // leave has no error: what it finds is in the report
}

// leave ends one call and takes its figures.
func (l *load) leave(ctx context.Context, c *loaded) {
	if c.End() == NotEnded {
		if err := c.Hangup(ctx); err != nil {
			l.mu.Lock()
			l.r.ByeFailed++
			l.mu.Unlock()
		}
	}
	repeated, resent := c.Repeated2xx(), c.Resent()
	c.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.r.Repeated2xx += repeated
	l.r.RepeatedByUs += resent
}

// steady sets calls up at the rate and ends each after its hold, for the duration.
func (l *load) steady(ctx context.Context) error {
	var running errgroup.Group
	running.SetLimit(l.o.Calls)
	usage := startUsage(l.o.PID)
	begin := time.Now()
	l.deck.measure(true)
	for n := 0; ; n++ {
		due := begin.Add(time.Duration(float64(n) / l.o.Rate * float64(time.Second)))
		if due.Sub(begin) >= l.o.Duration || !sleepUntil(ctx, due) {
			break
		}
		l.lateBy(time.Since(due))
		l.r.Attempted++
		if !running.TryGo(func() error {
			l.visit(ctx, n)
			return nil
		}) {
			l.failed(errTooMany)
		}
	}
	_ = running.Wait() // visit has no error: what it finds is in the report
	l.r.Usage = usage.stop(l.seconds)
	return ctx.Err()
}

var errTooMany = errors.New("more calls under way than --calls allows")

// visit is one call of rate mode.
func (l *load) visit(ctx context.Context, n int) {
	begin := time.Now()
	c := l.dial(ctx, n)
	if c == nil {
		return
	}
	c.pause(ctx, l.o.Hold)
	l.leave(ctx, c)
	l.mu.Lock()
	l.seconds += time.Since(begin).Seconds()
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

// report gathers the figures once everything has stopped.
func (l *load) report() {
	d := l.deck
	r := l.r
	if r.Attempted == 0 {
		r.Attempted = r.Answered + r.Failed
	}
	r.Answer, r.ReadLate, r.DialLate = l.answer.Percentiles(), l.readLate.Percentiles(), l.dialLate.Percentiles()
	r.FirstRTP, r.Stop, r.Next = d.total.first.Percentiles(), d.total.stop.Percentiles(), d.total.next.Percentiles()
	r.Pacing, r.BeatLate = d.total.pacing.Percentiles(), d.late.Percentiles()
	r.LongestGap, r.SetupGap = milliseconds(d.total.longest), milliseconds(d.total.setupLongest)
	r.SetupOver = d.total.setupOver40
	r.GapsOver40, r.Keys, r.NoNext = d.total.over40, d.total.keys, d.total.noNext
	r.Packets, r.Lost, r.Late, r.Twice = d.total.packets, d.total.lost, d.total.late, d.total.twice
	r.BeforeAck, r.NoRTP, r.Complete = d.total.early, d.total.mute, d.total.complete
	if r.BeatLate.P99 > lateBeat {
		r.warn("the generator woke %.1f ms late at p99: pacing of its own packets and key times suffer", r.BeatLate.P99)
	}
	if r.ReadLate.P99 > lateStart || r.DialLate.P99 > lateStart {
		r.warn("the generator began calls %.1f ms late and read answers %.1f ms late at p99: fewer calls or a faster machine", r.DialLate.P99, r.ReadLate.P99)
	}
	if steal := time.Duration(r.Usage.Stolen * float64(time.Second)); steal > stolen {
		r.warn("the host stole %v of CPU time: no verdict", steal.Round(10*time.Millisecond))
	}
	if r.Usage.Missing != "" {
		r.warn("%s", r.Usage.Missing)
	}
}
