package lockout

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"star97/internal/mailbox"
)

// The counters of one try, in the order of their keys. A try at no known mailbox
// has the source alone.
const (
	atSource = iota
	atDoor
	atOtherDoor
	atMailbox
	numCounters

	// atSystem is a further one where the system behind locks mailboxes by itself.
	atSystem = numCounters
)

// try is one reservation.
type try struct {
	call      uint64
	keys      []string               // where it is counted
	closed    *Closed                // the limit that forbids it; nil if none does
	throttled bool                   // that limit is of the call or its source, not of the mailbox
	number    [numCounters]uint64    // the try's number, at the other door the last one's
	before    [numCounters]time.Time // Last as it was
	recent    int64                  // the source's entry
}

// verdict is what became of a reserved try.
type verdict uint8

const (
	wrong    verdict = iota // it counts, as reserved
	right                   // the code was right: the row of wrong ones ends
	notTried                // the code was not judged: as if never made
)

// nextCall is the time that a caller is given to call again who has used up the tries
// of a call.
const nextCall = time.Minute

// SettleWithin bounds the wait for the ledger for a try whose caller may be gone.
const SettleWithin = 5 * time.Second

// reserve counts one try as wrong or says which limit closes it. At the any door a
// try at a closed mailbox is counted too, at its source and its call, where one at
// no known mailbox is: else the budget of a source would tell which mailboxes exist.
func (g *Guard) reserve(ctx context.Context, a mailbox.Account, at mailbox.Attempt) (*try, error) {
	t := &try{call: at.Call}
	if !g.calls.take(at.Call, g.now()) {
		t.closed, t.throttled = &Closed{Until: g.now().Add(nextCall), Why: "the call has used up its tries"}, true
		return t, nil
	}
	keys, own := keysOf(a, at), g.systems(a)
	if own.tries > 0 && len(keys) > atMailbox {
		keys = append(keys, systemKey(a))
	}
	err := g.ledger.Update(ctx, keys, func(c []Counter) bool {
		now, moved := g.now(), false // read here, so that tries follow each other in time
		for i := range c {
			moved = c[i].pull(now) || moved
		}
		c[atSource].slide(now, sourceWindow)
		from := g.closedSource(&c[atSource], at)
		t.keys, t.closed, t.throttled = nil, g.closedMailbox(c, at.Door, now), false
		if t.closed == nil {
			t.closed = own.closed(c, at.Door, now)
		}
		switch {
		case t.closed == nil && from == nil:
			t.keys = keys
		case from == nil && at.Door != mailbox.OwnDoor:
			t.keys = keys[:atSource+1]
		case t.closed == nil:
			t.closed, t.throttled = from, true
		}
		if t.counted() {
			t.count(c[:len(t.keys)], own, now)
		}
		return moved || t.counted()
	})
	if err != nil || !t.counted() {
		g.calls.giveBack(at.Call)
	}
	return t, err
}

// counted tells whether t is held against anything in the ledger.
func (t *try) counted() bool { return len(t.keys) > 0 }

func (t *try) count(c []Counter, own systemLimit, now time.Time) {
	t.recent = c[atSource].countRecent(now, sourceWindow)
	for i := atDoor; i < min(len(c), atSystem); i++ {
		t.before[i] = c[i].Last
		if i == atOtherDoor {
			t.number[i] = c[i].Tries
			continue
		}
		t.number[i] = c[i].count(now)
	}
	if len(c) > atSystem {
		c[atSystem].countRecent(now, own.window)
	}
}

// settle says what became of t. A wrong code needs no word: it was counted.
func (g *Guard) settle(ctx context.Context, t *try, v verdict) error {
	if v == wrong || !t.counted() {
		return nil
	}
	g.calls.giveBack(t.call)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), SettleWithin)
	defer cancel()
	return g.ledger.Update(ctx, t.keys, func(c []Counter) bool {
		now := g.now()
		c[atSource].dropRecent(t.recent, now)
		for i := atDoor; i < min(len(c), atSystem); i++ {
			switch {
			case v == right:
				c[i].clear(t.number[i], now)
			case i != atOtherDoor:
				c[i].giveBack(t.number[i], t.before[i], now)
			}
		}
		if len(c) > atSystem {
			c[atSystem].settle(v, t.recent, now)
		}
		return true
	})
}

// closedMailbox is the mailbox's limit that forbids a try now; nil if none does.
func (g *Guard) closedMailbox(c []Counter, door mailbox.Door, now time.Time) *Closed {
	if len(c) == 1 {
		return nil
	}
	if w := c[atMailbox].Wrong(); w >= g.opts.HardStop {
		return &Closed{Why: "too many wrong codes in a row over both doors; unlock the mailbox with `star97 mailbox unlock`"}
	}
	until := c[atDoor].Last.Add(g.opts.wait(door != mailbox.OwnDoor, c[atDoor].Wrong()))
	if now.Before(until) {
		return &Closed{Until: until, Why: "too many wrong codes in a row at this door"}
	}
	return nil
}

// closedSource is the limit of the try's source, of a believed caller or else of
// the whole peer; nil if it allows the try.
func (g *Guard) closedSource(c *Counter, at mailbox.Attempt) *Closed {
	limit, why := g.opts.SourcePerHour, "too many wrong codes from this caller within an hour"
	if at.Caller == "" {
		limit, why = g.opts.PeerPerHour, "too many wrong codes from this peer's unknown callers within an hour"
	}
	if len(c.Recent) < limit {
		return nil
	}
	oldest := c.Recent[len(c.Recent)-limit]
	return &Closed{Until: time.UnixMilli(oldest).Add(sourceWindow), Why: why}
}

// verdictOf reads the answer to a Verify. A try is given back only where the
// wrapped store says that the code was not judged for want of service, and not
// where the caller can bring that about, as by hanging up: no answer counts.
func verdictOf(ctx context.Context, err error) verdict {
	if err == nil {
		return right
	}
	if ctx.Err() == context.Canceled || inService(mailbox.CodeOf(err)) {
		return wrong
	}
	return notTried
}

// verdictOfChange reads the answer to a Change. Done proves the current code; a
// refusal of the new one says nothing against it.
func verdictOfChange(r mailbox.Result) verdict {
	switch r.Outcome {
	case mailbox.Done:
		return right
	case mailbox.Refused:
		switch r.Reason {
		case mailbox.OK, mailbox.WrongPIN, mailbox.Locked, mailbox.NotFound, mailbox.Disabled, mailbox.NoCode:
			return wrong
		}
		return notTried
	}
	return wrong
}

// inService is false of the answers that say that nobody was there to judge a code.
func inService(c mailbox.Code) bool {
	switch c {
	case mailbox.Unavailable, mailbox.Throttled, mailbox.ServiceRefused, mailbox.Busy:
		return false
	}
	return true
}

// keysOf names the counters of a try. A source is a believed caller behind a peer's
// address, or all others behind it together: many people may share a trunk, and no
// ten of them may close it to the rest. It has a budget for each door, so that a
// stranger who shows the owner's number at the any door cannot use up that of the
// owner's own phone. The same number in two tenants is two people, where the caller's is known
// and at the own door always.
func keysOf(a mailbox.Account, at mailbox.Attempt) []string {
	door, other := "any", "own"
	if at.Door == mailbox.OwnDoor {
		door, other = other, door
	}
	who := at.Peer + "\n" + at.Source + "\n" + at.Caller
	switch {
	case at.Home != "":
		who += "\n" + at.Home
	case at.Door == mailbox.OwnDoor && a.Domain != "":
		who += "\n" + a.Domain
	}
	source := "source-" + door + ":" + bounded(who)
	if a.ID == "" {
		return []string{source}
	}
	box := bounded(a.Backend + "\n" + a.ID)
	return []string{source, door + ":" + box, other + ":" + box, "both:" + box}
}

// maxKey bounds the part of a key that comes from outside, in bytes.
const maxKey = 128

func bounded(s string) string {
	if len(s) <= maxKey {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
