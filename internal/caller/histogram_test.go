package caller

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBucketsCoverEveryMicrosecondWithoutHole(t *testing.T) {
	last := -1
	for us := uint64(0); us < 1<<21; us++ {
		b := bucketOf(us)
		if ceiling := ceilingOf(b); b-last > 1 || b < last || ceiling < us || float64(ceiling) > float64(us)*1.032 {
			require.FailNow(t, "wrong bucket", "%d us lies in bucket %d up to %d us, after bucket %d", us, b, ceiling, last)
		}
		last = b
	}
	require.Equal(t, buckets-1, bucketOf(1<<62))
}

func TestPercentilesAgreeWithSorting(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var h Histogram
	var all []time.Duration
	for range 20_000 {
		d := time.Duration(rng.ExpFloat64() * float64(3*time.Millisecond)).Truncate(time.Microsecond)
		all = append(all, d)
		h.Record(d)
	}
	slices.Sort(all)
	for _, share := range []float64{0, 0.5, 0.9, 0.99, 0.999} {
		want := all[int(share*float64(len(all)))]
		require.InEpsilon(t, float64(want+time.Microsecond), float64(h.At(share)+time.Microsecond), 0.035, "share %v", share)
	}
	require.Equal(t, all[len(all)-1], h.At(1))
}

func TestHistogramTakesWhatClocksDoWrong(t *testing.T) {
	var h Histogram
	require.Zero(t, h.At(0.99))
	h.Record(-time.Second)
	h.Record(400 * 24 * time.Hour)
	require.EqualValues(t, 2, h.Percentiles().N)
	require.Equal(t, 400*24*time.Hour, h.At(1))
	require.Zero(t, h.At(0))
	require.Equal(t, 400*24*time.Hour, h.At(0.9), "beyond the last bucket the maximum is all that is known")
}

func TestAHistogramOfALongRunDoesNotWrap(t *testing.T) {
	h := Histogram{n: 1<<32 - 1}
	h.counts[0] = 1<<32 - 1 // five thousand calls send as many packets in five hours
	h.Record(0)
	h.Record(time.Second)
	require.Zero(t, h.At(0.99))
}
