// Package syslog sends each record of the audit trail to a collector as a syslog message
// (RFC 5424) over TLS (RFC 5425), or, to this machine or where it is allowed, over TCP
// (RFC 6587) or UDP (RFC 5426). It follows the trail behind the calls and holds none of
// them up: while a collector is away, records wait in the trail. Each is sent at least
// once. Syslog has no acknowledgement: a record counts as sent when the connection is still
// there a moment later, and with UDP at once. It writes and alters no record.
package syslog

import (
	"context"
	"iter"
	"log/slog"
	"time"

	"star97/internal/audit"
)

// Trail is what is followed.
type Trail interface {
	// Lead tells whether holder is the one that follows under this name.
	Lead(ctx context.Context, name, holder string) (bool, error)
	// Cursor is the record up to which a follower has come.
	Cursor(ctx context.Context, name string) (uint64, error)
	// Records is the chain behind a record.
	Records(ctx context.Context, after uint64) iter.Seq2[audit.Record, error]
	// Advance notes how far a follower has come.
	Advance(ctx context.Context, name string, seq uint64) error
}

const (
	cursorName = "syslog"
	// burst is how many records are sent before it is looked whether they arrived.
	burst = 2000
	// arrives is how long a connection must hold after the last record.
	arrives = time.Second
	// look is the time between two looks for new records.
	look = time.Second
	// The pause after trouble doubles from pauseFirst to pauseMax.
	pauseFirst = time.Second
	pauseMax   = time.Minute
	// lastWords is how long the end may take.
	lastWords = 5 * time.Second
)

// Follower sends. Make one with New and run it once.
type Follower struct {
	trail  Trail
	node   string
	to     collector
	write  writer
	log    *slog.Logger
	failed bool // it was told that the collector takes nothing
}

// New opens nothing. node is this process's name among those that share the trail: one of
// them sends. version is star97's. The error is that of Options.Validate.
func New(trail Trail, o Options, node, version string, log *slog.Logger) (*Follower, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	return &Follower{trail: trail, node: node, to: collector{o: o}, write: newWriter(o, version), log: log}, nil
}

// Run sends what is there and what comes, until ctx is over and the last records are sent
// or five seconds have passed. Trouble is logged when it begins and when it ends.
func (f *Follower) Run(ctx context.Context) {
	work, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	// Ends the work: started by the end of ctx, stops when lastWords are over, owns nothing.
	defer context.AfterFunc(ctx, func() { time.AfterFunc(lastWords, end) })()
	defer f.to.drop()
	for pause := pauseFirst; ctx.Err() == nil; {
		wait := look
		if err := f.catchUp(work); err != nil {
			f.trouble(err)
			wait, pause = pause, min(2*pause, pauseMax)
		} else {
			pause = pauseFirst
		}
		sleep(ctx, wait)
	}
	if err := f.catchUp(work); err != nil {
		f.trouble(err)
	}
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func (f *Follower) trouble(err error) {
	f.to.drop()
	if !f.failed {
		f.log.Warn("audit records wait for syslog", "error", err)
	}
	f.failed = true
}

// catchUp sends everything behind the cursor.
func (f *Follower) catchUp(ctx context.Context) error {
	if mine, err := f.trail.Lead(ctx, cursorName, f.node); err != nil || !mine {
		return err
	}
	after, err := f.trail.Cursor(ctx, cursorName)
	for more := true; more && err == nil; {
		var last uint64
		if last, more, err = f.burst(ctx, after); last > after && err == nil {
			err = f.trail.Advance(ctx, cursorName, last)
			after = last
		}
	}
	return err
}

// burst sends some records behind after, sees them arrive, and tells whether there may
// be more.
func (f *Follower) burst(ctx context.Context, after uint64) (last uint64, more bool, err error) {
	n := 0
	for r, err := range f.trail.Records(ctx, after) {
		if err != nil {
			return 0, false, err
		}
		if n == 0 {
			if err := f.fresh(ctx); err != nil {
				return 0, false, err
			}
		}
		if err := f.send(r); err != nil {
			return 0, false, err
		}
		if last, n = r.Seq, n+1; n == burst {
			break
		}
	}
	if n == 0 {
		return after, false, nil
	}
	if err := f.to.open(arrives); err != nil {
		return 0, false, err
	}
	if f.failed {
		f.log.Info("audit records go to syslog again")
	}
	f.failed = false
	return last, n == burst, nil
}

// fresh makes sure of a connection that nobody closed while it was idle.
func (f *Follower) fresh(ctx context.Context) error {
	if f.to.conn != nil && f.to.open(time.Millisecond) != nil {
		f.to.drop()
	}
	return f.to.ready(ctx)
}

func (f *Follower) send(r audit.Record) error {
	message, err := f.write.message(r)
	if err != nil {
		return err
	}
	return f.to.send(message)
}
