package caller

import (
	"fmt"
	"time"
)

// Progress is how far a load run has come.
type Progress struct {
	Elapsed                      time.Duration // since it began
	Stage                        string        // what it does now
	Left                         time.Duration // of the stage, or of waiting in it; 0: that is not known
	Answered, Failed, Up         int           // calls; Up: now
	NotPlaced                    int           // calls whose time came while all that are allowed were under way
	Packets, Lost                uint64
	Answer, Next, Pacing, Behind float64 // p99 in ms: INVITE -> 200, key-down -> next talkspurt, abs(gap - packet time), the generator's beat; 0: none yet
}

// String is one line for people.
func (p Progress) String() string {
	s := fmt.Sprintf("%4.0f s  %s", p.Elapsed.Seconds(), p.Stage)
	if p.Left > 0 {
		s += fmt.Sprintf(", %.0f s left", p.Left.Round(time.Second).Seconds())
	}
	s += fmt.Sprintf(": %d up, %d answered, %d failed", p.Up, p.Answered, p.Failed)
	if p.NotPlaced > 0 {
		s += fmt.Sprintf(", %d not placed", p.NotPlaced)
	}
	if p.Packets > 0 {
		s += fmt.Sprintf("; %d packets, %d lost", p.Packets, p.Lost)
	}
	for _, part := range []struct {
		name string
		ms   float64
	}{{"INVITE -> 200", p.Answer}, {"key -> next", p.Next}, {"pacing", p.Pacing}, {"generator late", p.Behind}} {
		if part.ms > 0 {
			s += fmt.Sprintf("; %s p99 %.1f ms", part.name, part.ms)
		}
	}
	return s
}
