package call

import (
	"context"
	"strings"
	"sync"
	"time"

	"star97/internal/flow"
	"star97/internal/mailbox"
)

// placeholder stands in a target for the extension of the verified mailbox.
const placeholder = "{mailbox}"

// transfer sends the caller to one of the site's targets. What cannot be tried has
// failed: the flow says so and goes on. A call that is ending asks for none: the caller
// may be elsewhere already, by an earlier one.
func (r *run) transfer(e *flow.Effect) {
	if r.leaving {
		return
	}
	target, why := r.site.Targets[e.Target], mailbox.CannotChange
	switch {
	case target == "":
		why = mailbox.NotFound
		r.deps.Log.Error("the dialplan has no such target", "call", r.arrival.CallID, "target", e.Target)
	case strings.Contains(target, placeholder) && !r.verified:
		r.deps.Log.Error("this target needs a mailbox, but nobody has signed in", "call", r.arrival.CallID, "target", e.Target)
	case !r.mayTransfer():
		why = mailbox.Throttled
		r.deps.Log.Warn("a transfer was refused: too many in this hour", "call", r.arrival.CallID, "target", e.Target,
			"limit", r.site.TransfersPerHour)
	default:
		r.referred[e.Step] = e.Target
		r.leg.Refer(strings.ReplaceAll(target, placeholder, r.account.Extension), e.Step)
		return
	}
	r.recordTransfer(e.Target, why)
	r.next = flow.Event{Kind: flow.Transferred, Step: e.Step}
}

// recordTransfer has the end of a transfer recorded.
func (r *run) recordTransfer(target string, result mailbox.Code) {
	account, attempt := *r.account, r.attempt(r.state.Door(), mailbox.ByCode)
	if !r.verified {
		account = *r.nobody()
	}
	r.write("a transfer could not be recorded", func(ctx context.Context) error {
		return r.deps.Notes.Transferred(ctx, account, attempt, target, result)
	})
}

// crowd is how many times the limit of one caller all those of one address have
// together whom nobody knows.
const crowd = 30

// mayTransfer counts a transfer on the account of the mailbox, or of the believed
// caller. Callers whom nobody knows are counted call by call, so that one of them does
// not close the operator to all others of a trunk, and together, with room for many.
func (r *run) mayTransfer() bool {
	a, most := &r.arrival, r.site.TransfersPerHour
	switch {
	case r.verified:
		return r.transfers.allow("mailbox "+r.account.Backend+" "+r.account.ID, most, time.Now())
	case a.Caller != "":
		return r.transfers.allow("caller "+a.Peer+" "+a.Domain+" "+a.Home+" "+a.Caller, most, time.Now())
	}
	r.anonymous++
	return r.anonymous <= most && r.transfers.allow("crowd "+a.Peer+" "+a.Source, crowd*most, time.Now())
}

// transferred tells the flow how the far end's own call to the target ended. A 2xx
// is the only proof that the caller is there (RFC 3515 section 2.4.4). It ends the call
// also when the flow has given that transfer up, and announces or awaits another: the
// caller speaks with somebody, and is not to be called away.
func (r *run) transferred(s *Signal) {
	ok, result := s.Status >= 200 && s.Status < 300, mailbox.OK
	if !ok {
		result = mailbox.Unavailable
		r.deps.Log.Warn("a transfer failed", "call", r.arrival.CallID, "status", s.Status)
	}
	if target, asked := r.referred[s.Number]; asked {
		delete(r.referred, s.Number)
		r.recordTransfer(target, result)
	}
	r.step(flow.Event{Kind: flow.Transferred, Step: s.Number, OK: ok})
	if ok && r.end == 0 { // the flow awaited it no more
		r.end = flow.EndTransferred
		r.hangup()
	}
}

// hourly counts events by name within one hour from the first. Its table is
// emptied when the hour is over; when it is full, names that are new get nothing.
type hourly struct {
	mu    sync.Mutex
	since time.Time
	count map[string]int
}

const hourlyNames = 10_000

// allow counts one more of name and tells whether it is within most.
func (h *hourly) allow(name string, most int, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if age := now.Sub(h.since); age >= time.Hour || age < 0 {
		h.since, h.count = now, map[string]int{}
	}
	if _, known := h.count[name]; !known && len(h.count) >= hourlyNames {
		return false
	}
	h.count[name]++
	return h.count[name] <= most
}
