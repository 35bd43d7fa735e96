package call

import (
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	"time"

	"star97/internal/flow"
	"star97/internal/lockout"
	"star97/internal/mailbox"
)

// answer is what the store said to one effect.
type answer struct {
	kind    flow.EventKind
	step    uint32
	code    mailbox.Code
	account mailbox.Account
	result  mailbox.Result
	err     error // detail for the log
}

// levelOf tells troubles that an administrator should look at from the callers' own.
func levelOf(c mailbox.Code) slog.Level {
	switch c {
	case mailbox.Unavailable, mailbox.ServiceRefused, mailbox.OutcomeUnknown, mailbox.Throttled, mailbox.Busy:
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

// untilRetry is how long the lock-out closes a mailbox; 0 if it does not, or
// nobody knows.
func untilRetry(err error) time.Duration {
	var closed *lockout.Closed
	switch {
	case !errors.As(err, &closed):
		return 0
	case closed.Until.IsZero():
		return flow.Never
	}
	return max(time.Until(closed.Until), 0)
}

// jobsMax bounds the store calls of one call that have no answer yet: a caller
// who goes back and forth while a slow store looks up asks for one after another.
const jobsMax = 4

// ask hands one store call to a worker. Nothing the store does can hold up the
// loop: when the deadline is past, the answer is made up here, as what is then
// known, and the late one is dropped.
func (r *run) ask(e *flow.Effect) {
	switch e.Kind {
	case flow.Change:
		r.change = Unfinished
	case flow.Lookup:
		r.account, r.finding, r.verified = r.nobody(), e.Step, false
		r.asked = maphash.Comparable(asking, r.query(e))
		r.forsake() // a lookup that is still open has nobody left who waits for it
	}
	job := &job{store: r.deps.Store, effect: *e, account: *r.account}
	job.attempt = r.attempt(e.Door, e.Claim)
	job.query = r.query(e)
	if e.Kind == flow.Verify {
		job.pause = max(time.Until(r.tried.Add(betweenTries)), 0)
		r.tried = time.Now().Add(job.pause)
	}
	within := r.opts.StoreDeadline + job.pause
	late := make(chan *answer, 1)
	if r.jobs++; r.jobs > jobsMax {
		a := overdue(e.Kind, e.Step)
		a.code, a.err = mailbox.Busy, mailbox.Fail("ask", mailbox.Busy, errTooMany)
		late <- &a
	} else {
		r.work.Add(1)
		ctx, cancel := context.WithTimeout(context.Background(), within)
		if e.Kind == flow.Lookup {
			r.forsake = cancel
		}
		// The worker: started by ask; stops when the store answers and the language
		// that its answer calls for is ready; owns the store call. It outlives a caller
		// who hangs up, so a confirmed change is made.
		go func() {
			defer r.work.Done()
			defer cancel()
			a := job.do(ctx)
			tongue := job.tongue(&a)
			late <- &a
			job.wipe()
			r.site.prepare(tongue)
		}()
	}
	w := waiter{late: late, out: r.answers, over: r.over, kind: e.Kind, step: e.Step, within: within}
	if e.Door == mailbox.AnyDoor && e.Kind == flow.Verify {
		w.since = r.pounded
	}
	// The waiter: started by ask; stops when its answer is taken or the call is
	// over; owns nothing.
	go w.wait()
}

// betweenTries is the least time from one try of a call to the next: keys strung together
// by a machine make no more of them.
const betweenTries = time.Second

// asking is this process's alone, so that what is made of a number with it tells nobody
// the number: a caller may have typed a code in its place.
var asking = maphash.MakeSeed()

// nobody is no mailbox of the call's tenant: a try at it is the work of that tenant's store.
func (r *run) nobody() *mailbox.Account { return &mailbox.Account{Domain: r.arrival.Domain} }

var errTooMany = errors.New("this call has more questions open than it may have")

// waiter hands one answer to the loop when its time has come.
type waiter struct {
	late   <-chan *answer
	out    chan<- *answer
	over   <-chan struct{}
	kind   flow.EffectKind
	step   uint32
	within time.Duration
	since  time.Time // any door: when the entry that is verified was complete
}

func (w waiter) wait() {
	const grace = 250 * time.Millisecond
	guard := time.NewTimer(w.within + grace)
	defer guard.Stop()
	var a *answer
	select {
	case a = <-w.late:
	case <-guard.C:
		none := overdue(w.kind, w.step)
		a = &none
	}
	if !w.since.IsZero() {
		time.Sleep(untilBeat(time.Since(w.since)))
	}
	select {
	case w.out <- a:
	case <-w.over:
	}
}

// note has a refusal recorded. The caller does not wait for it; what cannot be
// recorded is told in the log.
func (r *run) note(e *flow.Effect) {
	account, attempt, rule := *r.account, r.attempt(e.Door, e.Claim), e.Rule
	r.write("a refused code could not be recorded", func(ctx context.Context) error {
		return r.deps.Notes.Refused(ctx, account, attempt, rule)
	})
}

// write has a record kept that the caller does not wait for.
func (r *run) write(failed string, record func(context.Context) error) {
	// The writer: started by write; stops when the record is kept or its own
	// deadline is past; owns nothing.
	r.work.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), r.opts.StoreDeadline)
		defer cancel()
		if err := surviving(ctx, record); err != nil {
			r.deps.Log.Error(failed, "call", r.arrival.CallID, "error", err)
		}
	})
}

// surviving makes an error of a panic.
func surviving(ctx context.Context, do func(context.Context) error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = Survived(cause)
		}
	}()
	return do(ctx)
}

var errOverdue = errors.New("the store neither answered nor kept to its deadline")

// overdue is the truth about a store that did not answer.
func overdue(kind flow.EffectKind, step uint32) answer {
	a := answer{step: step, code: mailbox.Unavailable, err: errOverdue}
	switch kind {
	case flow.Lookup:
		a.kind = flow.Found
	case flow.Verify:
		a.kind = flow.Verified
	case flow.Change:
		a.kind = flow.ChangeDone
		a.result = mailbox.Doubt(errOverdue)
	}
	return a
}

// The beat of the any door: a verification is answered 1 s after its # at the
// earliest and then on half seconds, so that its duration tells nothing.
const (
	firstBeat = time.Second
	nextBeat  = 500 * time.Millisecond
)

// untilBeat is how long an answer that took so long has to wait.
func untilBeat(took time.Duration) time.Duration {
	if took <= firstBeat {
		return firstBeat - took
	}
	if rest := took % nextBeat; rest > 0 {
		return nextBeat - rest
	}
	return 0
}

// job is one store call with everything it needs.
type job struct {
	store   mailbox.Store
	effect  flow.Effect
	query   mailbox.Query
	account mailbox.Account
	attempt mailbox.Attempt
	pause   time.Duration // before the store is asked
}

// do asks the store. A store that panics has given no answer.
func (j *job) do(ctx context.Context) (a answer) {
	defer func() {
		if cause := recover(); cause != nil {
			a = overdue(j.effect.Kind, j.effect.Step)
			a.err = Survived(cause)
		}
	}()
	a = answer{step: j.effect.Step, account: j.account}
	time.Sleep(j.pause)
	switch j.effect.Kind {
	case flow.Lookup:
		a.kind = flow.Found
		a.account, a.err = j.lookup(ctx)
	case flow.Verify:
		a.kind = flow.Verified
		a.err = j.store.Verify(ctx, j.account, j.effect.Code, j.attempt)
	case flow.Change:
		a.kind = flow.ChangeDone
		a.result = j.store.Change(ctx, j.account, j.effect.Code, j.effect.Next, j.attempt)
		a.err = a.result.Failed("change")
	}
	a.code = mailbox.CodeOf(a.err)
	return a
}

func (j *job) lookup(ctx context.Context) (mailbox.Account, error) {
	found, err := j.store.Lookup(ctx, j.query)
	switch {
	case err != nil:
		return mailbox.Account{}, err
	case len(found) == 0:
		return mailbox.Account{}, mailbox.NotFound
	case len(found) > 1:
		return mailbox.Account{}, mailbox.Ambiguous
	}
	return found[0], nil
}

// tongue is the mailbox's language, once it may be spoken: at the own door when the
// mailbox is found, long before its code is verified; at the other with the right code,
// whose answer waits for the beat. Empty: there is none, or not yet.
func (j *job) tongue(a *answer) string {
	switch {
	case a.code != mailbox.OK:
	case j.effect.Kind == flow.Verify, j.effect.Kind == flow.Lookup && j.attempt.Door == mailbox.OwnDoor:
		return a.account.Language
	}
	return ""
}

func (j *job) wipe() { j.effect = flow.Effect{} }

// query is the number to look up: what was typed, or at the own door the caller's.
func (r *run) query(e *flow.Effect) mailbox.Query {
	q := mailbox.Query{Number: r.arrival.Number, Domain: r.arrival.Domain}
	if !e.Number.Empty() {
		e.Number.Reveal(func(digits []byte) { q.Number = string(digits) })
	}
	return q
}

func (r *run) attempt(door mailbox.Door, claim mailbox.Claim) mailbox.Attempt {
	a := &r.arrival
	return mailbox.Attempt{
		Door: door, Claim: claim, Peer: a.Peer, Transport: a.Transport, Source: a.Source, Caller: a.Caller, Withheld: a.Withheld, Home: a.Home,
		Call: r.number, CallID: a.CallID, Asked: r.asked,
		Policy: r.site.Policy,
	}
}

// answer tells the flow what the store said, and keeps whose mailbox it is. At
// the any door the flow is told of the account only with the right code.
func (r *run) answer(a *answer) {
	r.jobs--
	e := flow.Event{Kind: a.kind, Step: a.step, Code: a.code, Result: a.result, Retry: untilRetry(a.err)}
	if a.kind == flow.Found && a.code == mailbox.OK && a.step == r.finding {
		*r.account = a.account
		if !r.site.speaks(a.account.Language) { // the route's goes on
			r.account.Language = ""
		}
	}
	if a.kind == flow.ChangeDone {
		r.change = a.result.Outcome.String()
	}
	r.verified = r.verified || a.kind == flow.Verified && a.code == mailbox.OK && r.state.At() == flow.Verifying
	if a.code == mailbox.OK && (a.kind == flow.Verified || r.state.Door() == mailbox.OwnDoor) {
		e.Account = r.account
	}
	if a.err != nil {
		r.deps.Log.Log(context.Background(), levelOf(a.code), "the store did not do what the caller asked",
			"call", r.arrival.CallID, "mailbox", r.account.ID, "reason", a.code, "error", a.err)
	}
	r.step(e)
}
