package axl

import (
	"context"
	"sync"

	"star97/internal/mailbox"
	"star97/internal/pin"
)

// turns let the changes of one user follow each other: the interface knows no change that
// depends on the code in force, so that two callers who both know it would both succeed.
// The zero value is ready. It holds as many users as there are changes under way.
type turns struct {
	mu   sync.Mutex
	busy map[string]*queue
}

type queue struct {
	free    chan struct{} // holds a token while nobody has the turn
	waiting int           // with the one whose turn it is
	old     pin.PIN       // replaced last while somebody waited
}

// turn is one change's.
type turn struct {
	of *turns
	id string
	q  *queue
}

// take waits for the turn. Where the change before has replaced current, it answers
// WrongPIN by itself: the system would count a wrong try.
func (t *turns) take(ctx context.Context, op, id string, current *pin.PIN) (*turn, error) {
	t.mu.Lock()
	q := t.busy[id]
	if q == nil {
		if t.busy == nil {
			t.busy = map[string]*queue{}
		}
		q = &queue{free: make(chan struct{}, 1)}
		q.free <- struct{}{}
		t.busy[id] = q
	}
	q.waiting++
	t.mu.Unlock()
	mine := &turn{t, id, q}
	select {
	case <-q.free:
	case <-ctx.Done():
		mine.leave()
		return nil, mailbox.Expired(ctx, op)
	}
	if current != nil && !current.Empty() && q.old.Equal(current) {
		mine.end()
		return nil, mailbox.Fail(op, mailbox.WrongPIN, nil)
	}
	return mine, nil
}

// replaced tells those who wait that a code is no longer in force.
func (m *turn) replaced(old pin.PIN) { m.q.old = old }

// end gives the turn to the next.
func (m *turn) end() {
	m.q.free <- struct{}{}
	m.leave()
}

func (m *turn) leave() {
	m.of.mu.Lock()
	defer m.of.mu.Unlock()
	if m.q.waiting--; m.q.waiting == 0 {
		m.q.old.Wipe()
		delete(m.of.busy, m.id)
	}
}
