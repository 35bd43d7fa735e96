package uas

import (
	"hash/maphash"
	"sync"
	"time"
)

// denials are the INVITEs that were refused for lack of time. What is repeated of one, as it
// waited for long or its answer was lost, is refused again: to its caller the first answer
// was the last, so that nobody would acknowledge a 200 (RFC 3261 section 17.1.1.2). They are
// hashes in a table that has one size however many are refused, where a later one takes the
// place of an earlier one: what is forgotten so is a call without an ACK, given up like
// others.
type denials struct {
	last  time.Duration // 64*T1, while an INVITE may be repeated
	began time.Time

	mu    sync.Mutex
	seed  maphash.Seed
	slots []denial // nil until one is refused
}

type denial struct {
	key uint64
	at  time.Duration // since the table began: without a pointer the collector passes it by
}

// denialSlots are those of six seconds at 5000 refusals each.
const denialSlots = 1 << 15

func newDenials(last time.Duration, now time.Time) *denials {
	return &denials{last: last, began: now, seed: maphash.MakeSeed()}
}

// transaction is what an INVITE shares with what is repeated of it, and with no other, which
// came by another way or is another try.
type transaction struct {
	id     inviteID
	branch string
}

func (d *denials) keyOf(t transaction) uint64 { return maphash.Comparable(d.seed, t) }

func (d *denials) add(t transaction, now time.Time) {
	key := d.keyOf(t)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.slots == nil {
		d.slots = make([]denial, denialSlots)
	}
	d.slots[key%denialSlots] = denial{key, now.Sub(d.began)}
}

func (d *denials) has(t transaction, now time.Time) bool {
	key := d.keyOf(t)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.slots == nil {
		return false
	}
	s := d.slots[key%denialSlots]
	return s.key == key && now.Sub(d.began)-s.at < d.last
}
