package lockout

import (
	"slices"
	"time"

	"star97/internal/mailbox"
)

// Heed makes the Guard keep below the limits of foreign systems that lock mailboxes by
// themselves: a stranger at the any door must not bring that about, and the owner's own
// telephone gets one try more. Call it before the first try.
func (g *Guard) Heed(systems mailbox.Declarer) { g.declarer = systems }

// systemLimit is how many wrong codes within a window a foreign system is given.
type systemLimit struct {
	tries  int // of the system's own limit; 0: it has none
	window time.Duration
}

// longWindow stands for a memory of which nothing is known.
const longWindow = 24 * time.Hour

func (g *Guard) systems(a mailbox.Account) systemLimit {
	if g.declarer == nil || a.ID == "" {
		return systemLimit{}
	}
	t := g.declarer.Traits(a)
	if t.Window <= 0 {
		t.Window = longWindow
	}
	return systemLimit{t.Limit, t.Window}
}

// spared are the tries that each door leaves unused.
const (
	sparedAtOwn = 1
	sparedAtAny = 2
)

// closed is the limit that forbids a try now; nil if there is none. One try is always
// possible.
func (l systemLimit) closed(box []Counter, door mailbox.Door, now time.Time) *Closed {
	if l.tries == 0 || len(box) <= atSystem {
		return nil
	}
	spared := sparedAtAny
	if door == mailbox.OwnDoor {
		spared = sparedAtOwn
	}
	recent := &box[atSystem]
	recent.slide(now, l.window)
	until := recent.free(max(1, l.tries-spared), l.window)
	if until.IsZero() {
		return nil
	}
	return &Closed{Until: until, Why: "the voicemail system itself would soon lock the mailbox"}
}

// settleSystem drops a try, and after a right code all before it, which the system has
// forgotten too.
func (c *Counter) settleSystem(v verdict, e int64, now time.Time) {
	if v == right {
		c.Recent = slices.DeleteFunc(c.Recent, func(other int64) bool { return timeOf(other).Before(timeOf(e)) })
	}
	c.drop(e, now)
}
