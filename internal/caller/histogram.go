package caller

import (
	"math/bits"
	"time"
)

// The histogram has a bucket per microsecond up to 64, then 32 buckets per doubling:
// no figure is off by more than 3.2 %.
const (
	subBits = 5
	buckets = 64 + (40-subBits-1)<<subBits
)

// Histogram counts durations from 0 to about 12 days without keeping them. The zero
// value is empty; a negative duration counts as 0. Not safe for concurrent use.
type Histogram struct {
	n      uint64
	max    time.Duration
	counts [buckets]uint64
}

// Record counts one duration.
func (h *Histogram) Record(d time.Duration) {
	d = max(d, 0)
	h.n++
	h.max = max(h.max, d)
	h.counts[bucketOf(uint64(d/time.Microsecond))]++
}

// bucketOf and its inverse ceilingOf number the buckets.
func bucketOf(us uint64) int {
	if us < 64 {
		return int(us)
	}
	shift := bits.Len64(us) - subBits - 1
	return min(64+(shift-1)<<subBits+int(us>>shift)-1<<subBits, buckets-1)
}

// ceilingOf is the largest microsecond value in a bucket.
func ceilingOf(bucket int) uint64 {
	if bucket < 64 {
		return uint64(bucket)
	}
	shift := (bucket-64)>>subBits + 1
	low := uint64((bucket-64)&(1<<subBits-1)+1<<subBits) << shift
	return low + 1<<shift - 1
}

// At is the duration that a share of 0 to 1 of all does not exceed; 0 if there are none.
func (h *Histogram) At(share float64) time.Duration {
	if h.n == 0 || share >= 1 {
		return h.max
	}
	want := uint64(share * float64(h.n))
	var sum uint64
	for b, c := range h.counts {
		if sum += c; b < buckets-1 && (sum > want || sum == h.n) {
			return min(time.Duration(ceilingOf(b))*time.Microsecond, h.max)
		}
	}
	return h.max
}

// Percentiles are a histogram in milliseconds.
type Percentiles struct {
	N    uint64  `json:"n"`
	P50  float64 `json:"p50_ms"`
	P90  float64 `json:"p90_ms"`
	P99  float64 `json:"p99_ms"`
	P999 float64 `json:"p999_ms"`
	Max  float64 `json:"max_ms"`
}

// Percentiles reads the usual ones.
func (h *Histogram) Percentiles() Percentiles {
	at := func(share float64) float64 { return milliseconds(h.At(share)) }
	return Percentiles{h.n, at(0.50), at(0.90), at(0.99), at(0.999), at(1)}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
