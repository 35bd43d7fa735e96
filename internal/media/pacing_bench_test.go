package media_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/dtmf"
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
		if at.Port()%2 != 0 {
			return c, nil // RTCP has no rhythm
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

// BenchmarkKeyToPrompt presses keys in one call while others speak, and prints the
// time from the first packet of a key to the first packet of the next sentence at
// the telephone, through the real sockets and a run loop.
func BenchmarkKeyToPrompt(b *testing.B) {
	for _, calls := range []int{1, 100} {
		b.Run(fmt.Sprintf("%d-calls", calls), func(b *testing.B) { benchKeyToPrompt(b, calls) })
	}
}

func benchKeyToPrompt(b *testing.B, calls int) {
	w := loopback(media.NewPortable)
	e := w.engine(b, w.options())
	for range calls - 1 {
		s, p := w.callOn(b, e)
		s.Set(p.stream())
		s.Say(speak(0, sentence(600000, 0)))
		s.Start(0)
	}
	s, p := w.callOn(b, e)
	s.Set(p.stream())
	s.Say(speak(0, sentence(60000, 2)))
	s.Start(0)
	go func() { // the run loop of the call; ends with Events
		for event := range s.Events() {
			if event.Kind == media.Pressed && event.Report.Kind == dtmf.Down {
				s.Say(speak(1, sentence(20, 1), sentence(60000, 2)))
			}
		}
	}()
	var took []time.Duration
	for b.Loop() {
		time.Sleep(time.Duration(rand.N(60)) * time.Millisecond)
		for len(p.packets) > 0 {
			<-p.packets
		}
		began := time.Now()
		p.press(p.rtp, 5)
		took = append(took, p.until(1).at.Sub(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
	b.ReportMetric(0, "ns/op")
}
