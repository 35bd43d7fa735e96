package call

import (
	"context"

	"star97/internal/flow"
	"star97/internal/mailbox"
)

// sendsMax bounds the one-time codes that one call asks for: at the any door it may
// name one mailbox after the other.
const sendsMax = 3

// start is what the flow is told of a call. Help needs somebody who sends.
func (s *Service) start(site *Site, a *Arrival) flow.Start {
	return flow.Start{
		Door: a.Door, Language: a.Language, Slow: a.Slow,
		FirstUse:  a.FirstUse || a.Proved && (site.Begins == nil || site.Begins(a.Domain)),
		Forgotten: a.Forgotten && s.deps.Sender != nil,
		OneTime:   site.OneTime != nil && site.OneTime(a.Domain),
	}
}

// send has a one-time code sent to the owner of the mailbox that was found, if one
// was. Nobody waits for it: what the caller hears, and when, is the same whatever
// becomes of it.
func (r *run) send(e *flow.Effect) {
	if r.sends++; r.sends > sendsMax || r.deps.Sender == nil {
		r.deps.Log.Debug("no one-time code was sent", "call", r.arrival.CallID)
		return
	}
	account, attempt := *r.account, r.attempt(e.Door, e.Claim)
	// The messenger: started by send; stops when the code is on its way or its own
	// deadline is past; owns nothing.
	r.work.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), r.opts.StoreDeadline)
		defer cancel()
		if err := surviving(ctx, func(ctx context.Context) error { return r.deps.Sender.Send(ctx, account, attempt) }); err != nil {
			r.deps.Log.Log(ctx, levelOf(mailbox.CodeOf(err)), "no one-time code was sent", "call", attempt.CallID, "mailbox", account.ID, "error", err)
		}
	})
}
