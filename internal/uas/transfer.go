package uas

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"star97/internal/call"
)

// fragType is a part of a message; a NOTIFY tells of a transfer in it (RFC 3420).
const fragType = "message/sipfrag"

// referWait bounds the wait for the outcome of a transfer. The call has its own,
// earlier one, with words for the caller.
const referWait = 3 * time.Minute

// referralsMax are the transfers of one call that are remembered.
const referralsMax = 8

// transfer is what a call asks for: a target, and the number that the answer bears.
type transfer struct {
	target string
	number uint32
}

// referral is a REFER of ours and the subscription that it made (RFC 3515).
type referral struct {
	transfer
	id       string   // of the subscription: the CSeq of the REFER (section 2.4.6)
	first    bool     // in its dialog: its NOTIFYs need not name it
	answered chan int // has the final status of the REFER
	giveUp   time.Time
}

// Refer implements call.Leg. Its call alone calls it. One that waits to be sent gives
// way to the next.
func (d *dialog) Refer(target string, number uint32) {
	select {
	case <-d.refers:
	default:
	}
	d.refers <- transfer{target, number}
}

// refer sends a REFER. It takes the place of one whose outcome is still open; that one
// may succeed yet.
func (d *dialog) refer(t transfer) {
	if d.phase != up || !d.ready {
		return
	}
	if strings.ContainsAny(t.target, "<>\" \t\r\n") { // it would end its header, or its line
		d.conclude(t, sip.StatusBadRequest)
		return
	}
	own := d.near.contact()
	req := d.request(sip.REFER, [2]string{"Refer-To", "<" + t.target + ">"}, [2]string{"Referred-By", own}, [2]string{"Contact", own})
	r := &referral{
		transfer: t,
		id:       strconv.FormatUint(uint64(d.localSeq), 10), first: len(d.referrals) == 0,
		answered: make(chan int, 1), giveUp: time.Now().Add(d.s.referWait),
	}
	d.referral = r
	if d.referrals = append(d.referrals, r); len(d.referrals) > referralsMax {
		d.referrals = slices.Delete(d.referrals, 0, 1)
	}
	d.s.dialogs.work.Add(1)
	// Started with each REFER; stops when it is answered, its time is up or the dialog
	// is over; owns its transaction.
	go func() {
		defer d.s.dialogs.work.Done()
		status, err := d.s.transact(req, d)
		if err != nil {
			d.log.Info("a transfer was not answered", "error", err)
		}
		r.answered <- status
	}()
}

// answers is where the final status of an open REFER comes from; nil: none is open.
func (d *dialog) answers() <-chan int {
	if d.referral == nil {
		return nil
	}
	return d.referral.answered
}

// referAnswered takes the final answer to a REFER. A 2xx only says that the far end
// will try; how that ends comes by NOTIFY (section 2.4.4), which may come before it.
func (d *dialog) referAnswered(status int) {
	if status >= 300 {
		d.conclude(d.referral.transfer, status)
	}
}

// conclude tells the call how a transfer ended; none is awaited any more. After one that
// succeeded nothing is told: the call is to end.
func (d *dialog) conclude(t transfer, status int) {
	d.referral = nil
	if d.phase == up && !d.elsewhere {
		d.elsewhere = status >= 200 && status < 300
		d.signals <- &call.Signal{Kind: call.Referred, Number: t.number, Status: status}
	}
}

// notify takes the progress of a transfer (section 2.4.5).
func (d *dialog) notify(l *letter) {
	event, id := eventOf(l.req)
	switch {
	case !strings.EqualFold(event, "refer"):
		d.refuse(l, refuse(489, "Bad Event", "Allow-Events: refer")) // RFC 6665 section 8.3.2
		return
	case len(d.referrals) == 0:
		d.refuse(l, refuse(sip.StatusCallTransactionDoesNotExists, "Subscription Does Not Exist"))
		return
	}
	status, err := fragStatus(l.req.Body())
	if err != nil {
		d.refuse(l, refuse(sip.StatusBadRequest, "Bad Message Fragment").because(err.Error()))
		return
	}
	d.answer(l, response(l.req, sip.StatusOK, "OK"))
	r := d.referralOf(id)
	if r == nil {
		return
	}
	if status >= 200 && status < 300 {
		// The caller is there, also by one that another took the place of, or that
		// nobody told of in time.
		d.conclude(r.transfer, status)
		return
	}
	if r != d.referral {
		return // its outcome is known, or no longer awaited
	}
	state, _, _ := strings.Cut(firstHeader(l.req, "Subscription-State"), ";")
	switch {
	case status >= 200:
		d.conclude(r.transfer, status)
	case strings.EqualFold(strings.TrimSpace(state), "terminated"):
		d.conclude(r.transfer, sip.StatusRequestTimeout) // nothing more will come
	}
}

// referralOf is the one whose subscription a NOTIFY names; nil: it is none of the last.
func (d *dialog) referralOf(id string) *referral {
	for _, r := range d.referrals {
		if id == r.id || id == "" && r.first {
			return r
		}
	}
	return nil
}

// eventOf is the event package of a NOTIFY, and the subscription that it names.
func eventOf(req *sip.Request) (event, id string) {
	value := firstHeader(req, "Event", "o")
	event, _, _ = strings.Cut(value, ";")
	id, _ = named(value, "id")
	return strings.TrimSpace(event), id
}

// fragStatus is the status of a message fragment that begins with a status line; 0
// for none at all.
func fragStatus(body []byte) (int, error) {
	line, _, _ := strings.Cut(string(body), "\n")
	if line = strings.TrimSpace(line); line == "" {
		return 0, nil
	}
	parts := strings.SplitN(line, " ", 3)
	if len(parts) < 2 || !strings.EqualFold(parts[0], "SIP/2.0") || len(parts[1]) != 3 {
		return 0, errors.New("the fragment begins with no status line")
	}
	status, err := strconv.ParseUint(parts[1], 10, 16)
	if err != nil || status < 100 || status > 699 {
		return 0, errors.New("the fragment has no SIP status")
	}
	return int(status), nil
}

// transact sends a request of a dialog and waits for its final status. An error comes
// with a status that stands for it (section 8.1.3.1); the end of the dialog is none.
func (s *Server) transact(req *sip.Request, d *dialog) (int, error) {
	switch res, err := s.exchange(req, d, nil); {
	case res != nil:
		return res.StatusCode, nil
	case errors.Is(err, errNotSent):
		return sip.StatusServiceUnavailable, err
	default:
		return sip.StatusRequestTimeout, err
	}
}
