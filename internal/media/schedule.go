package media

import "time"

// The grid of sending times: every frame but the first of a talkspurt leaves on
// a multiple of slot since the engine's epoch. The ring covers more than the
// longest frame.
const (
	slot      = 5 * time.Millisecond
	ringSlots = 16
	farthest  = int64(60*time.Millisecond/slot) + 1 // slots ahead that add may ask for
)

// slotNear is the slot nearest to t.
func slotNear(t time.Duration) int64 { return int64((t + slot/2) / slot) }

// schedule keeps the turns of sessions in absolute slots: a turn that comes late is
// late by itself and shifts no later one. The lock of its carrier guards it.
//
// Nobody spreads the phases of calls: each is what its last talkspurt left, whose first
// packet leaves when it is asked for, and the second in the slot nearest to one frame later.
// Any other slot would be 2.5 to 7.5 ms off, in the head of a sentence, where a buffer at the
// telephone has least to spare. Callers press their keys at moments of their own, which
// spreads phases better than a rule could. Calls that begin at once share a slot until then:
// their frames leave in one row, the last of 200 about a millisecond after the first.
type schedule struct {
	cells [ringSlots][]turn
	turns int   // in the cells, stale ones included
	next  int64 // the earliest slot not handed out yet
}

// turn is a session's place in a slot. A session that was moved meanwhile leaves
// its old turn behind; tick tells it by the number.
type turn struct {
	s  *session
	at int64
}

// add books a turn for s and returns its slot, at or after the one asked for.
func (c *schedule) add(s *session, at int64) int64 {
	if c.turns == 0 {
		c.next = max(c.next, at-farthest) // nothing was due in the idle time
	}
	at = max(at, c.next)
	cell := &c.cells[at%ringSlots]
	*cell = append(*cell, turn{s, at})
	c.turns++
	return at
}

// collect takes the turns of the next slot if its time has come by slot now.
// Otherwise it returns the slot of the next turn, or -1.
func (c *schedule) collect(due []turn, now int64) ([]turn, int64) {
	for c.turns > 0 {
		if c.next > now {
			return due, c.soonest()
		}
		due = c.empty(due)
		c.next++
		if len(due) > 0 {
			return due, 0
		}
	}
	return due, -1
}

// empty moves the turns of slot next out of its cell, which can also hold turns
// of a later round while the carrier is behind.
func (c *schedule) empty(due []turn) []turn {
	cell := &c.cells[c.next%ringSlots]
	keep := (*cell)[:0]
	for _, t := range *cell {
		if t.at == c.next {
			due = append(due, t)
		} else {
			keep = append(keep, t)
		}
	}
	clear((*cell)[len(keep):])
	c.turns -= len(*cell) - len(keep)
	*cell = keep
	return due
}

// soonest is the first slot from next on whose cell is not empty.
func (c *schedule) soonest() int64 {
	at := c.next
	for len(c.cells[at%ringSlots]) == 0 {
		at++
	}
	return at
}
