package cue

import (
	"context"
	"time"

	"star97/internal/backend/adapter"
	"star97/internal/mailbox"
)

// List returns the mailboxes in the order of their extensions, as they were read within
// miss_pause.
func (s *Store) List(ctx context.Context, p mailbox.Page) ([]mailbox.Account, error) {
	const op = "list"
	if ctx.Err() != nil {
		return nil, mailbox.Expired(ctx, op)
	}
	if !p.AllDomains && !s.serves(p.Domain) {
		return nil, nil
	}
	since := time.Now().Add(-s.o.MissPause)
	all, made := s.listed(), time.Now()
	if len(s.o.Users) == 0 {
		all, made = s.known()
	}
	if len(s.o.Users) == 0 && (all == nil || made.Before(since)) {
		var err error
		if all, err = s.people(ctx, op, since, true); err != nil {
			return nil, err
		}
	}
	return adapter.PageOf(s.accounts(all, func(person) bool { return true }), p), nil
}
