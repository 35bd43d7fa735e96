package uas

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/call"
)

// A dispatcher that asks by OPTIONS takes the node out; whoever calls all the same is
// answered, since the call can say what is wrong.
func TestOPTIONSTellsWhetherCallsShouldCome(t *testing.T) {
	var unwell atomic.Bool
	h := newHouse(t, setting{healthy: func() bool { return !unwell.Load() }})
	for _, p := range []*phone{h.udp(t), h.tcp(t)} {
		unwell.Store(false)
		p.send("OPTIONS", "", "")
		ok := p.expect(200)
		require.Equal(t, allowed, ok.get("Allow"))
		require.Equal(t, supported, ok.get("Supported"))
		require.Contains(t, ok.get("Accept"), "application/sdp")

		unwell.Store(true)
		p.send("OPTIONS", "", "")
		require.Equal(t, "30", p.expect(503).get("Retry-After"))
		p.dial()
		c := h.calls.next(t)
		require.Equal(t, call.Confirmed, c.hear(t).Kind)
		p.send("OPTIONS", "", "") // of this call, not of the node
		p.expect(200)
	}
	h.reads(t, `star97_refusals_total{reason="unwell"}`, "2")
}
