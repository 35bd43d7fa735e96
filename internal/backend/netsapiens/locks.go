package netsapiens

import (
	"context"
	"hash/maphash"

	"star97/internal/mailbox"
)

// stripes is the number of locks that all names share.
const stripes = 64

// locks let one caller at a time do something to what has a name. Two names may share
// a lock, which costs time only.
type locks struct {
	seed  maphash.Seed
	taken *[stripes]chan struct{}
}

func newLocks() locks {
	l := locks{seed: maphash.MakeSeed(), taken: new([stripes]chan struct{})}
	for i := range l.taken {
		l.taken[i] = make(chan struct{}, 1)
	}
	return l
}

// hold waits for the name's turn, which ends with release, or for the end of ctx.
func (l locks) hold(ctx context.Context, op, name string) (release func(), err error) {
	lock := l.taken[maphash.String(l.seed, name)%stripes]
	select {
	case lock <- struct{}{}:
		return func() { <-lock }, nil
	case <-ctx.Done():
		return nil, mailbox.Expired(ctx, op)
	}
}
