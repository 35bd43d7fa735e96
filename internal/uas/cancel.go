package uas

import (
	"net/netip"
	"strings"
	"sync"

	"github.com/emiago/sipgo/sip"
)

// pending are the INVITEs whose transactions sipgo has. It finds the INVITE of a CANCEL by
// the branch of its Via alone (RFC 3261 section 9.2), whoever sends it; a CANCEL cannot be
// challenged either (section 22.1). So it has to come from where its INVITE came from, and
// another one is answered as if there were no INVITE.
type pending struct {
	mu      sync.Mutex
	invites map[string]*opener
}

// opener is who sent an INVITE.
type opener struct {
	host netip.Addr
	peer *peer
}

// hold enters an INVITE until its transaction ends.
func (p *pending) hold(req *sip.Request, tx *sip.ServerTx, from *peer) {
	over := p.begin(req, from)
	if !tx.OnTerminate(func(string, error) { over() }) {
		over()
	}
}

// begin enters an INVITE until over is called. One that comes again then has another
// transaction, which may have begun already.
func (p *pending) begin(req *sip.Request, from *peer) (over func()) {
	key, one := transactionOf(req), &opener{sourceOf(req).Addr(), from}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.invites == nil {
		p.invites = make(map[string]*opener)
	}
	p.invites[key] = one
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.invites[key] == one {
			delete(p.invites, key)
		}
	}
}

// foreign says whether a CANCEL means an INVITE that somebody else has sent: another host,
// or one of another peer where the peer's hosts are believed for being its own.
func (p *pending) foreign(cancel *sip.Request, network string, from netip.Addr) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	o, known := p.invites[transactionOf(cancel)]
	return known && from != o.host && (o.peer.identity.proves() || !o.peer.sends(network, from))
}

// takes says whether a transaction is there for an ACK: that of what was refused, or of an
// old telephone's INVITE.
func (p *pending) takes(ack *sip.Request) bool {
	key := transactionOf(ack)
	p.mu.Lock()
	defer p.mu.Unlock()
	_, known := p.invites[key]
	return known
}

// transactionOf is what an INVITE, its CANCEL and the ACK of its refusal share (section
// 17.2.3).
func transactionOf(req *sip.Request) string {
	key, _ := sip.ServerTxKeyMake(req) // the gate lets in none without one
	method := req.Method
	if method == sip.ACK {
		method = sip.INVITE // as in the key
	}
	return strings.Replace(key, sip.TxSeperator+string(method), "", 1)
}

// strayCancel answers a CANCEL whose INVITE has its final answer, and no transaction any
// more: 200 if we know the INVITE, without effect, else 481 (section 9.2). Nothing is kept
// of it. The INVITE may have come before an exchange of the peers.
func (s *Server) strayCancel(req *sip.Request, tx *sip.ServerTx, now *peer) {
	key, then := s.dialogs.keyOf(inviteOf(req)), s.dialogs.served(req.Transport(), sourceOf(req).Addr())
	if s.dialogs.knows(key, s.dialogs.trailOf(req, now)) || s.dialogs.knows(key, s.dialogs.trailOf(req, then)) {
		_ = s.send(tx, response(req, sip.StatusOK, "OK"))
		tx.Terminate()
		return
	}
	s.dismiss(req, tx, refuse(sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist"))
}
