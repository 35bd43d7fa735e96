package unity

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"star97/internal/backend/adapter"
	"star97/internal/mailbox"
)

// alternates reads a mailbox's further extensions: digits, sorted, without its primary one.
func (s *Store) alternates(ctx context.Context, op, id, primary string) ([]string, error) {
	found, err := s.get(ctx, op, userPath(id)+"/alternateextensions", nil, "AlternateExtension", http.StatusUnauthorized)
	if err != nil {
		return nil, err
	}
	var numbers []string
	for _, r := range found.items {
		n := strings.TrimPrefix(r.text("DtmfAccessId"), "+")
		// IdIndex 0 is the primary extension.
		if r.text("IdIndex") != "0" && n != primary && adapter.IsNumber(n) {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return slices.Compact(numbers), nil
}

// byAlternate finds users by an alternate extension as it was when all were last read,
// and asks whether it still is one.
func (s *Store) byAlternate(ctx context.Context, op, number string) ([]record, error) {
	known := s.others.Load()
	if known == nil {
		return nil, nil
	}
	var found []record
	ids := (*known)[number]
	for _, id := range ids[:min(len(ids), maxAnswers)] {
		u, err := s.one(ctx, op, userPath(id), "User")
		if hidden(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		numbers, err := s.alternates(ctx, op, id, u.text("DtmfAccessId"))
		if err != nil && !hidden(err) {
			return nil, err
		}
		if slices.Contains(numbers, number) && strings.EqualFold(u.text("ObjectId"), id) && s.inPartition(u) {
			found = append(found, u)
		}
	}
	return found, nil
}

const (
	// alternatesPause is the rest between two users, so that reading all of them is no
	// burden to the system: 5,000 take four minutes at least.
	alternatesPause = 50 * time.Millisecond
	// alternatesAgain is when a reading that failed is tried again.
	alternatesAgain = time.Minute
)

// watch begins to read every user's alternate extensions where mailboxes are to be found
// by them: the interface has no criterion for that. Until all are read none is found so.
func (s *Store) watch() {
	if s.o.Alternates != Find {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop, s.stopped = stop, make(chan struct{})
	// Started here; stops when Close is called; owns nothing but what it reads.
	go func() {
		defer close(s.stopped)
		for {
			wait := s.o.AlternatesEvery
			if s.readAlternates(ctx, alternatesPause) != nil {
				wait = alternatesAgain
			}
			if !adapter.Pause(ctx, wait) {
				return
			}
		}
	}()
}

// readAlternates reads all users' alternate extensions. What was known before stays
// until all are read.
func (s *Store) readAlternates(ctx context.Context, pause time.Duration) error {
	const op = "alternates"
	all, err := s.count(ctx, op)
	if err != nil {
		return err
	}
	known := map[string][]string{}
	if all > s.o.AlternatesUsers {
		s.others.Store(&known)
		return nil
	}
	var users []record
	if err := s.users(ctx, op, queryFor(""), maxPages, func(u record) bool {
		users = append(users, u)
		return true
	}); err != nil {
		return err
	}
	for _, u := range users {
		if !s.inPartition(u) {
			continue
		}
		numbers, err := s.alternates(ctx, op, u.text("ObjectId"), u.text("DtmfAccessId"))
		if err != nil && !hidden(err) {
			return err
		}
		for _, n := range numbers {
			known[n] = append(known[n], u.text("ObjectId"))
		}
		if len(users) > 1 && !adapter.Pause(ctx, pause) {
			return mailbox.Expired(ctx, op)
		}
	}
	s.others.Store(&known)
	return nil
}
