package notify

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"time"

	"star97/internal/sqlkit"
)

// lease is how long a notice belongs to who claimed it: longer than a delivery may take,
// so that nobody else delivers it meanwhile, unless the node has died.
const lease = 2 * deliverWithin

// heldBack is the holder of what nobody delivers until it is known whose the mailbox is: as
// long as a deed takes, or after a crash until the next start closes it in the audit trail.
const heldBack = "held-back"

// columns of notice in the order of insert and scan.
const columns = "id, kind, at, until, backend, domain, mailbox, extension, door, claim, peer, source, actor"

func insert(ctx context.Context, tx *sql.Tx, channel string, one *notice, due, giveUp time.Time) error {
	var until int64
	if !one.until.IsZero() {
		until = one.until.UnixMicro()
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO notice ("+columns+`, channel, due, give_up, tries, holder)
		VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,0,'') ON CONFLICT (id, channel) DO NOTHING`,
		one.id, string(one.kind), one.at.UnixMicro(), until, one.backend, one.domain, one.mailbox, one.extension,
		int16(one.door), int16(one.claim), one.peer, one.source, one.actor, channel, due.UnixMilli(), giveUp.UnixMilli())
	return err
}

// claimed is a notice that this node tries to deliver.
type claimed struct {
	notice
	channel string
	holder  string
	tries   int // this one included
	giveUp  time.Time
}

// claim takes the notice of a channel that has been due longest, if one is.
func (n *Notifier) claim(ctx context.Context, channel string) (c claimed, ok bool, err error) {
	unlocked := ""
	if n.db.Dialect() == sqlkit.PostgreSQL {
		unlocked = " FOR UPDATE SKIP LOCKED"
	}
	err = n.db.Write(ctx, func(tx *sql.Tx) error {
		now := n.now()
		c = claimed{channel: channel, holder: rand.Text()}
		var at, until, giveUp int64
		err := tx.QueryRowContext(ctx, `UPDATE notice SET due = $1, tries = tries + 1, holder = $2 WHERE channel = $3 AND id =
			(SELECT id FROM notice WHERE channel = $3 AND due <= $4 AND holder <> $5 ORDER BY due LIMIT 1`+unlocked+`)
			RETURNING `+columns+`, give_up, tries`, now.Add(lease).UnixMilli(), c.holder, channel, now.UnixMilli(), heldBack).
			Scan(&c.id, &c.kind, &at, &until, &c.backend, &c.domain, &c.mailbox, &c.extension, &c.door, &c.claim,
				&c.peer, &c.source, &c.actor, &giveUp, &c.tries)
		c.at, c.giveUp = time.UnixMicro(at), time.UnixMilli(giveUp)
		if until != 0 {
			c.until = time.UnixMicro(until)
		}
		if ok = err == nil; errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return c, ok && err == nil, err
}

// held tells whether a notice is this claim's still.
func (n *Notifier) held(ctx context.Context, c *claimed) (held bool, err error) {
	err = n.db.Read(ctx, func(db *sql.DB) error {
		return db.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM notice WHERE id = $1 AND channel = $2 AND holder = $3)", c.id, c.channel, c.holder).Scan(&held)
	})
	return held, err
}

// remove forgets a notice that was delivered or given up, if it is still this claim's.
func (n *Notifier) remove(ctx context.Context, c *claimed) error {
	return n.settle(ctx, "DELETE FROM notice WHERE id = $1 AND channel = $2 AND holder = $3", c.id, c.channel, c.holder)
}

// later gives a notice back, to be tried again at a time.
func (n *Notifier) later(ctx context.Context, c *claimed, due time.Time) error {
	return n.settle(ctx, "UPDATE notice SET due = $4, holder = '' WHERE id = $1 AND channel = $2 AND holder = $3",
		c.id, c.channel, c.holder, due.UnixMilli())
}

// settle writes what became of a delivery, also when ctx is over.
func (n *Notifier) settle(ctx context.Context, statement string, args ...any) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleWithin)
	defer cancel()
	return n.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, statement, args...)
		return err
	})
}
