package uas

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"

	"github.com/emiago/sipgo/sip"
)

// renewal is a refresh of ours, an UPDATE or a re-INVITE.
type renewal struct {
	req      *sip.Request
	answered chan *sip.Response          // has the final one; nil: none came
	err      error                       // why, if none came; before that is told
	ack      atomic.Pointer[sip.Request] // of the 2xx to a re-INVITE; nil: not yet
}

// begin sends a refresh.
func (d *dialog) begin(req *sip.Request) *renewal {
	r := &renewal{req: req, answered: make(chan *sip.Response, 1)}
	d.s.dialogs.work.Add(1)
	// Started with each refresh; stops when it is answered, its time is up or the dialog
	// is over; owns its transaction, but for an accepted re-INVITE's: that ends by itself.
	go func() {
		defer d.s.dialogs.work.Done()
		var res *sip.Response
		if res, r.err = d.s.exchange(req, d, r); r.err != nil {
			d.log.Info("a refresh was not answered", "error", r.err)
		}
		r.answered <- res
	}()
	return r
}

// renewing is where the final response to an open refresh comes from; nil: none is open.
func (d *dialog) renewing() <-chan *sip.Response {
	if d.renewal == nil {
		return nil
	}
	return d.renewal.answered
}

// inviting says that a re-INVITE of ours is open.
func (d *dialog) inviting() bool { return d.renewal != nil && d.renewal.req.IsInvite() }

// errNotSent is of a request that did not go out.
var errNotSent = errors.New("the request could not be sent")

// exchange sends a request of a dialog and waits for its final response; nil at the end of
// the dialog. The 2xx to the re-INVITE of r is acknowledged as often as it comes (RFC 3261
// section 13.2.2.4), for as long as RFC 6026 section 7.2 keeps its transaction.
func (s *Server) exchange(req *sip.Request, d *dialog, r *renewal) (*sip.Response, error) {
	ctx, cancel := context.WithTimeout(d.life, 64*s.opts.T1)
	defer cancel()
	tx, err := s.request(ctx, req, d.peer)
	if err != nil {
		return nil, errors.Join(errNotSent, err)
	}
	kept := false
	defer func() {
		if !kept {
			tx.Terminate()
		}
	}()
	if r != nil {
		tx.OnRetransmission(func(*sip.Response) {
			if ack := r.ack.Load(); ack != nil {
				_ = tx.Connection().WriteMsg(ack) // it comes again if this is lost too
			}
		})
	}
	for {
		select {
		case res := <-tx.Responses():
			if !res.IsProvisional() {
				kept = r != nil && req.IsInvite() && res.IsSuccess()
				return res, nil
			}
		case <-tx.Done():
			return nil, tx.Err()
		case <-d.life.Done():
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// ack acknowledges the 2xx to our re-INVITE, before anything else of the call goes out.
func (d *dialog) ack(r *renewal) {
	ack := d.requestAs(sip.ACK, r.req.CSeq().SeqNo)
	write := func() {
		conn, err := d.s.way(d.life, ack, d.peer)
		r.ack.Store(ack) // complete; the 2xx may come again from the moment it is sent
		if err == nil {
			err = put(conn, ack)
		}
		if err != nil {
			d.log.Debug("an ACK did not go out", "error", err)
		}
	}
	network := strings.ToLower(ack.Transport())
	if !isStream(network) || d.s.connected(network, ack.Destination()) {
		write()
		return
	}
	d.s.dialogs.work.Add(1)
	// Started where a connection has to be made; stops when that is, or cannot be; owns nothing.
	go func() { defer d.s.dialogs.work.Done(); write() }()
}
