package uas

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// ringing is a provisional answer that the caller has to acknowledge with a PRACK
// (RFC 3262), before the 2xx. It is sent to who requires that; who only supports it gets
// the 2xx at once, as it is the faster road.
type ringing struct {
	res     *sip.Response
	seq     uint32 // RSeq
	offer   []byte // ours, if the INVITE had none: the PRACK must answer it (section 5)
	taken   bool   // the PRACK came
	refused *refusal
	next    time.Time
	wait    time.Duration
	giveUp  time.Time
}

// ring sends that answer and repeats it until its PRACK comes. ok is the 2xx that will
// follow: the offer of an INVITE is answered there, our own goes out before. It runs on the
// goroutine of the INVITE's transaction, which owns the dialog until run begins. A refusal of
// status 0 means that the caller cancelled.
func (d *dialog) ring(l *letter, ok *sip.Response, offer []byte) *refusal {
	now := time.Now()
	t1 := d.s.opts.T1
	r := &ringing{seq: 1 + rand.Uint32N(1<<31-1), offer: offer, wait: t1, next: now.Add(t1), giveUp: now.Add(64 * t1)}
	status, reason := sip.StatusRinging, "Ringing"
	if offer != nil {
		status, reason = sip.StatusSessionInProgress, "Session Progress"
		ok.RemoveHeader("Content-Type")
		ok.SetBody(nil)
	}
	r.res = withSDP(response(l.req, status, reason, "Contact: "+d.near.contact(), "Allow: "+allowed,
		"Supported: "+supported, "Require: "+reliably, fmt.Sprintf("RSeq: %d", r.seq)), offer)
	d.ringing = r
	defer func() { d.ringing = nil }()
	cancelled := make(chan struct{})
	cancel := sync.OnceFunc(func() { close(cancelled) })
	if !l.tx.OnCancel(func(*sip.Request) { cancel() }) {
		return &refusal{}
	}
	if err := d.s.send(l.tx, r.res); err != nil {
		return unanswered(err)
	}
	refused := d.awaitPRACK(l, r, cancelled)
	if refused != nil {
		refused.told = true
	}
	return refused
}

// awaitPRACK takes what comes within the dialog until the PRACK does.
func (d *dialog) awaitPRACK(l *letter, r *ringing, cancelled <-chan struct{}) *refusal {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for !r.taken {
		at := earlier(r.next, r.giveUp)
		if gap := d.order.deadline(); !gap.IsZero() { // the session timer begins with the 2xx
			at = earlier(at, gap)
		}
		timer.Reset(time.Until(at))
		select {
		case in := <-d.mail:
			d.arrive(in)
		case <-timer.C:
			d.attendAll(d.order.giveUp(time.Now()))
			if refused := r.repeat(d, l, time.Now()); refused != nil {
				return refused
			}
		case <-cancelled:
			return &refusal{}
		case <-l.tx.Done():
			return busyInside().because("the INVITE's transaction ended before its answer")
		case <-d.hang:
			return shuttingDown()
		case <-d.life.Done():
			return shuttingDown()
		}
		if d.phase != up {
			return refuse(sip.StatusRequestTerminated, "Request Terminated").because("the caller hung up before the answer")
		}
	}
	return r.refused
}

// repeat sends the answer again when it is due; the waits double (section 3).
func (r *ringing) repeat(d *dialog, l *letter, now time.Time) *refusal {
	if !now.Before(r.giveUp) {
		refused := refuse(sip.StatusGatewayTimeout, "Server Time-out").because("no PRACK came for the provisional answer that the caller wanted to acknowledge")
		refused.once = d.unproven() // as the BYE of a call without an ACK
		return refused
	}
	if now.Before(r.next) {
		return nil
	}
	r.wait *= 2
	r.next = now.Add(r.wait)
	if err := d.s.send(l.tx, r.res); err != nil {
		return unanswered(err)
	}
	return nil
}

// unanswered is why an INVITE could not be answered: status 0 if the caller cancelled.
func unanswered(err error) *refusal {
	if errors.Is(err, sip.ErrTransactionCanceled) {
		return &refusal{}
	}
	return busyInside().because(err.Error())
}

// prack takes the acknowledgement of the provisional answer (section 3). An answer in
// it that does not fit our offer cannot be refused, so the INVITE is.
func (d *dialog) prack(l *letter) {
	r := d.ringing
	if r == nil || r.taken || !r.names(l.req, d.firstSeq) {
		d.refuse(l, refuse(sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist").because("it acknowledges no provisional answer"))
		return
	}
	theirs := descriptionOf(l.req)
	if theirs != nil && r.offer == nil { // section 5: the offer of the INVITE has no answer yet
		d.refuse(l, refuse(sip.StatusBadRequest, "Unexpected Session Description").because("it brings an offer while another is open"))
		return
	}
	r.taken = true
	if r.offer != nil {
		r.refused = d.answered(r.offer, theirs)
	}
	d.answer(l, response(l.req, sip.StatusOK, "OK"))
}

// names says whether the RAck of a PRACK is that of the answer to the INVITE of a CSeq
// (section 7.2).
func (r *ringing) names(prack *sip.Request, cseq uint32) bool {
	all := prack.GetHeaders("RAck")
	if len(all) != 1 {
		return false
	}
	words := strings.Fields(all[0].Value())
	number := func(s string, is uint32) bool {
		n, err := strconv.ParseUint(s, 10, 32)
		return err == nil && uint32(n) == is
	}
	return len(words) == 3 && number(words[0], r.seq) && number(words[1], cseq) && words[2] == string(sip.INVITE)
}

// untimely refuses what may not come while the first INVITE has no final answer (RFC 3261
// section 14.2), or its offer none (RFC 3311 section 5.2).
func untimely() *refusal {
	return refuse(sip.StatusInternalServerError, "Server Internal Error", fmt.Sprintf("Retry-After: %d", rand.N(11))).because("the call is not answered yet")
}
