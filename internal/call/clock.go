package call

import "time"

// clock is the one timer of a call. It stands still while the call is held.
type clock struct {
	timer *time.Timer
	due   time.Time
	left  time.Duration // remaining while held
	step  uint32        // the step that asked
	armed bool
	held  bool
}

func newClock() clock {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return clock{timer: t}
}

// C fires when the time is up; call fired then.
func (c *clock) C() <-chan time.Time { return c.timer.C }

func (c *clock) fired(time.Time) { c.armed = false }

// set replaces the timer; 0 only stops it.
func (c *clock) set(after time.Duration, step uint32) {
	c.timer.Stop()
	c.step, c.armed = step, after > 0
	if !c.armed {
		return
	}
	if c.held {
		c.left = after
		return
	}
	c.due = time.Now().Add(after)
	c.timer.Reset(after)
}

func (c *clock) hold() {
	if c.held {
		return
	}
	c.held = true
	if c.armed {
		c.timer.Stop()
		c.left = max(time.Until(c.due), time.Millisecond)
	}
}

func (c *clock) resume() {
	if !c.held {
		return
	}
	c.held = false
	if c.armed {
		c.set(c.left, c.step)
	}
}

func (c *clock) stop() { c.timer.Stop() }
