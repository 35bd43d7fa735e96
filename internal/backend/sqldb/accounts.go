package sqldb

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"star97/internal/mailbox"
	"star97/internal/sqlkit"
)

const (
	// maxAnswers bounds Lookup: two are already too many for a call.
	maxAnswers = 10
	// maxPage is List's own limit.
	maxPage = 1000
)

const selectAccounts = `
SELECT m.id, m.domain, m.extension, m.name, m.language, m.mail, m.disabled, m.locked, m.must_change, m.cannot_change,
       m.slow, c.mailbox_id IS NULL, coalesce(c.set_at, 0),
       coalesce((SELECT string_agg(number, ' ') FROM number WHERE mailbox_id = m.id), '')
FROM mailbox m LEFT JOIN code c ON c.mailbox_id = m.id
`

// lookupQuery says its limit in its text: where that is a parameter SQLite compiles the query
// again for each value.
var lookupQuery = fmt.Sprintf(selectAccounts+`
WHERE m.domain = $1 AND m.id IN (
    SELECT id FROM mailbox WHERE domain = $1 AND extension = $2
    UNION SELECT mailbox_id FROM number WHERE number = $2)
ORDER BY m.extension LIMIT %d`, maxAnswers)

// Lookup finds the mailboxes whose extension or own number is q.Number.
func (s *Store) Lookup(ctx context.Context, q mailbox.Query) ([]mailbox.Account, error) {
	domain := strings.ToLower(q.Domain)
	if !isNumber(q.Number) || !isDomain(domain) {
		return nil, nil // no mailbox has such a one
	}
	return s.accounts(ctx, "lookup", func(db *sql.DB) (*sql.Rows, error) {
		if s.lookup != nil {
			return s.lookup.QueryContext(ctx, domain, q.Number)
		}
		return db.QueryContext(ctx, lookupQuery, domain, q.Number)
	})
}

// compile has each reading connection keep Lookup's query compiled, which each call asks and
// which takes longer to compile than to answer. The driver of PostgreSQL does so by
// itself.
func (s *Store) compile(ctx context.Context) error {
	if s.db.Dialect() != sqlkit.SQLite {
		return nil
	}
	return s.db.Read(ctx, func(db *sql.DB) (err error) {
		s.lookup, err = db.PrepareContext(ctx, lookupQuery)
		return err
	})
}

// List returns one page in the order of domain and extension.
func (s *Store) List(ctx context.Context, p mailbox.Page) ([]mailbox.Account, error) {
	limit := p.Limit
	if limit <= 0 || limit > maxPage {
		limit = maxPage
	}
	var after struct{ domain, extension string }
	if p.After != nil {
		after.domain, after.extension = p.After.Domain, p.After.Extension
	}
	where, args := "(m.domain, m.extension) > ($1, $2)", []any{after.domain, after.extension, limit}
	if !p.AllDomains { // said only where it is asked for: the index leads to it
		domain := strings.ToLower(p.Domain)
		if !isDomain(domain) {
			return nil, nil
		}
		args = append(args, domain)
		where += fmt.Sprintf(" AND m.domain = $%d", len(args))
	}
	if p.Search != "" {
		args = append(args, pattern(p.Search))
		where += strings.ReplaceAll(`
  AND (m.extension LIKE $n ESCAPE '\' OR lower(m.name) LIKE lower($n) ESCAPE '\'
       OR EXISTS (SELECT 1 FROM number WHERE mailbox_id = m.id AND number LIKE $n ESCAPE '\'))`, "$n", fmt.Sprintf("$%d", len(args)))
	}
	return s.accounts(ctx, "list", func(db *sql.DB) (*sql.Rows, error) {
		return db.QueryContext(ctx, selectAccounts+"WHERE "+where+" ORDER BY m.domain, m.extension LIMIT $3", args...)
	})
}

// pattern is a LIKE pattern for text anywhere, of characters that a database can keep.
func pattern(text string) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text) + "%"
}

func (s *Store) accounts(ctx context.Context, op string, ask func(db *sql.DB) (*sql.Rows, error)) (found []mailbox.Account, err error) {
	err = s.db.Read(ctx, func(db *sql.DB) error {
		rows, err := ask(db)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			a, err := s.scan(rows)
			if err != nil {
				return err
			}
			found = append(found, a)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fail(op, err)
	}
	return found, nil
}

// scan reads one row of selectAccounts.
func (s *Store) scan(row interface{ Scan(...any) error }) (mailbox.Account, error) {
	a := mailbox.Account{Backend: s.name}
	var numbers string
	var set int64
	err := row.Scan(&a.ID, &a.Domain, &a.Extension, &a.Name, &a.Language, &a.Mail, &a.Flags.Disabled, &a.Flags.Locked,
		&a.Flags.MustChange, &a.Flags.CannotChange, &a.Flags.Slow, &a.Flags.NoCode, &set, &numbers)
	a.Numbers = tidy(strings.Fields(numbers))
	s.date(&a, set)
	return a, err
}

// date tells of a code's age; set is in Unix milliseconds.
func (s *Store) date(a *mailbox.Account, set int64) {
	if a.Flags.NoCode {
		return
	}
	a.Set = time.UnixMilli(set).UTC()
	s.age.mark(&a.Flags, a.Set, time.Now())
}

// tidy sorts numbers and drops doubled ones; none are nil.
func tidy(numbers []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(numbers)))
}
