package media_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/media"
)

// BenchmarkThinning holds the cost of calls whose every packet is read against that of
// calls whose audio is left to the kernel.
func BenchmarkThinning(b *testing.B) {
	for _, engine := range []string{media.EnginePortable, media.EngineReactor} {
		whole, thin := media.DefaultOptions(), media.DefaultOptions()
		whole.Engine, thin.Engine, whole.KernelFilter = engine, engine, media.FilterOff
		b.Run(engine, func(b *testing.B) { benchBeside(b, 200, "whole", whole, "thin", thin) })
	}
}

// BenchmarkSending holds the cost of calls that sendto sends against those of io_uring.
func BenchmarkSending(b *testing.B) {
	o := media.DefaultOptions()
	o.Engine = media.EngineReactor
	for _, calls := range []int{200, 500} {
		b.Run(fmt.Sprintf("%d-calls", calls), func(b *testing.B) {
			benchBeside(b, calls, "sendto", media.WithoutRing(o), "io_uring", o)
		})
	}
}

// benchBeside measures in turn, b.N times, what a call of each kind costs, and prints the
// medians and the median of the ratios.
func benchBeside(b *testing.B, calls int, name string, o media.Options, other string, p media.Options) {
	var one, two, ratio []float64
	for range b.N {
		x, y := costOf(b, calls, o), costOf(b, calls, p)
		one, two, ratio = append(one, x), append(two, y), append(ratio, y/x)
		b.Logf("%s %.0f, %s %.0f us", name, x, other, y)
	}
	middle := func(all []float64) float64 { slices.Sort(all); return all[len(all)/2] }
	b.ReportMetric(middle(one), name+"-us/call-s")
	b.ReportMetric(middle(two), other+"-us/call-s")
	b.ReportMetric(middle(ratio), "ratio")
	b.ReportMetric(0, "ns/op")
}

// costOf is the processor time in microseconds that a call costs for 50 packets out, a
// second, while its caller talks and nobody listens to it.
func costOf(b *testing.B, calls int, o media.Options) float64 {
	o.PortMin, o.PortMax = 20000, 30998
	e, err := media.New(o)
	require.NoError(b, err)
	defer func() { require.NoError(b, e.Close()) }()
	far := newFarEnd(b, calls, true)
	sessions := begin(b, e, far, func(st *media.Stream) { st.Inband = media.InbandNever })
	time.Sleep(1500 * time.Millisecond) // the filter waits for a second of audio
	sent := func() (n uint64) {
		for _, s := range sessions {
			n += s.Stats().PacketsOut
		}
		return n
	}
	packets, before := sent(), processor()
	time.Sleep(3 * time.Second)
	packets, before = sent()-packets, processor()-before
	if lost := far.end(b).Lost; lost > int(packets)/100 {
		b.Logf("%d of %d packets did not arrive", lost, packets)
	}
	return float64(before.Microseconds()) / float64(packets) * 50
}
