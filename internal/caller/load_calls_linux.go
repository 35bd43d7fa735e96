package caller

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
)

func (l *load) user(n int) User {
	if len(l.o.Users) == 0 {
		return User{From: strconv.Itoa(1000 + n)}
	}
	return l.o.Users[n%len(l.o.Users)]
}

// options are those of a call.
func (l *load) options(u User) Options {
	return Options{URI: l.o.URI, From: u.From, Transport: l.o.Transport, Line: l.line, SRTP: l.o.SRTP, Talk: l.o.Talk, Answer: l.o.Answer,
		NoEvents: l.o.Road == Inband}
}

// first makes the first call alone, so that a far end that is not there is found out by
// one call and not by thousands. Of a refusal the report tells, as of every other.
func (l *load) first(ctx context.Context) (*loaded, error) {
	c, err := l.dial(ctx, 0, time.Time{})
	if nobodyThere(err) || ctx.Err() != nil && c == nil {
		return nil, err
	}
	return c, nil
}

// nobodyThere tells whether a request of ours had no answer. That of the first call ends the run.
func nobodyThere(err error) bool {
	return errors.Is(err, ErrUnreachable) || errors.Is(err, ErrNoAnswer)
}

// dial makes one call that is due at a moment, zero for the first one, which goes ahead;
// its error is counted under its reason.
func (l *load) dial(ctx context.Context, n int, due time.Time) (*loaded, error) {
	stream, err := l.deck.open(l.from)
	if err != nil {
		l.failed(err)
		return nil, err
	}
	user := l.user(n)
	o := l.options(user)
	o.rtp = stream
	call, err := l.connect(ctx, o, due)
	if err != nil {
		stream.Close() // again, if it was the call's already
		return nil, err
	}
	return &loaded{Call: call, stream: stream, user: user}, nil
}

// connect makes a call and counts how that went, and how late it left where it had its time.
func (l *load) connect(ctx context.Context, o Options, due time.Time) (*Call, error) {
	if !due.IsZero() {
		o.invited = func(at time.Time) { l.invited(at, due) }
	}
	began := time.Now()
	call, waited, err := place(ctx, o)
	l.asked(began, err)
	if err != nil {
		if ctx.Err() == nil { // else we gave up ourselves
			l.failed(err)
			l.refused(err, waited)
		}
		return nil, err
	}
	t := call.Times()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.r.Answered++
	l.up++
	l.answer.Record(t.Answered.Sub(t.Invite))
	if l.dated() {
		l.readLate.Record(t.Read.Sub(t.Answered))
	}
	return call, nil
}

// place is Dial that tells how long the INVITE of a call waited that was refused.
func place(ctx context.Context, o Options) (c *Call, waited time.Duration, err error) {
	if err = o.Validate(); err != nil {
		return nil, 0, err
	}
	if c, err = newCall(ctx, o.withDefaults()); err != nil {
		return nil, 0, err
	}
	if err = c.invite(ctx); err != nil {
		waited = c.Times().Refused.Sub(c.Times().Invite)
		c.Close()
		return nil, waited, err
	}
	return c, 0, nil
}

// asked notes what became of a request that left at a moment, to tell at the end whether the
// far end still answers. One that was lost before a later one was answered says nothing.
func (l *load) asked(at time.Time, err error) {
	var refused *Refused
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil || errors.As(err, &refused):
		l.heard, l.silent = time.Now(), 0
	case nobodyThere(err) && at.After(l.heard):
		l.silent++
	}
}

// dated tells whether the kernel dates the far end's answers. Those on a connection have
// the time at which they were read.
func (l *load) dated() bool { return l.line.transport == UDP }

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
	if len(l.r.Failures) < maxReasons || l.r.Failures[reason] > 0 {
		l.r.Failures[reason]++
	}
}

// maxReasons bounds the reasons that are told apart.
const maxReasons = 20

// refused notes how soon a call was refused, and whether it was said when to come again.
func (l *load) refused(err error, after time.Duration) {
	var r *Refused
	if !errors.As(err, &r) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refusal.Record(after)
	if r.Retry == "" {
		l.r.NoRetry++
	}
}

const (
	maxHangups = 64 // BYEs under way at a time
	// byeTime bounds the BYE of a run that was interrupted.
	byeTime = 5 * time.Second
)

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

// endedEarly counts a call that the far end ended before its measurement was over: what it
// received until then makes no complete call.
func (l *load) endedEarly(c *loaded) {
	l.mu.Lock()
	l.r.EndedEarly++
	l.mu.Unlock()
	l.deck.post(func() { c.stream.got.cut = true })
}

// leave ends one call and takes its figures.
func (l *load) leave(ctx context.Context, c *loaded) {
	if c.End() == NotEnded {
		if err := l.hangUp(ctx, c.Call); err != nil {
			l.mu.Lock()
			l.r.ByeFailed++
			l.mu.Unlock()
		}
	}
	c.Close()
	l.gone(c.Call)
}

// hangUp says BYE, even when ctx has ended.
func (l *load) hangUp(ctx context.Context, c *Call) error {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), byeTime)
	defer stop()
	began := time.Now()
	err := c.Hangup(ctx)
	l.asked(began, err)
	return err
}

// gone counts a call that is over.
func (l *load) gone(c *Call) {
	repeated, resent := c.Repeated2xx(), c.Resent()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.up--
	l.r.Repeated2xx += repeated
	l.r.RepeatedByUs += resent
}
