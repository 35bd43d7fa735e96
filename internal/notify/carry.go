package notify

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"star97/internal/mailbox"
	"star97/internal/pin"
)

const (
	couriers = 2  // one-time codes under way at a time
	maxCodes = 64 // that wait or are under way
	// longestWait suits mail servers that take a stranger's mail only when it comes again.
	longestWait = time.Minute
)

// courier holds the one-time codes that have not left yet, in memory alone.
type courier struct {
	mu      sync.Mutex
	waiting []*parcel
	carried int // under way
	closed  bool
	stirred chan struct{}
}

// parcel is a one-time code on its way.
type parcel struct {
	id    string
	to    mailbox.Account
	code  pin.PIN
	until time.Time
	due   time.Time
	wait  time.Duration
}

var (
	errNoWay   = errors.New("the mailbox has no address on file, or nothing is set up that carries one-time codes")
	errCrowd   = errors.New("too many one-time codes are on their way")
	errStopped = errors.New("star97 is stopping")
)

// Carry takes a one-time code to the owner of a: to the web service where it shall have
// them, else by mail to the address on file. It returns before the code has left; a code
// that has not left by until is forgotten. Errors: NotFound where there is no way, Busy,
// Unavailable.
func (n *Notifier) Carry(_ context.Context, a mailbox.Account, code pin.PIN, until time.Time) error {
	const op = "carry"
	if !n.carriesByHook() && (n.mail == nil || a.Mail == "") {
		return mailbox.Fail(op, mailbox.NotFound, errNoWay)
	}
	c := &n.codes
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return mailbox.Fail(op, mailbox.Unavailable, errStopped)
	case len(c.waiting)+c.carried >= maxCodes:
		return mailbox.Fail(op, mailbox.Busy, errCrowd)
	}
	c.waiting = append(c.waiting, &parcel{id: newID(), to: a, code: code, until: until, due: n.now(), wait: n.pace.wait})
	stir(c.stirred)
	return nil
}

func (n *Notifier) carriesByHook() bool { return n.hook != nil && n.opts.Webhook.OneTime }

// courier carries codes until ctx has ended, and then once what waits.
func (n *Notifier) courier(ctx, work context.Context) {
	for going := true; going; {
		next := n.carryDue(work, false)
		going = pause(next, n.codes.stirred, ctx.Done())
	}
	n.carryDue(work, true)
}

// carryDue carries what is due, or all that waits, and returns when something will be due.
func (n *Notifier) carryDue(work context.Context, all bool) time.Duration {
	for work.Err() == nil {
		p, next := n.codes.take(n.now(), all)
		if p == nil {
			return next
		}
		within, cancel := context.WithTimeout(work, deliverWithin)
		err := n.hand(within, p)
		cancel()
		n.codes.back(p, n.carried(p, err, all))
	}
	return n.pace.look
}

// carried logs what became of a parcel and tells whether it is to be carried again.
func (n *Notifier) carried(p *parcel, err error, last bool) (again bool) {
	log := n.log.With("one_time", p.id, "extension", p.to.Extension, "domain", p.to.Domain)
	var t *failure
	p.due = n.now().Add(p.wait)
	switch {
	case err == nil:
		log.Debug("one-time code delivered")
		return false
	case last, errors.As(err, &t) && t.final, !p.due.Before(p.until):
		log.Warn("a one-time code could not be delivered: its owner has to ask for another one", "error", err)
		return false
	}
	log.Info("a one-time code could not be delivered, it is tried again", "error", err)
	p.wait = min(2*p.wait, longestWait)
	return true
}

// hand delivers one parcel.
func (n *Notifier) hand(ctx context.Context, p *parcel) error {
	if n.carriesByHook() {
		return n.hook.carry(ctx, p.id, &p.to, &p.code, p.until)
	}
	t := n.textsFor(p.to.Language)
	var l letter
	p.code.Reveal(func(digits []byte) {
		l = t.Letters[oneTime].fill("{mailbox}", named(p.to.Extension, p.to.Domain), "{code}", string(digits),
			"{until}", t.until(p.until), "{contact}", n.contact(t))
	})
	return n.mail.send(ctx, p.to.Mail, p.id, l)
}

// take takes the parcel that has been due longest, or whichever with all; nil if none
// is, and then how long until one will be. Those whose time is over are forgotten.
func (c *courier) take(now time.Time, all bool) (*parcel, time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = slices.DeleteFunc(c.waiting, func(p *parcel) bool {
		if now.Before(p.until) {
			return false
		}
		p.code.Wipe()
		return true
	})
	if len(c.waiting) == 0 {
		return nil, longestWait
	}
	first := 0
	for i, p := range c.waiting {
		if p.due.Before(c.waiting[first].due) {
			first = i
		}
	}
	p := c.waiting[first]
	if wait := p.due.Sub(now); wait > 0 && !all {
		return nil, wait
	}
	c.waiting = slices.Delete(c.waiting, first, first+1)
	c.carried++
	if len(c.waiting) > 0 {
		stir(c.stirred) // another courier may take the next
	}
	return p, 0
}

// back ends the way of a parcel, or lets it wait again.
func (c *courier) back(p *parcel, again bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.carried--
	if again && !c.closed {
		c.waiting = append(c.waiting, p)
		return
	}
	p.code.Wipe()
}

// close forgets what waits and takes nothing more.
func (c *courier) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, p := range c.waiting {
		p.code.Wipe()
	}
	c.waiting = nil
}
