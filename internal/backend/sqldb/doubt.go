package sqldb

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"sync"

	"star97/internal/sqlkit"
)

// doubts are the mailboxes of whose last change nobody knows the end: the connection was
// lost in its commit. On a server that commit may still be under way, and what is read
// meanwhile is the state before it. There are no more of them than mailboxes.
type doubts struct {
	mu  sync.Mutex
	ids map[string]bool
}

func (d *doubts) has(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ids[id]
}

func (d *doubts) set(id string, open bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !open {
		delete(d.ids, id)
		return
	}
	if d.ids == nil {
		d.ids = map[string]bool{}
	}
	d.ids[id] = true
}

// noteDoubt remembers a write of a mailbox whose commit failed half way.
func (s *Store) noteDoubt(id string, err error) error {
	if errors.Is(err, sqlkit.ErrCommit) && s.db.Dialect() == sqlkit.PostgreSQL {
		s.doubts.set(id, true)
	}
	return err
}

// errEnded takes back a lock for which nothing has to be committed.
var errEnded = errors.New("the lock was had")

// awaitDoubt waits until no transaction is under way that alters a doubtful mailbox: it
// holds the row until its commit has ended, one way or the other.
func (s *Store) awaitDoubt(ctx context.Context, id string) error {
	if !s.doubts.has(id) {
		return nil
	}
	err := s.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "SELECT 1 FROM mailbox WHERE id = $1 FOR UPDATE", id)
		return cmp.Or(err, errEnded)
	})
	if err != errEnded {
		return err
	}
	s.doubts.set(id, false)
	return nil
}
