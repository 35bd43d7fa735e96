// Package ledger keeps the counters of lockout, the chain of audit and how far its
// followers have come in an SQLite file (WAL, synchronous=FULL: what is answered is on
// the disk) or in a PostgreSQL database that several nodes share. Writes that arrive
// together share one commit. It decides nothing, and it may share its database with
// other rooms and with other processes.
//
// On PostgreSQL a transaction first locks the rows of its counters, in the order of
// their keys, then the chain, and only then the rows of followers: so no two wait for
// each other, and what one has read no other alters before it has ended.
package ledger

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"star97/internal/audit"
	"star97/internal/lockout"
	"star97/internal/sqlkit"
)

//go:embed migrations
var migrations embed.FS

var (
	_ lockout.Ledger = (*Ledger)(nil)
	_ audit.Sink     = (*Ledger)(nil)
)

// ErrClosed is the answer to a write after Close.
var ErrClosed = errors.New("the ledger is closed: star97 is stopping")

// Options bound the tables.
type Options struct {
	MaxSources int `yaml:"max_sources"` // counters of sources kept; the next to expire go first; 1000 to 1000000, default 100000
}

// DefaultOptions are the documented defaults.
func DefaultOptions() Options { return Options{MaxSources: 100_000} }

// Validate returns nil or one sentence.
func (o Options) Validate() error {
	if o.MaxSources < 1000 || o.MaxSources > 1_000_000 {
		return fmt.Errorf("max_sources is %d; use 1000 to 1000000", o.MaxSources)
	}
	return nil
}

const (
	queuedWrites  = 256              // writes waiting for the writer
	batchedWrites = 64               // writes in one commit
	WriteWithin   = 10 * time.Second // one commit, waiting for other processes included
	pruneEvery    = time.Minute      // at most, and only after a write
	prunedRows    = 1000             // at a time
)

// Ledger is open until Close. It is safe for concurrent use.
type Ledger struct {
	db   *sqlkit.DB
	opts Options
	now  func() time.Time

	writes  chan *write
	closing chan struct{}
	once    sync.Once
	done    chan struct{}

	pruned time.Time // the writer's own
}

// New brings the tables up to date and starts the writer. db stays the caller's
// and must outlive Close. A nil now is time.Now. Errors are sqlkit's sentences or
// that of Options.Validate.
func New(ctx context.Context, db *sqlkit.DB, opts Options, now func() time.Time) (*Ledger, error) {
	return start(ctx, db, opts, now, db.Migrate)
}

// Existing is New for who only reads: it leaves the tables as they are. Those of another
// version are an error, if it is an older one sqlkit.ErrOlder.
func Existing(ctx context.Context, db *sqlkit.DB, opts Options) (*Ledger, error) {
	return start(ctx, db, opts, nil, db.Migrated)
}

func start(ctx context.Context, db *sqlkit.DB, opts Options, now func() time.Time,
	tables func(ctx context.Context, room string, files fs.FS) error) (*Ledger, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	files, err := fs.Sub(migrations, "migrations/"+string(db.Dialect()))
	if err != nil {
		return nil, err
	}
	if err := tables(ctx, "ledger", files); err != nil {
		return nil, err
	}
	if now == nil {
		now = time.Now
	}
	l := &Ledger{
		db: db, opts: opts, now: now,
		writes:  make(chan *write, queuedWrites),
		closing: make(chan struct{}),
		done:    make(chan struct{}),
	}
	// The writer: started by New or Existing; stops after Close when the queue is empty; owns
	// the transactions and pruned.
	go l.writer()
	return l, nil
}

// Close finishes the writes that are queued and stops the writer.
func (l *Ledger) Close() error {
	l.once.Do(func() { close(l.closing) })
	<-l.done
	return nil
}

// write is one caller's part of a transaction. Either the writer takes it or the
// caller, tired of waiting, takes it back: never both.
type write struct {
	keys  []string // of the counters that it alters
	use   func(context.Context, *sql.Tx) error
	taken atomic.Bool
	err   chan error
}

// submit queues use, which alters the counters of keys, and waits for its commit. A caller whose ctx ends before the
// writer has begun gets the error of ctx and nothing is written; afterwards the
// answer is waited for, since it is then a matter of one commit.
func (l *Ledger) submit(ctx context.Context, use func(context.Context, *sql.Tx) error, keys ...string) error {
	w := &write{keys: keys, use: use, err: make(chan error, 1)}
	select {
	case <-l.closing:
		return ErrClosed
	default:
	}
	select {
	case l.writes <- w:
	case <-ctx.Done():
		return waited(ctx)
	case <-l.closing:
		return ErrClosed
	}
	select {
	case err := <-w.err:
		return err
	case <-ctx.Done():
		if w.taken.CompareAndSwap(false, true) {
			return waited(ctx)
		}
	case <-l.done:
		if w.taken.CompareAndSwap(false, true) {
			return ErrClosed
		}
	}
	return <-w.err
}

func waited(ctx context.Context) error {
	return fmt.Errorf("the ledger had no time to write: %w", context.Cause(ctx))
}

func (l *Ledger) writer() {
	defer close(l.done)
	batch := make([]*write, 0, batchedWrites)
	for {
		select {
		case w := <-l.writes:
			batch = append(batch[:0], w)
		case <-l.closing:
			// Only what is queued now: later writes are refused by submit.
			for batch = l.fill(batch[:0]); len(batch) > 0; batch = l.fill(batch[:0]) {
				l.commit(batch)
			}
			return
		}
		l.commit(l.fill(batch))
		l.prune()
	}
}

// fill adds what is waiting, without waiting.
func (l *Ledger) fill(batch []*write) []*write {
	for len(batch) < batchedWrites {
		select {
		case w := <-l.writes:
			batch = append(batch, w)
		default:
			return batch
		}
	}
	return batch
}

// commit writes a batch in one transaction. If one of several fails, all are
// rolled back and each is tried alone, so that no caller pays for another one's
// error. After an unclear commit none is tried again: it could count twice.
func (l *Ledger) commit(batch []*write) {
	mine := batch[:0]
	for _, w := range batch {
		if w.taken.CompareAndSwap(false, true) {
			mine = append(mine, w)
		}
	}
	if len(mine) == 0 {
		return
	}
	err := l.transact(mine)
	if err != nil && len(mine) > 1 && !errors.Is(err, sqlkit.ErrCommit) {
		for i := range mine {
			mine[i].err <- l.transact(mine[i : i+1])
		}
		return
	}
	for _, w := range mine {
		w.err <- err
	}
}

func (l *Ledger) transact(batch []*write) error {
	ctx, cancel := context.WithTimeout(context.Background(), WriteWithin)
	defer cancel()
	return l.db.Write(ctx, func(tx *sql.Tx) error {
		if err := l.lock(ctx, tx, batch); err != nil {
			return err
		}
		for _, w := range batch {
			if err := w.use(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
}
