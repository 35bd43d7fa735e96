package cue

import (
	"context"
	"slices"
	"strings"
	"time"

	"star97/internal/backend/adapter"
	"star97/internal/mailbox"
)

// maxPage bounds a page.
const maxPage = 1000

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
	found := s.accounts(all, func(who person) bool {
		return adapter.Like(who.extension, p.Search) || adapter.Like(who.name, p.Search) || adapter.Like(who.number, p.Search)
	})
	slices.SortStableFunc(found, inOrder)
	if p.After != nil {
		i, _ := slices.BinarySearchFunc(found, *p.After, func(a, after mailbox.Account) int {
			if inOrder(a, after) <= 0 {
				return -1
			}
			return 1
		})
		found = found[i:]
	}
	most := maxPage
	if p.Limit > 0 {
		most = min(most, p.Limit)
	}
	return found[:min(len(found), most)], nil
}

// inOrder is the order of a list.
func inOrder(a, b mailbox.Account) int {
	if c := strings.Compare(a.Extension, b.Extension); c != 0 {
		return c
	}
	return strings.Compare(a.ID, b.ID)
}
