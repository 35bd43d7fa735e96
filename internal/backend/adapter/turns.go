package adapter

import (
	"context"
	"sync"

	"star97/internal/mailbox"
	"star97/internal/pin"
)

// Turns let the changes of one mailbox follow each other: few interfaces know a change
// that depends on the code in force, so that two callers who both know it would both
// succeed. The zero value is ready. It holds as many ids as are waited for.
type Turns struct {
	mu   sync.Mutex
	busy map[string]*queue
}

type queue struct {
	free    chan struct{} // holds a token while nobody has the turn
	waiting int           // with the one whose turn it is
	old     pin.PIN       // replaced last while somebody waited
}

// Turn is one change's.
type Turn struct {
	of *Turns
	id string
	q  *queue
}

// Take waits for the turn, which ends with End, or for the end of ctx. Where the change
// before has replaced current, it answers WrongPIN by itself: the system would count a
// wrong try. An empty current is none.
func (t *Turns) Take(ctx context.Context, op, id string, current pin.PIN) (*Turn, error) {
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
	mine := &Turn{t, id, q}
	select {
	case <-q.free:
	case <-ctx.Done():
		mine.leave()
		return nil, mailbox.Expired(ctx, op)
	}
	if !current.Empty() && q.old.Equal(&current) {
		mine.End()
		return nil, mailbox.Fail(op, mailbox.WrongPIN, nil)
	}
	return mine, nil
}

// Replaced tells those who wait which code is no longer in force, now that next is. An
// empty old one says that what was replaced before may be in force again.
func (m *Turn) Replaced(old, next pin.PIN) {
	if m.q.old.Wipe(); !old.Equal(&next) {
		m.q.old = old
	}
}

// Waiting is how many have the turn of an id or wait for it.
func (t *Turns) Waiting(id string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if q := t.busy[id]; q != nil {
		return q.waiting
	}
	return 0
}

// End gives the turn to the next.
func (m *Turn) End() {
	m.q.free <- struct{}{}
	m.leave()
}

func (m *Turn) leave() {
	m.of.mu.Lock()
	defer m.of.mu.Unlock()
	if m.q.waiting--; m.q.waiting == 0 {
		m.q.old.Wipe()
		delete(m.of.busy, m.id)
	}
}
