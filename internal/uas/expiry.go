package uas

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// expiry is a dialog's session timer (RFC 4028). The zero value: the session does not
// expire.
type expiry struct {
	interval time.Duration
	ours     bool      // we refresh it
	refresh  time.Time // when we do, or try again
	ends     time.Time // when the call is ended
}

const (
	// leastExpires is the shortest interval (section 5).
	leastExpires = 90 * time.Second
	// endsBefore is how long before the session expires the call is ended at the latest
	// (section 10).
	endsBefore = 32 * time.Second
)

// from is e with an interval that begins now.
func (e expiry) from(now time.Time) expiry {
	e.refresh, e.ends = now.Add(e.interval/2), now.Add(e.interval-min(endsBefore, e.interval/3))
	return e
}

// due is when the dialog has to look at it again, at the latest at.
func (e expiry) due(at time.Time, renewing bool) time.Time {
	if e.interval == 0 {
		return at
	}
	if e.ours && !renewing {
		at = earlier(at, e.refresh)
	}
	return earlier(at, e.ends)
}

// expires is what a message says of the session timer.
type expires struct {
	served    bool          // its sender serves timers
	interval  time.Duration // zero: it names none
	least     time.Duration // Min-SE
	refresher string        // uac, uas or empty
}

func expiresOf(msg either) expires {
	e := expires{served: lists(msg, timing, "Supported", "k") || lists(msg, timing, "Require")}
	value := firstHeader(msg, "Session-Expires", "x")
	e.interval = seconds(value)
	e.least = seconds(firstHeader(msg, "Min-SE"))
	who, _ := named(value, "refresher")
	if who = strings.ToLower(who); who == "uac" || who == "uas" {
		e.refresher = who
	}
	return e
}

// seconds reads the delta-seconds (RFC 3261 section 25.1) that a header value begins
// with; 0 if it does not.
func seconds(value string) time.Duration {
	number, _, _ := strings.Cut(value, ";")
	n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 32)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}

// timed decides on the session timer that an INVITE or UPDATE asks for, and what the
// 2xx says of it (section 9). Who serves timers refreshes the session, unless we are
// asked to. Who does not is left without one, unless a proxy on the way has asked for it:
// then the refreshing is ours, and an interval that is too short cannot be refused.
func (d *dialog) timed(req *sip.Request) (e expiry, headers []string, refused *refusal) {
	theirs := expiresOf(req)
	short := theirs.interval < leastExpires
	switch {
	case short && !theirs.served:
		return expiry{}, nil, nil
	case short && theirs.interval != 0:
		return expiry{}, nil, refuse(422, "Session Interval Too Small", "Min-SE: "+inSeconds(leastExpires)).because("the session is to be refreshed too often")
	}
	e.interval = max(d.s.opts.SessionExpires, theirs.least)
	if theirs.interval != 0 {
		e.interval = min(e.interval, theirs.interval)
	}
	e.ours = !theirs.served || theirs.refresher == "uas" || theirs.refresher == "" && d.expiry.interval != 0 && d.expiry.ours
	who := "uac"
	if e.ours {
		who = "uas"
	}
	headers = []string{"Session-Expires: " + inSeconds(e.interval) + ";refresher=" + who}
	if theirs.served {
		headers = append(headers, "Require: "+timing)
	}
	return e, headers, nil
}

func inSeconds(t time.Duration) string { return fmt.Sprint(int64(t / time.Second)) }

// expire ends the call when its session is about to expire, and refreshes the session
// when that is ours and due.
func (d *dialog) expire(now time.Time) {
	e := &d.expiry
	switch {
	case e.interval == 0 || d.phase != up:
	case !now.Before(e.ends):
		d.log.Info("nobody has refreshed the session; the call is ended", "session_expires", e.interval)
		e.interval = 0
		d.leave()
	case e.ours && d.renewal == nil && !now.Before(e.refresh):
		d.renew(now)
	}
}

// renew refreshes the session: by UPDATE where the far end takes it, which changes
// nothing (section 7.4), else by a re-INVITE with the description as it was. That has to
// wait while another INVITE is open (RFC 3261 section 14.1).
func (d *dialog) renew(now time.Time) {
	method := sip.UPDATE
	if !d.updates {
		method = sip.INVITE
		if a := d.accepted; !d.acked || a != nil && !a.acked {
			d.expiry.refresh = now.Add(d.s.opts.T1)
			return
		}
	}
	headers := [][2]string{
		{"Contact", d.near.contact()}, {"Allow", allowed}, {"Supported", supported},
		{"Session-Expires", inSeconds(d.expiry.interval) + ";refresher=uac"},
	}
	if d.leastSE > leastExpires {
		headers = append(headers, [2]string{"Min-SE", inSeconds(d.leastSE)})
	}
	req := d.request(method, headers...)
	if method == sip.INVITE {
		if d.talk.key.Suite() != 0 && !isSecure(strings.ToLower(req.Transport())) {
			d.log.Warn("a refresh is not sent: its way is not TLS, and it would show the key of the audio", "to", req.Destination())
			d.postpone(sip.StatusServiceUnavailable, 0, now)
			return
		}
		req.AppendHeader(sip.NewHeader("Content-Type", sdpType))
		req.SetBody(d.talk.sent)
	}
	d.renewal = d.begin(req)
}

// renewed takes the final response to our refresh; nil if none came (section 10).
func (d *dialog) renewed(res *sip.Response) {
	r := d.renewal
	d.renewal = nil
	if res != nil && res.IsSuccess() && r.req.IsInvite() {
		d.retarget(res)
		d.ack(r)
	}
	if d.phase != up {
		return
	}
	now := time.Now()
	switch {
	case errors.Is(r.err, errNotSent):
		d.postpone(sip.StatusServiceUnavailable, 0, now)
	case res == nil, res.StatusCode == sip.StatusRequestTimeout, res.StatusCode == sip.StatusCallTransactionDoesNotExists:
		d.log.Info("the far end no longer knows the call when it is refreshed; the call is ended")
		d.leave()
	case res.IsSuccess():
		d.prolong(r, res, now)
	case res.StatusCode == 422:
		d.leastSE = max(d.leastSE, seconds(firstHeader(res, "Min-SE")))
		if d.leastSE <= d.expiry.interval {
			d.postpone(res.StatusCode, 0, now)
			return
		}
		d.expiry.interval = d.leastSE
		d.renew(now)
	case res.StatusCode == sip.StatusRequestPending: // RFC 3261 section 14.1: the Call-ID is not ours
		d.expiry.refresh = now.Add(rand.N(2 * time.Second))
	case d.updates && !r.req.IsInvite() && (res.StatusCode == sip.StatusMethodNotAllowed || res.StatusCode == sip.StatusNotImplemented):
		d.updates = false
		d.renew(now)
	default:
		d.postpone(res.StatusCode, seconds(firstHeader(res, "Retry-After")), now)
	}
}

// prolong takes the 2xx to our refresh (section 7.2). Without Session-Expires the
// session expires no more.
func (d *dialog) prolong(r *renewal, res *sip.Response, now time.Time) {
	if r.req.IsInvite() {
		if !d.takeAnswer(r.req.Body(), descriptionOf(res)) {
			d.leave()
			return
		}
	} else {
		d.retarget(res)
	}
	theirs := expiresOf(res)
	interval := theirs.interval
	if interval != 0 {
		interval = max(interval, leastExpires)
	}
	d.expiry = expiry{interval: interval, ours: theirs.refresher != "uas"}.from(now)
	d.log.Debug("the session was refreshed", "session_expires", interval, "ours", d.expiry.ours)
}

// postpone tries again after what the far end says, or in the middle of the time that is
// left; at its very end no more.
func (d *dialog) postpone(status int, wait time.Duration, now time.Time) {
	d.log.Info("the session was not refreshed", "status", status)
	left := d.expiry.ends.Sub(now)
	if wait = max(wait, left/2); wait < d.s.opts.T1 {
		wait = left
	}
	d.expiry.refresh = now.Add(wait)
}
