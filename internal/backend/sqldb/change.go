package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"star97/internal/hashpool"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// errLost is the answer to the compare-and-set of a change that came second.
var errLost = errors.New("another change came first")

// renewTries bounds how often a change begins again whose record was replaced by
// another one of the same code.
const renewTries = 3

// Change verifies current, then replaces exactly the record that it was verified
// against: of two changes at the same time one finds its record gone and, since the
// code that it knew is no longer in force, is refused with WrongPIN. With the claim
// ByFirstUse it sets the first code of a mailbox that has none, else it is refused with
// WrongPIN too. A journal that cannot be written refuses the change.
func (s *Store) Change(ctx context.Context, a mailbox.Account, current, next pin.PIN, at mailbox.Attempt) mailbox.Result {
	return s.renew(ctx, renewal{op: "change", id: a.ID, next: next, at: at, current: current, known: at.Claim != mailbox.ByFirstUse})
}

// Grant is a Change without a look at the current code, if there is one, or its age.
func (s *Store) Grant(ctx context.Context, a mailbox.Account, next pin.PIN, at mailbox.Attempt) mailbox.Result {
	return s.renew(ctx, renewal{op: "grant", id: a.ID, next: next, at: at, granted: true})
}

// renewal is a code that its owner replaces.
type renewal struct {
	op, id        string
	at            mailbox.Attempt
	next, current pin.PIN
	known         bool // current is to be verified
	granted       bool // the mailbox's code, if any, does not matter
}

func (s *Store) renew(ctx context.Context, r renewal) mailbox.Result {
	if r.next.Empty() {
		return mailbox.Refuse(mailbox.Fail(r.op, mailbox.TooShort, nil))
	}
	for lost, old := 1, 1; ; {
		err := s.renewOnce(ctx, r)
		switch {
		case errors.Is(err, errLost) && lost < renewTries:
			lost++
		case errors.Is(err, errOldKey) && old < sealTries:
			old++
		default:
			return result(r.op, err)
		}
	}
}

func (s *Store) renewOnce(ctx context.Context, r renewal) error {
	c, err := s.load(ctx, r.op, r.id)
	if err != nil {
		return err
	}
	past, err := s.past(ctx, r.id, int(s.refused.Load()))
	if err != nil {
		return err
	}
	barred := r.barred(&c, s.age)
	keys := s.ring.current(ctx)
	right, used := !r.known, false
	var fresh record
	err = s.pool.Do(hashpool.For(ctx, r.at), r.op, func() {
		if r.known {
			right = keys.matches(&c.record, r.id, &r.current)
		}
		if !right || barred != nil {
			return
		}
		if used = s.refused.Load() > 0 && r.again(ctx, keys, &c, past); !used {
			fresh = keys.seal(r.id, &r.next, s.cost)
		}
	})
	switch {
	case err != nil:
		return err
	case r.refusedTo(&c) != nil:
		return r.refusedTo(&c)
	case !right:
		return mailbox.Fail(r.op, mailbox.WrongPIN, nil)
	case barred != nil:
		return barred
	case ctx.Err() != nil:
		return mailbox.Expired(ctx, r.op)
	case used:
		return mailbox.Fail(r.op, mailbox.InHistory, nil)
	}
	return s.noteDoubt(r.id, s.db.Write(ctx, func(tx *sql.Tx) error {
		if err := s.stands(ctx, tx, r.op, &fresh); err != nil {
			return err
		}
		if err := s.replace(ctx, tx, r, &c, &fresh); err != nil || s.journal == nil || r.at.Intent == "" {
			return err
		}
		return s.journal.EndIn(ctx, tx, r.at.Intent)
	}))
}

// again tells whether the new code, read either way, is the current one or a former one.
// Once ctx has ended the answer means nothing.
func (r *renewal) again(ctx context.Context, keys *pepper, c *stored, past []record) bool {
	back := r.next.Reversed()
	defer back.Wipe()
	switch {
	case r.known && (r.next.Equal(&r.current) || back.Equal(&r.current)):
		return true
	case !r.known && !c.flags.NoCode:
		past = append([]record{c.record}, past...)
	}
	return keys.used(ctx, past, r.id, &r.next, &back)
}

// refusedTo says why no code can be right for this change; nil: one can.
func (r *renewal) refusedTo(c *stored) error {
	switch {
	case r.known || mailbox.CodeOf(c.denied) != mailbox.NoCode && c.denied != nil:
		return c.denied
	case !r.granted && c.denied == nil:
		return mailbox.Fail(r.op, mailbox.WrongPIN, errors.New("the mailbox has a code by now"))
	}
	return nil
}

// barred says why a change is refused whose code is right; nil: it is not.
func (r *renewal) barred(c *stored, age Age) error {
	switch {
	case r.refusedTo(c) != nil:
		return r.refusedTo(c)
	case c.flags.CannotChange:
		return mailbox.Fail(r.op, mailbox.CannotChange, nil)
	case r.known:
		return age.soon(r.op, c.flags, c.set, time.Now())
	}
	return nil
}

// replace is the change itself. The flags are asked for again: an administrator
// may have set one since, and then the code was not wrong. The mailbox comes before its
// code, as in every transaction, so that no two wait for each other.
func (s *Store) replace(ctx context.Context, tx *sql.Tx, r renewal, old *stored, fresh *record) error {
	at := now()
	done, err := tx.ExecContext(ctx, `
UPDATE mailbox SET must_change = FALSE, updated_at = $1
WHERE id = $2 AND NOT disabled AND NOT locked AND NOT cannot_change`, at, r.id)
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil {
		return err
	} else if n != 1 {
		return unmade(ctx, tx, r)
	}
	if err := s.keep(ctx, tx, r.id); err != nil {
		return err
	}
	lost := mailbox.Fail(r.op, mailbox.WrongPIN, errLost)
	if old.flags.NoCode {
		done, err = tx.ExecContext(ctx, insertCode+"ON CONFLICT (mailbox_id) DO NOTHING", fresh.row(r.id, at)...)
		if err != nil {
			return err
		}
		return one(done, lost)
	}
	if done, err = swap(ctx, tx, r.id, &old.record, fresh); err != nil {
		return err
	}
	if err := one(done, lost); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "UPDATE code SET set_at = $1 WHERE mailbox_id = $2", at, r.id)
	return err
}

// unmade says why replace met no mailbox.
func unmade(ctx context.Context, tx *sql.Tx, r renewal) error {
	var f mailbox.Flags
	err := tx.QueryRowContext(ctx, "SELECT disabled, locked, cannot_change FROM mailbox WHERE id = $1", r.id).
		Scan(&f.Disabled, &f.Locked, &f.CannotChange)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return mailbox.Fail(r.op, mailbox.NotFound, nil)
	case err != nil:
		return err
	case deniedBy(r.op, f) != nil:
		return deniedBy(r.op, f)
	case f.CannotChange:
		return mailbox.Fail(r.op, mailbox.CannotChange, nil)
	}
	return mailbox.Fail(r.op, mailbox.Unavailable, errLost) // it was there again a moment later
}
