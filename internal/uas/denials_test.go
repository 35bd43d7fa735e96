package uas

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDenialsAreKeptForAWhileAndTakeNoMore(t *testing.T) {
	d := newDenials(32*time.Second, start)
	one := transaction{inviteID{"call", "tag", 1}, "z9hG4bK1"}
	require.False(t, d.has(one, start))
	d.add(one, start)
	require.True(t, d.has(one, start.Add(32*time.Second-1)))
	require.False(t, d.has(one, start.Add(32*time.Second)))
	for _, other := range []transaction{
		{inviteID{"call", "tag", 1}, "z9hG4bK2"}, {inviteID{"call", "tag", 2}, "z9hG4bK1"},
		{inviteID{"call", "tag2", 1}, "z9hG4bK1"}, {inviteID{"call2", "tag", 1}, "z9hG4bK1"}, {},
	} {
		require.False(t, d.has(other, start))
	}
	many := make([]transaction, 4*denialSlots)
	for i := range many {
		many[i] = transaction{inviteID{fmt.Sprint(i), "tag", 1}, "z9hG4bK1"}
	}
	i := 0
	require.Zero(t, testing.AllocsPerRun(len(many)-1, func() {
		d.add(many[i], start)
		require.True(t, d.has(many[i], start))
		i++
	}))
	require.Len(t, d.slots, denialSlots)
}

func BenchmarkDenials(b *testing.B) {
	d, one := newDenials(32*time.Second, start), transaction{inviteID{"a84b4c76e66710@pc33.example.org", "1928301774", 314159}, "z9hG4bK776asdhds"}
	d.add(one, start)
	b.ReportAllocs()
	for b.Loop() {
		d.add(one, start)
		d.has(one, start)
	}
}

// A caller takes the first 503 for the end. What he had repeated by then comes when there is
// time again, and is no new call; his next try is one.
func TestWhatWasRefusedForLackOfTimeIsRefusedAgain(t *testing.T) {
	for name, gate := range map[string]bool{"at the gate": true, "where it is begun": false} {
		for n, network := range []string{"udp", "tcp"} {
			t.Run(name+", "+network, func(t *testing.T) {
				var behind atomic.Bool
				h := newHouse(t, setting{server: func(s *Server) { overfullAs(s, gate, &behind) }})
				behind.Store(true)
				p := newPhone(t, network, h.at(n))
				text := p.build("INVITE", offerText, "application/sdp")
				p.write(text)
				p.expect(503)
				behind.Store(false)
				p.write(text)
				again := p.next()
				require.Equal(t, 503, again.status())
				require.Equal(t, "2", again.get("Retry-After"))
				require.Zero(t, h.Calls())
				p.dial()
				h.calls.next(t)
			})
		}
	}
}
