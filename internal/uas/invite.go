package uas

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"star97/internal/call"
	"star97/internal/dialplan"
	"star97/internal/prompt"
)

// invite answers the INVITE that opens a dialog: merge check, route, limits,
// media, 200. It runs on the goroutine of the transaction.
func (s *Server) invite(req *sip.Request, tx *sip.ServerTx, terms *terms, peer *peer) {
	began := time.Now()
	id, branch := inviteOf(req), branchOf(req)
	first, fresh := s.dialogs.open(id, branch)
	if !fresh {
		// While its call is up the dialog takes what is repeated of an INVITE (RFC 6026).
		if first != branch {
			s.refuse(req, tx, refuse(sip.StatusLoopDetected, "Loop Detected").because("the same call came by two ways"))
			return
		}
		tx.Terminate()
		return
	}
	var d *dialog
	defer func() {
		if d == nil { // its transaction absorbs what comes again
			s.dialogs.forget(id)
			return
		}
		// An INVITE may come again for 64*T1 (section 17.1.1.2). Started then; stops at once.
		time.AfterFunc(64*s.opts.T1, func() { s.dialogs.forget(id) })
	}()
	d, refused := s.answer(req, tx, terms, peer)
	switch {
	case refused != nil:
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
	old, arrival, refused := s.placeOf(req, terms, peer)
	if refused != nil {
		return nil, refused
	}
	if !peer.enter() {
		return nil, refuse(sip.StatusBusyHere, "Busy Here", "Retry-After: 10").because(fmt.Sprintf("peer %s has max_calls calls up", peer.name))
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
	}()
	d, refused = s.newDialog(req, tx, peer)
	if refused != nil {
		return nil, refused
	}
	d.arrival = arrival
	if refused = d.open(req, tx, terms.calls); refused != nil {
		if refused.status == 0 {
			refused = nil // cancelled: the transaction layer has said 487
		}
		return nil, refused
	}
	opened = true
	if old != nil {
		old.Hangup()
	}
	return d, nil
}

// placeOf is what a call gets: by the dialplan, or that of the call which it replaces.
func (s *Server) placeOf(req *sip.Request, terms *terms, peer *peer) (old *dialog, a call.Arrival, refused *refusal) {
	if old, refused = s.replaced(req, peer); refused != nil {
		return nil, a, refused
	}
	if old != nil {
		a = succession(old.arrival)
	} else if a, refused = terms.arrival(req, peer); refused != nil {
		return nil, a, refused
	}
	a.Peer, a.Transport = peer.name, strings.ToLower(req.Transport())
	a.Source, a.CallID = sourceOf(req).Addr().String(), callIDOf(req)
	a.Caller = dialplan.User(peer.identity.caller(req).user)
	return old, a, nil
}

// arrival is what the dialplan gives a call.
func (t *terms) arrival(req *sip.Request, p *peer) (call.Arrival, *refusal) {
	caller := p.identity.caller(req)
	got, refused := t.plan.Decide(dialplan.Question{
		Number: uriParty(req.Recipient).user, Host: req.Recipient.Host, Peer: p.name,
		Trusted: p.identity.kind != nobody, Identity: caller.user, IdentityHost: caller.host,
		Forwarding: p.forwarding, Diversion: diverted(req).user, History: retargeted(req).user,
	})
	if refused != 0 {
		// The number is not logged: people dial codes behind feature numbers.
		return call.Arrival{}, refuse(sip.StatusNotFound, "Not Found").because(refused.String())
	}
	r := got.Route
	if r.Redirect != "" {
		return call.Arrival{}, refuse(sip.StatusMovedTemporarily, "Moved Temporarily", "Contact: <"+r.Redirect+">").because("its route says so")
	}
	return call.Arrival{
		Door: got.Door, Number: got.Mailbox, Domain: got.Domain,
		Layout: r.Layout, Language: r.Language, Words: prompt.Words(r.Words), Slow: r.Slow,
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
		s.log.Error("no media for a call", "error", err)
		return nil, refuse(sip.StatusServiceUnavailable, "Service Unavailable", "Retry-After: 10").because(err.Error()).as(refusedNoPort)
	}
	d := &dialog{
		s: s, id: dialogOf(req), peer: p, near: near, session: session,
		log:     s.log.With("call_id", callIDOf(req), "peer", p.name),
		signals: make(chan call.Signal, signalsMax),
		mail:    make(chan *letter, mailMax),
		hang:    make(chan struct{}),
		refers:  make(chan string, 1),
		quit:    make(chan struct{}),
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
	for _, h := range req.GetHeaders("Record-Route") {
		if r, ok := h.(*sip.RecordRouteHeader); ok {
			d.routes = append(d.routes, *r.Address.Clone())
		}
	}
	return d, nil
}

// open answers the INVITE with 200 and starts the dialog and its call. A refusal
// of status 0 means that the caller cancelled.
func (d *dialog) open(req *sip.Request, tx *sip.ServerTx, calls Calls) *refusal {
	res, offer, settle, refused := d.invited(req)
	if refused != nil {
		return refused
	}
	settle()
	if refused = d.s.dialogs.add(d, d.s.opts.Limits); refused != nil {
		return refused
	}
	started := false
	defer func() { // also after a panic
		if !started {
			d.s.dialogs.remove(d)
			d.s.dialogs.work.Add(-dialogWork)
		}
	}()
	l := &letter{req: req, tx: tx}
	if err := d.accept(l, res, offer); err != nil {
		if errors.Is(err, sip.ErrTransactionCanceled) {
			d.log.Info("the caller hung up before the answer")
			return &refusal{}
		}
		return busyInside().because(err.Error())
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
	calls.Run(d.s.calling, d, d.session, d.arrival)
}
