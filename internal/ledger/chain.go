package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"star97/internal/audit"
	"star97/internal/mailbox"
)

// columns of audit in the order of values and scan.
const columns = `seq, form, at, door, claim, action, stage, outcome, result, node, peer, transport, source, call_id,
	backend, domain, mailbox, extension, rule, until, target, actor, reason, policy, intent, prev, hash`

// Append implements audit.Sink.
func (l *Ledger) Append(ctx context.Context, r audit.Record, more ...audit.Record) (audit.Record, error) {
	var sealed audit.Record
	err := l.submit(ctx, func(ctx context.Context, tx *sql.Tx) (err error) {
		if sealed, err = l.appendIn(ctx, tx, r); err != nil {
			return err
		}
		for _, m := range more {
			if _, err := l.appendIn(ctx, tx, m); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return audit.Record{}, err
	}
	return sealed, nil
}

// EndIn records within tx, which makes a change in this very database, that the
// change is Done: both are committed or neither is. The intent must be there.
func (l *Ledger) EndIn(ctx context.Context, tx *sql.Tx, intent string) error {
	r, err := find(ctx, tx, intent, audit.Intended)
	if err != nil {
		return fmt.Errorf("the audit trail does not know of the change: %w", err)
	}
	r.Time, r.Stage, r.Outcome, r.Result = l.now(), audit.Ended, mailbox.Done, mailbox.OK
	_, err = l.appendIn(ctx, tx, r)
	return err
}

// alone locks the chain until tx has ended.
func (l *Ledger) alone(ctx context.Context, tx *sql.Tx) error { return l.db.Alone(ctx, tx, "audit") }

// appendIn seals r behind the last record. A second end of an intent is the first
// one: who made a change and who wraps it both tell of its end.
func (l *Ledger) appendIn(ctx context.Context, tx *sql.Tx, r audit.Record) (audit.Record, error) {
	if err := l.alone(ctx, tx); err != nil {
		return r, err
	}
	if r.Stage == audit.Ended && r.Intent != "" {
		if ended, err := find(ctx, tx, r.Intent, audit.Ended); !errors.Is(err, sql.ErrNoRows) {
			return ended, err
		}
	}
	last, err := head(ctx, tx)
	if err != nil {
		return r, err
	}
	r = r.Seal(last)
	_, err = tx.ExecContext(ctx, "INSERT INTO audit ("+columns+`)
		VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20,$21,$22,$23,$24,$25,$26,$27)`,
		int64(r.Seq), int16(r.Form), r.Time.UnixMicro(), int16(r.Door), int16(r.Claim), int16(r.Action), int16(r.Stage),
		int16(r.Outcome), int16(r.Result), r.Node, r.Peer, r.Transport, r.Source, r.CallID, r.Backend, r.Domain, r.Mailbox, r.Extension,
		r.Rule, audit.Micros(r.Until), r.Target, r.Actor, r.Reason, r.Policy, r.Intent, r.Prev[:], r.Hash[:])
	if err != nil {
		return r, err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO audit_head (one, seq, hash) VALUES (1, $1, $2)
		ON CONFLICT (one) DO UPDATE SET seq = excluded.seq, hash = excluded.hash`, int64(r.Seq), r.Hash[:])
	return r, err
}

// find is the record of one stage of an intent, or sql.ErrNoRows.
func find(ctx context.Context, tx *sql.Tx, intent string, stage audit.Stage) (audit.Record, error) {
	return scan(tx.QueryRowContext(ctx, "SELECT "+columns+" FROM audit WHERE intent <> '' AND intent = $1 AND stage = $2", intent, int16(stage)))
}

// scan reads one row. A value that no record has, as somebody else may have written it,
// is the *audit.Break that says so.
func scan(row interface{ Scan(...any) error }) (audit.Record, error) {
	var r audit.Record
	var at, until int64
	var prev, hash []byte
	err := row.Scan(&r.Seq, &r.Form, &at, &r.Door, &r.Claim, &r.Action, &r.Stage, &r.Outcome, &r.Result,
		&r.Node, &r.Peer, &r.Transport, &r.Source, &r.CallID, &r.Backend, &r.Domain, &r.Mailbox, &r.Extension,
		&r.Rule, &until, &r.Target, &r.Actor, &r.Reason, &r.Policy, &r.Intent, &prev, &hash)
	if err == nil && (len(prev) != len(r.Prev) || len(hash) != len(r.Hash)) || unreadable(err) {
		return r, audit.Altered(r.Seq)
	}
	r.Time, r.Until = time.UnixMicro(at).UTC(), audit.At(until)
	copy(r.Prev[:], prev)
	copy(r.Hash[:], hash)
	return r, err
}

// unreadable tells the error of a value that does not fit its field, for which
// database/sql has no type.
func unreadable(err error) bool {
	return err != nil && strings.HasPrefix(err.Error(), "sql: Scan error on column index")
}

func head(ctx context.Context, db rower) (audit.Head, error) {
	var h audit.Head
	var hash []byte
	err := db.QueryRowContext(ctx, "SELECT seq, hash FROM audit_head").Scan(&h.Seq, &hash)
	if errors.Is(err, sql.ErrNoRows) {
		return audit.Head{}, nil
	}
	copy(h.Hash[:], hash)
	return h, err
}

type rower interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}
