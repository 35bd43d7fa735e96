package caller

import (
	"container/heap"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"star97/internal/codec"
	"star97/internal/dtmf"
)

// The beat of a load run: four slots of 5 ms, each call in one of them.
const (
	slots     = 4
	slotTime  = 5 * time.Millisecond
	packTime  = slots * slotTime
	maxSilent = 60 * 8 // bytes of a silence packet, 60 ms

	tooLate = 200 * time.Millisecond // before the end of the measurement

	// readEvery is how many packet times a call's packets wait until they are read: the
	// kernel has dated them, and some at a time cost less each than one.
	readEvery = 4
)

// deck carries the RTP of every call of a load run on one locked thread: in a call's
// slot it sends a packet of silence, and now and then reads what came, dated by the
// kernel; keys go down at their own moments between the slots. Nothing waits for a packet,
// so a received packet costs a fraction of what waking up for it would.
type deck struct {
	o       LoadOptions
	batch   *batch
	audible [codec.Count]*loudness
	total   tally
	late    Histogram

	mu     sync.Mutex
	posted []func() // run by the thread at its next beat
	ended  bool
	quit   chan struct{}
	done   chan struct{}

	// Owned by the thread.
	slot      [slots][]*loadStream
	due       dueHeap
	measuring bool
	over      bool // the measurement is over: what comes now is not counted
	moment    *rand.Rand
	presses   uint64
	keys      []dtmf.Digit
	pcm       [packSamples]int16
	coded     [packSamples]byte
}

func newDeck(o LoadOptions) (*deck, error) {
	keys, err := digitsOf(o.Keys)
	if err != nil {
		return nil, err
	}
	d := &deck{o: o, batch: newBatch(), quit: make(chan struct{}), done: make(chan struct{}),
		moment: rand.New(rand.NewPCG(o.Seed, 97)), keys: keys}
	d.total.settingUp = o.Mode == Listen || o.Mode == KeysMode
	for id := range d.audible {
		if f, ok := codec.ByID(codec.ID(id)); ok {
			d.audible[id] = loudnessOf(f)
		}
	}
	return d, nil
}

// start runs the thread; the returned function ends it and may be called twice.
func (d *deck) start() (stop func()) {
	go d.run()
	return sync.OnceFunc(func() {
		close(d.quit)
		<-d.done
	})
}

// post hands work to the thread; after its end it is done at once.
func (d *deck) post(work func()) {
	d.mu.Lock()
	if !d.ended {
		d.posted = append(d.posted, work)
		d.mu.Unlock()
		return
	}
	d.mu.Unlock()
	work()
}

// measure begins (true) and ends the measurement.
func (d *deck) measure(on bool) {
	d.post(func() {
		if !on {
			d.lastLook()
		}
		d.measuring, d.over = on, !on
		if on {
			d.total.measured()
			d.late = Histogram{}
		}
		if !d.pressing() {
			return
		}
		for _, streams := range d.slot {
			for _, s := range streams {
				d.schedule(s, time.Now().Add(d.untilNextKey()))
			}
		}
	})
}

// lastLook takes what came until the end of the measurement, and forgets the keys
// that went down too late for an answer to be seen.
func (d *deck) lastLook() {
	late := time.Now().Add(-tooLate).UnixNano()
	for _, streams := range d.slot {
		for _, s := range streams {
			d.conclude(s)
			if s.got.waiting && s.got.keyDown > late {
				s.got.waiting = false
				d.total.keys--
			}
		}
	}
}

// conclude takes a stream's last packets, and counts the time from the last one until now,
// or until its call was over, if the far end should have sent.
func (d *deck) conclude(s *loadStream) {
	now := time.Now().UnixNano()
	d.read(s)
	if d.over || !s.agreed.Recv {
		return
	}
	if at := s.overAt.Load(); at != 0 {
		now = at
	}
	s.got.end(&d.total, now, s.agreed.PTime)
}

// open makes the RTP side of one call.
func (d *deck) open(ip netip.Addr) (*loadStream, error) {
	s, err := openStream(d, ip)
	if err == nil {
		d.post(func() { d.join(s) })
	}
	return s, err
}

// join puts a stream into the emptiest slot.
func (d *deck) join(s *loadStream) {
	best := 0
	for i := range d.slot {
		if len(d.slot[i]) < len(d.slot[best]) {
			best = i
		}
	}
	s.slot, s.turn = best, len(d.slot[best])%readEvery
	d.slot[best] = append(d.slot[best], s)
}

// leave takes a stream out and counts its whole.
func (d *deck) leave(s *loadStream) {
	d.conclude(s)
	if !s.gone {
		d.readReports(s)
		s.gone = true
		acked := s.ackedAt.Load()
		s.got.close(&d.total, acked)
		if acked != 0 {
			d.total.quality.reported(&s.reports.far)
		}
	}
	in := d.slot[s.slot]
	for i, other := range in {
		if other == s {
			in[i] = in[len(in)-1]
			d.slot[s.slot] = in[:len(in)-1]
			break
		}
	}
	s.closeSockets()
}

// run is the beat. Started by start on a locked thread, stops at quit, owns the
// slots, the keys to come, the tallies and the batch of buffers.
func (d *deck) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(d.done)
	beat := time.Now().Add(slotTime)
	for n := 0; ; n++ {
		for len(d.due) > 0 && d.due[0].due.Before(beat) {
			d.wait(d.due[0].due)
			s := heap.Pop(&d.due).(*loadStream)
			s.scheduled = false
			d.press(s)
		}
		d.wait(beat)
		select {
		case <-d.quit:
			d.finish()
			return
		default:
		}
		d.runPosted()
		for _, s := range d.slot[n%slots] {
			if s.turn == n/slots%readEvery {
				d.read(s)
			}
			s.sendAudio(beat)
			s.report(beat)
		}
		beat = beat.Add(slotTime)
	}
}

// wait sleeps until a moment and notes by how much it was missed, until the measurement is
// over: hanging up is not part of it.
func (d *deck) wait(until time.Time) {
	if left := time.Until(until); left > 0 {
		ts := unix.NsecToTimespec(int64(left))
		_ = unix.Nanosleep(&ts, nil) // woken early by a signal: a beat is early by less than it
	}
	if !d.over {
		d.late.Record(time.Since(until))
	}
}

func (d *deck) runPosted() {
	d.mu.Lock()
	work := d.posted
	d.posted = nil
	d.mu.Unlock()
	for _, do := range work {
		do()
	}
}

func (d *deck) finish() {
	d.mu.Lock()
	d.ended = true
	d.mu.Unlock()
	d.runPosted()
}

// untilNextKey is half to one and a half times the mean: presses fall anywhere on
// the far end's beat.
func (d *deck) untilNextKey() time.Duration {
	return d.o.Every/2 + time.Duration(d.moment.Int64N(int64(d.o.Every)))
}

// schedule makes a stream's next key packet due; one is at a time.
func (d *deck) schedule(s *loadStream, at time.Time) {
	if s.scheduled || s.gone {
		return
	}
	s.due, s.scheduled = at, true
	heap.Push(&d.due, s)
}

// press sends a stream's next key packet and makes the one after it due.
func (d *deck) press(s *loadStream) {
	if s.gone || !s.talking.Load() {
		return
	}
	if s.piece == len(s.pieces) && !d.keyDown(s) {
		return
	}
	released := time.Now()
	if d.o.Road == Inband { // the beats send it
		released = s.pressed.Add(loadPressLength)
	} else {
		s.sendPiece()
	}
	switch {
	case s.piece < len(s.pieces):
		d.schedule(s, s.pressed.Add(s.pieces[s.piece].After))
	case len(s.queue) > 0:
		d.schedule(s, released.Add(loadPressGap))
	case d.pressing():
		d.schedule(s, time.Now().Add(d.untilNextKey()))
	}
}

// keyDown begins the next press: of the sign-in, or a measured one. Everything that
// came before it is read first, to know whether a sentence was sounding.
func (d *deck) keyDown(s *loadStream) bool {
	var key dtmf.Digit
	switch {
	case len(s.queue) == 0 && !d.pressing():
		return false
	case !s.takesKeys():
		d.cannot(s)
		return false
	case len(s.queue) > 0:
		key, s.queue = s.queue[0], s.queue[1:]
		s.begin(key)
	default:
		key = d.keys[int(d.presses)%len(d.keys)]
		d.presses++
		d.read(s)
		s.begin(key)
		s.got.press(&d.total, s.pressed.UnixNano())
	}
	return true
}

// pressing tells whether measured keys are pressed now.
func (d *deck) pressing() bool { return d.measuring && d.o.Mode == KeysMode }

// cannot notes a call whose far end hears no key, and tries again later: on hold, it may
// come back.
func (d *deck) cannot(s *loadStream) {
	if !s.keyless {
		s.keyless = true
		d.total.keyless++
	}
	s.queue = nil
	if d.pressing() {
		d.schedule(s, time.Now().Add(d.untilNextKey()))
	}
}

// sound makes the packet that leaves at a beat while a tone is sent: the 20 ms before it,
// in which the key may have gone down. So a key waits for its packet as on a telephone.
func (d *deck) sound(s *loadStream, beat time.Time) []byte {
	clear(d.pcm[:])
	from := max(0, int(s.pressed.Sub(beat.Add(-packTime))*samplesPerMs/time.Millisecond))
	if from < packSamples {
		n := min(s.samples, packSamples-from)
		s.tone.Fill(d.pcm[from : from+n])
		s.samples -= n
	}
	return d.coded[:s.format.Encode(d.coded[:], d.pcm[:])]
}

// dueHeap orders streams by when their next key packet is due.
type dueHeap []*loadStream

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h dueHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *dueHeap) Push(x any)        { *h = append(*h, x.(*loadStream)) }
func (h *dueHeap) Pop() any {
	old := *h
	s := old[len(old)-1]
	*h = old[:len(old)-1]
	return s
}
