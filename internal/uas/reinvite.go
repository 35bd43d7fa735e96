package uas

import (
	"time"

	"github.com/emiago/sipgo/sip"
)

// invited makes the 2xx to an INVITE, with an answer to its offer, or with our
// offer if it has none (RFC 3261 section 13.3.1). settle sets the stream and the session
// timer to what was answered.
func (d *dialog) invited(req *sip.Request) (res *sip.Response, offer []byte, settle func(), refused *refusal) {
	timer, said, refused := d.timed(req)
	if refused != nil {
		return nil, nil, nil, refused
	}
	var body []byte
	agree := func() {}
	if theirs := descriptionOf(req); theirs != nil {
		body, agree, refused = d.answerOffer(theirs)
	} else {
		body, refused = d.makeOffer()
		offer = body
	}
	if refused != nil {
		return nil, nil, nil, refused
	}
	headers := append([]string{"Contact: " + d.near.contact(), "Allow: " + allowed, "Supported: " + supported, "Server: " + product}, said...)
	settle = func() {
		d.expiry = timer.from(time.Now())
		agree()
	}
	return withSDP(response(req, sip.StatusOK, "OK", headers...), body), offer, settle, nil
}

// offerOpen says that our offer still waits for its answer.
func (d *dialog) offerOpen() bool {
	a, r := d.accepted, d.ringing
	return a != nil && !a.acked && a.offer != nil || r != nil && !r.taken && r.offer != nil || d.inviting()
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
	switch {
	case d.ringing != nil:
		d.refuse(l, untimely())
		return
	case d.offerOpen():
		d.refuse(l, glare())
		return
	}
	talk, expiry := d.talk, d.expiry
	res, offer, settle, refused := d.invited(l.req)
	if refused != nil {
		d.refuse(l, refused)
		return
	}
	cancelled := l.tx.Err() != nil
	if !cancelled {
		settle() // first: what is sent by the answer comes as soon as that is read
	}
	if err := d.accept(l, res, offer); err != nil {
		if !cancelled {
			d.stream(talk.stream)
		}
		d.talk, d.expiry = talk, expiry
		d.log.Debug("a re-INVITE ended before its answer", "error", err)
		return
	}
	d.retarget(l.req)
}

// update renews target and stream without an ACK (RFC 3311).
func (d *dialog) update(l *letter) {
	timer, said, refused := d.timed(l.req)
	if refused != nil {
		d.refuse(l, refused)
		return
	}
	var body []byte
	settle := func() {}
	if theirs := descriptionOf(l.req); theirs != nil {
		switch {
		case d.offerOpen():
			d.refuse(l, glare())
			return
		case d.ringing != nil:
			d.refuse(l, untimely())
			return
		}
		if body, settle, refused = d.answerOffer(theirs); refused != nil {
			d.refuse(l, refused)
			return
		}
	}
	d.retarget(l.req)
	settle()
	d.expiry = timer.from(time.Now())
	headers := append([]string{"Contact: " + d.near.contact(), "Allow: " + allowed, "Supported: " + supported}, said...)
	d.answer(l, withSDP(response(l.req, sip.StatusOK, "OK", headers...), body))
}

// retarget takes the Contact of a target refresh request, or of the 2xx to one of ours
// (sections 12.2.2 and 12.2.1.2), and which methods its sender serves. The route set stays.
func (d *dialog) retarget(msg either) {
	if c := msg.Contact(); c != nil && c.Address.Host != "" && !c.Address.Wildcard {
		d.target = *c.Address.Clone()
	}
	if firstHeader(msg, "Allow") != "" {
		d.updates = lists(msg, string(sip.UPDATE), "Allow")
	}
}
