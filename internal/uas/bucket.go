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
	slots []bucket
}

const bucketSlots = 2048

type bucket struct {
	tokens float64
	at     time.Time
}

func newBuckets(rate, burst float64) *buckets {
	return &buckets{rate: rate, burst: burst, seed: maphash.MakeSeed(), slots: make([]bucket, bucketSlots)}
}

// oneBucket is for all sources together.
func oneBucket(rate, burst float64) *buckets {
	return &buckets{rate: rate, burst: burst, seed: maphash.MakeSeed(), slots: make([]bucket, 1)}
}

// take reports whether one more message of this source is within its rate.
func (b *buckets) take(from netip.Addr, now time.Time) bool {
	a := from.As16()
	i := maphash.Bytes(b.seed, a[:]) % uint64(len(b.slots))
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &b.slots[i]
	if s.at.IsZero() {
		s.tokens = b.burst
	} else if d := now.Sub(s.at); d > 0 {
		s.tokens = min(b.burst, s.tokens+d.Seconds()*b.rate)
	}
	s.at = now
	if s.tokens < 1 {
		return false
	}
	s.tokens--
	return true
}
