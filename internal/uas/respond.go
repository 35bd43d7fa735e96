package uas

import (
	"net"
	"net/netip"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// response is an answer to req with the tag of our side in To, received in the
// top Via where RFC 3261 section 18.2.1 wants it, and header lines "Name: value".
func response(req *sip.Request, status int, reason, tag string, headers ...string) *sip.Response {
	res := sip.NewResponseFromRequest(req, status, reason, nil)
	res.SipVersion = "SIP/2.0"
	if to, asked := res.To(), req.To(); to != nil && asked != nil && param(asked.Params, "tag") == "" {
		to.Params.Add("tag", tag)
	}
	if via := res.Via(); via != nil {
		host, _, err := net.SplitHostPort(req.Source())
		if err == nil && !strings.EqualFold(strings.Trim(via.Host, "[]"), host) {
			via.Params.Add("received", host)
		}
	}
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

// tagOf is the To tag for an answer outside of a dialog.
func (s *Server) tagOf(req *sip.Request) string {
	var parts []string
	for _, h := range []sip.Header{header(req.CallID()), header(req.From()), header(req.CSeq()), header(req.Via())} {
		if h != nil {
			parts = append(parts, h.Value())
		}
	}
	return s.tags.of(parts...)
}

// header makes a nil pointer a nil interface.
func header[T any, P interface {
	*T
	sip.Header
}](h P) sip.Header {
	if h == nil {
		return nil
	}
	return h
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
	_ = s.send(tx, response(req, r.status, r.reason, s.tagOf(req), r.headers...))
}

func (s *Server) logRefusal(req *sip.Request, r *refusal) {
	what := "request refused"
	if req.Method == sip.INVITE {
		what = "call refused"
	}
	s.log.Info(what, "method", cleaned(string(req.Method), 16), "status", r.status, "reason", r.why(),
		"source", req.Source(), "call_id", callIDOf(req))
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
