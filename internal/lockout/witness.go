package lockout

import (
	"context"
	"time"

	"star97/internal/mailbox"
)

// Witness is told what wrong codes close and right ones open, from within the Verify,
// Change or Send of that try and with its ctx. It must not block. An Account without ID
// stands for every mailbox, closed to the source of the attempt alone; the door is the
// attempt's. A zero until is that of a closure which somebody has to end.
type Witness interface {
	Closed(ctx context.Context, a mailbox.Account, at mailbox.Attempt, until time.Time, why string)
	Opened(ctx context.Context, a mailbox.Account, at mailbox.Attempt, why string)
}

// Tell names the Witness. Call it before the first try.
func (g *Guard) Tell(w Witness) { g.witness = w }

// doors are the two of a mailbox in the order of a try's counters.
func doors(at mailbox.Attempt) [2]mailbox.Door {
	if at.Door == mailbox.OwnDoor {
		return [2]mailbox.Door{mailbox.OwnDoor, mailbox.AnyDoor}
	}
	return [2]mailbox.Door{mailbox.AnyDoor, mailbox.OwnDoor}
}

// shut tells which doors of a mailbox are closed.
func (g *Guard) shut(box []Counter, at mailbox.Attempt, own systemLimit, now time.Time) (shut [2]bool) {
	if len(box) == 0 {
		return shut
	}
	for i, door := range doors(at) {
		shut[i] = g.closedDoor(&box[i], door != mailbox.OwnDoor, now) != nil || own.closed(box, door, now) != nil
	}
	return shut
}

// testify tells what became of a try.
func (g *Guard) testify(ctx context.Context, a mailbox.Account, at mailbox.Attempt, t *try, v verdict) {
	if g.witness == nil || v == notTried || !t.counted() {
		return
	}
	if v == wrong {
		if c := t.closesSource; c != nil {
			g.witness.Closed(ctx, mailbox.Account{Domain: a.Domain}, at, c.Until, c.Why)
		}
		if c := t.closesBox; c != nil {
			g.witness.Closed(ctx, a, at, c.Until, c.Why)
		}
		return
	}
	why := "a right code"
	switch {
	case at.Claim == mailbox.ByOneTime:
		why = "a one-time code"
	case at.Claim == mailbox.ByFirstUse:
		why = "a first code"
	case at.Door == mailbox.OwnDoor:
		why = "a right code at the own telephone"
	}
	for i, door := range doors(at) {
		if t.opened[i] {
			at.Door = door
			g.witness.Opened(ctx, a, at, why)
		}
	}
}
