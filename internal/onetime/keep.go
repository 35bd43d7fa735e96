package onetime

import (
	"context"
	"database/sql"
	"embed"
	"encoding/binary"
	"errors"
	"io/fs"
	"time"

	"star97/internal/mailbox"
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

// newRow makes a mailbox's row, $1 being its owner, $2 none, $3 when to forget it and $4
// how often it was voided.
const newRow = `INSERT INTO one_time (owner, salt, hash, memory, passes, until, tried_own, tried_any, sent_own, sent_any, voided, forget)
	VALUES ($1, $2, $2, 0, 0, 0, 0, 0, $2, $2, $4, $3) `

// kept is what became of a new code.
type kept uint8

const (
	notKept  kept = iota // the mailbox has had too many, or none is wanted
	isKept               // it takes the place of the one before
	standing             // the one before is good for a while
)

// keep stores the mailbox's new code, unless the one before is good still or it has had
// too many. Where none is wanted the work is the same.
func (d *Desk) keep(ctx context.Context, o owner, door mailbox.Door, fresh *record, until time.Time, wanted bool) (became kept, err error) {
	err = d.db.Write(ctx, func(tx *sql.Tx) error {
		now := d.now()
		// The row is made if need be, and locked.
		var own, others, salt []byte
		var end int64
		var tried int
		err := tx.QueryRowContext(ctx, newRow+`ON CONFLICT (owner) DO UPDATE
			SET forget = CASE WHEN one_time.forget < excluded.forget THEN excluded.forget ELSE one_time.forget END
			RETURNING sent_own, sent_any, salt, until, tried_`+at(door), o[:], none, until.UnixMilli(), 0).Scan(&own, &others, &salt, &end, &tried)
		if err != nil {
			return err
		}
		own, others = since(own, now.Add(-day)), since(others, now.Add(-day))
		good := len(salt) > 0 && tried < d.opts.Tries && now.Add(enough).UnixMilli() < end
		became = notKept
		switch {
		case wanted && good:
			became = standing
		case wanted && d.opts.allow(door, len(own)/8, len(others)/8):
			became = isKept
		}
		if became == isKept {
			sent := &others
			if door == mailbox.OwnDoor {
				sent = &own
			}
			*sent = binary.BigEndian.AppendUint64(*sent, uint64(now.UnixMilli()))
			_, err = tx.ExecContext(ctx, `UPDATE one_time SET salt = $2, hash = $3, memory = $4, passes = $5, until = $6,
				tried_own = 0, tried_any = 0, sent_own = $7, sent_any = $8, forget = $9 WHERE owner = $1`,
				o[:], fresh.salt, fresh.hash, fresh.cost.memory, fresh.cost.passes, until.UnixMilli(), own, others, now.Add(day).UnixMilli())
		} else {
			_, err = tx.ExecContext(ctx, "UPDATE one_time SET sent_own = $2, sent_any = $3 WHERE owner = $1", o[:], own, others)
		}
		if err != nil {
			return err
		}
		return d.prune(ctx, tx, now)
	})
	return became, err
}

// enough is how long a code has to be good still so that no new one is sent: somebody
// may have hung up to read the mail, and calls again.
const enough = 2 * time.Minute

// at names the columns of a door. What is not the own door is the any door.
func at(door mailbox.Door) string {
	if door == mailbox.OwnDoor {
		return "own"
	}
	return "any"
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

// count counts one try at a door and returns what it is to be held against: the mailbox's
// code if that is good for this try, or else the decoy.
func (d *Desk) count(ctx context.Context, o owner, door mailbox.Door) (r record, good bool, err error) {
	at := at(door)
	err = d.db.Write(ctx, func(tx *sql.Tx) error {
		now := d.now()
		var until int64
		var tried int
		// A row that is new has no code to try.
		err := tx.QueryRowContext(ctx, newRow+"ON CONFLICT (owner) DO UPDATE SET tried_"+at+" = one_time.tried_"+at+` + 1
			RETURNING salt, hash, memory, passes, until, tried_`+at, o[:], none, now.Add(d.opts.Life).UnixMilli(), 0).
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
func (d *Desk) giveBack(ctx context.Context, o owner, door mailbox.Door, r *record) error {
	at := at(door)
	return d.after(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE one_time SET tried_"+at+" = tried_"+at+" - 1 WHERE owner = $1 AND salt = $2 AND tried_"+at+" > 0",
			o[:], r.salt)
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
func (d *Desk) withdraw(ctx context.Context, o owner, door mailbox.Door, r *record) error {
	at := at(door)
	return d.after(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var times []byte
		err := tx.QueryRowContext(ctx, "UPDATE one_time SET salt = $3, hash = $3 WHERE owner = $1 AND salt = $2 RETURNING sent_"+at,
			o[:], r.salt, none).Scan(&times)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return nil // a newer one has taken its place
		case err != nil:
			return err
		}
		_, err = tx.ExecContext(ctx, "UPDATE one_time SET sent_"+at+" = $2 WHERE owner = $1", o[:], times[:max(len(times)-8, 0)])
		return err
	})
}

// void makes the mailbox's code worth nothing, whichever it is, and what calls have
// proved by one.
func (d *Desk) void(ctx context.Context, o owner) error {
	return d.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, newRow+`ON CONFLICT (owner) DO UPDATE
			SET salt = excluded.salt, hash = excluded.hash, voided = one_time.voided + 1`,
			o[:], none, d.now().Add(day).UnixMilli(), 1)
		return err
	})
}

// after writes what follows from something that has happened, also when ctx is over.
func (d *Desk) after(ctx context.Context, use func(context.Context, *sql.Tx) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterwards)
	defer cancel()
	return d.db.Write(ctx, func(tx *sql.Tx) error { return use(ctx, tx) })
}
