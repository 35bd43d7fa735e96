package ledger

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"star97/internal/sqlkit"
)

// Cursor is the record up to which the follower of that name has done its work. One
// that comes for the first time begins behind the last record of now, and is kept there.
func (l *Ledger) Cursor(ctx context.Context, name string) (uint64, error) {
	seq, err := l.cursor(ctx, name)
	if !errors.Is(err, sql.ErrNoRows) {
		return seq, err
	}
	err = l.note(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO cursors (name, seq)
			SELECT $1, COALESCE(MAX(seq), 0) FROM audit_head WHERE true ON CONFLICT (name) DO NOTHING`, name)
		return err
	})
	if err != nil {
		return 0, err
	}
	return l.cursor(ctx, name)
}

func (l *Ledger) cursor(ctx context.Context, name string) (seq uint64, err error) {
	err = l.db.Read(ctx, func(db *sql.DB) error {
		return db.QueryRowContext(ctx, "SELECT seq FROM cursors WHERE name = $1", name).Scan(&seq)
	})
	return seq, err
}

// note is submit of what alters the row of a follower, which it does with the chain
// locked: whatever else the batch holds, rows come behind the chain.
func (l *Ledger) note(ctx context.Context, use func(context.Context, *sql.Tx) error) error {
	return l.submit(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := l.alone(ctx, tx); err != nil {
			return err
		}
		return use(ctx, tx)
	})
}

// Advance notes that the follower has done its work up to record seq. A cursor never
// goes back.
func (l *Ledger) Advance(ctx context.Context, name string, seq uint64) error {
	return l.note(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO cursors (name, seq) VALUES ($1, $2)
			ON CONFLICT (name) DO UPDATE SET seq = excluded.seq WHERE cursors.seq < excluded.seq`, name, int64(seq))
		return err
	})
}

// leadFor is how long a node leads after it was last heard of.
const leadFor = time.Minute

// Lead tells whether holder, a node's name, is the one that follows the chain under a
// name; it is from now on if nobody else was within a minute. Clocks of nodes that differ
// by more make two lead at a time. A file has one service, which leads.
func (l *Ledger) Lead(ctx context.Context, name, holder string) (bool, error) {
	if l.db.Dialect() == sqlkit.SQLite {
		return true, nil
	}
	now := l.now()
	var who string
	var until int64
	err := l.db.Read(ctx, func(db *sql.DB) error {
		return db.QueryRowContext(ctx, "SELECT holder, until FROM leaders WHERE name = $1", name).Scan(&who, &until)
	})
	left := time.UnixMicro(until).Sub(now)
	switch {
	case err != nil && !errors.Is(err, sql.ErrNoRows):
		return false, err
	case err == nil && who == holder && left > leadFor/2:
		return true, nil
	case err == nil && who != holder && left > 0:
		return false, nil
	}
	var mine int64
	err = l.note(ctx, func(ctx context.Context, tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, `INSERT INTO leaders (name, holder, until) VALUES ($1, $2, $3)
			ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
			WHERE leaders.holder = excluded.holder OR leaders.until <= $4`,
			name, holder, now.Add(leadFor).UnixMicro(), now.UnixMicro())
		if err == nil {
			mine, err = done.RowsAffected()
		}
		return err
	})
	return mine == 1 && err == nil, err
}
