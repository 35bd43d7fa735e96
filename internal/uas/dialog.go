package uas

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"

	"star97/internal/call"
	"star97/internal/dialplan"
	"star97/internal/dtmf"
	"star97/internal/media"
)

// Bounds of one dialog.
const (
	mailMax    = 64 // requests delivered and not yet looked at
	keysMax    = 64 // keys from INFO that the call has not taken yet
	signalsMax = keysMax + 6
)

// dialog is one call's signalling (RFC 3261 section 12); it implements call.Leg.
// Its run goroutine owns every field below the line.
type dialog struct {
	s       *Server
	id      dialogID
	peer    *peer
	near    near
	session media.Session
	log     *slog.Logger
	signals chan *call.Signal
	arrival call.Arrival
	caller  netip.Addr // the host that the INVITE came from
	waits   bool       // for the ACK of that INVITE; the registry's
	seated  bool       // it counts for the limits; the registry's
	asked   dialplan.Question

	mail     chan *letter
	hang     chan struct{}
	hangOnce sync.Once
	refers   chan transfer      // the last that Refer was asked for
	life     context.Context    // of what the dialog sends; ends with it
	abandon  context.CancelFunc // ends the dialog without waiting for anybody
	over     chan struct{}      // closed when run has ended
	overran  atomic.Bool        // an INFO found the mail full

	// ---
	phase     phase
	hurried   bool // Hangup was asked for and waits for the ACK
	order     order
	firstSeq  uint32 // CSeq of the INVITE that opened the dialog
	remoteSeq uint32 // CSeq of the last INVITE taken
	localSeq  uint32
	target    sip.Uri   // remote target: the far end's Contact
	routes    []sip.Uri // route set (section 12.1.1)
	from      string    // To header of the INVITE with our tag: From of our requests
	to        string    // From header of the INVITE: To of our requests
	source    string    // where the last request came from
	network   string    // by which transport it came: udp, tcp

	accepted  *accepted   // the last 2xx to an INVITE
	referral  *referral   // the transfer whose outcome is awaited
	referrals []*referral // the last transfers that were asked for
	elsewhere bool        // one succeeded
	acked     bool        // the first INVITE's 2xx was acknowledged
	ready     bool        // Confirmed was told
	talk      talk
	expiry    expiry
	renewal   *renewal      // whose answer is awaited
	ringing   *ringing      // whose PRACK is awaited
	updates   bool          // the far end takes UPDATE
	leastSE   time.Duration // the far end's shortest session interval
	early     []dtmf.Report // keys before the ACK
	toldLost  bool
	toldGone  bool
	byeDone   chan struct{}
}

type phase uint8

const (
	up      phase = iota
	leaving       // our BYE is on its way
	ended
)

// letter is one request in the mail of its dialog. Whoever takes it answers it.
type letter struct {
	req     *sip.Request
	tx      *sip.ServerTx
	came    time.Time
	refused *refusal // the front door's word; told in order
	taken   atomic.Bool
	done    chan struct{}
}

func (l *letter) take() bool { return l.taken.CompareAndSwap(false, true) }

func (l *letter) seq() uint32 { return l.req.CSeq().SeqNo }

// Signals implements call.Leg.
func (d *dialog) Signals() <-chan *call.Signal { return d.signals }

// Hangup implements call.Leg. Before the ACK it waits for it: a BYE may not come
// earlier (section 15).
func (d *dialog) Hangup() { d.hangOnce.Do(func() { close(d.hang) }) }

// deliver hands a request to the dialog and returns when it is dealt with. It
// runs on the goroutine of the request's transaction.
func (d *dialog) deliver(req *sip.Request, tx *sip.ServerTx, refused *refusal) {
	l := &letter{req: req, tx: tx, came: time.Now(), refused: refused, done: make(chan struct{})}
	select {
	case d.mail <- l:
	default:
		if req.Method == sip.INFO {
			d.overran.Store(true)
		}
		if !req.IsAck() {
			d.s.refuse(req, tx, busyInside().because("more than the dialog's mail holds"))
		}
		return
	}
	select {
	case <-l.done:
	case <-d.over:
		if !l.take() {
			<-l.done
		} else if !req.IsAck() {
			d.s.refuse(req, tx, refuse(sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist"))
		}
	}
}

func busyInside() *refusal {
	return refuse(sip.StatusInternalServerError, "Server Internal Error", "Retry-After: 1")
}

// run is the dialog's goroutine: started by the INVITE, stops when the dialog is
// over, owns the dialog's state.
func (d *dialog) run() {
	defer d.finish()
	hang := d.hang
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for d.phase != ended {
		timer.Reset(time.Until(d.deadline()))
		select {
		case l := <-d.mail:
			d.guarded(func() { d.arrive(l) })
		case <-hang:
			hang = nil
			d.guarded(d.leave)
		case <-timer.C:
			d.guarded(func() { d.tick(time.Now()) })
		case t := <-d.refers:
			d.guarded(func() { d.refer(t) })
		case status := <-d.answers():
			d.guarded(func() { d.referAnswered(status) })
		case res := <-d.renewing():
			d.guarded(func() { d.renewed(res) })
		case <-d.byeDone:
			d.phase = ended
		case <-d.life.Done():
			d.phase = ended
		}
	}
}

// guarded keeps a panic to this call: it is hung up, the process goes on. One whose
// BYE cannot be sent is over.
func (d *dialog) guarded(do func()) {
	defer func() {
		if v := recover(); v != nil {
			d.s.survived(v, cleaned(d.id.callID, callIDShown))
			if d.phase == up {
				d.guarded(d.bye) // nothing is left to wait for
			}
			if d.byeDone == nil {
				d.phase = ended
			}
		}
	}()
	do()
}

// finish closes what the call reads and forgets the dialog.
func (d *dialog) finish() {
	d.gone()
	d.forgetEarly()
	if d.s.dialogs.remove(d) {
		d.peer.leave()
	}
	d.abandon()
	close(d.over)
	d.s.dialogs.work.Done()
}

// gone tells the call that the far end is no longer there; the last signal.
func (d *dialog) gone() {
	if d.toldGone {
		return
	}
	d.toldGone = true
	d.signals <- &call.Signal{Kind: call.Gone}
	close(d.signals)
}

// deadline is when the next timer of the dialog runs out.
func (d *dialog) deadline() time.Time {
	at := time.Now().Add(time.Hour)
	if a := d.accepted; a != nil && !a.acked && d.phase == up {
		at = earlier(at, earlier(a.next, a.giveUp))
	}
	if d.referral != nil {
		at = earlier(at, d.referral.giveUp)
	}
	if d.phase == up {
		at = d.expiry.due(at, d.renewal != nil)
	}
	if gap := d.order.deadline(); !gap.IsZero() {
		at = earlier(at, gap)
	}
	return at
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func (d *dialog) tick(now time.Time) {
	d.repeat(now)
	if r := d.referral; r != nil && !now.Before(r.giveUp) {
		d.conclude(r.transfer, sip.StatusRequestTimeout)
	}
	d.expire(now)
	d.attendAll(d.order.giveUp(now))
}

// arrive takes one request out of the mail.
func (d *dialog) arrive(l *letter) {
	if d.overran.Swap(false) {
		d.keyLost()
	}
	if !d.belongs(l.req) {
		d.disown(l)
		return
	}
	if l.req.IsAck() {
		d.attend(l)
		return
	}
	ready, late := d.order.put(l, time.Now())
	if late {
		d.attendLate(l)
		return
	}
	d.attendAll(ready)
}

func (d *dialog) attendAll(ready []*letter) {
	for _, l := range ready {
		d.attend(l)
	}
}

// attend deals with one request. A panic on the way is answered 500.
func (d *dialog) attend(l *letter) {
	if !l.take() {
		return
	}
	defer close(l.done)
	defer func() {
		if v := recover(); v != nil {
			if !l.req.IsAck() {
				_ = d.s.send(l.tx, response(l.req, sip.StatusInternalServerError, "Server Internal Error"))
			}
			panic(v)
		}
	}()
	if !l.req.IsAck() || !d.s.strange(l.req, d) { // an ACK proves nothing
		if from := l.req.Source(); from != d.source {
			d.s.dialogs.moved(d, from)
		}
		d.network = strings.ToLower(l.req.Transport())
	}
	switch {
	case l.req.IsAck():
		d.acknowledge(l.req, l.came)
	case l.refused != nil:
		d.refuse(l, l.refused)
	case l.req.Method == sip.BYE:
		d.farewell(l)
	case d.phase != up && l.req.Method != sip.NOTIFY: // a subscription may outlive the call
		d.refuse(l, refuse(sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist"))
	default:
		d.serve(l)
		d.stir()
	}
}

// stir tells the call of a sign of life, be it only a question. What waits in the
// queue says as much already.
func (d *dialog) stir() {
	if d.ready && d.phase == up && len(d.signals) == 0 {
		d.signals <- &call.Signal{Kind: call.Stirred}
	}
}

func (d *dialog) serve(l *letter) {
	switch l.req.Method {
	case sip.INFO:
		d.info(l)
	case sip.INVITE:
		d.reinvite(l)
	case sip.PRACK:
		d.prack(l)
	case sip.UPDATE:
		d.update(l)
	case sip.NOTIFY:
		d.notify(l)
	case sip.OPTIONS:
		d.answer(l, response(l.req, sip.StatusOK, "OK", abilities()...))
	}
}

// attendLate answers a request whose CSeq was passed: an INVITE that is repeated
// gets its 2xx again, anything else 500 (section 12.2.2). A key that comes so
// late can no longer be put in its place, so it is told as lost.
func (d *dialog) attendLate(l *letter) {
	if !l.take() {
		return
	}
	defer close(l.done)
	if a := d.accepted; a != nil && l.req.Method == sip.INVITE && l.seq() == a.seq {
		a.conn, a.gone = l.tx.Connection(), false
		d.resend()
		l.tx.Terminate()
		return
	}
	if l.req.Method == sip.INFO && l.refused == nil && d.order.skipped(l.seq()) {
		d.keyLost()
	}
	d.refuse(l, refuse(sip.StatusInternalServerError, "Server Internal Error").because("its CSeq was passed already"))
}

func (d *dialog) answer(l *letter, res *sip.Response) { _ = d.s.send(l.tx, res) }

func (d *dialog) refuse(l *letter, r *refusal) {
	d.s.logRefusal(l.req, r)
	d.answer(l, response(l.req, r.status, r.reason, r.headers...))
}

// farewell is the far end's BYE.
func (d *dialog) farewell(l *letter) {
	d.answer(l, response(l.req, sip.StatusOK, "OK"))
	d.phase = ended
}
