package ledger

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"star97/internal/lockout"
	"star97/internal/sqlkit"
)

// Update implements lockout.Ledger: load, decide, keep, in one transaction that
// no other writer of these counters comes into.
func (l *Ledger) Update(ctx context.Context, keys []string, decide func([]lockout.Counter) bool) error {
	return l.submit(ctx, func(ctx context.Context, tx *sql.Tx) error {
		now := make([]lockout.Counter, len(keys))
		for i, key := range keys {
			if err := l.load(ctx, tx, key, &now[i]); err != nil {
				return err
			}
		}
		before := slices.Clone(now)
		for i := range before {
			before[i].Recent = slices.Clone(now[i].Recent)
		}
		if !decide(now) {
			return nil
		}
		for i, key := range keys {
			if same(&before[i], &now[i]) {
				continue
			}
			if err := l.keep(ctx, tx, key, &now[i]); err != nil {
				return err
			}
		}
		return nil
	}, keys...)
}

// lock makes every other node wait that wants one of the counters of a batch. A counter
// that was never kept gets a row to lock, which expires at once. In a file a
// transaction is alone anyway.
func (l *Ledger) lock(ctx context.Context, tx *sql.Tx, batch []*write) error {
	if l.db.Dialect() == sqlkit.SQLite {
		return nil
	}
	keys := map[string]bool{}
	for _, w := range batch {
		for _, key := range w.keys {
			keys[key] = true
		}
	}
	var rows [][]byte
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		rows = append(rows, []byte(key))
	}
	if len(rows) == 0 {
		return nil
	}
	// An update locks a row that is there, also one that was made a moment ago.
	_, err := tx.ExecContext(ctx, `INSERT INTO counters (key, tries, cleared, recent, expires)
		SELECT key, 0, 0, '', 0 FROM unnest($1::bytea[]) AS key ORDER BY key
		ON CONFLICT (key) DO UPDATE SET tries = counters.tries`, rows)
	return err
}

// key is a counter's as its column has it.
func (l *Ledger) key(key string) any {
	if l.db.Dialect() == sqlkit.PostgreSQL {
		return []byte(key)
	}
	return key
}

func (l *Ledger) load(ctx context.Context, tx *sql.Tx, key string, c *lockout.Counter) error {
	var tries, cleared int64
	var last, expires sql.NullInt64
	var recent []byte
	err := tx.QueryRowContext(ctx, "SELECT tries, cleared, last, recent, expires FROM counters WHERE key = $1", l.key(key)).
		Scan(&tries, &cleared, &last, &recent, &expires)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return err
	case expires.Valid && expires.Int64 == 0:
		return nil // only there to be locked
	case len(recent)%8 != 0 || cleared < 0 || tries < cleared:
		return fmt.Errorf("the counter %q in the ledger makes no sense: restore the database from a backup", key)
	}
	*c = lockout.Counter{Tries: uint64(tries), Cleared: uint64(cleared), Last: timeOf(last), Expires: timeOf(expires)}
	for ; len(recent) > 0; recent = recent[8:] {
		c.Recent = append(c.Recent, int64(binary.BigEndian.Uint64(recent)))
	}
	return nil
}

func (l *Ledger) keep(ctx context.Context, tx *sql.Tx, key string, c *lockout.Counter) error {
	recent := make([]byte, 0, 8*len(c.Recent))
	for _, ms := range c.Recent {
		recent = binary.BigEndian.AppendUint64(recent, uint64(ms))
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO counters (key, tries, cleared, last, recent, expires) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (key) DO UPDATE SET tries = excluded.tries, cleared = excluded.cleared, last = excluded.last,
		recent = excluded.recent, expires = excluded.expires`,
		l.key(key), int64(c.Tries), int64(c.Cleared), microsOf(c.Last), recent, microsOf(c.Expires))
	return err
}

func same(a, b *lockout.Counter) bool {
	return a.Tries == b.Tries && a.Cleared == b.Cleared && a.Last.Equal(b.Last) && a.Expires.Equal(b.Expires) &&
		slices.Equal(a.Recent, b.Recent)
}

func timeOf(micros sql.NullInt64) time.Time {
	if !micros.Valid {
		return time.Time{}
	}
	return time.UnixMicro(micros.Int64)
}

func microsOf(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixMicro(), Valid: !t.IsZero()}
}

// prune forgets expired counters and, of those that will expire, the first ones
// beyond MaxSources. Counters of mailboxes with wrong codes never expire; there
// are at most three for each mailbox. Trouble here comes back at the next write.
func (l *Ledger) prune() {
	now := l.now()
	if now.Sub(l.pruned).Abs() < pruneEvery {
		return
	}
	l.pruned = now
	ctx, cancel := context.WithTimeout(context.Background(), WriteWithin)
	defer cancel()
	_ = l.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, l.forget("expires <= $2"), prunedRows, now.UnixMicro())
		if err != nil {
			return err
		}
		var expiring int
		err = tx.QueryRowContext(ctx, "SELECT count(*) FROM counters WHERE expires IS NOT NULL").Scan(&expiring)
		if err != nil || expiring <= l.opts.MaxSources {
			return err
		}
		_, err = tx.ExecContext(ctx, l.forget("expires IS NOT NULL"), expiring-l.opts.MaxSources)
		return err
	})
}

// forget deletes the first $1 counters of a condition, but those that another node holds.
// They are chosen once: a subquery that leaves rows out chooses others each time that
// PostgreSQL runs it.
func (l *Ledger) forget(condition string) string {
	unlocked := ""
	if l.db.Dialect() == sqlkit.PostgreSQL {
		unlocked = " FOR UPDATE SKIP LOCKED"
	}
	return "WITH old AS MATERIALIZED (SELECT key FROM counters WHERE " + condition + " ORDER BY expires LIMIT $1" + unlocked + `)
		DELETE FROM counters WHERE key IN (SELECT key FROM old)`
}
