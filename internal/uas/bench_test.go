package uas

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

// BenchmarkCall is INVITE, 200, ACK, BYE, 200 over loopback UDP, one at a time,
// with the caller in the same process. It reports the time from INVITE to 200.
func BenchmarkCall(b *testing.B) {
	h := newHouse(b, setting{options: func(o *Options) {
		o.Limits.Rate, o.Limits.Burst = 1000000, 1000000
		o.T1, o.T2 = 500*time.Millisecond, 4*time.Second
	}})
	p := h.udp(b)
	var waits []time.Duration
	for b.Loop() {
		p.callID, p.toTag = "bench-"+randomToken(), ""
		begin := time.Now()
		p.send("INVITE", offerText, "application/sdp")
		ok := p.expect(200)
		waits = append(waits, time.Since(begin))
		p.learn(ok)
		p.send("ACK", "", "")
		p.send("BYE", "", "")
		p.expect(200)
		h.calls.next(b)
	}
	slices.Sort(waits)
	b.ReportMetric(float64(waits[len(waits)/2].Microseconds()), "µs-to-200-p50")
	b.ReportMetric(float64(waits[len(waits)*99/100].Microseconds()), "µs-to-200-p99")
}

// BenchmarkGate is what the gate adds to each message before sipgo reads it.
func BenchmarkGate(b *testing.B) {
	g := newTestGate(b)
	msg, from := []byte(invite(offerText)), netip.MustParseAddrPort("127.0.0.1:5070")
	at := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		at = at.Add(time.Millisecond)
		if pass, _, _ := g.admit("udp", from, msg, at); pass == nil {
			b.Fatal("refused")
		}
	}
}
