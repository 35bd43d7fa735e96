package media

// EventQueue is the capacity of Events. Its last keyReserve places are closed to
// key reports, so that the end of a sentence finds room behind many keys.
const (
	EventQueue = 64
	keyReserve = 16
)

// queue feeds the event channel without ever blocking. Key reports that find no
// room become one Overrun; of each other group the newest event waits in late.
// The session's lock guards it; only the call's run loop takes events out.
type queue struct {
	ch      chan Event
	since   int // events after the last Overrun, which covers this gap while len(ch) > since
	late    [lateGroups]Event
	waiting int // occupied places of late
}

// The groups of events of which only the newest one tells the truth.
const (
	lateOverrun = iota
	lateHold
	lateStarted
	lateFinished
	lateSilent
	lateDisbelieved
	lateGroups
)

var lateGroup = [...]int{Overrun: lateOverrun, Held: lateHold, Resumed: lateHold,
	Started: lateStarted, Finished: lateFinished, Silent: lateSilent, Disbelieved: lateDisbelieved}

func newQueue() queue { return queue{ch: make(chan Event, EventQueue), since: EventQueue} }

// push queues e. It returns false if e is a key report and was lost; the run
// loop then finds an Overrun where the report would have stood.
func (q *queue) push(e Event) bool {
	q.flush()
	if e.Kind != Pressed {
		q.put(e)
		return true
	}
	if q.waiting == 0 && len(q.ch) < EventQueue-keyReserve {
		q.send(e)
		return true
	}
	if len(q.ch) <= q.since {
		q.put(Event{Kind: Overrun, At: e.At})
	}
	return false
}

// flush sends what waits, oldest first, while there is room.
func (q *queue) flush() {
	for q.waiting > 0 && len(q.ch) < EventQueue {
		oldest := -1
		for i, e := range q.late {
			if e.Kind != 0 && (oldest < 0 || e.At < q.late[oldest].At) {
				oldest = i
			}
		}
		q.send(q.late[oldest])
		q.late[oldest] = Event{}
		q.waiting--
	}
}

// put sends e, or lets it wait in its group's place.
func (q *queue) put(e Event) {
	if q.waiting == 0 && len(q.ch) < EventQueue {
		q.send(e)
		return
	}
	place := &q.late[lateGroup[e.Kind]]
	if place.Kind == 0 {
		q.waiting++
	}
	*place = e
}

func (q *queue) send(e Event) {
	q.ch <- e
	switch e.Kind {
	case Overrun:
		q.since = 0
	case Pressed:
		q.since = EventQueue // what is lost after this key is another gap
	default:
		q.since++
	}
}
