package media_test

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/media"
)

// timed is a real socket that notes when each packet left.
type timed struct {
	*net.UDPConn
	mu   sync.Mutex
	sent []time.Time
}

func (c *timed) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	now := time.Now()
	c.mu.Lock()
	c.sent = append(c.sent, now)
	c.mu.Unlock()
	return c.UDPConn.WriteToUDPAddrPort(b, to)
}

// BenchmarkPacing lets many calls speak for a second each turn and prints how far
// the gaps between their packets are from 20 ms, and the processor time that a call
// costs in a second. It compares nothing: the figures are for reading.
func BenchmarkPacing(b *testing.B) {
	for _, calls := range []int{1, 200, 500, 1000} {
		b.Run(fmt.Sprintf("%d-calls", calls), func(b *testing.B) { benchPacing(b, calls) })
	}
}

func benchPacing(b *testing.B, calls int) {
	w := loopback(media.NewPortable)
	var conns []*timed
	o := media.DefaultOptions()
	o.PortMin, o.PortMax = 20000, 30998
	o.Listen = func(at netip.AddrPort) (media.PacketConn, error) {
		c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(at))
		if err != nil {
			return nil, err
		}
		t := &timed{UDPConn: c, sent: make([]time.Time, 0, 2000)}
		conns = append(conns, t)
		return t, nil
	}
	e, err := media.NewPortable(o)
	require.NoError(b, err)
	defer e.Close()
	sink := w.phone(b, home)
	for i := range calls {
		s, err := e.Open(netip.MustParseAddr("127.0.0.1"))
		require.NoError(b, err)
		s.Set(sink.stream())
		s.Say(speak(uint32(i), sentence(60000, 0)))
		s.Start(0)
		time.Sleep(20 * time.Millisecond / time.Duration(calls))
	}
	b.ResetTimer()
	before, began := processor(), time.Now()
	time.Sleep(time.Duration(b.N) * time.Second)
	spent, took := processor()-before, time.Since(began)
	b.StopTimer()
	var off []time.Duration
	for _, c := range conns {
		c.mu.Lock()
		for i := 2; i < len(c.sent); i++ { // the second gap is exact from the third packet on
			off = append(off, (c.sent[i].Sub(c.sent[i-1]) - 20*time.Millisecond).Abs())
		}
		c.mu.Unlock()
	}
	slices.Sort(off)
	at := func(share float64) float64 { return float64(off[int(share*float64(len(off)-1))].Microseconds()) }
	b.ReportMetric(at(0.5), "p50-us")
	b.ReportMetric(at(0.99), "p99-us")
	b.ReportMetric(at(1), "max-us")
	b.ReportMetric(float64(spent.Microseconds())/float64(calls)/took.Seconds(), "cpu-us/call-s")
	b.ReportMetric(0, "ns/op")
}

// processor is the time that this process has used of the processors.
func processor() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
