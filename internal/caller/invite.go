package caller

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/emiago/sipgo/sip"

	"star97/internal/sdp"
)

// cancelWait bounds the wait for the end of a cancelled INVITE.
const cancelWait = 3 * time.Second

// newRequest fills in a request of this dialog; the caller holds mu. ACK and CANCEL
// bring the CSeq of their INVITE, other methods 0 for the next one.
func (c *Call) newRequest(method string, cseq uint32, content *body) *request {
	if cseq == 0 {
		c.cseq++
		cseq = c.cseq
	}
	return &request{method: method, uri: c.uri, via: c.via(), branch: sip.GenerateBranchN(24), routes: c.routes,
		from: c.fromHeader, to: c.toHeader, callID: c.id, cseq: cseq, contact: c.contact(), allow: c.allowed(), body: content}
}

// invite sends the first INVITE and sees it through to the ACK.
func (c *Call) invite(ctx context.Context) error {
	var offer []byte
	if !c.o.Delayed {
		offer = c.offer()
	}
	c.mu.Lock()
	r := c.newRequest("INVITE", 0, nil)
	if offer != nil {
		r.body = sdpBody(offer)
	}
	if c.o.PAI != "" {
		r.headers = append(r.headers, Header{"P-Asserted-Identity", bracket(c.o.PAI, "")})
	}
	r.headers = append(r.headers, c.o.Headers...)
	c.inviting = true
	now := time.Now()
	c.times.Invite = now
	c.mu.Unlock()
	if c.o.invited != nil {
		c.o.invited(now)
	}

	res, err := c.exchangeInvite(ctx, r)
	for tries := 0; err == nil; tries++ {
		next := c.authorized(r, res, tries)
		if next == nil {
			return c.settle(ctx, r, res, offer)
		}
		c.ackRefused(r, res)
		r = next
		res, err = c.exchangeInvite(ctx, r)
	}
	return err
}

// exchangeInvite runs an INVITE transaction; if ctx ends first, it is cancelled and
// an answer that crossed the CANCEL is acknowledged and hung up (section 9.1).
func (c *Call) exchangeInvite(ctx context.Context, r *request) (*sip.Response, error) {
	inner, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	cancelled := make(chan struct{})
	// The canceller: started when ctx ends before the exchange, stops when the CANCEL
	// is answered or given up; the exchange waits for it.
	stop := context.AfterFunc(ctx, func() {
		defer close(cancelled)
		c.cancel(inner, r)
		giveUp()
	})
	res, err := c.exchange(inner, r, c.o.Answer)
	giveUp()
	if !stop() {
		<-cancelled
	}
	c.mu.Lock()
	c.inviting = false
	c.mu.Unlock()
	if ctx.Err() == nil || errors.Is(err, ErrUnreachable) {
		return res, err
	}
	if err == nil && res.IsSuccess() {
		c.learn(res)
		c.sendAck(r.cseq, nil)
		_ = c.Hangup(context.WithoutCancel(ctx)) // the call was given up: its BYE's answer changes nothing
	} else if err == nil {
		c.ackRefused(r, res)
	}
	return nil, ctx.Err()
}

// cancel sends CANCEL and gives the INVITE a while to end by it.
func (c *Call) cancel(ctx context.Context, r *request) {
	// Same branch, Request-URI, To and CSeq number as the INVITE (section 9.1).
	cancel := *r
	cancel.method, cancel.body, cancel.headers = "CANCEL", nil, nil
	wait, stop := context.WithTimeout(ctx, cancelWait)
	defer stop()
	_, _ = c.exchange(wait, &cancel, cancelWait) // its answer says nothing: the INVITE's does
	<-wait.Done()
}

// settle acts on the final answer to the first INVITE.
func (c *Call) settle(ctx context.Context, r *request, res *sip.Response, offer []byte) error {
	if !res.IsSuccess() {
		c.ackRefused(r, res)
		return refusal("INVITE", res)
	}
	c.learn(res)
	answer, err := c.agree(res, offer)
	if err != nil {
		c.sendAck(r.cseq, nil)
		c.Hangup(ctx)
		return err
	}
	if c.o.Ack.Withhold {
		return nil
	}
	if !c.pause(ctx, c.o.Ack.Delay) {
		return ErrEnded
	}
	// The clock stops before the send: over loopback the far end acts within it.
	c.mu.Lock()
	c.times.Acked = time.Now()
	c.rtp.acked(c.times.Acked)
	c.mu.Unlock()
	c.sendAck(r.cseq, answer)
	c.rtp.Start()
	return nil
}

// agree reads the description of a 2xx. For a delayed offer it is the offer, and
// the answer for the ACK comes back.
func (c *Call) agree(res *sip.Response, offer []byte) (*body, error) {
	if !isSDP(res) {
		return nil, fmt.Errorf("the far end answered %d without a session description", res.StatusCode)
	}
	var agreed sdp.Agreed
	var answer *body
	var err error
	if offer != nil {
		agreed, err = sdp.Accept(offer, res.Body(), c.describe())
	} else {
		var raw []byte
		if raw, agreed, err = c.answer(res.Body()); err == nil {
			answer = sdpBody(raw)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the far end's session description: %w", err)
	}
	c.use(agreed)
	return answer, nil
}

// use applies a negotiated stream to the media.
func (c *Call) use(agreed sdp.Agreed) {
	c.mu.Lock()
	c.agreed = agreed
	c.mu.Unlock()
	c.rtp.Set(agreed)
}

// learn takes from a 2xx what makes the dialog (section 12.1.2): the far end's tag,
// its Contact and the route set, reversed.
func (c *Call) learn(res *sip.Response) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.toHeader = res.To().Value()
	c.routes = nil
	for _, h := range res.GetHeaders("Record-Route") {
		c.routes = append([]string{h.Value()}, c.routes...)
	}
	c.retarget(res)
}

// retarget follows the Contact of a target refresh (section 12.2.1.2); the caller
// holds mu. A host name keeps the hop that worked so far, and so does TCP: its
// connection leads to the far end as long as it lives.
func (c *Call) retarget(m sip.Message) {
	contact, ok := first[*sip.ContactHeader](m, "Contact")
	if !ok {
		return
	}
	c.uri = contact.Address.String()
	next := contact.Address
	if len(c.routes) > 0 {
		if _, err := sip.ParseAddressValue(c.routes[0], &next, &sip.HeaderParams{}); err != nil {
			return
		}
	}
	if far, err := literal(&next); err == nil && c.to.stream == nil {
		c.to = hop{addr: far}
	}
}

// sendAck acknowledges a 2xx: a request of its own with a new branch (section 13.2.2.4).
func (c *Call) sendAck(cseq uint32, content *body) {
	c.mu.Lock()
	r := c.newRequest("ACK", cseq, content)
	to := c.to
	c.mu.Unlock()
	raw := r.bytes()
	c.keepAck(cseq, raw)
	_ = c.line.send(to, raw) // if it is lost, the far end repeats its 2xx
}

// ackRefused acknowledges a 3xx to 6xx within its transaction (section 17.1.1.3).
func (c *Call) ackRefused(invite *request, res *sip.Response) {
	ack := *invite
	ack.method, ack.body, ack.headers, ack.to = "ACK", nil, nil, res.To().Value()
	raw := ack.bytes()
	c.keepAck(ack.cseq, raw)
	c.mu.Lock()
	to := c.to
	c.mu.Unlock()
	_ = c.line.send(to, raw) // if it is lost, the far end repeats its answer
}

// pause waits; false if the call or ctx ended first.
func (c *Call) pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.done:
	case <-ctx.Done():
	}
	return false
}

func first[H sip.Header](m sip.Message, name string) (H, bool) {
	for _, h := range m.GetHeaders(name) {
		t, ok := h.(H)
		return t, ok
	}
	var none H
	return none, false
}
