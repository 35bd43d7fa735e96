package notify

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
)

// batch is how many records are followed in one transaction.
const batch = 256

// begin puts the cursor behind the last record if there is none yet.
func (n *Notifier) begin(ctx context.Context) error {
	head, err := n.chain.Head(ctx)
	if err != nil {
		return err
	}
	return n.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO notice_cursor (one, seq) VALUES (1, $1) ON CONFLICT (one) DO NOTHING", int64(head.Seq))
		return err
	})
}

// follow makes notices of new records until ctx has ended, the last ones then.
func (n *Notifier) follow(ctx, work context.Context) {
	troubled := false
	for going := true; going; going = pause(n.pace.gap, nil, ctx.Done()) && pause(n.pace.look, n.wake, ctx.Done()) {
		err := n.catchUp(work)
		n.complain(&troubled, "the audit trail cannot be followed: owners are told later what happens", err)
	}
	if err := n.catchUp(work); err != nil {
		n.log.Warn("the audit trail could not be followed to its end: owners are told at the next start", "error", err)
	}
}

// complain tells of trouble once, until it is over.
func (n *Notifier) complain(troubled *bool, what string, err error) {
	if err != nil && !*troubled {
		n.log.Warn(what, "error", err)
	}
	*troubled = err != nil
}

// catchUp follows the chain to its end.
func (n *Notifier) catchUp(ctx context.Context) error {
	for {
		switch more, err := n.step(ctx); {
		case errors.Is(err, errMoved):
		case err != nil || !more:
			return err
		}
	}
}

// errMoved says that another node has followed the same records.
var errMoved = errors.New("another node was faster")

// step makes the notices of the next records, and moves the cursor with them.
func (n *Notifier) step(ctx context.Context) (more bool, err error) {
	after, err := n.cursor(ctx)
	if err != nil {
		return false, err
	}
	last, seen := after, 0
	var due []notice
	oldest := n.now().Add(-n.opts.GiveUp)
	for r, err := range n.chain.Records(ctx, after) {
		if err != nil {
			return false, err
		}
		if k := kindOf(&r); k.silent() || k != "" && r.Time.After(oldest) {
			due = append(due, noticeOf(k, &r))
		}
		last = r.Seq
		if seen++; seen == batch {
			break
		}
	}
	if seen == 0 {
		return false, nil
	}
	err = n.db.Write(ctx, func(tx *sql.Tx) error { return n.advance(ctx, tx, after, last, due) })
	if err != nil {
		return false, err
	}
	if len(due) > 0 {
		for _, c := range n.channels {
			stir(c.stirred)
		}
	}
	return seen == batch, nil
}

func (n *Notifier) cursor(ctx context.Context) (seq uint64, err error) {
	err = n.db.Read(ctx, func(db *sql.DB) error {
		return db.QueryRowContext(ctx, "SELECT seq FROM notice_cursor").Scan(&seq)
	})
	return seq, err
}

// advance keeps the notices of the records from after to last, and that they are kept.
func (n *Notifier) advance(ctx context.Context, tx *sql.Tx, after, last uint64, due []notice) error {
	if err := n.db.Alone(ctx, tx, "notify"); err != nil {
		return err
	}
	moved, err := tx.ExecContext(ctx, "UPDATE notice_cursor SET seq = $1 WHERE seq = $2", int64(last), int64(after))
	if err != nil {
		return err
	}
	if rows, err := moved.RowsAffected(); err != nil || rows != 1 {
		return errors.Join(err, errMoved)
	}
	for i := range due {
		if err := n.take(ctx, tx, &due[i]); err != nil {
			return err
		}
	}
	if len(due) == 0 {
		return nil
	}
	return n.bound(ctx, tx)
}

// take keeps a notice, unless the owner heard the like a short while ago, or does to those
// that wait what a silent kind says.
func (n *Notifier) take(ctx context.Context, tx *sql.Tx, one *notice) error {
	switch one.kind {
	case moved:
		return n.alter(ctx, tx, one, "extension = $3", one.target)
	case passing: // whoever has claimed one loses it
		return n.alter(ctx, tx, one, "holder = $3", heldBack)
	case keptOn:
		const held = "CASE holder WHEN '" + heldBack + "' THEN "
		return n.alter(ctx, tx, one, "due = "+held+"$3 ELSE due END, holder = "+held+"'' ELSE holder END", n.now().UnixMilli())
	case passedOn:
		return n.drop(ctx, tx, one)
	case Locked, Shut:
		if told, err := n.toldLately(ctx, tx, one); err != nil || told {
			return err
		}
	}
	return n.put(ctx, tx, one)
}

// alter alters what waits for the owner of a mailbox by a clause whose value is $3, but
// not the administrator's list.
func (n *Notifier) alter(ctx context.Context, tx *sql.Tx, one *notice, set string, value any) error {
	_, err := tx.ExecContext(ctx, "UPDATE notice SET "+set+" WHERE backend = $1 AND mailbox = $2 AND channel <> $4",
		one.backend, one.mailbox, value, byDigest)
	return err
}

// drop forgets what waits for the owner of a mailbox, and when that one was last told of
// a lock. The administrator's list stays.
func (n *Notifier) drop(ctx context.Context, tx *sql.Tx, one *notice) error {
	_, err := tx.ExecContext(ctx, "DELETE FROM notice WHERE backend = $1 AND mailbox = $2 AND channel <> $3", one.backend, one.mailbox, byDigest)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "DELETE FROM notice_lock WHERE owner = $1 OR owner = $2", one.lockOf(Locked), one.lockOf(Shut))
	return err
}

// toldLately tells whether the owner heard of a lock of that kind a short while ago, and
// if not, notes that he does now. Wrong codes do not keep an administrator's lock from
// being told.
func (n *Notifier) toldLately(ctx context.Context, tx *sql.Tx, one *notice) (bool, error) {
	before := one.at.Add(-n.opts.LockEvery)
	noted, err := tx.ExecContext(ctx, `INSERT INTO notice_lock (owner, told) VALUES ($1, $2)
		ON CONFLICT (owner) DO UPDATE SET told = excluded.told WHERE notice_lock.told <= $3`,
		one.lockOf(one.kind), one.at.UnixMicro(), before.UnixMicro())
	if err != nil {
		return false, err
	}
	rows, err := noted.RowsAffected()
	return rows == 0, err
}

// lockOf names the mailbox of n in notice_lock.
func (n *notice) lockOf(k Kind) []byte {
	name := n.backend + "\n" + n.mailbox
	if k == Shut {
		name += "\n" + string(Shut)
	}
	sum := sha256.Sum256([]byte(name))
	return sum[:]
}

// bound forgets what is of no use any more, and of what waits in a channel the oldest
// beyond MaxWaiting.
func (n *Notifier) bound(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, "DELETE FROM notice_lock WHERE told < $1", n.now().Add(-n.opts.GiveUp-n.opts.LockEvery).UnixMicro()); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM notice WHERE holder = $1 AND give_up < $2", heldBack, n.now().UnixMilli()); err != nil {
		return err
	}
	for _, c := range n.channels {
		var waiting int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM notice WHERE channel = $1", c.name).Scan(&waiting); err != nil {
			return err
		}
		if waiting <= n.opts.MaxWaiting {
			continue
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM notice WHERE channel = $1 AND id IN
			(SELECT id FROM notice WHERE channel = $1 ORDER BY at LIMIT $2)`, c.name, waiting-n.opts.MaxWaiting)
		if err != nil {
			return err
		}
		n.log.Warn("too many notices wait: the oldest are given up", "channel", c.name, "given_up", waiting-n.opts.MaxWaiting)
	}
	return nil
}

// put keeps a notice for each channel.
func (n *Notifier) put(ctx context.Context, tx *sql.Tx, one *notice) error {
	now := n.now()
	for _, c := range n.channels {
		due := now
		if c.name == byDigest {
			if one.kind != Unsure {
				continue
			}
			due = now.Truncate(n.opts.DigestEvery).Add(n.opts.DigestEvery)
		}
		if err := insert(ctx, tx, c.name, one, due, due.Add(n.opts.GiveUp)); err != nil {
			return err
		}
	}
	return nil
}
