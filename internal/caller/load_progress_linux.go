package caller

import (
	"sync"
	"time"
)

// progressEvery is how often somebody is told how far the run has come.
const progressEvery = time.Second

// enter begins a stage that takes so long; 0: nobody knows.
func (l *load) enter(stage string, lasting time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stage, l.until = stage, time.Time{}
	if lasting > 0 {
		l.until = time.Now().Add(lasting)
	}
}

// tellProgress tells each second how far the run is, until the returned function is called.
func (l *load) tellProgress() (stop func()) {
	if l.o.Progress == nil {
		return func() {}
	}
	quit, done := make(chan struct{}), make(chan struct{})
	// Started here, stops at quit, owns nothing.
	go func() {
		defer close(done)
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				l.o.Progress(l.progress())
			case <-quit:
				return
			}
		}
	}()
	return sync.OnceFunc(func() {
		close(quit)
		<-done
	})
}

// progress asks the deck's thread for its figures.
func (l *load) progress() Progress {
	p := Progress{}
	asked := make(chan struct{})
	l.deck.post(func() {
		p.count(&l.deck.total)
		p.Behind = milliseconds(l.deck.late.At(0.99))
		close(asked)
	})
	<-asked
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.o.Mode == ScriptMode {
		p.count(&l.played)
	}
	p.Elapsed, p.Stage = time.Since(l.begun), l.stage
	if !l.until.IsZero() {
		p.Left = max(time.Until(l.until), 0)
	}
	p.Answered, p.Failed, p.Up, p.NotPlaced = l.r.Answered, l.r.Failed, l.up, l.r.NotPlaced
	p.Answer = milliseconds(l.answer.At(0.99))
	return p
}

func (p *Progress) count(t *tally) {
	p.Packets, p.Lost = t.packets, t.lost
	p.Next, p.Pacing = milliseconds(t.next.At(0.99)), milliseconds(t.pacing.At(0.99))
}
