package lockout

import "sync"

// maxCalls bounds the calls whose wrong codes are remembered; the oldest is
// forgotten first. Each takes a wrong code to enter, so a call cannot push itself
// out before the limits of source and mailbox stop it.
const maxCalls = 8192

// calls counts the tries of each call. A call lives in one process and ends with
// it, so this count needs no ledger.
type calls struct {
	limit int

	mu    sync.Mutex
	tries map[string]int
	order []string // ring of the keys in tries, oldest at next
	next  int
}

func newCalls(limit int) *calls {
	return &calls{limit: limit, tries: make(map[string]int)}
}

// take reserves one try; false if the call has none left. The empty key is no
// call and has no limit here.
func (c *calls) take(key string) bool {
	if key == "" {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n, known := c.tries[key]
	if n >= c.limit {
		return false
	}
	if !known {
		c.remember(key)
	}
	c.tries[key] = n + 1
	return true
}

// giveBack returns a try that take gave. The key stays, so that the ring holds
// each key once.
func (c *calls) giveBack(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tries[key] > 0 {
		c.tries[key]--
	}
}

func (c *calls) remember(key string) {
	if len(c.order) < maxCalls {
		c.order = append(c.order, key)
		return
	}
	delete(c.tries, c.order[c.next])
	c.order[c.next] = key
	c.next = (c.next + 1) % maxCalls
}
