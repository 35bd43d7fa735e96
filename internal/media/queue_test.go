package media

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/dtmf"
)

// take is the next event, for a loop that asks again for what did not fit.
func (q *queue) take() Event {
	q.flush()
	return <-q.ch
}

func drain(q *queue, n int) (kinds []EventKind) {
	for range n {
		kinds = append(kinds, q.take().Kind)
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
	require.Zero(t, q.size(), "one Overrun tells of all keys lost in a row")
}

func TestQueueTellsEachGapOnce(t *testing.T) {
	q := newQueue()
	press(&q, 60)
	drain(&q, 10) // room for keys again, the Overrun still inside
	require.Equal(t, 9, press(&q, 20))
	got := drain(&q, q.size())
	require.Equal(t, Overrun, got[EventQueue-keyReserve-10], "where the first gap was")
	require.Equal(t, Overrun, got[len(got)-1], "where the second gap was")
}

func TestQueueTellsAgainWhenTheOverrunWasTaken(t *testing.T) {
	q := newQueue()
	press(&q, 60)
	for range EventQueue {
		q.push(Event{Kind: Held})
		if q.size() == EventQueue {
			drain(&q, 1)
		}
	}
	require.NotContains(t, drain(&q, q.size()), Pressed)
	q = newQueue()
	press(&q, 60)
	drain(&q, EventQueue-keyReserve+1) // the Overrun too
	for q.size() < EventQueue {
		q.push(Event{Kind: Held})
	}
	require.Zero(t, press(&q, 1))
	drain(&q, EventQueue)
	q.flush()
	require.Equal(t, Overrun, q.take().Kind)
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
	require.Equal(t, 4, q.behind.waits)
	drain(&q, EventQueue)
	require.Zero(t, q.behind.waits)
	var last []Event
	for q.size() > 0 {
		last = append(last, q.take())
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

func TestQueueBeginsSmallAndIsSmallAgain(t *testing.T) {
	q := newQueue()
	for round := range 3 {
		for i := range EventQueue {
			q.push(Event{Kind: Held, Tag: uint32(i)})
			require.Equal(t, i < eventsReady, q.behind == nil, "event %d of round %d", i, round)
		}
		for i := range EventQueue {
			require.Equal(t, uint32(i), q.take().Tag)
		}
		q.flush()
		require.Nil(t, q.behind)
	}
}

func TestQueueLeavesNoDigitBehind(t *testing.T) {
	q := newQueue()
	for range EventQueue - keyReserve {
		q.push(Event{Kind: Pressed, Report: dtmf.Report{Digit: 7}})
	}
	kept := q.behind
	drain(&q, EventQueue-keyReserve)
	require.Zero(t, kept.ring)
}
