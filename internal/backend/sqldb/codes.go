package sqldb

import (
	"context"
	"database/sql"
	"errors"

	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/sqlkit"
)

// load reads the stored code of a mailbox. denied says why no code can be right
// there; then the decoy stands in, so that the work and the time are the same.
func (s *Store) load(ctx context.Context, op, id string) (r record, flags mailbox.Flags, denied, err error) {
	if id == "" {
		return s.decoy, flags, mailbox.Fail(op, mailbox.WrongPIN, nil), nil
	}
	if err := s.awaitDoubt(ctx, id); err != nil {
		return r, flags, nil, fail(op, err)
	}
	var kid sql.NullString
	err = s.db.Read(ctx, func(db *sql.DB) error {
		return db.QueryRowContext(ctx, `
SELECT m.disabled, m.cannot_change, c.kid, c.salt, c.hash,
       coalesce(c.memory, 0), coalesce(c.passes, 0), coalesce(c.threads, 0)
FROM mailbox m LEFT JOIN code c ON c.mailbox_id = m.id WHERE m.id = $1`, id).
			Scan(&flags.Disabled, &flags.CannotChange, &kid, &r.salt, &r.hash,
				&r.cost.Memory, &r.cost.Passes, &r.cost.Threads)
	})
	r.kid = kid.String
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return s.decoy, flags, mailbox.Fail(op, mailbox.NotFound, nil), nil
	case err != nil:
		return r, flags, nil, fail(op, err)
	case !kid.Valid:
		flags.NoCode = true
		return s.decoy, flags, mailbox.Fail(op, mailbox.NoCode, nil), nil
	}
	if err := r.valid(); err != nil {
		return r, flags, nil, fail(op, err)
	}
	if s.pepper.keys[r.kid] == nil {
		return r, flags, nil, fail(op, errors.New("the code was made with a pepper key that was not there at the start: restart star97"))
	}
	if flags.Disabled {
		denied = mailbox.Fail(op, mailbox.Disabled, nil)
	}
	return r, flags, denied, nil
}

// Verify computes one hash, whether the mailbox exists or not.
func (s *Store) Verify(ctx context.Context, a mailbox.Account, code pin.PIN, _ mailbox.Attempt) error {
	const op = "verify"
	r, _, denied, err := s.load(ctx, op, a.ID)
	if err != nil {
		return err
	}
	right := false
	if err := s.pool.Do(ctx, op, func() { right = s.pepper.matches(&r, a.ID, &code) }); err != nil {
		return err
	}
	switch {
	case denied != nil:
		return denied
	case !right:
		return mailbox.Fail(op, mailbox.WrongPIN, nil)
	}
	return nil
}

// errLost is the answer to the compare-and-set of a change that came second.
var errLost = errors.New("another change came first")

// Change verifies current, then replaces exactly the record that it was verified
// against: of two changes at the same time one finds its record gone and is
// refused with WrongPIN, since the code it knew is no longer in force. A journal
// that cannot be written refuses the change.
func (s *Store) Change(ctx context.Context, a mailbox.Account, current, next pin.PIN, at mailbox.Attempt) mailbox.Result {
	const op = "change"
	if next.Empty() {
		return mailbox.Refuse(mailbox.Fail(op, mailbox.TooShort, nil))
	}
	old, flags, denied, err := s.load(ctx, op, a.ID)
	if err != nil {
		return mailbox.Refuse(err)
	}
	right := false
	var fresh record
	err = s.pool.Do(ctx, op, func() {
		if right = s.pepper.matches(&old, a.ID, &current); right {
			fresh = s.pepper.seal(a.ID, &next, s.cost)
		}
	})
	switch {
	case err != nil:
		return mailbox.Refuse(err)
	case denied != nil:
		return mailbox.Refuse(denied)
	case !right:
		return mailbox.Refuse(mailbox.Fail(op, mailbox.WrongPIN, nil))
	case flags.CannotChange:
		return mailbox.Refuse(mailbox.Fail(op, mailbox.CannotChange, nil))
	}
	return result(op, s.noteDoubt(a.ID, s.db.Write(ctx, func(tx *sql.Tx) error {
		if err := replace(ctx, tx, a.ID, &old, &fresh); err != nil || s.journal == nil || at.Intent == "" {
			return err
		}
		return s.journal.EndIn(ctx, tx, at.Intent)
	})))
}

// replace is the change itself. The flags are asked for again: an administrator
// may have set one since, and then the code was not wrong. The mailbox comes before its
// code, as in every transaction, so that no two wait for each other.
func replace(ctx context.Context, tx *sql.Tx, id string, old, fresh *record) error {
	at := now()
	done, err := tx.ExecContext(ctx, `
UPDATE mailbox SET must_change = FALSE, updated_at = $1
WHERE id = $2 AND NOT disabled AND NOT cannot_change`, at, id)
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil {
		return err
	} else if n != 1 {
		return unmade(ctx, tx, id)
	}
	done, err = tx.ExecContext(ctx, `
UPDATE code SET kid = $1, salt = $2, hash = $3, memory = $4, passes = $5, threads = $6, set_at = $7
WHERE mailbox_id = $8 AND kid = $9 AND salt = $10 AND hash = $11`,
		fresh.kid, fresh.salt, fresh.hash, fresh.cost.Memory, fresh.cost.Passes, fresh.cost.Threads, at,
		id, old.kid, old.salt, old.hash)
	if err != nil {
		return err
	}
	return one(done, mailbox.Fail("change", mailbox.WrongPIN, errLost))
}

// unmade says why replace met no mailbox.
func unmade(ctx context.Context, tx *sql.Tx, id string) error {
	const op = "change"
	var disabled, cannotChange bool
	err := tx.QueryRowContext(ctx, "SELECT disabled, cannot_change FROM mailbox WHERE id = $1", id).Scan(&disabled, &cannotChange)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return mailbox.Fail(op, mailbox.NotFound, nil)
	case err != nil:
		return err
	case disabled:
		return mailbox.Fail(op, mailbox.Disabled, nil)
	case cannotChange:
		return mailbox.Fail(op, mailbox.CannotChange, nil)
	}
	return mailbox.Fail(op, mailbox.Unavailable, errLost) // it was there again a moment later
}

// Reset puts next in force whatever was there. by and reason are the audit
// trail's; this store keeps neither.
func (s *Store) Reset(ctx context.Context, a mailbox.Account, next pin.PIN, mustChange bool, _ mailbox.Actor, _ string) mailbox.Result {
	const op = "reset"
	if next.Empty() {
		return mailbox.Refuse(mailbox.Fail(op, mailbox.TooShort, nil))
	}
	var fresh record
	if err := s.pool.Do(ctx, op, func() { fresh = s.pepper.seal(a.ID, &next, s.cost) }); err != nil {
		return mailbox.Refuse(err)
	}
	return result(op, s.noteDoubt(a.ID, s.db.Write(ctx, func(tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, "UPDATE mailbox SET must_change = $1, updated_at = $2 WHERE id = $3", mustChange, now(), a.ID)
		if err != nil {
			return err
		}
		if err := one(done, mailbox.Fail(op, mailbox.NotFound, nil)); err != nil {
			return err
		}
		return put(ctx, tx, a.ID, &fresh)
	})))
}

// put stores a code where there may or may not be one.
func put(ctx context.Context, tx *sql.Tx, id string, r *record) error {
	_, err := tx.ExecContext(ctx, `
INSERT INTO code (mailbox_id, kid, salt, hash, memory, passes, threads, set_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (mailbox_id) DO UPDATE SET kid = excluded.kid, salt = excluded.salt, hash = excluded.hash,
    memory = excluded.memory, passes = excluded.passes, threads = excluded.threads, set_at = excluded.set_at`,
		id, r.kid, r.salt, r.hash, r.cost.Memory, r.cost.Passes, r.cost.Threads, now())
	return err
}

// result tells the three ends of a write apart: committed, not changed, and a
// commit that failed half way, of which only a look at the database can tell.
func result(op string, err error) mailbox.Result {
	switch {
	case err == nil:
		return mailbox.Proved()
	case errors.Is(err, sqlkit.ErrCommit):
		return mailbox.Doubt(fail(op, err))
	}
	return mailbox.Refuse(fail(op, err))
}
