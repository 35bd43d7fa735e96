package call

import (
	"cmp"
	"context"
	"time"

	"star97/internal/dialplan"
	"star97/internal/dtmf"
	"star97/internal/flow"
	"star97/internal/mailbox"
	"star97/internal/media"
	"star97/internal/prompt"
)

// run is one call. Its loop goroutine owns every field: it is started by the
// signalling side and stops when the dialog is over.
type run struct {
	*Service
	site    *Site // of the time when the call began
	leg     Leg
	media   media.Session
	arrival Arrival
	number  uint64 // this process's own; a Call-ID may come again
	began   time.Time
	late    time.Time     // when the time was first up
	grace   time.Duration // how long after that somebody may type
	warned  bool          // the grace was told to be over

	state     flow.State
	merge     dtmf.Merge
	clock     clock
	limit     *time.Timer        // the total time
	account   *mailbox.Account   // whose mailbox; zero until it is found
	finding   uint32             // the step of the last Lookup
	asked     uint64             // whose mailbox that asked for
	tried     time.Time          // when the last code was given to the store
	forsake   context.CancelFunc // gives up that Lookup
	pounded   time.Time          // when the current code was entered whole
	jobs      int                // store calls without an answer
	verified  bool               // the code of account was right
	referred  map[uint32]string  // transfers without an outcome: their targets by step
	next      flow.Event         // an answer that is known at once; no kind: there is none
	sends     int                // one-time codes that were asked for
	anonymous int                // transfers of a caller whom nobody knows
	over      chan struct{}      // closed when the call is
	answers   chan *answer
	source    dtmf.Source // by which the last counted key came
	sources   [dtmf.FromTone + 1]bool
	lost      uint64 // times that keys were lost
	change    string // how the last one ended
	end       flow.EndReason
	leaving   bool // the BYE was asked for
	stirred   bool // a signal came since the media were last silent
}

// answersMax bounds answers that wait for the loop. The flow asks for one thing
// at a time, so a late answer and its successor are the most that can meet.
const answersMax = 4

func newRun(s *Service, site *Site, leg Leg, session media.Session, a *Arrival) *run {
	layout := cmp.Or(a.Layout, dialplan.DefaultLayout)
	r := &run{
		Service: s, site: site, leg: leg, media: session, arrival: *a, number: s.calls.Add(1), began: time.Now(),
		grace:   s.opts.HangupGrace,
		state:   flow.New(site.Layouts[layout], s.start(site, a)),
		clock:   newClock(),
		limit:   time.NewTimer(site.Limit),
		account: new(mailbox.Account),
		forsake: func() {},
		change:  NoChange,
		merge:   dtmf.Merge{Tones: a.Tones},

		referred: map[uint32]string{},
		over:     make(chan struct{}),
		answers:  make(chan *answer, answersMax),
	}
	r.arrival.Layout = layout
	return r
}

// loop takes one happening after another until the dialog is over. Nothing that
// the caller did takes effect before the ACK: until then the engine keeps its
// events and only signals are read. Each call has this frame on its stack for as long as it
// lasts: what needs room is done by the methods.
func (r *run) loop(ctx context.Context) {
	limit := r.limit
	defer limit.Stop()
	var heard <-chan media.Event
	stop := ctx.Done()
	for {
		select {
		case s, ok := <-r.leg.Signals():
			if !ok || s.Kind == Gone {
				r.gone(heard)
				return
			}
			if s.Kind == Confirmed {
				heard = r.media.Events()
			}
			r.signal(s)
		case e, ok := <-heard:
			if !ok { // the media are gone, and with them the caller's keys
				heard = nil
				r.hangup()
				continue
			}
			r.hear(e)
		case at := <-r.clock.C():
			r.timedOut(at)
		case a := <-r.answers:
			r.answer(a)
		case <-limit.C:
			r.overtime()
		case <-stop: // the service goes down: typing on is no longer possible
			stop = nil
			r.grace = min(r.grace, limitAgain)
			r.overtime()
		}
	}
}

func (r *run) timedOut(at time.Time) {
	r.clock.fired(at)
	r.step(flow.Event{Kind: flow.TimedOut, Step: r.clock.step})
}

// gone ends the call.
func (r *run) gone(heard <-chan media.Event) {
	r.hearOut(heard)
	r.step(flow.Event{Kind: flow.HungUp})
}

// hearOut takes what came before the BYE: the last key of a change may wait beside it, or
// behind what the loop had no time for.
func (r *run) hearOut(heard <-chan media.Event) {
	for {
		select {
		case e, ok := <-heard:
			if !ok {
				return
			}
			r.hear(e)
		default:
			if heard == nil || len(r.media.Events()) == 0 {
				return
			}
		}
	}
}

const (
	limitAgain = 5 * time.Second  // between two words to the flow that the time is up
	lastWords  = 15 * time.Second // for the last sentence, before a BYE without one
)

// overtime tells the flow that the time is up. The flow lets a caller who is
// typing go on, so it is told again, until the grace is over.
func (r *run) overtime() {
	if r.late.IsZero() {
		r.late = time.Now()
	}
	switch {
	case time.Since(r.late) < r.grace:
		r.step(flow.Event{Kind: flow.LimitHit})
		r.limit.Reset(limitAgain)
	case !r.warned:
		r.warned = true
		r.step(flow.Event{Kind: flow.GraceOver})
		r.limit.Reset(lastWords)
	default:
		r.hangup()
	}
}

// silent ends a call whose BYE was lost. A sign of life by SIP since the engine
// last said so counts as much as a packet; the engine says so again.
func (r *run) silent() {
	if r.stirred {
		r.stirred = false
		return
	}
	r.hangup()
}

func (r *run) signal(s *Signal) {
	r.stirred = s.Kind != Confirmed // what the engine calls silence begins with the ACK
	switch s.Kind {
	case Confirmed:
		r.step(flow.Event{Kind: flow.Answered})
	case InfoKey:
		r.key(s.Report)
	case Renegotiated:
		r.merge.Unlock()
	case Referred:
		r.transferred(s)
	}
	*s = Signal{} // no digit stays behind
}

func (r *run) hear(e media.Event) {
	switch e.Kind {
	case media.Pressed:
		r.key(e.Report)
	case media.Started:
		r.step(flow.Event{Kind: flow.Started, Step: e.Tag})
	case media.Finished:
		r.step(flow.Event{Kind: flow.Spoken, Step: e.Tag})
	case media.Overrun:
		r.keysLost()
	case media.Held:
		r.clock.hold()
	case media.Resumed:
		r.clock.resume()
	case media.Silent:
		r.silent()
	case media.Disbelieved:
		r.disbelieved(*e.Disbelief)
	}
}

// key lets one press count once, whatever roads it came by.
func (r *run) key(report dtmf.Report) {
	if report.Kind == dtmf.Lost {
		r.keysLost()
		return
	}
	digit, ok := r.merge.Accept(report)
	if report.Source == dtmf.FromInfo {
		r.media.TonesOff()
	}
	if ok {
		r.source, r.sources[report.Source] = report.Source, true
		r.step(flow.Event{Kind: flow.Key, Digit: digit})
	}
}

func (r *run) keysLost() {
	r.lost++
	r.step(flow.Event{Kind: flow.KeysLost})
}

func (r *run) step(e flow.Event) {
	r.advance(&e)
	if next := r.next; next.Kind != 0 {
		r.next = flow.Event{}
		r.step(next)
	}
}

// advance takes one step of the flow and does what that asks for. Whatever comes of it, no
// code stays in memory that another call may get.
func (r *run) advance(e *flow.Event) {
	effects := r.spare.Get().(*flow.Effects)
	whole := false // a program error did not end it
	defer func() {
		effects.Wipe()
		if whole {
			r.spare.Put(effects)
		}
	}()
	waiting := waitsForCode(&r.state)
	r.state.Advance(e, effects)
	if waitsForCode(&r.state) && !waiting {
		r.pounded = time.Now()
	}
	for i := range effects.List[:effects.N] {
		r.perform(&effects.List[i])
	}
	whole = true
}

// waitsForCode tells whether the current code was entered and is being judged.
func waitsForCode(s *flow.State) bool { return s.At() == flow.Finding || s.At() == flow.Verifying }

func (r *run) perform(e *flow.Effect) {
	switch e.Kind {
	case flow.Say:
		r.media.Say(r.utterance(e))
	case flow.Hush:
		r.media.Stop()
	case flow.Timer:
		r.clock.set(e.After, e.Step)
	case flow.Lookup, flow.Verify, flow.Change:
		r.ask(e)
	case flow.Transfer:
		r.transfer(e)
	case flow.Choose:
		r.choose(e)
	case flow.Send:
		r.send(e)
	case flow.Limit:
		r.limit.Reset(e.After)
	case flow.Note:
		r.note(e)
	case flow.End:
		r.end = cmp.Or(r.end, e.End) // a transfer may have ended it first
		r.hangup()
	}
}

func (r *run) utterance(e *flow.Effect) media.Utterance {
	u := media.Utterance{Tag: e.Step}
	n := 0
	for _, id := range e.Phrase {
		if id == "" {
			break
		}
		clip, ok := r.site.Voice.Clip(e.Language, r.arrival.Words, id)
		if !ok {
			r.deps.Log.Error("a sentence has no recording; run `star97 check`", "prompt", id, "language", e.Language)
			continue
		}
		if id == prompt.ChosenCode {
			clip = r.spelled(clip, e)
		}
		u.Clips[n] = clip
		n++
	}
	return u
}

// hangup sends the BYE once the phone has had time to play what was sent.
func (r *run) hangup() {
	if r.leaving {
		return
	}
	r.leaving = true
	// The BYE: started by hangup when the last packet was played; stops at once.
	time.AfterFunc(r.opts.PlayOut, r.leg.Hangup)
}

func (r *run) close() {
	r.clock.stop()
	r.forsake()
	close(r.over)
	r.state.Wipe()
}
