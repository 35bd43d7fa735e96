package audit

import (
	"context"
	"sync"
	"time"

	"star97/internal/mailbox"
)

// doors gathers what one try closed or opened, to be recorded behind it in the same
// commit: another one would tell a stranger by its time that there was something to close.
type doors struct {
	mu    sync.Mutex
	moves []Record
	stood bool
}

type doorsKey struct{}

func listen(ctx context.Context) (context.Context, *doors) {
	d := new(doors)
	return context.WithValue(ctx, doorsKey{}, d), d
}

func (d *doors) moved() []Record {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.moves
}

// left tells whether a Send left the code before as it was.
func (d *doors) left() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stood
}

// maxMoves bounds the records beside that of a try.
const maxMoves = 8

// Closed tells, from within a try (its ctx), that the try closed a door (at.Door) of a
// mailbox to everybody, or all mailboxes to its source if a is without ID. A zero until
// is that of a closure which somebody has to end.
func (t *Trail) Closed(ctx context.Context, a mailbox.Account, at mailbox.Attempt, until time.Time, why string) {
	r := about(Lock, a, at)
	r.Until, r.Reason = until, why
	tell(ctx, r)
}

// Opened tells, from within a try (its ctx), that the try opened a door (at.Door) which
// was closed.
func (t *Trail) Opened(ctx context.Context, a mailbox.Account, at mailbox.Attempt, why string) {
	r := about(Unlock, a, at)
	r.Reason = why
	tell(ctx, r)
}

// Stood tells, from within a Send (its ctx), that the one-time code before is good still
// and no new one was sent.
func (t *Trail) Stood(ctx context.Context) {
	d, ok := ctx.Value(doorsKey{}).(*doors)
	if !ok {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stood = true
}

func tell(ctx context.Context, r Record) {
	d, ok := ctx.Value(doorsKey{}).(*doors)
	if !ok {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.moves) < maxMoves {
		d.moves = append(d.moves, r)
	}
}
