package lockout

import (
	"slices"
	"time"
)

// maxRecent bounds Counter.Recent.
const maxRecent = 1000

// Counter is what the Ledger keeps under one key. The zero value is a key never
// tried. Tries and Cleared only grow, so that an answer that comes late clears
// the tries up to its own and no later one.
type Counter struct {
	Tries   uint64    // tries ever counted
	Cleared uint64    // of these, no longer held against the key; at most Tries
	Last    time.Time // the last try that counts
	Recent  []int64   // sources and foreign systems: Unix milliseconds of the tries of a window, oldest first
	Expires time.Time // the ledger may forget the counter from then on; zero: never
}

// Wrong is the number of tries held against the key.
func (c *Counter) Wrong() int { return int(c.Tries - c.Cleared) }

// idleKept is how long a counter that holds nothing is kept: longer than any
// verification lasts, shorter than sourceWindow, so that it makes room first.
const idleKept = 10 * time.Minute

// count reserves one try and returns its number.
func (c *Counter) count(now time.Time) uint64 {
	c.Tries++
	c.Last, c.Expires = now, time.Time{}
	return c.Tries
}

// clear forgets the tries up to number n.
func (c *Counter) clear(n uint64, now time.Time) {
	c.Cleared = max(c.Cleared, min(n, c.Tries))
	c.rest(now)
}

// giveBack forgets try n as if it had never been made.
func (c *Counter) giveBack(n uint64, before, now time.Time) {
	if n > c.Cleared && n <= c.Tries {
		c.Cleared++
	}
	if n == c.Tries {
		c.Last = before
	}
	c.rest(now)
}

func (c *Counter) rest(now time.Time) {
	if c.Wrong() == 0 && c.Tries > 0 {
		c.Expires = now.Add(idleKept)
	}
}

// pull brings a last try that lies in the future to now: after a clock was set
// back a wait counts from now and not from then. It tells whether it did.
func (c *Counter) pull(now time.Time) bool {
	if !c.Last.After(now) {
		return false
	}
	c.Last = now
	return true
}

// sourceWindow is the time over which a source's wrong codes are counted.
const sourceWindow = time.Hour

// slide drops what left the window; a time in the future, from before a clock was
// set back, becomes now.
func (c *Counter) slide(now time.Time, window time.Duration) {
	ms, edge := now.UnixMilli(), now.Add(-window).UnixMilli()
	c.Recent = slices.DeleteFunc(c.Recent, func(at int64) bool { return at <= edge })
	for i := range c.Recent {
		c.Recent[i] = min(c.Recent[i], ms)
	}
}

func (c *Counter) countRecent(now time.Time, window time.Duration) int64 {
	ms := now.UnixMilli()
	c.Recent = append(c.Recent, ms)
	c.Last, c.Expires = now, now.Add(window)
	return ms
}

// dropRecent forgets one try of that time.
func (c *Counter) dropRecent(ms int64, now time.Time) {
	if i := slices.Index(c.Recent, ms); i >= 0 {
		c.Recent = slices.Delete(c.Recent, i, i+1)
	}
	if len(c.Recent) == 0 {
		c.Expires = now
	}
}
