package uas

import (
	"github.com/emiago/sipgo/sip"

	"star97/internal/call"
)

// serve takes one request from the transaction layer, on a goroutine that sipgo
// started for it and that ends with the transaction's final answer.
func (s *Server) serve(req *sip.Request, tx *sip.ServerTx) {
	if req.Method == sip.INFO { // taken or refused, its key stays nowhere
		defer clear(req.Body())
	}
	if s.shut.Load() {
		// sipgo has made a new socket to answer from if ours was closed already.
		tx.Terminate()
		_ = s.transport.Close()
		return
	}
	s.serving.Add(1)
	defer s.serving.Add(-1)
	terms := s.terms.Load()
	peer := terms.peers.of(req.Transport(), sourceOf(req).Addr())
	var d *dialog
	if !req.IsInvite() { // an INVITE's transaction ends with its ACK, or by accept
		defer s.keep(tx, sourceOf(req).Addr())
	}
	defer func() {
		if v := recover(); v != nil {
			s.survived(v, callIDOf(req))
			if !req.IsAck() {
				_ = s.send(tx, response(req, sip.StatusInternalServerError, "Internal Server Error"))
			}
			if d != nil {
				d.Hangup()
			}
		}
	}()
	d = s.dialogs.find(dialogOf(req))
	switch {
	case req.IsAck():
		release(req)
		// One outside of a dialog acknowledges a refusal that sipgo no longer holds.
		if d != nil {
			d.deliver(req, tx, nil)
		}
		return
	case req.IsCancel():
		s.strayCancel(req, tx, peer)
		return
	}
	if req.IsInvite() {
		s.enter(req, tx, peer, d)
	}
	where := opening
	switch {
	case d != nil:
		where = within
	case !cameOf(req).untagged:
		where = lost
	}
	refused := frontDoor(req, where)
	switch {
	case d != nil && s.strange(req, d):
		s.intrude(req, tx, d, refused)
	case d != nil:
		d.deliver(req, tx, refused)
	case refused != nil:
		s.dismiss(req, tx, refused)
	case peer == nil: // it was one when its calls came that are still up
		s.dismiss(req, tx, refuse(sip.StatusForbidden, "Forbidden").because("no peer lists this address any more"))
	case req.Method == sip.INVITE:
		s.invite(req, tx, terms, peer)
	case req.Method == sip.OPTIONS:
		s.options(req, tx, terms, peer)
	}
}

// enter notes that an INVITE came to be served, of a new call or of d.
func (s *Server) enter(req *sip.Request, tx *sip.ServerTx, from *peer, d *dialog) {
	if d == nil {
		s.admission.out()
	} else if from == nil { // it was a peer when its call came
		from = d.peer
	}
	if from != nil {
		s.gate.pending.hold(req, tx, from)
	}
}

// options tells what is served (section 11.2), or 503 while no calls should come, so that
// a PBX or a proxy that asks regularly sends them elsewhere. Who has to prove who he is does so
// first: a challenge is a sign of life as well, and tells a scanner less.
func (s *Server) options(req *sip.Request, tx *sip.ServerTx, terms *terms, p *peer) {
	if s.draining.Load() {
		s.dismiss(req, tx, shuttingDown())
		return
	}
	if _, refused := s.caller(req, p, terms); refused != nil {
		s.dismiss(req, tx, refused)
		return
	}
	if healthy := s.deps.Healthy; healthy != nil && !healthy() {
		s.dismiss(req, tx, refuse(sip.StatusServiceUnavailable, "Service Unavailable", "Retry-After: 30").
			because("the voicemail system or the ledger of tries is out of reach for longer than sip.options_after").as(refusedUnwell))
		return
	}
	_ = s.send(tx, response(req, sip.StatusOK, "OK", abilities()...))
	// Nothing changes if it is asked and answered again, so nothing is kept.
	tx.Terminate()
}

func abilities() []string {
	return []string{
		"Allow: " + allowed,
		"Accept: " + sdpType + ", " + infoAccept + ", " + fragType,
		"Accept-Encoding: identity",
		"Supported: " + supported,
	}
}

func shuttingDown() *refusal {
	return refuse(sip.StatusServiceUnavailable, "Service Unavailable", "Retry-After: 30").because("star97 is shutting down").as(refusedDraining)
}

// dialogOf is the dialog that a request names (section 12.2.2).
func dialogOf(req *sip.Request) dialogID {
	var id dialogID
	if h := req.CallID(); h != nil {
		id.callID = h.Value()
	}
	if h := req.To(); h != nil {
		id.local = param(h.Params, "tag")
	}
	if h := req.From(); h != nil {
		id.remote = param(h.Params, "tag")
	}
	return id
}

func inviteOf(req *sip.Request) inviteID {
	id := inviteID{remote: dialogOf(req).remote, callID: dialogOf(req).callID}
	if h := req.CSeq(); h != nil {
		id.cseq = h.SeqNo
	}
	return id
}

func branchOf(req *sip.Request) string {
	if h := req.Via(); h != nil {
		return h.SentBy() + ";" + param(h.Params, "branch")
	}
	return ""
}

// survived logs a panic without what may hold a digit of a code.
func (s *Server) survived(v any, callID string) {
	s.log.Error("a call was ended by a program error; please report it", "call_id", callID, "error", call.Survived(v))
}
