package onetime

import (
	"context"
	"database/sql"
	"embed"
	"encoding/binary"
	"errors"
	"io/fs"
	"time"

	"star97/internal/sqlkit"
)

//go:embed migrations
var migrations embed.FS

func migrate(ctx context.Context, db *sqlkit.DB) error {
	files, err := fs.Sub(migrations, "migrations/"+string(db.Dialect()))
	if err != nil {
		return err
	}
	return db.Migrate(ctx, "onetime", files)
}

const (
	day = 24 * time.Hour
	// prunedRows are forgotten at a time.
	prunedRows = 100
	// afterwards bounds a write for a caller who may be gone.
	afterwards = 5 * time.Second
)

// none is what stands in a row without a code.
var none = []byte{}

// keep stores the mailbox's new code, unless it has had too many, and tells whether it
// did. Where none is wanted the work is the same.
func (d *Desk) keep(ctx context.Context, o owner, fresh *record, until time.Time, wanted bool) (kept bool, err error) {
	err = d.db.Write(ctx, func(tx *sql.Tx) error {
		now := d.now()
		// The row is made if need be, and locked.
		var times []byte
		err := tx.QueryRowContext(ctx, `INSERT INTO one_time (owner, salt, hash, memory, passes, until, tried, sent, voided, forget)
			VALUES ($1, $2, $2, 0, 0, 0, 0, $2, 0, $3)
			ON CONFLICT (owner) DO UPDATE SET forget = CASE WHEN one_time.forget < excluded.forget THEN excluded.forget ELSE one_time.forget END
			RETURNING sent`, o[:], none, until.UnixMilli()).Scan(&times)
		if err != nil {
			return err
		}
		if times = since(times, now.Add(-day)); wanted && len(times)/8 < d.opts.PerDay {
			kept = true
			times = binary.BigEndian.AppendUint64(times, uint64(now.UnixMilli()))
			_, err = tx.ExecContext(ctx, `UPDATE one_time SET salt = $2, hash = $3, memory = $4, passes = $5, until = $6, tried = 0,
				sent = $7, forget = $8 WHERE owner = $1`, o[:], fresh.salt, fresh.hash, fresh.cost.memory, fresh.cost.passes,
				until.UnixMilli(), times, now.Add(day).UnixMilli())
		} else {
			kept = false
			_, err = tx.ExecContext(ctx, "UPDATE one_time SET sent = $2 WHERE owner = $1", o[:], times)
		}
		if err != nil {
			return err
		}
		return d.prune(ctx, tx, now)
	})
	return kept && err == nil, err
}

// since drops the times before t.
func since(times []byte, t time.Time) []byte {
	for len(times) >= 8 && int64(binary.BigEndian.Uint64(times)) <= t.UnixMilli() {
		times = times[8:]
	}
	return append([]byte{}, times[:len(times)/8*8]...)
}

// prune forgets rows that tell nothing any more, but those which another node holds.
func (d *Desk) prune(ctx context.Context, tx *sql.Tx, now time.Time) error {
	unlocked := ""
	if d.db.Dialect() == sqlkit.PostgreSQL {
		unlocked = " FOR UPDATE SKIP LOCKED"
	}
	// Materialized: a query that skips locked rows finds others each time it is run.
	_, err := tx.ExecContext(ctx, `WITH old AS MATERIALIZED
		(SELECT owner FROM one_time WHERE forget <= $1 ORDER BY forget LIMIT $2`+unlocked+`)
		DELETE FROM one_time WHERE owner IN (SELECT owner FROM old)`, now.UnixMilli(), prunedRows)
	return err
}

// count counts one try and returns what it is to be held against: the mailbox's code if
// that is good for this try, or else the decoy.
func (d *Desk) count(ctx context.Context, o owner) (r record, good bool, err error) {
	err = d.db.Write(ctx, func(tx *sql.Tx) error {
		now := d.now()
		var until int64
		var tried int
		err := tx.QueryRowContext(ctx, `INSERT INTO one_time (owner, salt, hash, memory, passes, until, tried, sent, voided, forget)
			VALUES ($1, $2, $2, 0, 0, 0, 1, $2, 0, $3)
			ON CONFLICT (owner) DO UPDATE SET tried = one_time.tried + 1
			RETURNING salt, hash, memory, passes, until, tried`, o[:], none, now.Add(d.opts.Life).UnixMilli()).
			Scan(&r.salt, &r.hash, &r.cost.memory, &r.cost.passes, &until, &tried)
		good = err == nil && r.whole() && now.UnixMilli() < until && tried <= d.opts.Tries
		return err
	})
	if !good {
		r = d.decoy
	}
	return r, good && err == nil, err
}

// giveBack takes back a try that was counted and not looked at.
func (d *Desk) giveBack(ctx context.Context, o owner, r *record) error {
	return d.after(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE one_time SET tried = tried - 1 WHERE owner = $1 AND salt = $2 AND tried > 0", o[:], r.salt)
		return err
	})
}

// use makes the code r worth nothing and tells whether it was still worth something, and
// how often all was voided before.
func (d *Desk) use(ctx context.Context, o owner, r *record) (voided int64, first bool, err error) {
	err = d.db.Write(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, "UPDATE one_time SET salt = $3, hash = $3 WHERE owner = $1 AND salt = $2 RETURNING voided",
			o[:], r.salt, none).Scan(&voided)
		if first = err == nil; errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return voided, first && err == nil, err
}

// voided tells how often all of a mailbox was voided.
func (d *Desk) voided(ctx context.Context, o owner) (times int64, err error) {
	err = d.db.Read(ctx, func(db *sql.DB) error {
		return db.QueryRowContext(ctx, "SELECT voided FROM one_time WHERE owner = $1", o[:]).Scan(&times)
	})
	return times, err
}

// withdraw makes the code r as if it had never been, but for the one before it, which is
// gone.
func (d *Desk) withdraw(ctx context.Context, o owner, r *record) error {
	return d.after(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var times []byte
		err := tx.QueryRowContext(ctx, "UPDATE one_time SET salt = $3, hash = $3 WHERE owner = $1 AND salt = $2 RETURNING sent",
			o[:], r.salt, none).Scan(&times)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return nil // a newer one has taken its place
		case err != nil:
			return err
		}
		_, err = tx.ExecContext(ctx, "UPDATE one_time SET sent = $2 WHERE owner = $1", o[:], times[:max(len(times)-8, 0)])
		return err
	})
}

// void makes the mailbox's code worth nothing, whichever it is, and what calls have
// proved by one.
func (d *Desk) void(ctx context.Context, o owner) error {
	return d.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO one_time (owner, salt, hash, memory, passes, until, tried, sent, voided, forget)
			VALUES ($1, $2, $2, 0, 0, 0, 0, $2, 1, $3)
			ON CONFLICT (owner) DO UPDATE SET salt = excluded.salt, hash = excluded.hash, voided = one_time.voided + 1`,
			o[:], none, d.now().Add(day).UnixMilli())
		return err
	})
}

// after writes what follows from something that has happened, also when ctx is over.
func (d *Desk) after(ctx context.Context, use func(context.Context, *sql.Tx) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterwards)
	defer cancel()
	return d.db.Write(ctx, func(tx *sql.Tx) error { return use(ctx, tx) })
}
