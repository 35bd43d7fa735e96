package lockout

import (
	"slices"
	"time"
)

// maxRecent bounds the tries that Counter.Recent lists one by one.
const maxRecent = 1000

// Counter is what the Ledger keeps under one key. The zero value is a key never
// tried. Tries and Cleared only grow, so that an answer that comes late clears
// the tries up to its own and no later one.
type Counter struct {
	Tries   uint64    // tries ever counted
	Cleared uint64    // of these, no longer held against the key; at most Tries
	Last    time.Time // the last try that counts
	Recent  []int64   // entries of a window, oldest first; see entry
	Expires time.Time // the ledger may forget the counter from then on; zero: never
}

// Wrong is the number of tries held against the key.
func (c *Counter) Wrong() int { return int(c.Tries - c.Cleared) }

// idleKept is how long a counter that holds nothing is kept: longer than any
// verification lasts, shorter than an hour, so that it makes room first.
const idleKept = 10 * time.Minute

// count reserves one try and returns its number.
func (c *Counter) count(now time.Time) uint64 {
	c.Tries++
	c.Last, c.Expires = now, time.Time{}
	return c.Tries
}

// clear forgets the tries up to number n. Those of the last hour stay in Recent.
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

// forget clears everything.
func (c *Counter) forget(now time.Time) {
	c.Recent = nil
	c.clear(c.Tries, now)
}

// rest lets the ledger forget a counter that holds nothing when its hour is over.
func (c *Counter) rest(now time.Time) {
	if c.Wrong() > 0 || c.Tries == 0 {
		return
	}
	c.Expires = now.Add(idleKept)
	if n := len(c.Recent); n > 0 {
		if out := timeOf(c.Recent[n-1]).Add(hour); out.After(c.Expires) {
			c.Expires = out
		}
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

// hour is the window of everything that is bounded by the hour.
const hour = time.Hour

// An entry of Recent is a time in Unix milliseconds above entryBits further ones. These
// hold a mark of the mailbox that was tried, or in a tally the number of tries within the
// minute that begins then.
const (
	entryBits = 21
	maxEntry  = 1<<entryBits - 1
)

func entry(at time.Time, what int64) int64 { return at.UnixMilli()<<entryBits | what }

func timeOf(e int64) time.Time { return time.UnixMilli(e >> entryBits) }

func whatOf(e int64) int64 { return e & maxEntry }

// slide drops what left the window; a time in the future, from before a clock was
// set back, becomes now.
func (c *Counter) slide(now time.Time, window time.Duration) {
	edge := now.Add(-window).UnixMilli()
	c.Recent = slices.DeleteFunc(c.Recent, func(e int64) bool { return e>>entryBits <= edge })
	for i, e := range c.Recent {
		c.Recent[i] = min(e, entry(now, whatOf(e)))
	}
}

// list adds a try to the recent ones.
func (c *Counter) list(e int64, window time.Duration) {
	c.Recent = append(c.Recent, e)
	c.Last, c.Expires = timeOf(e), timeOf(e).Add(window)
}

// strike takes one try from the list.
func (c *Counter) strike(e int64) {
	if i := slices.Index(c.Recent, e); i >= 0 {
		c.Recent = slices.Delete(c.Recent, i, i+1)
	}
}

// drop is strike for a counter that only lists: without tries it may be forgotten.
func (c *Counter) drop(e int64, now time.Time) {
	c.strike(e)
	if len(c.Recent) == 0 {
		c.Expires = now
	}
}

// free is when fewer than limit of the recent tries are left; zero: now.
func (c *Counter) free(limit int, window time.Duration) time.Time {
	if len(c.Recent) < limit {
		return time.Time{}
	}
	return timeOf(c.Recent[len(c.Recent)-limit]).Add(window)
}

// freeOthers is when fewer than limit different mailboxes are left among the recent
// tries; zero: now, or the one of this mark is among them.
func (c *Counter) freeOthers(mark int64, limit int) time.Time {
	last := map[int64]int64{}
	for _, e := range c.Recent {
		last[whatOf(e)] = e
	}
	if _, tried := last[mark]; tried || len(last) < limit {
		return time.Time{}
	}
	ends := make([]int64, 0, len(last))
	for _, e := range last {
		ends = append(ends, e)
	}
	slices.Sort(ends)
	return timeOf(ends[len(ends)-limit]).Add(hour)
}

// A tally counts tries by the minute, for limits too high to list each try. A minute
// leaves the window as a whole, so that no hour has more than the limit.
const (
	tallyStep   = time.Minute
	tallyWindow = hour + tallyStep
)

func (c *Counter) tally(now time.Time) {
	c.Last, c.Expires = now, now.Add(tallyWindow)
	minute := now.Truncate(tallyStep)
	if n := len(c.Recent); n > 0 && !timeOf(c.Recent[n-1]).Before(minute) && whatOf(c.Recent[n-1]) < maxEntry {
		c.Recent[n-1]++
		return
	}
	c.Recent = append(c.Recent, entry(minute, 1))
}

// untally takes back a try of that time.
func (c *Counter) untally(at time.Time) {
	for i := len(c.Recent) - 1; i >= 0; i-- {
		if timeOf(c.Recent[i]).After(at) {
			continue
		}
		if c.Recent[i]--; whatOf(c.Recent[i]) == 0 {
			c.Recent = slices.Delete(c.Recent, i, i+1)
		}
		return
	}
}

// tallied is when fewer than limit tries are left in a tally; zero: now.
func (c *Counter) tallied(limit int) time.Time {
	sum := int64(0)
	for _, e := range slices.Backward(c.Recent) {
		if sum += whatOf(e); sum >= int64(limit) {
			return timeOf(e).Add(tallyWindow)
		}
	}
	return time.Time{}
}
