package uas

import (
	"errors"
	"time"

	"github.com/emiago/sipgo/sip"
)

// accepted is a 2xx to an INVITE. The dialog layer repeats it until the ACK,
// whatever the transport, since a hop further on may be unreliable (RFC 3261
// section 13.3.1.4).
type accepted struct {
	seq    uint32
	res    *sip.Response
	conn   sip.Connection
	gone   bool   // conn took no more
	offer  []byte // ours, if the INVITE had none: the ACK must answer it
	acked  bool
	next   time.Time
	wait   time.Duration
	giveUp time.Time
}

// due says whether the answer is to be sent again, and sets the time of the next
// one: the waits double up to t2.
func (a *accepted) due(now time.Time, t2 time.Duration) bool {
	if now.Before(a.next) {
		return false
	}
	a.wait = min(2*a.wait, t2)
	if a.next = a.next.Add(a.wait); a.next.Before(now) {
		a.next = now.Add(a.wait)
	}
	return true
}

// accept sends a 2xx and starts its repetition. It fails if a CANCEL was faster.
func (d *dialog) accept(l *letter, res *sip.Response, offer []byte) error {
	if err := d.s.send(l.tx, res); err != nil {
		if errors.Is(err, sip.ErrTransactionCanceled) {
			// Repeats of the final answer are to be the 487, not our late 2xx.
			_ = l.tx.Respond(response(l.req, sip.StatusRequestTerminated, "Request Terminated"))
		}
		return err
	}
	d.s.dialogs.work.Add(1)
	// Started with each 2xx; stops after T1 or with the transaction; owns its end.
	go func() {
		defer d.s.dialogs.work.Done()
		d.outlive(l.tx)
	}()
	now := time.Now()
	d.remoteSeq = l.seq()
	d.accepted = &accepted{
		seq: l.seq(), res: res, conn: l.tx.Connection(), offer: offer,
		wait: d.s.opts.T1, next: now.Add(d.s.opts.T1), giveUp: now.Add(64 * d.s.opts.T1),
	}
	return nil
}

// outlive keeps an accepted INVITE's transaction for T1 and no longer: it holds
// the whole request, and what comes again later is the dialog's to absorb. An ACK
// with the branch of its INVITE, as old phones send it, comes by the transaction
// while it lives, whatever its tags say.
func (d *dialog) outlive(tx *sip.ServerTx) {
	defer tx.Terminate()
	timer := time.NewTimer(d.s.opts.T1)
	defer timer.Stop()
	for {
		select {
		case ack := <-tx.Acks():
			if dialogOf(ack) == d.id {
				d.deliver(ack, tx, nil)
				return
			}
		case <-tx.Done():
			return
		case <-d.over:
			return
		case <-timer.C:
			return
		}
	}
}

// repeat sends the 2xx again when it is due, and gives the call up when no ACK
// came for 64*T1.
func (d *dialog) repeat(now time.Time) {
	a := d.accepted
	if a == nil || a.acked || d.phase != up {
		return
	}
	if !now.Before(a.giveUp) {
		d.log.Info("no ACK came; the call is ended", "after", 64*d.s.opts.T1)
		d.bye()
		return
	}
	if a.due(now, d.s.opts.T2) {
		d.resend()
	}
}

// resend writes the last 2xx once more, beside the transaction layer. A connection
// that took it not is not asked again; a caller that comes by another one is
// answered there.
func (d *dialog) resend() {
	a := d.accepted
	if a == nil || a.acked || a.gone {
		return
	}
	if err := a.conn.WriteMsg(a.res); err != nil {
		a.gone = sip.IsReliable(a.res.Transport())
		d.log.Debug("a repeated answer did not go out", "error", err)
	}
}

// acknowledge takes an ACK of this dialog. It belongs to the 2xx with its CSeq.
func (d *dialog) acknowledge(req *sip.Request, came time.Time) {
	a := d.accepted
	if a == nil || d.phase != up {
		return
	}
	seq := req.CSeq().SeqNo
	if seq == a.seq && !a.acked {
		offer := a.offer
		a.acked, a.res, a.offer = true, nil, nil // nothing is sent again: the call does without them
		if offer != nil && !d.takeAnswer(offer, descriptionOf(req)) {
			d.acked = true
			d.bye()
			return
		}
	}
	// A late ACK of the first INVITE counts as well when a re-INVITE overtook it.
	if d.acked || seq < d.firstSeq || seq > d.remoteSeq {
		return
	}
	d.acked = true
	d.s.dialogs.confirmed(d)
	if d.hurried {
		d.bye()
		return
	}
	d.confirm()
	if d.session.Stats().PacketsOut > 0 {
		d.s.deps.Metrics.FirstPacket(time.Since(came))
	}
}
