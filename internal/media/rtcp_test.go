package media

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestReportIntervals(t *testing.T) {
	for _, tt := range []struct {
		name string
		r    reporter
		mean time.Duration
	}{
		{"the first one comes sooner", reporter{}, 2500 * time.Millisecond},
		{"later ones", reporter{sent: true}, 5 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			low, high, sum := time.Hour, time.Duration(0), time.Duration(0)
			const draws = 2000
			for range draws {
				d := tt.r.interval()
				low, high, sum = min(low, d), max(high, d), sum+d
			}
			require.InDelta(t, tt.mean/2, low, float64(tt.mean/50))
			require.InDelta(t, tt.mean*3/2, high, float64(tt.mean/50))
			require.InDelta(t, tt.mean, sum/draws, float64(tt.mean/20))
		})
	}
}

func TestNTP(t *testing.T) {
	// RFC 5905 figure 4: the first day of UNIX is second 2,208,988,800.
	require.Equal(t, uint64(2208988800)<<32|1<<31, ntp(time.Unix(0, 5e8)))
	require.Equal(t, uint32(2208988800&0xFFFF)<<16|1<<15, middle(ntp(time.Unix(0, 5e8))))
}
