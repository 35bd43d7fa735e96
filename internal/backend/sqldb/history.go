package sqldb

import (
	"context"
	"database/sql"

	"star97/internal/mailbox"
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

// past reads so many former codes of a mailbox, the latest first.
func (s *Store) past(ctx context.Context, id string, n int) (all []record, err error) {
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

// Recall computes up to one hash for each code and each that the mailbox has or had.
func (s *Store) Recall(ctx context.Context, a mailbox.Account, former int, codes ...pin.PIN) (had bool, err error) {
	const op = "recall"
	c, err := s.load(ctx, op, a.ID)
	if err != nil {
		return false, err
	}
	if mailbox.CodeOf(c.denied) == mailbox.NotFound {
		return false, c.denied
	}
	all, err := s.past(ctx, a.ID, former)
	if err != nil {
		return false, fail(op, err)
	}
	if !c.flags.NoCode {
		all = append(all, c.record)
	}
	keys := s.ring.current(ctx)
	err = s.pool.Do(ctx, op, func() {
		for i := range all {
			for j := range codes {
				if had = had || ctx.Err() == nil && keys.matches(&all[i], a.ID, &codes[j]); had {
					return
				}
			}
		}
	})
	if err == nil && ctx.Err() != nil {
		err = mailbox.Expired(ctx, op)
	}
	return had, err
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
