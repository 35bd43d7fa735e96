package uas

import (
	"github.com/emiago/sipgo/sip"
)

// invited makes the 2xx to an INVITE, with an answer to its offer, or with our
// offer if it has none (RFC 3261 section 13.3.1). settle sets the stream to what
// was answered.
func (d *dialog) invited(req *sip.Request) (res *sip.Response, offer []byte, settle func(), refused *refusal) {
	var body []byte
	settle = func() {}
	if theirs := offerOf(req); theirs != nil {
		body, settle, refused = d.answerOffer(theirs)
	} else {
		body, refused = d.makeOffer()
		offer = body
	}
	if refused != nil {
		return nil, nil, nil, refused
	}
	headers := []string{"Contact: " + d.near.contact(), "Allow: " + allowed, "Supported: " + supported, "Server: " + product}
	return withSDP(response(req, sip.StatusOK, "OK", headers...), body), offer, settle, nil
}

// offerOpen says that our offer still waits for its answer.
func (d *dialog) offerOpen() bool {
	a := d.accepted
	return a != nil && !a.acked && a.offer != nil
}

// glare refuses what cannot be taken while our offer is open (RFC 3261 section
// 14.2, RFC 3311 section 5.2).
func glare() *refusal {
	return refuse(sip.StatusRequestPending, "Request Pending").because("our own offer has no answer yet")
}

// reinvite renews target and stream. One that comes before the ACK of the last
// INVITE is taken if no offer is open: the ACK was lost or overtaken (RFC 5407
// section 3.1.4). One that is cancelled leaves the call as it was (RFC 3261 section
// 9.2).
func (d *dialog) reinvite(l *letter) {
	if d.offerOpen() {
		d.refuse(l, glare())
		return
	}
	before := d.talk
	res, offer, settle, refused := d.invited(l.req)
	if refused != nil {
		d.refuse(l, refused)
		return
	}
	if err := d.accept(l, res, offer); err != nil {
		d.talk = before
		d.log.Debug("a re-INVITE ended before its answer", "error", err)
		return
	}
	d.retarget(l.req)
	settle()
}

// update renews target and stream without an ACK (RFC 3311).
func (d *dialog) update(l *letter) {
	var body []byte
	settle := func() {}
	if theirs := offerOf(l.req); theirs != nil {
		if d.offerOpen() {
			d.refuse(l, glare())
			return
		}
		var refused *refusal
		if body, settle, refused = d.answerOffer(theirs); refused != nil {
			d.refuse(l, refused)
			return
		}
	}
	d.retarget(l.req)
	settle()
	d.answer(l, withSDP(response(l.req, sip.StatusOK, "OK", "Contact: "+d.near.contact()), body))
}

// retarget takes the Contact of a target refresh request (section 12.2.2). The
// route set stays.
func (d *dialog) retarget(req *sip.Request) {
	if c := req.Contact(); c != nil {
		d.target = *c.Address.Clone()
	}
}
