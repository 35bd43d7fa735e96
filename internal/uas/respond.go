package uas

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// stamp does for a request what its answers need, on the goroutine that reads the
// socket, before sipgo has it, since sipgo answers some by itself. It writes received
// into the top Via (RFC 3261 section 18.2.1). And where To has no tag it gets the one
// that every answer of ours will carry: the 200 to a CANCEL then has the tag of the
// 487, or the 200, to its INVITE (section 9.2). An ACK gets none: only one that has
// seen our tag may confirm a call.
func (s *Server) stamp(msg sip.Message) {
	at := s.trace(msg)
	req, ok := msg.(*sip.Request)
	if !ok {
		return
	}
	if via := req.Via(); via != nil {
		for i, kv := range via.Params { // sipgo knows them in small letters only
			if name := strings.ToLower(kv.K); name == "rport" || name == "received" || name == "branch" {
				via.Params[i].K = name
			}
		}
		host, _, err := net.SplitHostPort(req.Source())
		if err == nil && (via.Params.Has("received") || !strings.EqualFold(strings.Trim(via.Host, "[]"), host)) {
			via.Params.Add("received", host)
		}
	}
	if req.IsAck() {
		s.retain(req)
		return
	}
	to := req.To()
	untagged := to != nil && param(to.Params, "tag") == ""
	if untagged {
		to.Params.Add("tag", s.tagOf(req))
	}
	if untagged || req.IsInvite() {
		req.AppendHeader(came{cameHeader, at, untagged})
	}
}

// tagOf is the To tag for a request that has none. It depends on what names its
// transaction (section 17.2.3), which a CANCEL shares with its INVITE, so it is the
// same for what is repeated; and on the host that it came from: an ACK with it proves
// that our answer was read there, so nobody may learn it from an answer to himself.
func (s *Server) tagOf(req *sip.Request) string {
	id, method := inviteOf(req), req.Method
	if method == sip.CANCEL {
		method = sip.INVITE
	}
	return s.tags.of("dialog", sourceOf(req).Addr().String(), string(method), id.callID, id.remote, strconv.FormatUint(uint64(id.cseq), 10), branchOf(req))
}

// response is an answer to req with header lines "Name: value".
func response(req *sip.Request, status int, reason string, headers ...string) *sip.Response {
	res := sip.NewResponseFromRequest(req, status, reason, nil)
	res.SipVersion = "SIP/2.0"
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		res.AppendHeader(sip.NewHeader(name, value))
	}
	return res
}

// withSDP puts a session description into an answer.
func withSDP(res *sip.Response, body []byte) *sip.Response {
	if body != nil {
		res.AppendHeader(sip.NewHeader("Content-Type", sdpType))
		res.SetBody(body)
	}
	return res
}

// send answers in the transaction. sipgo returns only after the answer is out.
func (s *Server) send(tx *sip.ServerTx, res *sip.Response) error {
	err := tx.Respond(res)
	if err != nil {
		s.log.Debug("an answer did not go out", "status", res.StatusCode, "error", err)
	}
	return err
}

// refuse answers with a refusal outside of a dialog and writes its log line.
func (s *Server) refuse(req *sip.Request, tx *sip.ServerTx, r *refusal) {
	s.logRefusal(req, r)
	_ = s.send(tx, response(req, r.status, r.reason, r.headers...))
}

// dismiss refuses outside of a dialog and keeps nothing: asked again it is refused again,
// and an ACK finds nobody who waits for it.
//
// The transaction of an INVITE would hold the request for 32 s and send the refusal eleven
// times (RFC 3261 section 17.2.1), until an ACK that whoever forged his address cannot
// send. That is for the case that the refusal is lost. But the far end repeats its INVITE
// itself until it hears of us, so section 8.2.7 lets a server do without that state as
// long as it has sent no 100. The tags of our answers are those that the section asks for.
func (s *Server) dismiss(req *sip.Request, tx *sip.ServerTx, r *refusal) {
	if r.silent {
		s.deps.Metrics.Refused(r.counted())
	} else {
		s.refuse(req, tx, r)
	}
	tx.Terminate()
}

func (s *Server) logRefusal(req *sip.Request, r *refusal) {
	what := "request refused"
	switch {
	case r.status < 400: // it is served elsewhere
		what = "call redirected"
	case req.Method == sip.INVITE:
		what = "call refused"
	}
	if r.status >= 400 {
		s.deps.Metrics.Refused(r.counted())
	}
	ctx, from := context.Background(), sourceOf(req).Addr()
	p := s.gate.peers.Load().of(req.Transport(), from)
	if !s.log.Enabled(ctx, r.level) || !s.gate.tells(p, from, time.Now()) {
		return
	}
	words := []any{"method", cleaned(string(req.Method), 16), "status", r.status, "reason", r.why(),
		"source", req.Source(), "call_id", callIDOf(req)}
	if p != nil {
		words = append(words, "peer", p.name)
	}
	s.log.Log(ctx, r.level, what, words...)
}

func callIDOf(req *sip.Request) string {
	if h := req.CallID(); h != nil {
		return cleaned(h.Value(), callIDShown)
	}
	return ""
}

// sourceOf is the address that a message came from, not valid if unreadable.
func sourceOf(req *sip.Request) netip.AddrPort {
	a, _ := netip.ParseAddrPort(req.Source())
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
