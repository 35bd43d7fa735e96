package uas

import (
	"bytes"
	"log/slog"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// admission refuses new calls while the service is behind, early and cheaply, so that
// calls in progress and those that are accepted keep their time: without it a service
// that gets more calls than it can begin answers each of them too late, and then works
// for callers who ask again or have gone.
//
// The measure is how long an INVITE waits between its arrival at the machine and the work
// on it. That is the queue of everything that this process has to do, whatever made it
// long. One that is late says little, as a machine may stop for a moment; so many in a row
// that none was in time, over a tenth of a second, have a queue before them that does not
// go away (RFC 8289 section 3 tells a good queue from a bad one so). Where a second passes
// between two of them, no queue holds them up: so a machine that is slow to wake for each of
// few calls takes them all.
//
// From then on an INVITE is refused that waited for a fraction of the time, or that comes
// while some are let in and not begun: at the gate where that can be, which costs least.
// That ends when none was refused for a second; and, as what is refused by the shorter time
// may be no sign of too many calls, on trial when none was late by the longer one for a
// while. Each trial that fails makes the next one come later.
type admission struct {
	most   time.Duration // that an INVITE may wait; 0: as long as it likes
	places int           // of those that are let in and not served, while behind
	log    *slog.Logger

	mu      sync.Mutex
	row     int           // late ones since the last that was in time
	since   time.Time     // the first of them
	late    time.Time     // the last of them
	last    time.Time     // one was refused
	waited  time.Duration // by the INVITE that was begun last
	begun   time.Time     // when
	unread  time.Duration // how long the message read last waited for its reader
	read    time.Time     // when it was read
	ahead   []time.Time   // when those were let in that are not served
	behind  bool
	trial   time.Duration // without a late one, until all are taken on trial
	ended   time.Time     // the last time of being behind
	refused int           // while behind
}

const (
	lateRow    = 20                     // INVITEs in a row, and
	lateFor    = 100 * time.Millisecond // so long, before the service is behind
	caughtUp   = time.Second            // without a refusal, until it is no more
	onTrial    = 4                      // a part of both is enough, if that was told a second ago
	firstTrial = 8 * time.Second        // the next ones come after twice the time each
	lastTrial  = 64 * time.Second
	shorter    = 5 // is the wait that is let in while it is behind, by this
	abreast    = 6 // places for each processor
	comeAgain  = "Retry-After: 2"
)

func newAdmission(most time.Duration, log *slog.Logger) *admission {
	places := abreast * runtime.GOMAXPROCS(0)
	return &admission{most: most, places: places, ahead: make([]time.Time, 0, places), log: log}
}

// begin takes note of an INVITE that is begun after it waited so long, and says whether
// it is to be refused.
func (a *admission) begin(waited time.Duration, now time.Time) bool {
	if a.most == 0 {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waited, a.begun = waited, now
	a.recover(now)
	if waited > a.most {
		a.count(waited, now)
	} else {
		a.row = 0
	}
	return a.behind && waited > a.limit() && a.refuse(now)
}

// count takes note of one that is late; the caller holds mu.
func (a *admission) count(waited time.Duration, now time.Time) {
	if a.row == 0 || now.Sub(a.late) >= caughtUp {
		a.row, a.since = 0, now
	}
	a.row++
	a.late = now
	row, lasts := lateRow, lateFor
	if now.Sub(a.ended) < caughtUp {
		row, lasts = row/onTrial, lasts/onTrial
	}
	if a.behind || a.row < row || now.Sub(a.since) < lasts {
		return
	}
	if now.Sub(a.ended) < a.trial {
		a.trial = min(2*a.trial, lastTrial)
	} else {
		a.trial = firstTrial
	}
	a.behind, a.refused, a.ahead = true, 0, a.ahead[:0]
	a.log.Warn("more calls come than this machine can begin: new ones are refused with 503 until it has caught up",
		"an INVITE waited", waited.Round(time.Millisecond), "at most", a.most)
}

// refuse counts one that is refused; the caller holds mu.
func (a *admission) refuse(now time.Time) bool {
	a.last = now
	a.refused++
	return true
}

// limit is how long an INVITE may wait. While the service is behind it is less: from the
// INVITE to the menu there are some steps, each of which waits for as long, and so does
// each key of a call in progress. The caller holds mu.
func (a *admission) limit() time.Duration {
	if a.behind {
		return a.most / shorter
	}
	return a.most
}

// recover ends the refusals; the caller holds mu.
func (a *admission) recover(now time.Time) {
	if a.behind && (now.Sub(a.last) >= caughtUp || now.Sub(a.late) >= a.trial) {
		a.behind, a.ended, a.row = false, now, 0
		a.log.Warn("this machine has caught up: all calls are taken again", "refused", a.refused)
	}
}

// queued takes note of how long a message waited for its reader.
func (a *admission) queued(waited time.Duration, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.unread, a.read = waited, now
}

// full says whether an INVITE that was just read is to be refused unseen. Where none was
// begun for longer than one may wait, no queue is behind the reader any more; and where no
// message was read for as long whose wait is known, which those of connections are not, none
// is before it.
func (a *admission) full(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.recover(now)
	if !a.behind {
		return false
	}
	// What was let in and never came out, as sipgo took it for a repetition, holds its place
	// no longer.
	for len(a.ahead) > 0 && now.Sub(a.ahead[0]) > a.most {
		a.ahead = slices.Delete(a.ahead, 0, 1)
	}
	late := func(waited time.Duration, at time.Time) bool { return waited > a.limit() && now.Sub(at) <= a.most }
	return (len(a.ahead) == a.places || late(a.unread, a.read) || late(a.waited, a.begun)) && a.refuse(now)
}

// let takes note of an INVITE that was let in. A reader that is given time at last finds many
// at once, each of which has waited little: so they count until they are served.
func (a *admission) let(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.behind && len(a.ahead) < a.places {
		a.ahead = append(a.ahead, now)
	}
}

// out gives back a place: one that was let in is served, be it with a refusal.
func (a *admission) out() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.ahead) > 0 {
		a.ahead = slices.Delete(a.ahead, 0, 1)
	}
}

// overfull says whether a request is a new call, and one too many. What is repeated of
// one that was let in has its answer, and so has what is repeated of one that was refused.
func (s *Server) overfull(r *rawRequest, now time.Time) bool {
	if r.method != "INVITE" || r.within() {
		return false
	}
	number, _, _ := strings.Cut(r.cseq, " ")
	cseq, _ := strconv.ParseUint(number, 10, 32) // 0 for one that is malformed, and unknown
	tag, _ := named(r.from, "tag")
	one := transaction{inviteID{callID: r.callID, remote: tag, cseq: uint32(cseq)}, r.branch()}
	if s.denials.has(one, now) {
		return true
	}
	if s.dialogs.seen(s.dialogs.keyOf(one.id)) {
		return false
	}
	if r.opens = !s.admission.full(now); !r.opens {
		s.denials.add(one, now)
	}
	return !r.opens
}

// tooBusy adds the remedy to an answer of the gate, before the empty line that ends it.
func tooBusy(reply []byte) []byte {
	return append(bytes.TrimSuffix(reply, []byte("\r\n")), comeAgain+"\r\n\r\n"...)
}

func behindhand() *refusal {
	return refuse(sip.StatusServiceUnavailable, "Service Unavailable", comeAgain).because("too many calls come at a time").as(refusedBehind)
}

// came is how a request came, carried by the request itself to the goroutine that
// serves it. Nothing that is sent is made of it, and no far end can write one: it is
// told by its type.
type came struct {
	sip.Header
	at       time.Time
	untagged bool // its To had no tag, and has ours
}

const cameName = "X-Came"

var cameHeader = sip.NewHeader(cameName, "")

// cameOf is how a request came; the zero value for one that says nothing of it.
func cameOf(req *sip.Request) came {
	for _, h := range req.Headers() {
		if c, ok := h.(came); ok {
			return c
		}
	}
	return came{}
}

// waited is how long ago an INVITE came.
func waited(req *sip.Request, now time.Time) time.Duration {
	if c := cameOf(req); !c.at.IsZero() {
		return now.Sub(c.at)
	}
	return 0
}
