package lockout

import (
	"context"
	"time"

	"star97/internal/mailbox"
)

// State is how a mailbox stands.
type State struct {
	Own, Any DoorState
	Stopped  bool // the hard stop over both doors is reached
}

// DoorState is how one door of a mailbox stands.
type DoorState struct {
	Wrong       int       // wrong codes in a row
	Recent      int       // the any door: wrong codes within the last hour, those before a right one too
	ClosedUntil time.Time // zero: open, unless ForGood
	ForGood     bool      // closed until somebody opens it
}

// Closed tells whether the door takes no code now.
func (d DoorState) Closed() bool { return d.ForGood || !d.ClosedUntil.IsZero() }

// State reads how a mailbox stands and changes nothing.
func (g *Guard) State(ctx context.Context, a mailbox.Account) (State, error) {
	var s State
	own := g.systems(a)
	err := g.ledger.Update(ctx, adminKeys(a), func(c []Counter) bool {
		now := g.now()
		s.Own = g.doorState(&c[atDoor], false, now).or(own.closed(c, mailbox.OwnDoor, now))
		s.Any = g.doorState(&c[atOtherDoor], true, now).or(own.closed(c, mailbox.AnyDoor, now))
		if s.Stopped = c[atBoth].Wrong() >= g.opts.HardStop; s.Stopped {
			s.Own.ForGood, s.Any.ForGood = true, true
		}
		return false
	})
	if err != nil {
		return State{}, fail("state", err)
	}
	return s, nil
}

func (g *Guard) doorState(c *Counter, anyDoor bool, now time.Time) DoorState {
	d := DoorState{Wrong: c.Wrong()}
	d = d.or(g.closedDoor(c, anyDoor, now))
	d.Recent = len(c.Recent)
	return d
}

// or is d under a further limit, if that lasts longer.
func (d DoorState) or(c *Closed) DoorState {
	switch {
	case c == nil:
	case c.Until.IsZero():
		d.ForGood = true
	case c.Until.After(d.ClosedUntil):
		d.ClosedUntil = c.Until
	}
	return d
}

// Unlock opens both doors of a mailbox and forgets its wrong codes; limits of
// sources stay. Who does it and why is for the audit trail around the Guard. What
// Flags.Locked says stays with the store.
func (g *Guard) Unlock(ctx context.Context, a mailbox.Account, _ mailbox.Actor, _ string) error {
	err := g.ledger.Update(ctx, adminKeys(a), func(c []Counter) bool {
		now := g.now()
		for i := range c {
			c[i].forget(now)
		}
		c[atSystem].Expires = now
		return true
	})
	if err != nil {
		return fail("unlock", err)
	}
	return nil
}

func adminKeys(a mailbox.Account) []string {
	return append(boxKeys(a, mailbox.OwnDoor), systemKey(a))
}
