package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"slices"

	"star97/internal/audit"
)

// pageRows is how many records are read at a time. Between two pages no transaction
// is open, whatever the reader does meanwhile: one that stays open lets the log of a
// file grow.
const pageRows = 512

const page = "WHERE seq > $1 ORDER BY seq LIMIT $2"

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
			found, err := l.query(ctx, page, int64(after), pageRows)
			for _, r := range found {
				if !yield(r, nil) {
					return
				}
				after = r.Seq
			}
			if err != nil {
				yield(audit.Record{}, err)
			}
			if err != nil || len(found) < pageRows {
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

// Verify reads the whole chain, which has to hold up to the noted head and to contain
// kept, heads that were noted elsewhere. The error is an *audit.Break or sqlkit's.
func (l *Ledger) Verify(ctx context.Context, kept ...audit.Head) (audit.Head, error) {
	return l.VerifyAfter(ctx, audit.Head{}, nil, kept...)
}

// VerifyAfter is Verify of what stands behind a head that is believed. each, if it is not
// nil, is called with every record that was read.
func (l *Ledger) VerifyAfter(ctx context.Context, from audit.Head, each func(audit.Record), kept ...audit.Head) (audit.Head, error) {
	want, err := l.Head(ctx)
	if err != nil {
		return from, err
	}
	if want.Seq < from.Seq {
		return want, audit.CutOff(want.Seq, from.Seq)
	}
	last, err := audit.VerifyAfter(from, told(l.Records(ctx, from.Seq), each), append(slices.Clone(kept), want)...)
	if err != nil {
		return last, err
	}
	return last, l.edges(ctx, last)
}

func told(records iter.Seq2[audit.Record, error], each func(audit.Record)) iter.Seq2[audit.Record, error] {
	if each == nil {
		return records
	}
	return func(yield func(audit.Record, error) bool) {
		for r, err := range records {
			if err == nil {
				each(r)
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// edges looks for what was put in front of the chain, and behind the record that is
// noted as its last: a record and its note are written together.
func (l *Ledger) edges(ctx context.Context, last audit.Head) error {
	noted, err := l.Head(ctx)
	if err != nil {
		return err
	}
	if noted.Seq < last.Seq {
		return &audit.Break{Seq: noted.Seq + 1, What: fmt.Sprintf("record %d stands behind the one that was noted as the last: it was added, or the note was altered", noted.Seq+1)}
	}
	var before int
	err = l.db.Read(ctx, func(db *sql.DB) error {
		return db.QueryRowContext(ctx, "SELECT COUNT(*) FROM audit WHERE seq < 1").Scan(&before)
	})
	if err == nil && before > 0 {
		err = &audit.Break{Seq: 0, What: fmt.Sprintf("records that were added stand before the first: %d", before)}
	}
	return err
}

// lastChange says stage and outcome as the index audit_done does.
const lastChange = `WHERE backend = $1 AND mailbox = $2 AND mailbox <> '' AND stage = 2 AND outcome = 1
	AND action IN ($3, $4, $5) ORDER BY seq DESC LIMIT 1`

// LastChange is the last record of a change, by whomever, that put another code of a
// mailbox in force; false if the trail knows of none since its owner has had it.
func (l *Ledger) LastChange(ctx context.Context, backend, mailbox string) (audit.Record, bool, error) {
	found, err := l.query(ctx, lastChange, backend, mailbox, int16(audit.Change), int16(audit.Reset), int16(audit.Reassign))
	if err != nil || len(found) == 0 || found[0].Action == audit.Reassign {
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
				return cause(rows, err)
			}
			found = append(found, r)
		}
		return rows.Err()
	})
	return found, err
}

// cause is why a row could not be read: the database's error comes before what became
// of the row.
func cause(rows *sql.Rows, err error) error {
	if failed := rows.Err(); failed != nil {
		return failed
	}
	return err
}
