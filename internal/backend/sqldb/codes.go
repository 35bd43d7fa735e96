package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"star97/internal/hashpool"
	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/sqlkit"
)

// stored is what the database holds of a mailbox's code. Without one that can be right,
// the decoy stands in the record, so that the work and the time are the same.
type stored struct {
	record
	flags  mailbox.Flags
	set    time.Time
	denied error // why no code can be right
}

// load reads the stored code of a mailbox.
func (s *Store) load(ctx context.Context, op, id string) (stored, error) {
	c := stored{record: s.decoy}
	if id == "" {
		c.denied = mailbox.Fail(op, mailbox.WrongPIN, nil)
		return c, nil
	}
	if err := s.awaitDoubt(ctx, id); err != nil {
		return c, fail(op, err)
	}
	var r record
	var kid sql.NullString
	var set int64
	err := s.db.Read(ctx, func(db *sql.DB) error {
		return db.QueryRowContext(ctx, `
SELECT m.disabled, m.locked, m.must_change, m.cannot_change, c.kid, c.salt, c.hash,
       coalesce(c.memory, 0), coalesce(c.passes, 0), coalesce(c.threads, 0), coalesce(c.set_at, 0)
FROM mailbox m LEFT JOIN code c ON c.mailbox_id = m.id WHERE m.id = $1`, id).
			Scan(&c.flags.Disabled, &c.flags.Locked, &c.flags.MustChange, &c.flags.CannotChange, &kid, &r.salt, &r.hash,
				&r.cost.Memory, &r.cost.Passes, &r.cost.Threads, &set)
	})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		c.denied = mailbox.Fail(op, mailbox.NotFound, nil)
		return c, nil
	case err != nil:
		return c, fail(op, err)
	}
	c.flags.NoCode = !kid.Valid
	c.denied = deniedBy(op, c.flags)
	if c.flags.NoCode {
		return c, nil
	}
	r.kid = kid.String
	c.set = time.UnixMilli(set)
	s.age.mark(&c.flags, c.set, time.Now())
	if err := s.usable(ctx, &r); err != nil {
		c.denied = mailbox.Fail(op, mailbox.Unavailable, &unusable{err})
		return c, nil
	}
	c.record = r
	return c, nil
}

// unusable is why nobody can tell whether a code of this one mailbox is right.
type unusable struct{ error }

func (s *Store) usable(ctx context.Context, r *record) error {
	if err := r.valid(); err != nil {
		return err
	}
	if s.ring.current(ctx).keys[r.kid] == nil {
		return errors.New("the code was made with a pepper key that is not here: copy the pepper from where it was made, or restore it from a backup")
	}
	return nil
}

// told is why a code was not right, to a caller at a door: what is wrong with this mailbox
// alone is a wrong code to a stranger, who must not learn that it exists.
func told(op string, denied error, at mailbox.Attempt) error {
	var why *unusable
	if at.Door == mailbox.AnyDoor && errors.As(denied, &why) {
		return mailbox.Fail(op, mailbox.WrongPIN, why)
	}
	return denied
}

// deniedBy says for which of its states a mailbox takes no code; nil: for none.
func deniedBy(op string, f mailbox.Flags) error {
	switch {
	case f.Disabled:
		return mailbox.Fail(op, mailbox.Disabled, nil)
	case f.Locked:
		return mailbox.Fail(op, mailbox.Locked, errors.New("an administrator has locked the mailbox; `star97 mailbox unlock` opens it"))
	case f.NoCode:
		return mailbox.Fail(op, mailbox.NoCode, nil)
	}
	return nil
}

// Verify computes one hash, whether the mailbox exists or not. A right code whose hash
// was made with another cost or pepper key than new ones gets a new hash.
func (s *Store) Verify(ctx context.Context, a mailbox.Account, code pin.PIN, at mailbox.Attempt) error {
	const op = "verify"
	c, err := s.load(ctx, op, a.ID)
	if err != nil {
		return err
	}
	keys := s.ring.current(ctx)
	right := false
	var fresh record
	err = s.pool.Do(hashpool.For(ctx, at), op, func() {
		right = keys.matches(&c.record, a.ID, &code)
		if right && c.denied == nil && (c.kid != keys.last || c.cost != s.cost) {
			fresh = keys.seal(a.ID, &code, s.cost)
		}
	})
	switch {
	case err != nil:
		return err
	case c.denied != nil:
		return told(op, c.denied, at)
	case !right:
		return mailbox.Fail(op, mailbox.WrongPIN, nil)
	}
	if fresh.kid != "" {
		// Whatever becomes of it: the code is right, and the next time is another try.
		_ = s.db.Write(ctx, func(tx *sql.Tx) error {
			if err := s.stands(ctx, tx, op, &fresh); err != nil {
				return err
			}
			_, err := swap(ctx, tx, a.ID, &c.record, &fresh)
			return err
		})
	}
	return nil
}

// swap puts one record of a code in the place of another and tells of how many.
func swap(ctx context.Context, tx *sql.Tx, id string, old, fresh *record) (sql.Result, error) {
	return tx.ExecContext(ctx, `
UPDATE code SET kid = $1, salt = $2, hash = $3, memory = $4, passes = $5, threads = $6
WHERE mailbox_id = $7 AND kid = $8 AND salt = $9 AND hash = $10`,
		fresh.kid, fresh.salt, fresh.hash, fresh.cost.Memory, fresh.cost.Passes, fresh.cost.Threads,
		id, old.kid, old.salt, old.hash)
}

// Reset puts next in force whatever was there. by and reason are the audit
// trail's; this store keeps neither.
func (s *Store) Reset(ctx context.Context, a mailbox.Account, next pin.PIN, mustChange bool, _ mailbox.Actor, _ string) mailbox.Result {
	const op = "reset"
	if next.Empty() {
		return mailbox.Refuse(mailbox.Fail(op, mailbox.TooShort, nil))
	}
	return result(op, s.noteDoubt(a.ID, s.sealed(ctx, op, a.ID, &next, func(tx *sql.Tx, fresh *record) error {
		done, err := tx.ExecContext(ctx, "UPDATE mailbox SET must_change = $1, updated_at = $2 WHERE id = $3", mustChange, now(), a.ID)
		if err != nil {
			return err
		}
		if err := one(done, mailbox.Fail(op, mailbox.NotFound, nil)); err != nil {
			return err
		}
		if err := s.keep(ctx, tx, a.ID); err != nil {
			return err
		}
		return put(ctx, tx, a.ID, fresh, now())
	})))
}

// put stores a code where there may or may not be one.
func put(ctx context.Context, tx *sql.Tx, id string, r *record, at int64) error {
	_, err := tx.ExecContext(ctx, insertCode+`
ON CONFLICT (mailbox_id) DO UPDATE SET kid = excluded.kid, salt = excluded.salt, hash = excluded.hash,
    memory = excluded.memory, passes = excluded.passes, threads = excluded.threads, set_at = excluded.set_at`, r.row(id, at)...)
	return err
}

const insertCode = `
INSERT INTO code (mailbox_id, kid, salt, hash, memory, passes, threads, set_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) `

// row are the values of insertCode.
func (r *record) row(id string, at int64) []any {
	return []any{id, r.kid, r.salt, r.hash, r.cost.Memory, r.cost.Passes, r.cost.Threads, at}
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
