package sqldb

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"star97/internal/mailbox"
	"star97/internal/pin"
	"star97/internal/sqlkit"
)

// Limits of what is stored of a mailbox.
const (
	maxNumber   = 32  // digits of an extension or an own number
	maxNumbers  = 20  // own numbers of a mailbox
	maxName     = 200 // bytes
	maxDomain   = 255 // bytes, RFC 1035 section 2.3.4
	maxLanguage = 35  // bytes, RFC 5646 section 4.4.1
	maxMail     = 254 // bytes, RFC 5321 section 4.5.3.1.3 less the angle brackets
)

// tagShape is RFC 5646 section 2.1 as far as languages of prompts need it. What is
// no tag is not kept: a code in the wrong column of an import must not be either.
var tagShape = regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)

// domainShape is what a host in a SIP URI can be, RFC 3261 section 25.1, and "_".
var domainShape = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?$`)

// mailShape is an address of RFC 5321 section 4.1.2 as far as a mistake can be seen:
// two parts, and nothing between them that a header would take for something else.
var mailShape = regexp.MustCompile(`^[^\s@<>(),;:"\\[\]\x00-\x1f\x7f]+@[^\s@<>(),;:"\\\x00-\x1f\x7f]+$`)

// Check tells what Add would refuse of an account whatever else is stored.
func (s *Store) Check(a mailbox.Account) error { return check("add", a) }

// Add makes a mailbox; the domain is kept in lower case. by is the audit trail's.
func (s *Store) Add(ctx context.Context, a mailbox.Account, code pin.PIN, _ mailbox.Actor) (mailbox.Account, error) {
	const op = "add"
	if err := check(op, a); err != nil {
		return mailbox.Account{}, err
	}
	a.ID, a.Backend, a.Domain, a.Rules = rand.Text(), s.name, strings.ToLower(a.Domain), nil
	a.Numbers, a.Set = tidy(a.Numbers), time.Time{}
	a.Flags.NoCode, a.Flags.Expired, a.Flags.Expiring = code.Empty(), false, false
	at := now()
	s.date(&a, at)
	add := func(tx *sql.Tx) error {
		if err := s.numbersAlone(ctx, tx); err != nil {
			return err
		}
		if err := unshared(ctx, tx, op, a); err != nil {
			return err
		}
		return insert(ctx, tx, a, at)
	}
	var err error
	if code.Empty() {
		err = s.db.Write(ctx, add)
	} else {
		err = s.sealed(ctx, op, a.ID, &code, func(tx *sql.Tx, fresh *record) error {
			if err := add(tx); err != nil {
				return err
			}
			return put(ctx, tx, a.ID, fresh, at)
		})
	}
	if sqlkit.IsUnique(err) {
		return mailbox.Account{}, mailbox.Fail(op, mailbox.Exists,
			fmt.Errorf("mailbox %s is there already%s: change it, or remove it first", a.Extension, mailbox.InDomain(a.Domain)))
	}
	if err != nil {
		return mailbox.Account{}, fail(op, err)
	}
	return a, nil
}

// unshared refuses numbers by which a would answer for another mailbox, or another
// one for a: a call from or for such a number would find two. An own number may
// be that of several mailboxes.
func unshared(ctx context.Context, tx *sql.Tx, op string, a mailbox.Account) error {
	if err := unowned(ctx, tx, op, a); err != nil {
		return err
	}
	for _, n := range a.Numbers {
		other, err := first(ctx, tx, "SELECT extension FROM mailbox WHERE domain = $1 AND extension = $2 AND extension <> $3",
			a.Domain, n, a.Extension)
		switch {
		case err != nil:
			return err
		case other != "":
			return taken(op, "the own number %s of mailbox %s is the extension of another mailbox%s: leave it out",
				n, a.Extension, mailbox.InDomain(a.Domain))
		}
	}
	return nil
}

// unowned refuses an extension that is another mailbox's own number.
func unowned(ctx context.Context, tx *sql.Tx, op string, a mailbox.Account) error {
	other, err := first(ctx, tx, `SELECT m.extension FROM mailbox m JOIN number n ON n.mailbox_id = m.id
WHERE m.domain = $1 AND n.number = $2 AND m.extension <> $2 AND m.id <> $3`, a.Domain, a.Extension, a.ID)
	if err != nil || other == "" {
		return err
	}
	return taken(op, "%s is an own number of mailbox %s%s: take another extension, or that number from the mailbox first",
		a.Extension, other, mailbox.InDomain(a.Domain))
}

// numbersAlone makes sure that what tx finds of extensions and own numbers stays so
// until it has ended.
func (s *Store) numbersAlone(ctx context.Context, tx *sql.Tx) error {
	return s.db.Alone(ctx, tx, "numbers")
}

// first is the text of a query's first row, empty if there is none.
func first(ctx context.Context, tx *sql.Tx, query string, args ...any) (found string, err error) {
	err = tx.QueryRowContext(ctx, query, args...).Scan(&found)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return found, err
}

func taken(op, format string, args ...any) error {
	return mailbox.Fail(op, mailbox.Exists, fmt.Errorf(format, args...))
}

func insert(ctx context.Context, tx *sql.Tx, a mailbox.Account, at int64) error {
	_, err := tx.ExecContext(ctx, `
INSERT INTO mailbox (id, domain, extension, name, language, mail, disabled, locked, must_change, cannot_change, slow, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		a.ID, a.Domain, a.Extension, a.Name, a.Language, a.Mail,
		a.Flags.Disabled, a.Flags.Locked, a.Flags.MustChange, a.Flags.CannotChange, a.Flags.Slow, at, at)
	if err != nil {
		return err
	}
	return insertNumbers(ctx, tx, a)
}

func insertNumbers(ctx context.Context, tx *sql.Tx, a mailbox.Account) error {
	for _, n := range a.Numbers {
		if _, err := tx.ExecContext(ctx, "INSERT INTO number (mailbox_id, number) VALUES ($1, $2)", a.ID, n); err != nil {
			return err
		}
	}
	return nil
}

// Remove deletes a mailbox, its numbers and its code. by and reason are the audit trail's.
func (s *Store) Remove(ctx context.Context, a mailbox.Account, _ mailbox.Actor, _ string) error {
	const op = "remove"
	return fail(op, s.db.Write(ctx, func(tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, "DELETE FROM mailbox WHERE id = $1", a.ID)
		if err != nil {
			return err
		}
		return one(done, mailbox.Fail(op, mailbox.NotFound, nil))
	}))
}

// check tells the first thing in a that cannot be stored.
func check(op string, a mailbox.Account) error {
	if !isNumber(a.Extension) {
		return bad(op, mailbox.NotDigits, "the extension must have 1 to %d digits and nothing else", maxNumber)
	}
	for _, n := range a.Numbers {
		if !isNumber(n) {
			return bad(op, mailbox.NotDigits, "an own number of mailbox %s must have 1 to %d digits and nothing else, no + or spaces", a.Extension, maxNumber)
		}
	}
	switch {
	case len(a.Numbers) > maxNumbers:
		return bad(op, mailbox.TooLong, "mailbox %s has more than %d own numbers", a.Extension, maxNumbers)
	case len(a.Domain) > maxDomain:
		return bad(op, mailbox.TooLong, "the domain of mailbox %s is longer than %d bytes", a.Extension, maxDomain)
	case !isDomain(a.Domain):
		return bad(op, mailbox.PolicyOther, "the domain of mailbox %s is none; write letters, digits, dots and hyphens, as in north.example", a.Extension)
	}
	return checkTexts(op, a.Extension, &a.Name, &a.Language, &a.Mail)
}

// checkTexts tells what is wrong with a name, a language or an address; nil is none.
func checkTexts(op, extension string, name, language, mail *string) error {
	if name != nil {
		switch {
		case len(*name) > maxName:
			return bad(op, mailbox.TooLong, "the name of mailbox %s is longer than %d bytes", extension, maxName)
		case !utf8.ValidString(*name) || strings.ContainsFunc(*name, unicode.IsControl):
			return bad(op, mailbox.PolicyOther, "the name of mailbox %s has a control character or is not UTF-8; write it without", extension)
		}
	}
	if language != nil {
		switch {
		case len(*language) > maxLanguage:
			return bad(op, mailbox.TooLong, "the language tag of mailbox %s is longer than %d bytes", extension, maxLanguage)
		case *language != "" && !tagShape.MatchString(*language):
			return bad(op, mailbox.PolicyOther, "the language of mailbox %s is no BCP 47 tag; write one like en-US", extension)
		}
	}
	if mail != nil {
		switch {
		case len(*mail) > maxMail:
			return bad(op, mailbox.TooLong, "the mail address of mailbox %s is longer than %d bytes", extension, maxMail)
		case *mail != "" && (!mailShape.MatchString(*mail) || !utf8.ValidString(*mail)):
			return bad(op, mailbox.PolicyOther, "the mail address of mailbox %s is none; write it alone, as ann@example.com", extension)
		}
	}
	return nil
}

func bad(op string, code mailbox.Code, format string, args ...any) error {
	return mailbox.Fail(op, code, fmt.Errorf(format, args...))
}

func isDomain(s string) bool { return s == "" || domainShape.MatchString(s) }

func isNumber(s string) bool {
	return s != "" && len(s) <= maxNumber && strings.Trim(s, "0123456789") == ""
}
