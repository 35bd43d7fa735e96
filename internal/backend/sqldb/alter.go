package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"star97/internal/mailbox"
	"star97/internal/sqlkit"
)

// Edit alters a mailbox; what e leaves out stays as it is in the database, whatever
// a says. by is the audit trail's.
func (s *Store) Edit(ctx context.Context, a mailbox.Account, e mailbox.Edit, _ mailbox.Actor) (mailbox.Account, error) {
	const op = "edit"
	if err := checkTexts(op, a.Extension, e.Name, e.Language, e.Mail); err != nil {
		return mailbox.Account{}, err
	}
	return s.alter(ctx, op, a, `
UPDATE mailbox SET name = coalesce($1, name), language = coalesce($2, language), mail = coalesce($3, mail),
       disabled = coalesce($4, disabled), locked = coalesce($5, locked), slow = coalesce($6, slow), updated_at = $7
WHERE id = $8`, e.Name, e.Language, e.Mail, e.Disabled, e.Locked, e.Slow, now(), a.ID)
}

// SetFlags alters whether a mailbox's owner may and must change the code; what e leaves
// out stays as it is in the database. by and reason are the audit trail's.
func (s *Store) SetFlags(ctx context.Context, a mailbox.Account, e mailbox.FlagEdit, _ mailbox.Actor, _ string) (mailbox.Account, error) {
	return s.alter(ctx, "flags", a, `
UPDATE mailbox SET cannot_change = coalesce($1, cannot_change), must_change = coalesce($2, must_change), updated_at = $3
WHERE id = $4`, e.CannotChange, e.MustChange, now(), a.ID)
}

// Renumber gives a mailbox another extension; its code is bound to its id and stays. by
// and reason are the audit trail's.
func (s *Store) Renumber(ctx context.Context, a mailbox.Account, extension string, _ mailbox.Actor, _ string) (mailbox.Account, error) {
	const op = "renumber"
	if !isNumber(extension) {
		return mailbox.Account{}, bad(op, mailbox.NotDigits, "the extension must have 1 to %d digits and nothing else", maxNumber)
	}
	var altered mailbox.Account
	err := s.db.Write(ctx, func(tx *sql.Tx) error {
		if err := s.numbersAlone(ctx, tx); err != nil {
			return err
		}
		before, err := s.find(ctx, tx, op, a.ID)
		if err != nil {
			return err
		}
		before.Extension = extension
		if err := unowned(ctx, tx, op, before); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE mailbox SET extension = $1, updated_at = $2 WHERE id = $3", extension, now(), a.ID); err != nil {
			return err
		}
		altered, err = s.find(ctx, tx, op, a.ID)
		return err
	})
	if sqlkit.IsUnique(err) {
		return mailbox.Account{}, mailbox.Fail(op, mailbox.Exists,
			fmt.Errorf("mailbox %s is there already%s: take another extension", extension, mailbox.InDomain(a.Domain)))
	}
	if err != nil {
		return mailbox.Account{}, fail(op, err)
	}
	return altered, nil
}

// Reassign takes from a mailbox its code and those before it, its own numbers and every
// state, and gives it the name, address, language, numbers and states that a has. Its
// extension stays. by and reason are the audit trail's.
func (s *Store) Reassign(ctx context.Context, a mailbox.Account, _ mailbox.Actor, _ string) (mailbox.Account, error) {
	const op = "reassign"
	if err := check(op, a); err != nil {
		return mailbox.Account{}, err
	}
	a.Numbers = tidy(a.Numbers)
	var altered mailbox.Account
	err := s.db.Write(ctx, func(tx *sql.Tx) error {
		if err := s.numbersAlone(ctx, tx); err != nil {
			return err
		}
		is, err := s.find(ctx, tx, op, a.ID)
		if err != nil {
			return err
		}
		a.Extension, a.Domain = is.Extension, is.Domain
		if err := unshared(ctx, tx, op, a); err != nil {
			return err
		}
		if err := reassign(ctx, tx, a); err != nil {
			return err
		}
		altered, err = s.find(ctx, tx, op, a.ID)
		return err
	})
	if err != nil {
		return mailbox.Account{}, fail(op, err)
	}
	return altered, nil
}

func reassign(ctx context.Context, tx *sql.Tx, a mailbox.Account) error {
	_, err := tx.ExecContext(ctx, `
UPDATE mailbox SET name = $1, language = $2, mail = $3, disabled = $4, locked = $5, must_change = $6, cannot_change = $7,
       slow = $8, updated_at = $9
WHERE id = $10`, a.Name, a.Language, a.Mail, a.Flags.Disabled, a.Flags.Locked, a.Flags.MustChange, a.Flags.CannotChange,
		a.Flags.Slow, now(), a.ID)
	for _, table := range []string{"code", "history", "number"} {
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM "+table+" WHERE mailbox_id = $1", a.ID)
	}
	if err != nil {
		return err
	}
	return insertNumbers(ctx, tx, a)
}

// alter runs a statement that meets the one mailbox and returns it as it is then.
func (s *Store) alter(ctx context.Context, op string, a mailbox.Account, statement string, args ...any) (mailbox.Account, error) {
	var altered mailbox.Account
	err := s.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, statement, args...)
		if err != nil {
			return err
		}
		altered, err = s.find(ctx, tx, op, a.ID)
		return err
	})
	if err != nil {
		return mailbox.Account{}, fail(op, err)
	}
	return altered, nil
}

// find reads one mailbox as it is in tx.
func (s *Store) find(ctx context.Context, tx *sql.Tx, op, id string) (mailbox.Account, error) {
	a, err := s.scan(tx.QueryRowContext(ctx, selectAccounts+"WHERE m.id = $1", id))
	if errors.Is(err, sql.ErrNoRows) {
		return a, mailbox.Fail(op, mailbox.NotFound, nil)
	}
	return a, err
}
