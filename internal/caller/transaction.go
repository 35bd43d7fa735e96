package caller

import (
	"context"
	"fmt"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Timers of RFC 3261 section 17.1.1.2.
const (
	t1 = 500 * time.Millisecond
	t2 = 4 * time.Second
)

// maxReplies bounds the answers to one request that wait to be looked at.
const maxReplies = 8

// exchange runs one client transaction: it sends, repeats over UDP until something
// comes back (RFC 3261 section 17.1), and returns the final response whatever its
// status. Errors: ErrNoAnswer after wait, ErrUnreachable, ErrEnded, ctx's.
func (c *Call) exchange(ctx context.Context, r *request, wait time.Duration) (*sip.Response, error) {
	replies := make(chan *sip.Response, maxReplies)
	key := r.branch + " " + r.method
	c.mu.Lock()
	c.transactions[key] = replies
	to := c.to
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.transactions, key)
		c.mu.Unlock()
	}()

	raw := r.bytes()
	if err := c.line.send(to, raw); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	expire := time.NewTimer(wait)
	defer expire.Stop()
	pause := t1
	repeat := time.NewTimer(pause)
	defer repeat.Stop()
	if to.stream != nil {
		repeat.Stop() // a stream repeats by itself
	}
	over := c.done
	if r.method == "BYE" {
		over = nil // it ends the call, and is answered after that end
	}
	for {
		select {
		case res := <-replies:
			if !res.IsProvisional() {
				return res, nil
			}
			if r.method == "INVITE" {
				repeat.Stop() // section 17.1.1.2: Proceeding
			} else {
				pause = t2 // section 17.1.2.2
			}
		case <-repeat.C:
			_ = c.line.send(to, raw) // a lost repeat is what the next one is for
			c.mu.Lock()
			c.resends++
			c.mu.Unlock()
			pause *= 2
			if r.method != "INVITE" {
				pause = min(pause, t2)
			}
			repeat.Reset(pause)
		case <-expire.C:
			return nil, fmt.Errorf("%w to %s from %s within %v", ErrNoAnswer, r.method, to.addr, wait)
		case <-c.failed:
			return nil, fmt.Errorf("%w: nothing listens at %s", ErrUnreachable, to.addr)
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-over:
			return nil, ErrEnded
		}
	}
}

// receive takes one message of this call, on the line's reading goroutine, so that
// messages act in the order of their arrival.
func (c *Call) receive(msg sip.Message, from hop) {
	switch m := msg.(type) {
	case *sip.Request:
		c.requested(m, from)
	case *sip.Response:
		c.responded(m, from.at)
	}
}

// responded gives a response to its transaction. A final answer to an INVITE that
// has none any more is a repeat: its ACK is sent again (sections 13.2.2.4, 17.1.1.2).
func (c *Call) responded(res *sip.Response, at time.Time) {
	c.mu.Lock()
	replies := c.transactions[branchOf(res)]
	ack, to := c.acks[res.CSeq().SeqNo], c.to
	if res.CSeq().MethodName == sip.INVITE && c.times.Answered.IsZero() {
		c.times.note(res, at)
	}
	if res.CSeq().MethodName == sip.INVITE && !res.IsProvisional() && (replies == nil || ack != nil) {
		if res.IsSuccess() {
			c.repeats2xx++
		}
		c.mu.Unlock()
		if ack != nil {
			_ = c.line.send(to, ack)
		}
		return
	}
	c.mu.Unlock()
	select {
	case replies <- res:
	default:
	}
}

// note keeps when a final answer to the first INVITE arrived.
func (t *Times) note(res *sip.Response, at time.Time) {
	switch {
	case res.IsSuccess():
		t.Answered, t.Read = at, time.Now()
	case !res.IsProvisional():
		t.Refused = at
	}
}

// keepAck remembers an ACK to send again, and forgets the oldest.
func (c *Call) keepAck(cseq uint32, raw []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.acks) >= maxAcks {
		oldest := cseq
		for n := range c.acks {
			oldest = min(oldest, n)
		}
		delete(c.acks, oldest)
	}
	c.acks[cseq] = raw
}

// refusal makes an error of a final response that is no 2xx.
func refusal(method string, res *sip.Response) error {
	r := &Refused{Method: method, Status: res.StatusCode, Reason: res.Reason}
	if h := res.GetHeader("Retry-After"); h != nil {
		r.Retry = h.Value()
	}
	for _, name := range []string{"Warning", "Reason", "Unsupported"} {
		if h := res.GetHeaders(name); len(h) > 0 {
			r.Detail = name + ": " + h[0].Value()
			break
		}
	}
	return r
}
