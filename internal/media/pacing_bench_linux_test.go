package media_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"star97/internal/dtmf"
	"star97/internal/media"
)

// processor is the time that this process has used of the processors.
func processor() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkKeyToPrompt presses keys in one call while others speak, and prints the
// time from the first packet of a key to the first packet of the next sentence at
// the telephone, through the real sockets and a run loop.
func BenchmarkKeyToPrompt(b *testing.B) {
	for _, calls := range []int{1, 100} {
		for _, engine := range []string{media.EnginePortable, media.EngineReactor} {
			b.Run(fmt.Sprintf("%d-calls/%s", calls, engine), func(b *testing.B) { benchKeyToPrompt(b, engine, calls) })
		}
	}
}

func benchKeyToPrompt(b *testing.B, engine string, calls int) {
	w := loopback(engine)
	e := w.engine(b, w.options())
	for range calls - 1 {
		s, p := w.callOn(b, e)
		s.Set(p.stream())
		s.Say(speak(0, sentence(600000, 0)))
		s.Start(0)
	}
	s, p := w.callOn(b, e)
	s.Set(p.stream())
	s.Say(speak(0, sentence(60000, 2)))
	s.Start(0)
	go func() { // the run loop of the call; ends with Events
		for event := range s.Events() {
			if event.Kind == media.Pressed && event.Report.Kind == dtmf.Down {
				s.Say(speak(1, sentence(20, 1), sentence(60000, 2)))
			}
		}
	}()
	var took []time.Duration
	for b.Loop() {
		time.Sleep(time.Duration(rand.N(60)) * time.Millisecond)
		for len(p.packets) > 0 {
			<-p.packets
		}
		began := time.Now()
		p.press(p.rtp, 5)
		took = append(took, p.until(1).at.Sub(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
	b.ReportMetric(0, "ns/op")
}
