package caller

import (
	"context"
	"fmt"
	"time"

	"star97/internal/codec"
)

// byeWait bounds the wait for the answer to our BYE.
const byeWait = 4 * time.Second

// Hangup sends BYE and waits for its answer, at most 4 s. The call is over when it
// returns, whatever the answer was.
func (c *Call) Hangup(ctx context.Context) error {
	if c.End() != NotEnded {
		return nil
	}
	c.mu.Lock()
	r := c.newRequest("BYE", 0, nil)
	c.mu.Unlock()
	c.finish(WeHungUp)
	c.rtp.Hush()
	res, err := c.exchange(ctx, r, byeWait)
	if err != nil {
		return fmt.Errorf("hanging up: %w", err)
	}
	if !res.IsSuccess() {
		return refusal("BYE", res)
	}
	return nil
}

// Stream is what a re-INVITE or UPDATE asks for. The zero value changes nothing.
type Stream struct {
	Direction Direction  // from our side; zero: as before
	Codecs    []codec.ID // nil: as before
	MovePort  bool       // receive on a new port pair from now on
	Update    bool       // by UPDATE (RFC 3311) instead of re-INVITE
	NoOffer   bool       // re-INVITE without offer: the far end offers, we answer in the ACK
}

// Hold asks the far end to stop sending (RFC 3264 section 8.4).
func (c *Call) Hold(ctx context.Context) error {
	return c.Renegotiate(ctx, Stream{Direction: SendOnly})
}

// Resume ends Hold.
func (c *Call) Resume(ctx context.Context) error {
	return c.Renegotiate(ctx, Stream{Direction: SendRecv})
}

// Renegotiate changes the stream. Errors: *Refused (491 for glare, 488 if the
// stream does not suit), ErrNoAnswer, ErrEnded.
func (c *Call) Renegotiate(ctx context.Context, s Stream) error {
	if err := c.restream(s); err != nil {
		return err
	}
	var offer []byte
	if !s.NoOffer || s.Update {
		offer = c.offer()
	}
	method := "INVITE"
	if s.Update {
		method = "UPDATE"
	}
	c.mu.Lock()
	r := c.newRequest(method, 0, nil)
	if offer != nil {
		r.body = sdpBody(offer)
	}
	c.inviting = true
	c.mu.Unlock()
	if s.Update {
		res, err := c.exchange(ctx, r, 64*t1)
		c.mu.Lock()
		c.inviting = false
		c.mu.Unlock()
		if err != nil {
			return err
		}
		if !res.IsSuccess() {
			return refusal(method, res)
		}
		_, err = c.agree(res, offer)
		return err
	}
	return c.reinvite(ctx, r, offer)
}

func (c *Call) reinvite(ctx context.Context, r *request, offer []byte) error {
	res, err := c.exchangeInvite(ctx, r)
	if err != nil {
		return err
	}
	if !res.IsSuccess() {
		c.ackRefused(r, res)
		return refusal("re-INVITE", res)
	}
	c.mu.Lock()
	c.retarget(res)
	c.mu.Unlock()
	answer, err := c.agree(res, offer)
	if !c.o.Ack.Withhold {
		c.sendAck(r.cseq, answer)
	}
	return err
}

// restream notes what a new description will say.
func (c *Call) restream(s Stream) error {
	if s.MovePort {
		if err := c.rtp.move(); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.local.Version++
	c.local.Addr = c.rtp.LocalAddr()
	if s.Codecs != nil {
		c.local.Codecs = s.Codecs
	}
	if s.Direction != 0 {
		c.direction = s.Direction
	}
	return nil
}
