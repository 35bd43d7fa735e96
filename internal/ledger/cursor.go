package ledger

import (
	"context"
	"database/sql"
	"errors"
)

// Cursor is the record up to which the follower of that name has done its work. One
// that comes for the first time begins behind the last record of now, and is kept there.
func (l *Ledger) Cursor(ctx context.Context, name string) (uint64, error) {
	seq, err := l.cursor(ctx, name)
	if !errors.Is(err, sql.ErrNoRows) {
		return seq, err
	}
	err = l.submit(ctx, func(ctx context.Context, tx *sql.Tx) error {
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

// Advance notes that the follower has done its work up to record seq. A cursor never
// goes back.
func (l *Ledger) Advance(ctx context.Context, name string, seq uint64) error {
	return l.submit(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO cursors (name, seq) VALUES ($1, $2)
			ON CONFLICT (name) DO UPDATE SET seq = excluded.seq WHERE cursors.seq < excluded.seq`, name, int64(seq))
		return err
	})
}
