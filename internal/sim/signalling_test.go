package sim

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Timers of RFC 3261 section 17.1.1.2, of the telephones.
const (
	t1     = 500 * time.Millisecond
	t2     = 4 * time.Second
	timerB = 64 * t1
)

// program is where the service listens.
var program = netip.MustParseAddrPort("192.0.2.10:5060")

// exchange is a client transaction of the telephone.
type exchange struct {
	method  string
	cseq    int
	raw     string
	pause   time.Duration
	end     time.Time
	stopped bool // no more repeats
	final   func(status int, msg string)
	branch  string
	reached func(at time.Time)
}

// transmit puts a message on the wire to the program.
func (p *phone) transmit(raw string, reached func(time.Time)) {
	now := time.Now()
	at, copies := p.round.wires[p.n].sipUp.fate([]byte(raw), now)
	for i := range copies {
		if p.round.net.deliver(p.sip, program, []byte(raw), at[i]) && reached != nil {
			reached(at[i])
		}
	}
}

// head writes what all requests have.
func (p *phone) head(method, branch, to string, cseq int) string {
	host := program.String()
	if p.plan.tenant != "" {
		host = hostOf(p.plan.tenant)
	}
	return fmt.Sprintf("%s sip:%s@%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s;rport\r\nMax-Forwards: 70\r\n"+
		"From: <sip:%s@%s>;tag=%s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\nContact: <sip:phone@%s>\r\n",
		method, p.plan.number, host, p.sip, branch, p.plan.from, p.sip.Addr(), p.tag, to, p.callID, cseq, method, p.sip)
}

func withBody(head, kind, body string) string {
	if body == "" {
		return head + "Content-Length: 0\r\n\r\n"
	}
	return fmt.Sprintf("%sContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", head, kind, len(body), body)
}

// request begins a client transaction.
func (p *phone) request(method, kind, body string, final func(status int, msg string)) *exchange {
	return p.requestWith(method, "", kind, body, final)
}

// requestWith is request with more header lines.
func (p *phone) requestWith(method, more, kind, body string, final func(status int, msg string)) *exchange {
	p.cseq++
	p.branch++
	branch := fmt.Sprintf("%c%d", 'a'+p.n, p.branch)
	x := &exchange{method: method, cseq: p.cseq, raw: withBody(p.head(method, branch, p.to, p.cseq)+more, kind, body), pause: t1,
		end: time.Now().Add(timerB), final: final, branch: branch}
	p.open[branch+" "+method] = x
	p.note("sends", method)
	return x
}

// send transmits a request until something stops it (sections 17.1.1 and 17.1.2).
func (p *phone) send(x *exchange) {
	if x.stopped {
		return
	}
	if !time.Now().Before(x.end) {
		x.stopped = true
		delete(p.open, x.branch+" "+x.method)
		x.final(408, "")
		return
	}
	p.transmit(x.raw, x.reached)
	p.after(x.pause, func() { p.send(x) })
	x.pause *= 2
	if x.method != "INVITE" {
		x.pause = min(x.pause, t2)
	}
}

// dial sends the INVITE.
func (p *phone) dial() {
	p.state = calling
	kind, body := "application/sdp", p.describe("sendrecv")
	if p.plan.lateOffer {
		kind, body = "", ""
	}
	x := p.requestWith("INVITE", p.replaces(), kind, body, p.dialled)
	x.reached = func(time.Time) { p.invite.reached = true }
	p.send(x)
	if p.plan.cancel > 0 {
		p.after(p.plan.cancel, func() { p.withdraw(x) })
	}
}

// replaces names the call whose place this one takes (RFC 3891 section 6.1), if that is
// up; else it is a call like any other.
func (p *phone) replaces() string {
	if p.plan.takes == 0 {
		return ""
	}
	if place := p.round.phones[p.n-p.plan.takes].place.Load(); place != nil {
		return "Replaces: " + *place + "\r\n"
	}
	return ""
}

// withdraw sends CANCEL for an INVITE that has no final answer yet (section 9.1).
func (p *phone) withdraw(invite *exchange) {
	if p.state != calling {
		return
	}
	x := &exchange{method: "CANCEL", cseq: invite.cseq, pause: t1, end: time.Now().Add(timerB), branch: invite.branch,
		raw: withBody(p.head("CANCEL", invite.branch, p.to, invite.cseq), "", ""), final: func(int, string) {}}
	p.open[x.branch+" CANCEL"] = x
	p.note("sends", "CANCEL")
	p.brain.leaving = true
	p.send(x)
}

// dialled is the final answer to the INVITE.
func (p *phone) dialled(status int, msg string) {
	p.invite.status = status
	p.note("answered", strconv.Itoa(status))
	if p.plan.number == redirected && status/100 != 4 && (status != 302 || !strings.Contains(header(msg, "Contact"), "elsewhere")) {
		p.round.broken(finalAnswer, "call %c was answered with %d, and not sent elsewhere", p.name(), status)
	}
	if status/100 != 2 {
		p.end("refused")
		return
	}
	if p.state == over {
		return
	}
	p.state = talking
	p.up.Store(true)
	p.to = header(msg, "To")
	_, tag, _ := strings.Cut(p.to, "tag=")
	place := fmt.Sprintf("%s;to-tag=%s;from-tag=%s", p.callID, tag, p.tag)
	p.place.Store(&place)
	p.learn(msg)
	ack := func() { p.acknowledge(p.cseqOf(msg)) }
	if p.plan.ackLater > 0 {
		p.after(p.plan.ackLater, ack)
	} else {
		ack()
	}
	p.out.start()
	p.brain.begin()
}

func (p *phone) cseqOf(msg string) int {
	n, _, _ := strings.Cut(header(msg, "CSeq"), " ")
	seq, _ := strconv.Atoi(n)
	return seq
}

// acknowledge sends the ACK of a 2xx, and remembers it for its repeats.
func (p *phone) acknowledge(cseq int) {
	if p.plan.neverAck {
		return
	}
	p.branch++
	kind, body := "", ""
	if p.plan.lateOffer && cseq == 1 {
		kind, body = "application/sdp", p.describe("sendrecv")
	}
	raw := withBody(p.head("ACK", fmt.Sprintf("%ck%d", 'a'+p.n, p.branch), p.to, cseq), kind, body)
	p.acks[cseq] = raw
	p.sendAck(cseq)
}

func (p *phone) sendAck(cseq int) {
	p.transmit(p.acks[cseq], func(at time.Time) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.invite.acked.IsZero() || at.Before(p.invite.acked) {
			p.invite.acked = at
		}
	})
}

// bye hangs up.
func (p *phone) bye() {
	if p.state != talking {
		return
	}
	p.end("hung up")
	p.out.stop()
	p.send(p.request("BYE", "", "", func(int, string) {}))
}

// renegotiate sends a re-INVITE with another direction, or a moved port.
func (p *phone) renegotiate(direction string) {
	if p.state != talking {
		return
	}
	p.held = direction != "sendrecv"
	p.note("asks for", direction)
	p.renegotiated()
	p.send(p.request("INVITE", "application/sdp", p.describe(direction), func(status int, msg string) {
		if status/100 == 2 {
			p.renegotiated()
			p.learn(msg)
			p.acknowledge(p.cseqOf(msg))
		}
	}))
}

// move asks for RTP at another port, and sends from there once that is agreed.
func (p *phone) move() {
	if p.state != talking || p.held {
		return
	}
	before := p.rtp
	p.rtp = netip.AddrPortFrom(before.Addr(), before.Port()+2)
	p.round.net.attach(p.rtp, p.spoken)
	offer := p.describe("sendrecv")
	next := p.rtp
	p.rtp = before
	p.note("asks for", "another port")
	p.renegotiated()
	p.send(p.request("INVITE", "application/sdp", offer, func(status int, msg string) {
		if status/100 == 2 {
			p.renegotiated()
			p.rtp = next
			p.learn(msg)
			p.acknowledge(p.cseqOf(msg))
		}
	}))
}

// describe is the telephone's session description.
func (p *phone) describe(direction string) string {
	pt, name := 0, "PCMU"
	if p.plan.alaw {
		pt, name = 8, "PCMA"
	}
	return fmt.Sprintf("v=0\r\no=phone 1 %d IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %d RTP/AVP %d %d\r\n"+
		"a=rtpmap:%d %s/8000\r\na=rtpmap:%d telephone-event/8000\r\na=fmtp:%d 0-16\r\na=ptime:%d\r\na=%s\r\n",
		p.cseq+1, p.rtp.Addr(), p.rtp.Addr(), p.rtp.Port(), pt, eventPT, pt, name, eventPT, eventPT,
		p.plan.ptime/time.Millisecond, direction)
}

// learn takes the program's RTP address from a description.
func (p *phone) learn(msg string) {
	for line := range strings.SplitSeq(msg, "\r\n") {
		if rest, ok := strings.CutPrefix(line, "m=audio "); ok {
			port, _, _ := strings.Cut(rest, " ")
			if n, err := strconv.ParseUint(port, 10, 16); err == nil && n > 0 {
				p.remote = netip.AddrPortFrom(program.Addr(), uint16(n))
			}
		}
	}
}

// header is the value of the first header of that name.
func header(msg, name string) string {
	for line := range strings.SplitSeq(msg, "\r\n") {
		if line == "" {
			break
		}
		if n, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(n, name) {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// toInvite tells whether msg answers the INVITE that began the call.
func toInvite(msg string) bool {
	return strings.HasPrefix(msg, "SIP/2.0 ") && header(msg, "CSeq") == "1 INVITE"
}

// signalled is the sink of the telephone's SIP address.
func (p *phone) signalled(_ netip.AddrPort, data []byte, now time.Time) {
	msg := string(data)
	if p.round.plant.mute != nil && p.round.plant.mute(p, msg) {
		return
	}
	p.sawSent(msg, now)
	if p.round.plant.sent != nil {
		p.round.plant.sent(p, msg)
	}
	at, copies := p.round.wires[p.n].sipDown.fate(data, now)
	for i := range copies {
		p.at(at[i], func() { p.receive(msg) })
	}
}

// sawSent keeps what the promises about signalling need of a message of the program.
func (p *phone) sawSent(msg string, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if strings.HasPrefix(msg, "BYE ") {
		p.invite.byes++
	}
	if !toInvite(msg) || msg[8] == '1' {
		return
	}
	p.invite.answered = true
	if msg[8] == '2' {
		p.invite.accepted++
		if p.invite.first.IsZero() {
			p.invite.first = now
		}
	}
}

// receive takes one message from the program.
func (p *phone) receive(msg string) {
	if !strings.HasPrefix(msg, "SIP/2.0 ") {
		p.asked(msg)
		return
	}
	status, _ := strconv.Atoi(msg[8:11])
	_, method, _ := strings.Cut(header(msg, "CSeq"), " ")
	_, branch, _ := strings.Cut(header(msg, "Via"), "branch=z9hG4bK")
	branch, _, _ = strings.Cut(branch, ";")
	x := p.open[branch+" "+method]
	if x == nil {
		if method == "INVITE" && status >= 200 {
			p.again(status, msg)
		}
		return
	}
	if status < 200 {
		x.stopped = x.method == "INVITE"
		return
	}
	x.stopped = true
	delete(p.open, branch+" "+method)
	if method == "INVITE" && status >= 300 {
		p.acks[x.cseq] = withBody(p.head("ACK", x.branch, header(msg, "To"), x.cseq), "", "")
		p.transmit(p.acks[x.cseq], nil)
	}
	if x.cseq == 1 && method == "INVITE" {
		p.invite.heard = true
	}
	x.final(status, msg)
}

// again is a repeated final answer to an INVITE: its ACK was lost, or is held back.
func (p *phone) again(status int, msg string) {
	seq := p.cseqOf(msg)
	switch {
	case p.acks[seq] == "":
	case status/100 == 2:
		p.sendAck(seq)
	default:
		p.transmit(p.acks[seq], nil)
	}
}

// asked answers a request of the program.
func (p *phone) asked(msg string) {
	method, _, _ := strings.Cut(msg, " ")
	key := method + header(msg, "Via")
	answer := p.answers[key]
	if answer == "" {
		status := "200 OK"
		switch method {
		case "BYE", "OPTIONS":
		case "REFER":
			status = p.refer(msg)
		default:
			status = "501 Not Implemented"
		}
		answer = fmt.Sprintf("SIP/2.0 %s\r\nVia: %s\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\nContent-Length: 0\r\n\r\n",
			status, header(msg, "Via"), header(msg, "From"), header(msg, "To"), p.callID, header(msg, "CSeq"))
		p.answers[key] = answer
		p.note("is sent", method)
	}
	p.transmit(answer, nil)
	if method == "BYE" {
		p.out.stop()
		p.end("was hung up")
	}
}
