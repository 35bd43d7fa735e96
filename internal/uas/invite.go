package uas

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"star97/internal/call"
	"star97/internal/dialplan"
	"star97/internal/mailbox"
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
	route, ok := terms.plan.Route(userOf(req.Recipient))
	if !ok {
		// The number is not logged: people dial codes behind feature numbers.
		return nil, refuse(sip.StatusNotFound, "Not Found").because("no route has the dialled number; see routes in the dialplan")
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
	d, refused := s.newDialog(req, tx, peer)
	if refused != nil {
		return nil, refused
	}
	if refused = d.open(req, tx, terms.calls, terms.arrival(req, peer, route)); refused != nil {
		if refused.status == 0 {
			refused = nil // cancelled: the transaction layer has said 487
		}
		return nil, refused
	}
	opened = true
	return d, nil
}

// arrival says who came by which door (an own route without a believed caller
// leads to the any door).
func (t *terms) arrival(req *sip.Request, p *peer, route dialplan.Route) call.Arrival {
	a := call.Arrival{
		Door: mailbox.AnyDoor, Domain: route.Domain, Peer: p.name, Transport: strings.ToLower(req.Transport()),
		Source: sourceOf(req).Addr().String(), CallID: callIDOf(req),
	}
	a.Caller = p.identity.caller(req)
	if a.Caller == "" || route.Door != mailbox.OwnDoor {
		return a
	}
	if number, ok := t.plan.Mailbox(a.Caller); ok && number != "" {
		a.Door, a.Number = mailbox.OwnDoor, number
	}
	return a
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
func (d *dialog) open(req *sip.Request, tx *sip.ServerTx, calls Calls, arrival call.Arrival) *refusal {
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
	go d.converse(calls, arrival)
	started = true
	return nil
}

// converse is the call's goroutine: started with the dialog, stops when Calls.Run
// has returned, owns the session's end.
func (d *dialog) converse(calls Calls, arrival call.Arrival) {
	defer d.s.dialogs.work.Done()
	defer d.session.Close()
	defer d.Hangup()
	defer func() {
		if v := recover(); v != nil {
			d.s.survived(v, arrival.CallID)
		}
	}()
	calls.Run(d.s.calling, d, d.session, arrival)
}
