package media

// EventQueue is how many events wait for the run loop. The last keyReserve places are
// closed to key reports, so that the end of a sentence finds room behind many keys. The
// channel has eventsReady of the places, enough for a loop that runs; the others are made
// when they are first needed.
const (
	EventQueue  = 64
	eventsReady = 8
	keyReserve  = 16
)

// queue feeds the event channel without ever blocking. Key reports that find no
// room become one Overrun; of each other group the newest event waits in late.
// The session's lock guards it; only the call's run loop takes events out.
type queue struct {
	ch     chan Event
	behind *behind // nil: all is in ch
	since  int     // events after the last Overrun, which covers this gap while size() > since
}

// behind is what does not fit into the channel.
type behind struct {
	ring  [EventQueue - eventsReady]Event
	first int
	n     int
	late  [lateGroups]Event // has no place in the ring either
	waits int               // occupied places of late
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

func newQueue() queue { return queue{ch: make(chan Event, eventsReady), since: EventQueue} }

// size is how many events have a place.
func (q *queue) size() int {
	if q.behind == nil {
		return len(q.ch)
	}
	return len(q.ch) + q.behind.n
}

// full says that an event can only wait in its group's place: no other is free, or one before
// it waits so.
func (q *queue) full() bool {
	return q.size() == EventQueue || q.behind != nil && q.behind.waits > 0
}

// push queues e. It returns false if e is a key report and was lost; the run
// loop then finds an Overrun where the report would have stood.
func (q *queue) push(e Event) bool {
	q.flush()
	if e.Kind != Pressed {
		q.put(e)
		return true
	}
	if !q.full() && q.size() < EventQueue-keyReserve {
		q.send(e)
		return true
	}
	if q.size() <= q.since {
		q.put(Event{Kind: Overrun, At: e.At})
	}
	return false
}

// flush sends what waits, oldest first, while there is room.
func (q *queue) flush() {
	b := q.behind
	if b == nil {
		return
	}
	b.moveUp(q.ch)
	for b.waits > 0 && q.size() < EventQueue {
		oldest := -1
		for i, e := range b.late {
			if e.Kind != 0 && (oldest < 0 || e.At < b.late[oldest].At) {
				oldest = i
			}
		}
		q.send(b.late[oldest])
		b.late[oldest] = Event{}
		b.waits--
	}
	if q.size() == 0 {
		q.behind = nil
	}
}

// moveUp gives the channel what it has room for.
func (b *behind) moveUp(ch chan<- Event) {
	for ; b.n > 0 && len(ch) < cap(ch); b.n-- {
		ch <- b.ring[b.first]
		b.ring[b.first] = Event{} // no digit stays behind
		b.first = (b.first + 1) % len(b.ring)
	}
}

// put sends e, or lets it wait in its group's place.
func (q *queue) put(e Event) {
	if !q.full() {
		q.send(e)
		return
	}
	place := &q.behind.late[lateGroup[e.Kind]]
	if place.Kind == 0 {
		q.behind.waits++
	}
	*place = e
}

// send gives e the last place; there is one.
func (q *queue) send(e Event) {
	switch {
	case q.behind == nil && len(q.ch) < cap(q.ch):
		q.ch <- e
	case q.behind == nil:
		q.behind = new(behind)
		fallthrough
	default:
		b := q.behind
		b.ring[(b.first+b.n)%len(b.ring)] = e
		b.n++
		b.moveUp(q.ch)
	}
	switch e.Kind {
	case Overrun:
		q.since = 0
	case Pressed:
		q.since = EventQueue // what is lost after this key is another gap
	default:
		q.since++
	}
}
