package stage

import (
	"fmt"
	"sync"
	"time"
)

// Transfers are what becomes of the next transfers, as the "transfer" lines of a script
// say. With nothing queued the caller is connected at once. The zero value is ready; it
// may be used from several goroutines.
type Transfers struct {
	mu    sync.Mutex
	next  [][]string
	asked int
}

// Outcome is what becomes of a transfer.
type Outcome struct {
	After  time.Duration // from when it was asked for
	Status int           // of SIP: 200, 486; 0: nobody ever says
}

// Queue adds the words behind "transfer".
func (x *Transfers) Queue(how []string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.next = append(x.next, how)
}

// Take counts a transfer and returns what becomes of it.
func (x *Transfers) Take() Outcome {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.asked++
	if len(x.next) == 0 {
		return Outcome{Status: 200}
	}
	how := x.next[0]
	x.next = x.next[1:]
	switch how[0] {
	case "fails":
		return Outcome{Status: 486}
	case "silent":
		return Outcome{}
	case "slow":
		after, _ := time.ParseDuration(how[1]) // package script has read it
		return Outcome{Status: 200, After: after}
	}
	return Outcome{Status: 200}
}

// Asked is how often a transfer was asked for.
func (x *Transfers) Asked() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.asked
}

// Unused is an error if an outcome is left: a line that asks for what nobody wanted is
// a mistake in the script.
func (x *Transfers) Unused() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.next) > 0 {
		return fmt.Errorf("transfer %v was never asked for", x.next[0])
	}
	return nil
}
