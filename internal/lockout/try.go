package lockout

import (
	"cmp"
	"context"
	"time"

	"star97/internal/mailbox"
)

// try is one reservation. Its counters are those of where it comes from (atSource and on)
// and behind them those of the mailbox (atDoor and on), which one that does not exist has not.
type try struct {
	call      uint64
	claimed   bool     // it shows something else than the current code
	all       []string // every counter that is looked at
	from      int      // how many of these are of where it comes from
	keys      []string // where it is counted: all, those of where it comes from, or none
	closed    *Closed  // the limit that forbids it; nil if none does
	throttled bool     // that limit is of the call or its source, not of the mailbox
	bySource  bool     // such a limit forbids it too
	entry     int64    // in the lists
	number    [numBox]uint64
	before    [numBox]time.Time // Last as it was; at the other door number is the last try's

	// For the Witness.
	closesSource, closesBox *Closed // by this try, if it is wrong
	shut                    [2]bool // the doors before it
	opened                  [2]bool // of these, by its being right
}

// The counters of where a try comes from. At the own door it is the source alone: a flood
// at the any door leaves the owner's telephone its budget.
const (
	atSource = iota
	atPeer
	atTotal
	numFrom
)

// The counters of a mailbox.
const (
	atDoor = iota
	atOtherDoor
	atBoth
	numBox

	// atSystem is a further one where the system behind locks mailboxes by itself.
	atSystem = numBox
)

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
// try at a closed mailbox is counted too, at its call and where it comes from, as one at
// no known mailbox is: else the budget of a source would tell which mailboxes exist.
// A claimed try is counted there alone: it is no guess at the mailbox's code.
func (g *Guard) reserve(ctx context.Context, a mailbox.Account, at mailbox.Attempt) (*try, error) {
	t := &try{call: at.Call, claimed: at.Claim != mailbox.ByCode}
	if t.claimed {
		t.call = 0
	}
	if !g.calls.take(t.call, g.now()) {
		t.closed = &Closed{Until: g.now().Add(nextCall), Why: "the call has used up its tries"}
		t.throttled, t.bySource = true, true
		return t, nil
	}
	own := g.systems(a)
	t.all, t.from = keysOf(a, at, own.tries > 0 && !t.claimed)
	mark := markOf(a, at)
	err := g.ledger.Update(ctx, t.all, func(c []Counter) bool {
		now, moved := g.now(), false // read here, so that tries follow each other in time
		for i := range c {
			moved = c[i].pull(now) || moved
		}
		t.keys, t.throttled = nil, false
		t.shut = g.shut(c[t.from:], at, own, now)
		t.closed = g.closedMailbox(a, at, c[t.from:], own, now)
		from := g.closedSource(c[:t.from], at, mark, now)
		t.bySource = from != nil
		switch {
		case from == nil && t.closed == nil:
			t.keys = t.all
		case from == nil && at.Door != mailbox.OwnDoor:
			t.keys = t.all[:t.from]
		case t.closed == nil:
			t.closed, t.throttled = from, true
		}
		if t.counted() {
			g.count(t, a, at, c[:len(t.keys)], own, entry(now, mark), now)
		}
		return moved || t.counted()
	})
	if err != nil || !t.counted() {
		g.calls.giveBack(t.call)
	}
	return t, err
}

// counted tells whether t is held against anything in the ledger.
func (t *try) counted() bool { return len(t.keys) > 0 }

// newMailbox is the mark of none that was ever tried.
const newMailbox = -1

// count counts t as wrong and notes what that closes.
func (g *Guard) count(t *try, a mailbox.Account, at mailbox.Attempt, c []Counter, own systemLimit, e int64, now time.Time) {
	from, box := c[:t.from], c[t.from:]
	t.entry, t.closesSource, t.closesBox = e, nil, nil
	before := g.closedSource(from, at, newMailbox, now)
	from[atSource].list(e, hour)
	for i := atPeer; i < t.from; i++ {
		from[i].tally(now)
	}
	if after := g.closedSource(from, at, newMailbox, now); after != nil && (before == nil || before.Why != after.Why) {
		t.closesSource = after
	}
	if t.claimed || len(box) == 0 {
		return
	}
	t.countMailbox(box, own, at.Door, now)
	t.closesBox = g.closedMailbox(a, at, box, own, now)
}

func (t *try) countMailbox(box []Counter, own systemLimit, door mailbox.Door, now time.Time) {
	for i := range box[:numBox] {
		t.before[i] = box[i].Last
		if i == atOtherDoor {
			t.number[i] = box[i].Tries
			continue
		}
		t.number[i] = box[i].count(now)
	}
	if door != mailbox.OwnDoor {
		box[atDoor].Recent = append(box[atDoor].Recent, t.entry)
	}
	if len(box) > atSystem {
		box[atSystem].list(t.entry, own.window)
	}
}

// settle says what became of t. A wrong code needs no word: it was counted.
func (g *Guard) settle(ctx context.Context, a mailbox.Account, at mailbox.Attempt, t *try, v verdict) error {
	defer func() { g.testify(ctx, a, at, t, v) }()
	if v == wrong || !t.counted() {
		return nil
	}
	g.calls.giveBack(t.call)
	own := g.systems(a)
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), SettleWithin)
	defer cancel()
	return g.ledger.Update(within, t.keys, func(c []Counter) bool {
		now := g.now()
		c[atSource].drop(t.entry, now)
		for i := atPeer; i < t.from; i++ {
			c[i].untally(timeOf(t.entry))
		}
		box := c[t.from:]
		switch {
		case len(box) == 0:
			return true
		case !t.claimed:
			t.settleMailbox(box, v, now)
		case v == right: // the owner is proved, as if an administrator had looked
			for i := range box {
				box[i].forget(now)
			}
		}
		for i, shut := range g.shut(box, at, own, now) {
			t.opened[i] = t.shut[i] && !shut
		}
		return true
	})
}

func (t *try) settleMailbox(box []Counter, v verdict, now time.Time) {
	box[atDoor].strike(t.entry)
	for i := range box[:numBox] {
		switch {
		case v == right:
			box[i].clear(t.number[i], now)
		case i != atOtherDoor:
			box[i].giveBack(t.number[i], t.before[i], now)
		}
	}
	if len(box) > atSystem {
		box[atSystem].settleSystem(v, t.entry, now)
	}
}

// closedMailbox is the mailbox's limit that forbids a try now; nil if none does. What
// closes the doors to codes leaves them open to a claim.
func (g *Guard) closedMailbox(a mailbox.Account, at mailbox.Attempt, box []Counter, own systemLimit, now time.Time) *Closed {
	if a.Flags.Locked {
		return &Closed{Why: "an administrator has locked the mailbox"}
	}
	if a.Flags.Disabled && at.Claim != mailbox.ByCode { // with codes the store knows what to do
		return &Closed{Why: "the mailbox is disabled"}
	}
	if len(box) == 0 {
		return nil
	}
	if w := box[atBoth].Wrong(); w >= g.opts.HardStop {
		return &Closed{Why: "too many wrong codes in a row over both doors; unlock the mailbox with `star97 mailbox unlock`"}
	}
	if at.Claim != mailbox.ByCode {
		return nil
	}
	if c := g.closedDoor(&box[atDoor], at.Door != mailbox.OwnDoor, now); c != nil {
		return c
	}
	return own.closed(box, at.Door, now)
}

// closedDoor is the limit of one door of a mailbox.
func (g *Guard) closedDoor(c *Counter, anyDoor bool, now time.Time) *Closed {
	if anyDoor && g.opts.CloseForGood > 0 && c.Wrong() >= g.opts.CloseForGood {
		return &Closed{Why: "too many wrong codes in a row at the any door; the owner's own telephone, `star97 mailbox unlock` or a one-time code opens it"}
	}
	until := c.Last.Add(g.opts.wait(anyDoor, c.Wrong()))
	if anyDoor {
		c.slide(now, hour)
		if free := c.free(g.opts.MailboxPerHour, hour); free.After(until) {
			until = free
		}
	}
	if now.Before(until) {
		return &Closed{Until: until, Why: "too many wrong codes at this door"}
	}
	return nil
}

// closedSource is the limit of where a try comes from; nil if all allow it.
func (g *Guard) closedSource(from []Counter, at mailbox.Attempt, mark int64, now time.Time) *Closed {
	who, tries, boxes := "this caller", g.opts.SourcePerHour, g.opts.SourceMailboxes
	if at.Caller == "" {
		who, tries, boxes = "the unknown callers of this peer", g.opts.UnknownPerHour, g.opts.UnknownMailboxes
	}
	source := &from[atSource]
	source.slide(now, hour)
	if until := source.free(tries, hour); now.Before(until) {
		return &Closed{Until: until, Why: "too many wrong codes from " + who + " within an hour"}
	}
	if at.Door == mailbox.OwnDoor {
		return nil
	}
	if until := source.freeOthers(mark, boxes); now.Before(until) {
		return &Closed{Until: until, Why: "wrong codes at too many mailboxes from " + who + " within an hour"}
	}
	return cmp.Or(closedTally(&from[atPeer], g.opts.PeerPerHour, "through this peer", now),
		closedTally(&from[atTotal], g.opts.TotalPerHour, "altogether", now))
}

func closedTally(c *Counter, limit int, which string, now time.Time) *Closed {
	c.slide(now, tallyWindow)
	if until := c.tallied(limit); now.Before(until) {
		return &Closed{Until: until, Why: "too many wrong codes " + which + " within an hour"}
	}
	return nil
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
