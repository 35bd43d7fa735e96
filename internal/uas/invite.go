package uas

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"star97/internal/call"
	"star97/internal/dialplan"
	"star97/internal/media"
	"star97/internal/prompt"
)

// invite answers the INVITE that opens a dialog: merge check, route, limits,
// media, 200. It runs on the goroutine of the transaction.
func (s *Server) invite(req *sip.Request, tx *sip.ServerTx, terms *terms, peer *peer) {
	began := time.Now()
	key := s.dialogs.keyOf(inviteOf(req))
	switch s.dialogs.open(key, s.dialogs.trailOf(req, peer)) {
	case repeated: // while its call is up the dialog takes what is repeated of an INVITE (RFC 6026)
		tx.Terminate()
		return
	case merged:
		s.dismiss(req, tx, refuse(sip.StatusLoopDetected, "Loop Detected").because("the same call came by two ways"))
		return
	case tooMany:
		s.dismiss(req, tx, refuse(sip.StatusServiceUnavailable, "Service Unavailable", "Retry-After: 10").because("too many calls came in the last half minute"))
		return
	}
	var d *dialog
	defer func() {
		if d == nil { // what comes again is refused again
			s.dialogs.forget(key)
			return
		}
		// An INVITE may come again for 64*T1 (section 17.1.1.2). Started then; stops at once.
		time.AfterFunc(64*s.opts.T1, func() { s.dialogs.forget(key) })
	}()
	d, refused := s.answer(req, tx, terms, peer)
	switch {
	case refused != nil && (refused.once || refused.silent || !refused.told && time.Since(began) < s.untold):
		s.dismiss(req, tx, refused)
	case refused != nil: // nobody asks again
		s.refuse(req, tx, refused)
	case d != nil:
		s.deps.Metrics.Answered(time.Since(began))
	}
}

// answer takes the call or says why not. Both are nil if a CANCEL was faster.
func (s *Server) answer(req *sip.Request, tx *sip.ServerTx, terms *terms, peer *peer) (*dialog, *refusal) {
	if s.draining.Load() {
		return nil, shuttingDown()
	}
	if now := time.Now(); s.admission.begin(waited(req, now), now) {
		s.denials.add(transaction{inviteOf(req), param(req.Via().Params, "branch")}, now)
		return nil, behindhand()
	}
	who, refused := s.caller(req, peer, terms)
	if refused != nil {
		return nil, refused
	}
	to, refused := s.placeOf(req, terms, peer, who)
	if refused != nil {
		return nil, refused
	}
	to.arrival.Proved = to.arrival.Proved && s.meant(req, tx, peer, terms)
	if refused = s.admit(to, peer); refused != nil {
		return nil, refused
	}
	var d *dialog
	opened := false
	defer func() { // also after a panic
		if opened {
			return
		}
		if d != nil {
			d.session.Close()
		}
		peer.leave()
		if to.old != nil && s.dialogs.restore(to.old) {
			to.old.peer.join()
		}
	}()
	d, refused = s.newDialog(req, tx, peer)
	if refused != nil {
		return nil, refused
	}
	d.arrival, d.asked = to.arrival, to.asked
	if refused = d.open(req, tx, terms.calls, to.old != nil); refused != nil {
		if refused.status == 0 {
			d.log.Info("the caller hung up before the answer")
			refused = nil // cancelled: the transaction layer has said 487
		}
		return nil, refused
	}
	opened = true
	if to.old != nil {
		to.old.Hangup()
	}
	return d, nil
}

// destined is where a call goes.
type destined struct {
	old     *dialog // that it takes the place of; nil: none
	asked   dialplan.Question
	arrival call.Arrival
}

// admit counts a call in, by the limits of its peer. One that takes the place of another
// adds none: it is let in whatever is up.
func (s *Server) admit(to destined, p *peer) *refusal {
	if to.old == nil {
		if !p.enter() {
			return refuse(sip.StatusBusyHere, "Busy Here", "Retry-After: 10").because(fmt.Sprintf("peer %s has max_calls calls up", p.name))
		}
		return nil
	}
	if !s.dialogs.cede(to.old) {
		return notReplaced("it replaces no confirmed call of this peer")
	}
	to.old.peer.leave()
	p.join()
	return nil
}

// placeOf is what the dialplan in force gives a call. One that takes the place of another
// gets what that would get now.
func (s *Server) placeOf(req *sip.Request, terms *terms, peer *peer, who party) (to destined, refused *refusal) {
	if to.old, refused = s.replaced(req, peer); refused != nil {
		return to, refused
	}
	to.asked = question(req, peer, who)
	if to.old != nil {
		to.asked = to.old.asked
	}
	if to.arrival, refused = terms.arrival(to.asked); refused != nil {
		if to.old != nil {
			refused = notReplaced("the call that it replaces has no route any more")
		}
		return to, refused
	}
	a := &to.arrival
	if to.old != nil {
		succeed(a)
	}
	a.Tones = peer.inband == media.InbandAlways
	a.Peer, a.Transport = peer.name, strings.ToLower(req.Transport())
	a.Source, a.CallID = sourceOf(req).Addr().String(), callIDOf(req)
	a.Caller, a.Withheld = dialplan.User(who.user), withheld(req)
	return to, nil
}

// question is what the dialplan is asked about a call.
func question(req *sip.Request, p *peer, caller party) dialplan.Question {
	return dialplan.Question{
		Number: uriParty(req.Recipient).user, Host: req.Recipient.Host, Peer: p.name,
		Trusted: p.identity.kind != nobody, Proved: p.identity.proves(), Identity: caller.user, IdentityHost: caller.host,
		Forwarding: p.forwarding, Diversion: diverted(req).user, History: retargeted(req).user,
	}
}

// arrival is what the dialplan gives a call.
func (t *terms) arrival(q dialplan.Question) (call.Arrival, *refusal) {
	got, refused := t.plan.Decide(q)
	if refused != 0 {
		// The number is not logged: people dial codes behind feature numbers.
		return call.Arrival{}, refuse(sip.StatusNotFound, "Not Found").because(refused.String())
	}
	r := got.Route
	if r.Redirect != "" {
		return call.Arrival{}, refuse(sip.StatusMovedTemporarily, "Moved Temporarily", "Contact: <"+r.Redirect+">").because("its route says so")
	}
	return call.Arrival{
		Door: got.Door, Number: got.Mailbox, Domain: got.Domain, Home: got.Home,
		Layout: r.Layout, Language: r.Language, Words: prompt.Words(r.Words), Slow: r.Slow,
		Forgotten: r.Forgotten == dialplan.ForgottenOffer, FirstUse: r.FirstUse == dialplan.FirstUseAllow, Proved: got.Proved,
	}, nil
}

// newDialog takes the state of a dialog from its INVITE (RFC 3261 section 12.1.1)
// and opens its media.
func (s *Server) newDialog(req *sip.Request, tx *sip.ServerTx, p *peer) (*dialog, *refusal) {
	near, err := s.nearOf(req, tx)
	if err != nil {
		return nil, busyInside().because(err.Error())
	}
	session, err := s.deps.Media.Open(near.bind)
	if err != nil {
		if s.gate.tellsOnce(sourceOf(req).Addr(), time.Now()) {
			s.log.Error("no media for a call", "error", err)
		}
		return nil, refuse(sip.StatusServiceUnavailable, "Service Unavailable", "Retry-After: 10").because(err.Error()).as(refusedNoPort)
	}
	d := &dialog{
		s: s, id: dialogOf(req), peer: p, near: near.behind(p.registrar), session: session,
		log:     s.log.With("call_id", callIDOf(req), "peer", p.name),
		signals: make(chan *call.Signal, signalsMax),
		mail:    make(chan *letter, mailMax),
		hang:    make(chan struct{}),
		refers:  make(chan transfer, 1),
		over:    make(chan struct{}),
		order:   order{next: req.CSeq().SeqNo + 1, wait: max(s.opts.T1*3/2, reorderWait)},

		firstSeq: req.CSeq().SeqNo,
		target:   *req.Contact().Address.Clone(),
		from:     req.To().Value(),
		to:       req.From().Value(),
		source:   req.Source(),
		network:  near.network,
		caller:   sourceOf(req).Addr(),
		talk:     talk{session: randomID(), version: 1},
	}
	d.life, d.abandon = context.WithCancel(context.Background())
	d.updates = lists(req, string(sip.UPDATE), "Allow")
	for _, h := range req.GetHeaders("Record-Route") {
		if r, ok := h.(*sip.RecordRouteHeader); ok {
			d.routes = append(d.routes, *r.Address.Clone())
		}
	}
	return d, nil
}

// open answers the INVITE with 200 and starts the dialog and its call. A refusal
// of status 0 means that the caller cancelled. An heir takes the place of another call.
func (d *dialog) open(req *sip.Request, tx *sip.ServerTx, calls Calls, heir bool) *refusal {
	res, offer, settle, refused := d.invited(req)
	if refused != nil {
		return refused
	}
	settle()
	if refused = d.s.dialogs.add(d, heir, d.s.opts.Limits); refused != nil {
		return refused
	}
	started := false
	defer func() { // also after a panic
		if !started {
			d.forgetEarly()
			d.s.dialogs.remove(d)
			d.abandon()
			close(d.over) // whose request was delivered meanwhile waits for it
			d.s.dialogs.work.Add(-dialogWork)
		}
	}()
	l := &letter{req: req, tx: tx}
	if lists(req, reliably, "Require") {
		if refused = d.ring(l, res, offer); refused != nil {
			return refused
		}
		offer, d.expiry = nil, d.expiry.from(time.Now())
	}
	if err := d.accept(l, res, offer); err != nil {
		return unanswered(err)
	}
	d.log.Debug("call answered", "source", req.Source())
	go d.run()
	go d.converse(calls)
	started = true
	return nil
}

// converse is the call's goroutine: started with the dialog, stops when Calls.Run
// has returned, owns the session's end.
func (d *dialog) converse(calls Calls) {
	defer d.s.dialogs.work.Done()
	defer d.session.Close()
	defer d.Hangup()
	defer func() {
		if v := recover(); v != nil {
			d.s.survived(v, d.arrival.CallID)
		}
	}()
	calls.Run(d.s.calling, d, d.session, &d.arrival)
}
