// Package notify tells the owners of mailboxes what happened to them, by mail (RFC 5321)
// and by a web service: a change of the code, one that was left unknown, a reset, a lock.
// It follows the chain of the audit trail behind a cursor of its own and keeps what it
// has to tell in an outbox, both in one transaction: no crash loses a notice, and no
// call waits for one. Each is delivered at least once, with an id that is the same on
// every node and at every try; of several nodes one delivers it. What cannot be delivered
// is tried again, ever more seldom, and given up in the end, which the log tells.
//
// It also carries one-time codes, from memory alone: they are in no table, and one that
// has not left when its time is over is forgotten. No notice holds a code.
package notify

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"sync"
	"time"

	"star97/internal/audit"
	"star97/internal/mailbox"
	"star97/internal/sqlkit"
)

//go:embed migrations
var migrations embed.FS

// Chain is the audit trail.
type Chain interface {
	// Records is the chain behind record after, in its order.
	Records(ctx context.Context, after uint64) iter.Seq2[audit.Record, error]
	Head(ctx context.Context) (audit.Head, error)
}

// Finder finds mailboxes, and with them their owners' addresses.
type Finder interface {
	Lookup(ctx context.Context, q mailbox.Query) ([]mailbox.Account, error)
}

// pace is how often things are done.
type pace struct {
	gap  time.Duration // between two looks at the chain, however often it is woken: each costs a commit
	look time.Duration // at the chain and the outbox, unasked: other nodes and administrators' commands write to them too
	rest time.Duration // the first one of a notice, and of a server, that failed; up to longestRest
	wait time.Duration // the first one of a one-time code that was not delivered; up to longestWait
	end  time.Duration // in which things are still delivered when Run shall end
}

var usual = pace{gap: time.Second, look: 5 * time.Second, rest: 30 * time.Second, wait: 5 * time.Second, end: 5 * time.Second}

// Notifier is made by New and works while Run runs. It is safe for concurrent use.
type Notifier struct {
	db    *sqlkit.DB
	chain Chain
	boxes Finder
	opts  Options
	log   *slog.Logger
	now   func() time.Time
	texts map[string]texts

	channels []*channel
	mail     *mailer // nil: none
	hook     *hook   // nil: none
	codes    courier
	wake     chan struct{}
	pace     pace
}

// New brings the tables in db up to date, which must be the chain's own; what happened
// before the first New is not told. A nil now is time.Now. It opens no connection. Errors
// are sentences with place and remedy.
func New(ctx context.Context, db *sqlkit.DB, chain Chain, boxes Finder, o Options, log *slog.Logger, now func() time.Time) (*Notifier, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if now == nil {
		now = time.Now
	}
	n := &Notifier{db: db, chain: chain, boxes: boxes, opts: o, log: log, now: now, wake: make(chan struct{}, 1), pace: usual}
	n.codes.stirred = make(chan struct{}, 1)
	var err error
	if n.texts, err = readTexts(); err != nil {
		return nil, err
	}
	if err := n.openChannels(); err != nil {
		return nil, err
	}
	files, err := fs.Sub(migrations, "migrations/"+string(db.Dialect()))
	if err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx, "notify", files); err != nil {
		return nil, err
	}
	return n, n.begin(ctx)
}

func (n *Notifier) openChannels() (err error) {
	if n.opts.Mail.on() {
		n.mail = &mailer{n.opts.Mail}
		n.channels = append(n.channels, newChannel(byMail, n.tellByMail))
		if n.opts.Digest != "" {
			n.channels = append(n.channels, newChannel(byDigest, nil))
		}
	}
	if n.opts.Webhook.on() {
		if n.hook, err = openHook(n.opts.Webhook); err != nil {
			return fmt.Errorf("notify.webhook: %w", err)
		}
		n.channels = append(n.channels, newChannel(byWebhook, n.tellByHook))
	}
	return nil
}

// Wake has the chain looked at within a second. It never blocks.
func (n *Notifier) Wake() { stir(n.wake) }

// stir sends a signal where none is waiting yet.
func stir(signal chan struct{}) {
	select {
	case signal <- struct{}{}:
	default:
	}
}

// Run follows and delivers until ctx ends; then it makes the notices of what has happened
// so far, tries once what is due, and returns, after a few seconds at most. What is left
// then, the next Run delivers; one-time codes are lost.
func (n *Notifier) Run(ctx context.Context) {
	// Delivery goes on when ctx has ended, for a bounded time.
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	// The bound: started when ctx ends; stops at once; owns nothing.
	ending := context.AfterFunc(ctx, func() { time.AfterFunc(n.pace.end, stop) })
	defer ending()
	followed := make(chan struct{})
	var all sync.WaitGroup
	// The follower: started by Run; stops when ctx has ended and the chain was followed to
	// its end; owns the cursor, as far as no other node does.
	all.Go(func() {
		defer close(followed)
		n.follow(ctx, work)
	})
	for _, c := range n.channels {
		// One for each channel: started by Run; stops after the follower; owns the rows that
		// it has claimed.
		all.Go(func() { n.deliver(work, c, followed) })
	}
	for range couriers {
		// A courier: started by Run; stops when ctx has ended and what waits was tried once;
		// owns the one code that it carries.
		all.Go(func() { n.courier(ctx, work) })
	}
	all.Wait()
	n.codes.close()
	if n.hook != nil {
		_ = n.hook.client.Close() // idle connections: nothing to be told
	}
}

// pause waits for d or one of the signals, and tells whether end was not among them.
func pause(d time.Duration, signal, end <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-signal:
	case <-end:
		return false
	}
	return true
}
