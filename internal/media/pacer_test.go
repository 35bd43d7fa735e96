package media

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

func startBench(t *testing.T) *bench {
	b := newBench(t, &sink{})
	b.Start(0)
	b.frame()
	return b
}

// work lets the pacer do all that is due by now, and returns the slot it would
// sleep for.
func (b *bench) work() int64 {
	for {
		var at int64
		if b.due, at = b.pacer.collect(b.due[:0]); at != 0 {
			return at
		}
		for _, t := range b.due {
			t.s.tick(t.at, b.now)
		}
	}
}

func TestLateFrames(t *testing.T) {
	for _, tt := range []struct {
		name   string
		late   time.Duration
		missed uint32
	}{
		{"in time", 0, 0},
		{"late by less than a frame: nothing is left out", 19 * time.Millisecond, 0},
		{"late by a frame: one is left out", 20 * time.Millisecond, 1},
		{"late by a tenth of a second: one packet, no burst", 109 * time.Millisecond, 5},
		{"late by a second", time.Second, 50},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := startBench(t)
			due, ts, sent := b.session.due, b.out.header.Timestamp, b.sink.sent
			b.now = time.Duration(due)*slot + tt.late
			next := b.work()
			require.Equal(t, sent+1, b.sink.sent)
			require.Equal(t, ts+160*tt.missed, b.out.last)
			require.Equal(t, due+4*int64(tt.missed+1), next, "the schedule is the one of before")
			require.Equal(t, next, b.session.due)
		})
	}
}

func TestPacerHasNothingToDoWithoutCalls(t *testing.T) {
	b := newBench(t, &sink{})
	require.Equal(t, int64(-1), b.work(), "before Start")
	b.Start(0)
	next := b.work()
	require.Equal(t, b.session.due, next, "it sleeps through empty slots")
	st := benchStream
	st.Send = false
	b.Set(st)
	b.now = time.Duration(next) * slot
	require.Equal(t, int64(-1), b.work(), "on hold")
	b.now += time.Hour
	b.Set(benchStream)
	require.Equal(t, b.session.due, b.work())
	b.Close()
	b.now += time.Second
	require.Equal(t, int64(-1), b.work(), "after Close")
	require.Zero(t, b.pacer.turns)
}

func TestPacerIsWokenForAnEarlierTurn(t *testing.T) {
	b := startBench(t)
	asleep := b.work()
	woken := func() bool {
		select {
		case <-b.pacer.wake:
			return true
		default:
			return false
		}
	}
	woken()
	b.pacer.add(b.session, asleep+2)
	require.False(t, woken())
	b.pacer.add(b.session, asleep-1)
	require.True(t, woken())
}

// TestPacerKeepsTurnsOfALaterRound books a turn in a cell that also holds one of
// the time before a stall.
func TestPacerKeepsTurnsOfALaterRound(t *testing.T) {
	b := startBench(t)
	old := b.session.due
	other := newBench(t, &sink{})
	other.session.pacer = b.pacer
	at := b.pacer.add(other.session, old+ringSlots)
	require.Equal(t, old+ringSlots, at)
	other.session.due = at
	other.started = true
	b.now = time.Duration(old) * slot
	b.work()
	require.Zero(t, other.sink.sent)
	b.now = time.Duration(at) * slot
	b.work()
	require.Equal(t, 1, other.sink.sent)
}

func TestSecondPacerAboveAThousandCalls(t *testing.T) {
	e := &portable{pacers: make([]*pacer, 2), load: []int{0, 0}, sessions: map[*session]int{}}
	for range 1500 {
		i := e.lightest()
		e.load[i]++
		e.sessions[&session{}] = i
	}
	require.Equal(t, []int{1000, 500}, e.load)
}

func TestDSCP(t *testing.T) {
	four, err := listenUDP(netip.AddrPortFrom(loopback, 0), 46)
	require.NoError(t, err)
	defer four.Close()
	tos, err := ipv4.NewConn(four.(*net.UDPConn)).TOS()
	require.NoError(t, err)
	require.Equal(t, 0xB8, tos)
	six, err := listenUDP(netip.AddrPortFrom(netip.IPv6Loopback(), 0), 46)
	require.NoError(t, err)
	defer six.Close()
	class, err := ipv6.NewConn(six.(*net.UDPConn)).TrafficClass()
	require.NoError(t, err)
	require.Equal(t, 0xB8, class)
}
