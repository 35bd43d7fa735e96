package caller

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// allow lists what every telephone of ours answers.
const allow = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, NOTIFY"

// body is what a message carries.
type body struct {
	kind string // Content-Type
	data []byte
}

func sdpBody(data []byte) *body { return &body{kind: "application/sdp", data: data} }

// request is one request of ours before it is written out.
type request struct {
	method  string
	uri     string
	via     string // sent-by with transport: "UDP 192.0.2.1:5060"
	branch  string
	routes  []string
	from    string // with tag
	to      string // with tag inside a dialog
	callID  string
	cseq    uint32
	contact string
	allow   string
	headers []Header
	body    *body
}

// bytes writes the request as RFC 3261 section 7 shapes it.
func (r *request) bytes() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s SIP/2.0\r\n", r.method, r.uri)
	// rport: answers come back to the port that the request left from (RFC 3581).
	fmt.Fprintf(&b, "Via: SIP/2.0/%s;branch=%s;rport\r\n", r.via, r.branch)
	for _, route := range r.routes {
		fmt.Fprintf(&b, "Route: %s\r\n", route)
	}
	fmt.Fprintf(&b, "Max-Forwards: 70\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\n",
		r.from, r.to, r.callID, r.cseq, r.method)
	if r.method != "CANCEL" {
		fmt.Fprintf(&b, "Contact: %s\r\nAllow: %s\r\nUser-Agent: star97-call\r\n", r.contact, r.allow)
	}
	for _, h := range r.headers {
		fmt.Fprintf(&b, "%s: %s\r\n", h.Name, h.Value)
	}
	writeBody(&b, r.body)
	return b.Bytes()
}

// reply writes a response to a request of the far end (RFC 3261 section 8.2.6).
// lines are further header lines without the line break, or empty.
func reply(req *sip.Request, status int, reason, tag, lines string, content *body) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "SIP/2.0 %d %s\r\n", status, reason)
	for _, name := range []string{"Via", "Record-Route"} {
		for _, h := range req.GetHeaders(name) {
			fmt.Fprintf(&b, "%s: %s\r\n", name, h.Value())
		}
	}
	to := req.To().Value()
	if !req.To().Params.Has("tag") {
		to += ";tag=" + tag
	}
	fmt.Fprintf(&b, "From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\n",
		req.From().Value(), to, req.CallID().Value(), req.CSeq().Value())
	if lines != "" {
		b.WriteString(lines + "\r\n")
	}
	writeBody(&b, content)
	return b.Bytes()
}

func writeBody(b *bytes.Buffer, content *body) {
	if content == nil {
		b.WriteString("Content-Length: 0\r\n\r\n")
		return
	}
	fmt.Fprintf(b, "Content-Type: %s\r\nContent-Length: %d\r\n\r\n", content.kind, len(content.data))
	b.Write(content.data)
}

// branchOf is the key of a client transaction (RFC 3261 section 17.1.3).
func branchOf(m sip.Message) string {
	branch, _ := m.Via().Params.Get("branch")
	return branch + " " + string(m.CSeq().MethodName)
}

// isSDP tells whether a message carries a session description.
func isSDP(m sip.Message) bool {
	if len(m.Body()) == 0 {
		return false
	}
	for _, h := range m.GetHeaders("Content-Type") {
		kind, _, _ := strings.Cut(h.Value(), ";")
		return strings.EqualFold(strings.TrimSpace(kind), "application/sdp")
	}
	return false
}

// bracket makes a name-addr of a URI or a bare user.
func bracket(user, host string) string {
	if strings.Contains(user, "<") {
		return user
	}
	if strings.HasPrefix(user, "sip:") || strings.HasPrefix(user, "sips:") || strings.HasPrefix(user, "tel:") {
		return "<" + user + ">"
	}
	return "<sip:" + user + "@" + host + ">"
}
