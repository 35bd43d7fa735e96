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
)

// try is one reservation.
type try struct {
	call   string
	keys   []string
	number [numCounters]uint64    // the try's number, at the other door the last one's
	before [numCounters]time.Time // Last as it was
	recent int64                  // the source's entry
}

// verdict is what became of a reserved try.
type verdict uint8

const (
	wrong    verdict = iota // it counts, as reserved
	right                   // the code was right: the row of wrong ones ends
	notTried                // the code was not judged: as if never made
)

// settleWithin bounds the ledger's work for a try whose caller may be gone.
const settleWithin = 5 * time.Second

// reserve counts one try as wrong or says which limit forbids it (Locked).
func (g *Guard) reserve(ctx context.Context, a mailbox.Account, at mailbox.Attempt) (*try, error) {
	t := &try{call: callKey(at), keys: keysOf(a, at)}
	if !g.calls.take(t.call) {
		return nil, locked(&Closed{Why: "the call has used up its tries"})
	}
	var closed *Closed
	err := g.ledger.Update(ctx, t.keys, func(c []Counter) bool {
		now, moved := g.now(), false // read here, so that tries follow each other in time
		for i := range c {
			moved = c[i].pull(now) || moved
		}
		c[atSource].slide(now)
		if closed = g.closed(c, at.Door, now); closed != nil {
			return moved
		}
		t.count(c, now)
		return true
	})
	switch {
	case err != nil:
		g.calls.giveBack(t.call)
		return nil, err
	case closed != nil:
		g.calls.giveBack(t.call)
		return nil, locked(closed)
	}
	return t, nil
}

func (t *try) count(c []Counter, now time.Time) {
	t.recent = c[atSource].countRecent(now)
	for i := atDoor; i < len(c); i++ {
		t.before[i] = c[i].Last
		if i == atOtherDoor {
			t.number[i] = c[i].Tries
			continue
		}
		t.number[i] = c[i].count(now)
	}
}

// settle says what became of t. A wrong code needs no word: it was counted.
func (g *Guard) settle(ctx context.Context, t *try, v verdict) error {
	if v == wrong {
		return nil
	}
	g.calls.giveBack(t.call)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleWithin)
	defer cancel()
	return g.ledger.Update(ctx, t.keys, func(c []Counter) bool {
		now := g.now()
		c[atSource].dropRecent(t.recent, now)
		for i := atDoor; i < len(c); i++ {
			switch {
			case v == right:
				c[i].clear(t.number[i], now)
			case i != atOtherDoor:
				c[i].giveBack(t.number[i], t.before[i], now)
			}
		}
		return true
	})
}

// closed is the limit that forbids a try now, a mailbox's before a source's; nil
// if none does.
func (g *Guard) closed(c []Counter, door mailbox.Door, now time.Time) *Closed {
	if len(c) > 1 {
		if w := c[atMailbox].Wrong(); w >= g.opts.HardStop {
			return &Closed{Why: "too many wrong codes in a row over both doors; unlock the mailbox with `star97 mailbox unlock`"}
		}
		until := c[atDoor].Last.Add(g.opts.wait(door != mailbox.OwnDoor, c[atDoor].Wrong()))
		if now.Before(until) {
			return &Closed{Until: until, Why: "too many wrong codes in a row at this door"}
		}
	}
	if recent := c[atSource].Recent; len(recent) >= g.opts.SourcePerHour {
		oldest := recent[len(recent)-g.opts.SourcePerHour]
		return &Closed{Until: time.UnixMilli(oldest).Add(sourceWindow), Why: "too many wrong codes from this source within an hour"}
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
	if ctx.Err() == context.Canceled {
		return wrong
	}
	return serviceOr(wrong, mailbox.CodeOf(err))
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

func serviceOr(v verdict, c mailbox.Code) verdict {
	switch c {
	case mailbox.Unavailable, mailbox.Throttled, mailbox.ServiceRefused, mailbox.Busy:
		return notTried
	}
	return v
}

// keysOf names the counters of a try. A source has a budget for each door, so
// that a stranger who shows the owner's number at the any door cannot use up that
// of the owner's own phone.
func keysOf(a mailbox.Account, at mailbox.Attempt) []string {
	door, other := "any", "own"
	if at.Door == mailbox.OwnDoor {
		door, other = other, door
	}
	source := "source-" + door + ":" + bounded(at.Peer+"\n"+at.Source)
	if a.ID == "" {
		return []string{source}
	}
	box := bounded(a.Backend + "\n" + a.ID)
	return []string{source, door + ":" + box, other + ":" + box, "both:" + box}
}

func callKey(at mailbox.Attempt) string {
	if at.CallID == "" {
		return ""
	}
	return bounded(at.Peer + "\n" + at.CallID)
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
