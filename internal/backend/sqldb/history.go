package sqldb

import (
	"context"
	"database/sql"

	"star97/internal/pin"
)

// Remember makes every later Change, first use and Grant refuse a code that is, read
// either way, the current one or one of the latest n before it, each of which costs two
// hashes; n former codes are kept. 0, as it is at first, keeps none.
func (s *Store) Remember(n int) {
	s.refused.Store(int32(n))
	s.kept.Store(int32(n))
}

// mostKept is the longest history that rules can ask for.
const mostKept = 24

// Refuse is Remember for a process beside the service, whose rules may be others than the
// service's: as many former codes are kept as rules can ask for.
func (s *Store) Refuse(n int) {
	s.refused.Store(int32(n))
	s.kept.Store(mostKept)
}

// past reads the former codes of a mailbox that a new one must not be, the latest first.
func (s *Store) past(ctx context.Context, id string) (all []record, err error) {
	n := s.refused.Load()
	if n == 0 {
		return nil, nil
	}
	err = s.db.Read(ctx, func(db *sql.DB) error {
		rows, err := db.QueryContext(ctx, `
SELECT kid, salt, hash, memory, passes, threads FROM history WHERE mailbox_id = $1 ORDER BY n DESC LIMIT $2`, id, n)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var r record
			if err := rows.Scan(&r.kid, &r.salt, &r.hash, &r.cost.Memory, &r.cost.Passes, &r.cost.Threads); err != nil {
				return err
			}
			if r.valid() == nil { // a damaged one can be nobody's code any more
				all = append(all, r)
			}
		}
		return rows.Err()
	})
	return all, err
}

// used computes up to two hashes for each record and tells whether a code, or its
// reverse, is one of them. Once ctx has ended the answer means nothing.
func (p *pepper) used(ctx context.Context, past []record, id string, code, back *pin.PIN) bool {
	for i := range past {
		if ctx.Err() != nil || p.matches(&past[i], id, code) {
			return true
		}
		if ctx.Err() != nil || !back.Equal(code) && p.matches(&past[i], id, back) {
			return true
		}
	}
	return false
}

// reversed is a code read backwards.
func reversed(code *pin.PIN) (back pin.PIN) {
	code.Reveal(func(digits []byte) {
		for i := range digits {
			_ = back.Push(digits[len(digits)-1-i]) // what came out of one fits into another
		}
	})
	return back
}

// keep moves the code in force, if there is one, behind the former ones before it is
// replaced, and forgets those that are too many.
func (s *Store) keep(ctx context.Context, tx *sql.Tx, id string) error {
	n := s.kept.Load()
	if n > 0 {
		_, err := tx.ExecContext(ctx, `
INSERT INTO history (mailbox_id, n, kid, salt, hash, memory, passes, threads, set_at)
SELECT mailbox_id, coalesce((SELECT max(n) FROM history WHERE mailbox_id = $1), 0) + 1, kid, salt, hash, memory, passes, threads, set_at
FROM code WHERE mailbox_id = $1`, id)
		if err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, `
DELETE FROM history WHERE mailbox_id = $1
  AND n <= (SELECT max(n) FROM history WHERE mailbox_id = $1) - $2`, id, n)
	return err
}
