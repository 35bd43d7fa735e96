package lockout

import (
	"sync"
	"time"
)

const (
	// maxCalls bounds the calls of one generation: more than a service may have up.
	maxCalls = 1 << 17
	// callKept is how long a call's wrong codes are remembered at least: as long as
	// those of its source.
	callKept = hour
)

// calls counts the wrong codes of each call. A call lives in one process, and its
// number there never comes again, so this count needs no ledger. It is kept in two
// generations: when the younger is full or old enough, the older is forgotten with
// the calls that tried nothing since.
type calls struct {
	limit int

	mu           sync.Mutex
	since        time.Time // when young began
	young, older map[uint64]int
}

func newCalls(limit int) *calls {
	return &calls{limit: limit, young: map[uint64]int{}}
}

// take reserves one try; false if the call has none left. The call 0 is none and
// has no limit here.
func (c *calls) take(call uint64, now time.Time) bool {
	if call == 0 {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.young) >= maxCalls || now.Sub(c.since).Abs() >= callKept {
		c.since, c.older, c.young = now, c.young, map[uint64]int{}
	}
	if n, ok := c.older[call]; ok {
		delete(c.older, call)
		c.young[call] = n
	}
	if c.young[call] >= c.limit {
		return false
	}
	c.young[call]++
	return true
}

// giveBack returns a try that take gave. A call without wrong codes takes no room.
func (c *calls) giveBack(call uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, g := range []map[uint64]int{c.young, c.older} {
		switch g[call] {
		case 0:
		case 1:
			delete(g, call)
		default:
			g[call]--
		}
	}
}
