package media

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func drain(q *queue, n int) (kinds []EventKind) {
	for range n {
		kinds = append(kinds, (<-q.ch).Kind)
	}
	return kinds
}

func press(q *queue, n int) (kept int) {
	for range n {
		if q.push(Event{Kind: Pressed}) {
			kept++
		}
	}
	return kept
}

func TestQueueKeepsRoomForTheSentence(t *testing.T) {
	q := newQueue()
	require.Equal(t, EventQueue-keyReserve, press(&q, 100))
	q.push(Event{Kind: Finished, Tag: 4})
	got := drain(&q, EventQueue-keyReserve+2)
	require.Equal(t, []EventKind{Pressed, Overrun, Finished}, got[EventQueue-keyReserve-1:])
	require.Empty(t, q.ch, "one Overrun tells of all keys lost in a row")
}

func TestQueueTellsEachGapOnce(t *testing.T) {
	q := newQueue()
	press(&q, 60)
	drain(&q, 10) // room for keys again, the Overrun still inside
	require.Equal(t, 9, press(&q, 20))
	got := drain(&q, len(q.ch))
	require.Equal(t, Overrun, got[EventQueue-keyReserve-10], "where the first gap was")
	require.Equal(t, Overrun, got[len(got)-1], "where the second gap was")
}

func TestQueueTellsAgainWhenTheOverrunWasTaken(t *testing.T) {
	q := newQueue()
	press(&q, 60)
	for range EventQueue {
		q.push(Event{Kind: Held})
		if len(q.ch) == EventQueue {
			drain(&q, 1)
		}
	}
	require.NotContains(t, drain(&q, len(q.ch)), Pressed)
	q = newQueue()
	press(&q, 60)
	drain(&q, EventQueue-keyReserve+1) // the Overrun too
	for len(q.ch) < EventQueue {
		q.push(Event{Kind: Held})
	}
	require.Zero(t, press(&q, 1))
	drain(&q, EventQueue)
	q.flush()
	require.Equal(t, Overrun, (<-q.ch).Kind)
}

func TestQueueNeverBlocksAndKeepsTheNewest(t *testing.T) {
	q := newQueue()
	for i := range 200 {
		at := time.Duration(i)
		q.push(Event{Kind: Started, Tag: uint32(i), At: at})
		q.push(Event{Kind: Finished, Tag: uint32(i), At: at})
		q.push(Event{Kind: Silent, At: at})
		q.push(Event{Kind: Resumed, At: at})
		q.push(Event{Kind: Held, At: at})
	}
	drain(&q, EventQueue)
	require.Equal(t, 4, q.waiting)
	q.flush()
	require.Zero(t, q.waiting)
	var last []Event
	for len(q.ch) > 0 {
		last = append(last, <-q.ch)
	}
	require.Equal(t, []EventKind{Held, Started, Finished, Silent}, []EventKind{last[0].Kind, last[1].Kind, last[2].Kind, last[3].Kind})
	require.Equal(t, uint32(199), last[1].Tag)
	require.Equal(t, uint32(199), last[2].Tag)
}

func TestQueueOrderHoldsBehindWaitingEvents(t *testing.T) {
	q := newQueue()
	for range EventQueue {
		q.push(Event{Kind: Held})
	}
	q.push(Event{Kind: Finished, At: 1})
	require.Zero(t, press(&q, 1), "a key must not overtake the Finished that waits")
	drain(&q, EventQueue)
	require.Equal(t, 1, press(&q, 1))
	require.Equal(t, []EventKind{Overrun, Finished, Pressed}, drain(&q, 3))
}
