package uas

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// buckets is a token bucket per source address in a table of fixed size, so that
// forged addresses cannot make it grow. Addresses that share a slot share a
// bucket; which do differs from start to start.
type buckets struct {
	rate, burst float64 // tokens a second, and at most
	seed        maphash.Seed

	mu    sync.Mutex
	begin time.Time // that at counts from: the first take, and a while before
	size  int
	slots []bucket // made by the first take: most services ask nobody to prove who he is
}

const bucketSlots = 2048

// bucket is small and without a pointer: there can be a hundred thousand, and the collector
// passes them by.
type bucket struct {
	tokens float64
	at     time.Duration // of the last take; 0: there was none
}

// before is how much earlier than the first take another may be, which has waited for it.
const before = time.Hour

func newBuckets(rate, burst float64) *buckets { return bucketsOf(bucketSlots, rate, burst) }

func bucketsOf(slots int, rate, burst float64) *buckets {
	return &buckets{rate: rate, burst: burst, seed: maphash.MakeSeed(), size: slots}
}

// oneBucket is for all sources together.
func oneBucket(rate, burst float64) *buckets {
	return bucketsOf(1, rate, burst)
}

// bytesAMessage is what a message may be long to count as one. A longer one counts for as
// many as it has begun of these, so that a rate bounds bytes as well.
const bytesAMessage = 4096

// weight is what a message of n bytes counts for.
func weight(n int) float64 { return float64(1 + n/bytesAMessage) }

// take reports whether a message of this source, of a weight, is within its rate.
func (b *buckets) take(from netip.Addr, weight float64, now time.Time) bool {
	return b.takeKey(b.keyOf(from), weight, now)
}

// keyOf is the key of an address.
func (b *buckets) keyOf(from netip.Addr) uint64 {
	a := hostOf(from).As16()
	return maphash.Bytes(b.seed, a[:])
}

// takeKey is take for a source by its key, a hash that nobody foresees.
func (b *buckets) takeKey(key uint64, weight float64, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.slots == nil {
		b.slots, b.begin = make([]bucket, b.size), now.Add(-before)
	}
	s := &b.slots[key%uint64(b.size)]
	at := now.Sub(b.begin)
	if s.at == 0 {
		s.tokens = b.burst
	} else if d := at - s.at; d > 0 {
		s.tokens = min(b.burst, s.tokens+d.Seconds()*b.rate)
	}
	s.at = at
	if s.tokens < weight {
		return false
	}
	s.tokens -= weight
	return true
}

// give gives back what was taken for a key.
func (b *buckets) give(key uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.slots == nil { // nothing was taken
		return
	}
	s := &b.slots[key%uint64(b.size)]
	s.tokens = min(b.burst, s.tokens+1)
}
