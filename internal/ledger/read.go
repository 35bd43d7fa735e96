package ledger

import (
	"context"
	"database/sql"
	"iter"

	"star97/internal/audit"
)

// pageRows is how many records are read at a time. Between two pages no transaction
// is open, whatever the reader does meanwhile: one that stays open lets the log of a
// file grow.
const pageRows = 512

// OpenIntents implements audit.Sink.
func (l *Ledger) OpenIntents(ctx context.Context, node string) ([]audit.Record, error) {
	return l.query(ctx, `WHERE intent <> '' AND stage = $1 AND node = $2 AND NOT EXISTS
		(SELECT 1 FROM audit AS e WHERE e.intent <> '' AND e.intent = audit.intent AND e.stage = $3) ORDER BY seq`,
		int16(audit.Intended), node, int16(audit.Ended))
}

// Records is the chain behind record after, in its order. A record that cannot be
// read is an error and the end; one that was altered so is an *audit.Break.
func (l *Ledger) Records(ctx context.Context, after uint64) iter.Seq2[audit.Record, error] {
	return func(yield func(audit.Record, error) bool) {
		for {
			page, err := l.query(ctx, "WHERE seq > $1 ORDER BY seq LIMIT $2", int64(after), pageRows)
			for _, r := range page {
				if !yield(r, nil) {
					return
				}
				after = r.Seq
			}
			if err != nil {
				yield(audit.Record{}, err)
			}
			if err != nil || len(page) < pageRows {
				return
			}
		}
	}
}

// Head is the last record as it was noted when it was written.
func (l *Ledger) Head(ctx context.Context) (h audit.Head, err error) {
	err = l.db.Read(ctx, func(db *sql.DB) error {
		h, err = head(ctx, db)
		return err
	})
	return h, err
}

// Verify reads the whole chain up to the noted head. The error is an *audit.Break
// or sqlkit's.
func (l *Ledger) Verify(ctx context.Context) (audit.Head, error) {
	want, err := l.Head(ctx)
	if err != nil {
		return audit.Head{}, err
	}
	return audit.Verify(l.Records(ctx, 0), want)
}

// LastChange is the last record of a change, by whomever, that put another code of a
// mailbox in force; false if the trail knows of none.
func (l *Ledger) LastChange(ctx context.Context, backend, mailbox string) (audit.Record, bool, error) {
	found, err := l.query(ctx, `WHERE backend = $1 AND mailbox = $2 AND mailbox <> '' AND stage = 2 AND outcome = 1
		AND action IN ($3, $4) ORDER BY seq DESC LIMIT 1`, backend, mailbox, int16(audit.Change), int16(audit.Reset))
	if err != nil || len(found) == 0 {
		return audit.Record{}, false, err
	}
	return found[0], true, nil
}

// query returns the records that could be read, also with an error.
func (l *Ledger) query(ctx context.Context, where string, args ...any) (found []audit.Record, err error) {
	err = l.db.Read(ctx, func(db *sql.DB) error {
		rows, err := db.QueryContext(ctx, "SELECT "+columns+" FROM audit "+where, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			r, err := scan(rows)
			if err != nil {
				return err
			}
			found = append(found, r)
		}
		return rows.Err()
	})
	return found, err
}
