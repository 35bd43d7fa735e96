package uas

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// flood is how many calls come at once; the house keeps a thousand.
const flood = 900

// Calls each of which costs milliseconds of computing come as fast as they can be written:
// soon one is refused because of that. A call in progress is served meanwhile, and once
// the flood is over calls are taken again.
func TestAFloodThatTakesTheWholeMachineIsRefused(t *testing.T) {
	var dear atomic.Bool
	h := newHouse(t, setting{
		options: func(o *Options) {
			o.Limits.Wait, o.Limits.Calls, o.Limits.Unacknowledged = 5*time.Millisecond, 5000, 5000
			o.Limits.Rate, o.Limits.Burst = 1000000, 1000000
		},
		open: func() error {
			for begun := time.Now(); dear.Load() && time.Since(begun) < 3*time.Millisecond; {
			}
			return nil
		},
	})
	p := h.udp(t)
	p.dial()
	h.calls.next(t)
	dear.Store(true)
	q := h.udp(t)
	for range flood { // some seconds of work for one core
		q.callID, q.tag = "call-"+randomToken()[:12], "from-"+randomToken()[:8]
		q.send("INVITE", offerText, "application/sdp")
	}
	answers := map[int]int{}
	var refused message
	for end := time.Now().Add(patience); refused.start == "" && time.Now().Before(end); {
		if m, ok := q.read(time.Second); ok {
			answers[m.status()]++
			if m.status() == 503 && m.get("Retry-After") == "2" {
				refused = m
			}
		}
	}
	require.NotEmpty(t, refused.start, "none was refused: %v", answers)
	p.send("INFO", "5", "application/dtmf")
	p.expect(200)
	dear.Store(false)
	require.Eventually(t, func() bool { // each is one more look at whether it has caught up
		again := h.udp(t)
		again.send("INVITE", offerText, "application/sdp")
		return again.fresh().status() == 200 && strings.Contains(h.log.String(), "this machine has caught up")
	}, patience, patience/80)
	p.send("BYE", "", "")
	p.expect(200)
	t.Logf("answers until the first refusal: %v", answers)
}
