package caller

import (
	"github.com/emiago/sipgo/sip"

	"star97/internal/sdp"
)

// requested answers a request of the far end inside this call, and repeats the
// answer when the request is repeated (RFC 3261 section 17.2).
func (c *Call) requested(req *sip.Request, from hop) {
	if req.Method == sip.ACK {
		c.acked(req)
		return
	}
	key := branchOf(req)
	c.mu.Lock()
	old := c.answers[key]
	stale := req.CSeq().SeqNo <= c.farCSeq && req.Method != sip.CANCEL
	if old == nil && !stale {
		c.farCSeq = req.CSeq().SeqNo
	}
	c.mu.Unlock()
	if old != nil {
		_ = c.line.send(from, old)
		return
	}
	a := answer{status: 500, reason: "CSeq Out Of Order"} // section 12.2.2
	if !stale {
		a = c.respond(req)
	}
	raw := reply(req, a.status, a.reason, c.tag, a.lines, a.body)
	c.keepAnswer(key, raw)
	_ = c.line.send(from, raw) // if it is lost, the request is repeated and so is this
	if req.Method == sip.BYE {
		c.rtp.Hush() // RFC 3261 section 15.1.2
		c.note("far end hung up")
		c.finish(TheyHung)
	}
}

// answer is a response before it is written out.
type answer struct {
	status int
	reason string
	lines  string
	body   *body
}

func (c *Call) respond(req *sip.Request) answer {
	switch req.Method {
	case sip.BYE, sip.INFO, sip.NOTIFY:
		return answer{status: 200, reason: "OK"}
	case sip.OPTIONS:
		return answer{status: 200, reason: "OK", lines: "Allow: " + c.allowed()}
	case sip.INVITE, sip.UPDATE:
		return c.renegotiated(req)
	case sip.CANCEL: // every request here has its final answer already (section 9.2)
		return answer{status: 481, reason: "Call/Transaction Does Not Exist"}
	case sip.REFER:
		if c.o.Refer != nil {
			return c.referred(req)
		}
	}
	c.note("far end sent %s, which this telephone does not do", req.Method)
	return answer{status: 501, reason: "Not Implemented", lines: "Allow: " + c.allowed()}
}

// renegotiated answers a re-INVITE or UPDATE. Our 2xx is repeated when the request
// is; its ACK is not waited for, since nothing here depends on it.
func (c *Call) renegotiated(req *sip.Request) answer {
	c.mu.Lock()
	glare := c.inviting || (req.Method == sip.INVITE && c.offered != nil)
	if !glare {
		c.retarget(req)
	}
	lines := "Contact: " + c.contact() + "\r\nAllow: " + c.allowed()
	c.mu.Unlock()
	switch {
	case glare: // RFC 3261 section 14.2
		return answer{status: 491, reason: "Request Pending"}
	case isSDP(req):
		raw, agreed, err := c.answer(req.Body())
		if err != nil {
			c.note("far end offered a stream that does not fit: %v", err)
			return answer{status: 488, reason: "Not Acceptable Here"}
		}
		c.use(agreed)
		c.note("far end changed the stream (%s)", streamWords(agreed))
		return answer{status: 200, reason: "OK", lines: lines, body: sdpBody(raw)}
	case req.Method == sip.UPDATE: // a refresh (RFC 3311 section 5.2)
		return answer{status: 200, reason: "OK", lines: lines}
	}
	offer := c.offer()
	c.mu.Lock()
	c.offered = offer
	c.mu.Unlock()
	return answer{status: 200, reason: "OK", lines: lines, body: sdpBody(offer)}
}

// acked takes the answer that the ACK of a re-INVITE without offer brings.
func (c *Call) acked(req *sip.Request) {
	c.mu.Lock()
	offer := c.offered
	c.offered = nil
	c.mu.Unlock()
	if offer == nil || !isSDP(req) {
		return
	}
	agreed, err := sdp.Accept(offer, req.Body(), c.describe())
	if err != nil {
		c.note("far end answered with a stream that does not fit: %v", err)
		return
	}
	c.use(agreed)
}

func (c *Call) keepAnswer(key string, raw []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.answerOrder) >= maxAnswers {
		delete(c.answers, c.answerOrder[0])
		c.answerOrder = c.answerOrder[1:]
	}
	c.answers[key] = raw
	c.answerOrder = append(c.answerOrder, key)
}

// streamWords says which way a stream flows, seen from us.
func streamWords(a sdp.Agreed) string {
	switch {
	case a.Send && a.Recv:
		return "both ways"
	case a.Send:
		return "we send only"
	case a.Recv:
		return "we hear only"
	}
	return "on hold"
}
