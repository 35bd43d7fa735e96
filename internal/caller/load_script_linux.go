package caller

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"
)

// playAll has every caller play the script on a call, and again for as many rounds as
// there is time for. The first call is answered or refused before there is another.
func (l *load) playAll(ctx context.Context) error {
	l.enter("waiting for the first answer", l.o.Answer)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	usage := startUsage(l.o.PID)
	var callers errgroup.Group
	start := func(n int, due, until time.Time, answered chan<- error) {
		// One caller: started here at its time; stops after its rounds.
		callers.Go(func() error {
			l.rounds(ctx, n, due, until, answered)
			return nil
		})
	}
	first := make(chan error, 1)
	start(0, time.Time{}, time.Now().Add(l.o.Duration), first)
	err := <-first
	if nobodyThere(err) || ctx.Err() != nil && err != nil {
		stop()
		_ = callers.Wait() // rounds has no error: what it finds is in the report
		return err
	}
	l.enter("playing the script", 0)
	begin := time.Now()
	for n := 1; n < l.o.Calls; n++ {
		due := begin.Add(time.Duration(float64(n) / l.o.Rate * float64(time.Second)))
		if due.Sub(begin) >= l.o.Duration || !sleepUntil(ctx, due) {
			break
		}
		start(n, due, begin.Add(l.o.Duration), nil)
	}
	_ = callers.Wait() // as above
	l.r.Usage = usage.stop(l.seconds)
	return nil
}

// afterFailure is how long a caller waits whose call was not answered.
const afterFailure = time.Second

// rounds makes the calls of one caller, none after until but the first, which is due at a
// moment unless that is zero. How that one was answered goes to answered, unless it is nil.
func (l *load) rounds(ctx context.Context, n int, due, until time.Time, answered chan<- error) {
	for round := range l.o.Rounds {
		if round > 0 && !time.Now().Before(until) {
			return
		}
		l.attempt()
		call, err := l.connect(ctx, l.scripted(l.user(n)), due)
		due = time.Time{}
		if round == 0 && answered != nil {
			answered <- err
		}
		if call != nil {
			l.perform(ctx, call, l.user(n))
		}
		if ctx.Err() != nil || call == nil && !sleepUntil(ctx, time.Now().Add(afterFailure)) {
			return
		}
	}
}

// scripted are the options of a call that is listened to.
func (l *load) scripted(u User) Options {
	o := l.options(u)
	o.Ear, o.Keys, o.Reports, o.Codecs = l.o.Ear, l.o.Road, true, l.o.Codecs
	return o
}

// perform plays the script on a call.
func (l *load) perform(ctx context.Context, c *Call, u User) {
	begin := time.Now()
	playing, stop := context.WithTimeout(ctx, l.o.Timeout)
	err := l.o.Play(playing, &Player{Call: c}, u)
	stop()
	if c.End() == NotEnded {
		_ = l.hangUp(ctx, c) // the outcome is known; a lost BYE does not change it
	}
	c.Close()
	l.gone(c)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seconds += time.Since(begin).Seconds()
	early := OutcomeOf(err) == EndedEarly && c.End() != WeHungUp
	if early {
		l.r.EndedEarly++
	}
	l.received(c, early)
	if l.r.Scripts == nil {
		l.r.Scripts = map[string]int{}
	}
	var word string
	switch {
	case err == nil:
		word = completed
		l.lasted.Record(time.Since(begin))
	case ctx.Err() != nil:
		word = "interrupted"
	case errors.Is(err, context.DeadlineExceeded):
		word = "took too long"
	default:
		word = err.Error()
	}
	if len(l.r.Scripts) < maxReasons || l.r.Scripts[word] > 0 {
		l.r.Scripts[word]++
	}
}

// completed is the word of a script that ran to its end.
const completed = "completed"

// received counts what a telephone received, from its notes; a press of several keys is
// timed from the last one. early: the far end ended it. The caller holds mu.
func (l *load) received(c *Call, early bool) {
	t, agreed, media := &l.played, c.Agreed(), c.Media()
	downs := c.lastKeys()
	r := reception{cut: early}
	for _, p := range media.Packets() {
		if p.Strange || p.PT != agreed.PT {
			continue
		}
		for len(downs) > 0 && !downs[0].After(p.At) {
			r.press(t, downs[0].UnixNano())
			downs = downs[1:]
		}
		r.packet(t, arrival{at: p.At.UnixNano(), seq: p.Seq, ts: p.Timestamp, ssrc: p.SSRC, marker: p.Marker, loud: p.Loud, sound: p.Sound}, agreed.PTime)
	}
	times, stats := c.Times(), media.Stats()
	if agreed.Recv && stats.Unnoted == 0 {
		r.end(t, times.Ended.UnixNano(), agreed.PTime)
	}
	var acked int64
	if !times.Acked.IsZero() {
		acked = times.Acked.UnixNano()
	}
	r.close(t, acked)
	media.stats.mu.Lock()
	t.quality.reported(&media.stats.reports.far)
	media.stats.mu.Unlock()
	l.r.Unheard += stats.Unheard
	l.r.Unnoted += stats.Unnoted
}
