package broadworks

import (
	"context"
	"sync"

	"star97/internal/mailbox"
	"star97/internal/pin"
)

// turns let the changes of one user follow each other: the interface knows no change
// that depends on the code in force. The zero value is ready. It holds as many users as
// there are changes under way.
type turns struct {
	mu   sync.Mutex
	busy map[string]*turn
}

// turn is what the changes of one user wait for.
type turn struct {
	free  chan struct{} // holds a token while nobody has the turn
	users int           // those who wait, and the one whose turn it is
	old   pin.PIN       // what the change before has replaced
}

// take waits for the turn, which ends with end. A code that the change before has
// replaced is answered WrongPIN: the system would count a wrong try.
func (t *turns) take(ctx context.Context, op, id string, current *pin.PIN) (mine *turn, end func(), err error) {
	t.mu.Lock()
	mine = t.busy[id]
	if mine == nil {
		if t.busy == nil {
			t.busy = map[string]*turn{}
		}
		mine = &turn{free: make(chan struct{}, 1)}
		mine.free <- struct{}{}
		t.busy[id] = mine
	}
	mine.users++
	t.mu.Unlock()
	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if mine.users--; mine.users == 0 {
			mine.old.Wipe()
			delete(t.busy, id)
		}
	}
	select {
	case <-mine.free:
	case <-ctx.Done():
		leave()
		return nil, nil, mailbox.Expired(ctx, op)
	}
	end = func() {
		mine.free <- struct{}{}
		leave()
	}
	if !mine.old.Empty() && mine.old.Equal(current) {
		end()
		return nil, nil, mailbox.Fail(op, mailbox.WrongPIN, nil)
	}
	return mine, end, nil
}
