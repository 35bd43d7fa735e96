package uas

import (
	"time"

	"github.com/emiago/sipgo/sip"

	"star97/internal/call"
	"star97/internal/dtmf"
)

// info takes a key from an INFO body (RFC 6086; the types are older than info
// packages). An INFO without a body only asks whether the call is alive.
func (d *dialog) info(l *letter) {
	body := l.req.Body() // serve clears it
	if len(body) == 0 || optionalBody(l.req) {
		d.answer(l, response(l.req, sip.StatusOK, "OK"))
		return
	}
	digit, _, err := dtmf.ParseInfo(contentType(l.req), body)
	if err != nil {
		d.refuse(l, refuse(sip.StatusBadRequest, "Bad INFO Body").because(err.Error()))
		return
	}
	d.key(dtmf.Report{Kind: dtmf.Down, Source: dtmf.FromInfo, Digit: digit, At: d.sinceEpoch()})
	d.answer(l, response(l.req, sip.StatusOK, "OK"))
}

func (d *dialog) sinceEpoch() time.Duration { return time.Since(d.session.Epoch()) }

// key tells the call of a key, or keeps it until the ACK is in: nothing that the
// far end does takes effect before.
func (d *dialog) key(r dtmf.Report) {
	switch {
	case d.phase != up:
	case d.ready:
		d.tell(r)
	case len(d.early) < keysMax:
		if d.early == nil {
			d.early = make([]dtmf.Report, 0, keysMax+1) // it leaves no smaller copies behind
		}
		d.early = append(d.early, r)
	case len(d.early) == keysMax:
		d.early = append(d.early, lostAt(r.At))
	}
}

// keyLost tells the call that a key did not reach it.
func (d *dialog) keyLost() { d.key(lostAt(d.sinceEpoch())) }

func lostAt(at time.Duration) dtmf.Report {
	return dtmf.Report{Kind: dtmf.Lost, Source: dtmf.FromInfo, At: at}
}

// tell queues a key. A call that does not read loses keys, and finds one Lost
// report in their place; the queue has one for it, for Confirmed and Gone, and for what
// is told of transfers while the call asks for the next.
func (d *dialog) tell(r dtmf.Report) {
	if len(d.signals) >= keysMax {
		if d.toldLost {
			return
		}
		r = lostAt(r.At)
	}
	d.toldLost = len(d.signals) >= keysMax
	d.signals <- &call.Signal{Kind: call.InfoKey, Report: r}
}

// confirm lets the call begin: the ACK is in and the media agreed.
func (d *dialog) confirm() {
	d.ready = true
	d.session.Start(d.peer.lead)
	d.signals <- &call.Signal{Kind: call.Confirmed}
	for _, r := range d.early {
		d.tell(r)
	}
	d.forgetEarly()
}

// forgetEarly leaves nothing of the keys before the ACK.
func (d *dialog) forgetEarly() {
	clear(d.early)
	d.early = nil
}
