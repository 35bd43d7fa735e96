package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"strings"
	"time"

	"star97/internal/audit"
	"star97/internal/mailbox"
)

// Filter asks for some records. The zero value asks for all; every field narrows.
type Filter struct {
	Since, Until time.Time         // written at or after, and before
	Mailbox      string            // extension or ID
	Domain       *string           // in this one; empty is the default one
	Actions      []audit.Action    // one of these
	Results      []mailbox.Code    // one of these, or of Outcomes
	Outcomes     []mailbox.Outcome // of decisions that have one
	Doors        []mailbox.Door    // one of these
	Actor        string            // a part of the administrator's name, whatever case
	Source       string            // a part of the address or the caller, whatever case
	CallID       string            // the whole
	Intent       string            // the whole
}

// where is the filter's condition and its arguments, which begin with $1. A bare seq lets
// a database walk along the chain from there; +seq makes SQLite take another index.
func (f Filter) where() (string, []any) {
	var q query
	if !f.Since.IsZero() {
		q.and("at >= %[1]s AND seq >= (SELECT MIN(+seq) FROM audit WHERE at >= %[1]s)", f.Since.UnixMicro())
	}
	if !f.Until.IsZero() {
		q.and("at < %[1]s AND seq <= (SELECT MAX(+seq) FROM audit WHERE at < %[1]s)", f.Until.UnixMicro())
	}
	if f.Mailbox != "" {
		q.and(`seq IN (SELECT seq FROM audit WHERE extension <> '' AND extension = %[1]s
			UNION ALL SELECT seq FROM audit WHERE mailbox <> '' AND mailbox = %[1]s)`, f.Mailbox)
	}
	if f.Domain != nil {
		q.and("domain = %s", strings.ToLower(*f.Domain))
	}
	q.and(oneOf("action", f.Actions))
	q.and(oneOf("door", f.Doors))
	q.and(resulted(f.Results, f.Outcomes))
	for _, part := range []struct{ column, text string }{{"actor", f.Actor}, {"source", f.Source}} {
		if part.text != "" {
			q.and("LOWER("+part.column+") LIKE %s ESCAPE '!'", "%"+literal.Replace(strings.ToLower(part.text))+"%")
		}
	}
	if f.CallID != "" {
		q.and("call_id = %s", f.CallID)
	}
	if f.Intent != "" {
		q.and("intent <> '' AND intent = %s", f.Intent)
	}
	return strings.Join(append(q.all, "+seq > 0"), " AND "), q.args
}

// literal takes their meaning from the signs of LIKE.
var literal = strings.NewReplacer("!", "!!", "%", "!%", "_", "!_")

type query struct {
	all  []string
	args []any
}

// and adds a condition; its %s are the parameters of args.
func (q *query) and(condition string, args ...any) {
	if condition == "" {
		return
	}
	names := make([]any, len(args))
	for i := range args {
		names[i] = fmt.Sprintf("$%d", len(q.args)+i+1)
	}
	if len(names) > 0 {
		condition = fmt.Sprintf(condition, names...)
	}
	q.all, q.args = append(q.all, condition), append(q.args, args...)
}

func oneOf[T ~uint8](column string, all []T) string {
	if len(all) == 0 {
		return ""
	}
	numbers := make([]string, len(all))
	for i, one := range all {
		numbers[i] = fmt.Sprint(uint8(one))
	}
	return column + " IN (" + strings.Join(numbers, ", ") + ")"
}

// resulted leaves out the records of what had not ended; an outcome is that of a
// change or a deed.
func resulted(results []mailbox.Code, outcomes []mailbox.Outcome) string {
	var either []string
	if len(results) > 0 {
		either = append(either, oneOf("result", results))
	}
	if len(outcomes) > 0 {
		either = append(either, fmt.Sprintf("(stage = %d OR outcome <> %d) AND %s", audit.Ended, mailbox.Unknown, oneOf("outcome", outcomes)))
	}
	if len(either) == 0 {
		return ""
	}
	return fmt.Sprintf("stage <> %d AND (%s)", audit.Intended, strings.Join(either, " OR "))
}

// Find yields the newest records that f asks for, at most most of them, oldest first.
func (l *Ledger) Find(ctx context.Context, f Filter, most int) iter.Seq2[audit.Record, error] {
	return func(yield func(audit.Record, error) bool) {
		where, args := f.where()
		var first, last sql.NullInt64
		err := l.db.Read(ctx, func(db *sql.DB) error {
			return db.QueryRowContext(ctx, newest(where, most), args...).Scan(&first, &last)
		})
		if err != nil {
			yield(audit.Record{}, err)
			return
		}
		for after := first.Int64 - 1; last.Valid && after < last.Int64; {
			page, err := l.query(ctx, fmt.Sprintf("WHERE %s AND seq > %d AND seq <= %d ORDER BY seq LIMIT %d", where, after, last.Int64, pageRows), args...)
			for _, r := range page {
				if !yield(r, nil) {
					return
				}
				after = int64(r.Seq)
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

// newest asks for the first and the last of the newest records.
func newest(where string, most int) string {
	return fmt.Sprintf("SELECT MIN(seq), MAX(seq) FROM (SELECT seq FROM audit WHERE %s ORDER BY seq DESC LIMIT %d) AS newest", where, most)
}

// Record is one record; false if there is none of that number.
func (l *Ledger) Record(ctx context.Context, seq uint64) (audit.Record, bool, error) {
	found, err := l.query(ctx, "WHERE seq = $1", int64(seq))
	if err != nil || len(found) == 0 {
		return audit.Record{}, false, err
	}
	return found[0], true, nil
}
