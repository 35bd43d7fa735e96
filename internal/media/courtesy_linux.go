package media

import (
	"runtime"
	"time"
)

const (
	brief     = time.Millisecond // what a slot may come late by
	firstRest = time.Second
	mostRest  = 64 * time.Second
)

// courtesy lets all other goroutines that are ready run first, as long as they are brief.
// A turn of theirs that was not makes it rest, each time for longer, and each brief one
// for a millisecond less: on a busy machine one slot a minute comes late by it.
type courtesy struct {
	rest  time.Duration
	until time.Duration // the end of the rest, on the engine's clock
}

// giveWay passes through Go's scheduler unless it rests.
func (c *courtesy) giveWay(now func() time.Duration) {
	began := now()
	if began < c.until {
		return
	}
	runtime.Gosched()
	c.took(began, now())
}

// took judges a turn of others.
func (c *courtesy) took(began, ended time.Duration) {
	if ended-began <= brief {
		c.rest = max(c.rest-brief, 0)
		return
	}
	c.rest = min(max(2*c.rest, firstRest), mostRest)
	c.until = ended + c.rest
}
