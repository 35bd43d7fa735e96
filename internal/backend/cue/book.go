package cue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"star97/internal/backend/adapter"
	"star97/internal/mailbox"
)

// readTime bounds the reading of all users.
const readTime = 10 * time.Minute

// book is who has which extension, as it was read last. The system cannot be asked for
// the user of an extension, so all users are read one by one.
type book struct {
	mu      sync.Mutex
	people  []person // by extension; nil: not read yet
	made    time.Time
	reading *reading // under way; nil: none
}

// reading is one that all wait for who need it.
type reading struct {
	begun time.Time
	news  chan struct{} // closed when the book has those who were not in it
	done  chan struct{} // closed when the book has all as they are now
	err   error         // of both
}

// warm begins to read before the first caller needs it.
func (s *Store) warm() {
	if len(s.o.Users) == 0 {
		s.book.mu.Lock()
		defer s.book.mu.Unlock()
		s.read()
	}
}

// read begins to read all users if nobody does. The book's lock is held.
func (s *Store) read() *reading {
	b := &s.book
	if b.reading != nil {
		return b.reading
	}
	r := &reading{begun: time.Now(), news: make(chan struct{}), done: make(chan struct{})}
	before := b.people
	b.reading = r
	// Reads all users: started here; stops when that is done, or the store is closed;
	// owns r.
	going := s.pool.run(func() {
		ctx, cancel := context.WithTimeout(s.pool.life, readTime)
		defer cancel()
		s.finish(r, s.everybody(ctx, r, before))
	})
	if !going {
		r.err, b.reading = errClosed, nil
		close(r.news)
		close(r.done)
	}
	return r
}

func (s *Store) finish(r *reading, err error) {
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	r.err, s.book.reading = err, nil
	select {
	case <-r.news:
	default:
		close(r.news)
	}
	close(r.done)
}

// everybody asks for all users, one command at a time: callers get their turn in
// between. Those who were not there before come first, as somebody may wait for them.
func (s *Store) everybody(ctx context.Context, r *reading, before []person) error {
	const op = "lookup"
	var ids []string
	err := s.with(ctx, op, func(h *shell) (err error) {
		ids, err = h.list(ctx, s.o.MaxUsers)
		return err
	})
	if err != nil {
		return err
	}
	var old, fresh []string
	var kept []person
	for _, id := range ids {
		i := slices.IndexFunc(before, func(p person) bool { return p.id == id })
		if i < 0 {
			fresh = append(fresh, id)
			continue
		}
		old, kept = append(old, id), append(kept, before[i])
	}
	people, other, err := s.details(ctx, op, fresh)
	if err != nil {
		return err
	}
	if len(old) > 0 {
		s.keep(r, slices.Concat(kept, people))
		close(r.news)
		var again []person
		if again, other, err = s.details(ctx, op, old); err != nil {
			return err
		}
		people = append(people, again...)
	}
	if len(ids) > 0 && len(people) == 0 {
		return s.failed(op, fmt.Errorf("%q of each user is answered like %q: %w", detailCommand, quote(other), errShape))
	}
	s.keep(r, people)
	return nil
}

// details asks for each of the ids. Who is not there any more is left out; other is what
// was said of the last such one.
func (s *Store) details(ctx context.Context, op string, ids []string) (people []person, other []byte, err error) {
	for _, id := range ids {
		err := s.with(ctx, op, func(h *shell) error {
			p, ok, answer, err := h.detail(ctx, id)
			if ok {
				people = append(people, p)
			} else {
				other = answer
			}
			return err
		})
		if err != nil {
			return nil, nil, err
		}
	}
	return people, other, nil
}

var errShape = errors.New("there is no line that begins with Phone")

// keep makes people the book's.
func (s *Store) keep(r *reading, people []person) {
	slices.SortFunc(people, func(a, b person) int {
		return cmp.Or(strings.Compare(a.extension, b.extension), strings.Compare(a.id, b.id))
	})
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	s.book.people, s.book.made = append([]person{}, people...), r.begun
}

// known are all users as they were read last, and when; nil if they never were. Where
// that is long ago it begins to read them anew.
func (s *Store) known() ([]person, time.Time) {
	b := &s.book
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.people != nil && time.Since(b.made) > s.o.Refresh {
		s.read()
	}
	return b.people, b.made
}

// people waits for a reading that has not begun before since, or for the first one of
// all: until those have been asked for who were not in the book, and with all until
// everybody has.
func (s *Store) people(ctx context.Context, op string, since time.Time, all bool) ([]person, error) {
	b := &s.book
	for {
		b.mu.Lock()
		young := b.people == nil
		r := s.read()
		b.mu.Unlock()
		young = young || !r.begun.Before(since)
		enough := r.news
		if all || !young {
			enough = r.done
		}
		select {
		case <-enough:
		case <-ctx.Done():
			return nil, mailbox.Fail(op, mailbox.Unavailable, errReading)
		}
		b.mu.Lock()
		people, err := b.people, r.err
		b.mu.Unlock()
		switch {
		case err != nil:
			return nil, mailbox.Fail(op, mailbox.CodeOf(err), err)
		case young:
			return people, nil
		}
	}
}

var errReading = errors.New("the system's users are still being read")

// Lookup finds who has q.Number as extension or as E.164 number. Who is found in what
// was read earlier is asked for again, so that nobody is taken for the owner of an
// extension that has become somebody else's.
func (s *Store) Lookup(ctx context.Context, q mailbox.Query) ([]mailbox.Account, error) {
	if ctx.Err() != nil {
		return nil, mailbox.Expired(ctx, "lookup")
	}
	if !s.serves(q.Domain) || !adapter.IsNumber(q.Number) {
		return nil, nil
	}
	return s.find(ctx, "lookup", func(p person) bool { return p.extension == q.Number || p.number == q.Number })
}

// ByUser finds the mailbox of a user's id.
func (s *Store) ByUser(ctx context.Context, user, domain string) ([]mailbox.Account, error) {
	if ctx.Err() != nil {
		return nil, mailbox.Expired(ctx, "lookup")
	}
	if !s.serves(domain) || !isID(user) {
		return nil, nil
	}
	return s.find(ctx, "lookup", func(p person) bool { return strings.EqualFold(p.id, user) })
}

// serves tells whether the mailboxes of a domain are here.
func (s *Store) serves(domain string) bool { return strings.ToLower(domain) == s.o.Domain }

// find returns who fits and has an extension.
func (s *Store) find(ctx context.Context, op string, fits func(person) bool) ([]mailbox.Account, error) {
	if len(s.o.Users) > 0 {
		return s.accounts(s.listed(), fits), nil
	}
	all, made := s.known()
	found, since := s.accounts(all, fits), time.Now().Add(-s.o.MissPause)
	switch {
	case len(found) > 0:
		still, err := s.confirm(ctx, op, found, fits)
		if err != nil || len(still) > 0 {
			return still, err
		}
		since = time.Now() // something has changed a moment ago
	case all != nil && !made.Before(since):
		return nil, nil
	}
	all, err := s.people(ctx, op, since, len(found) > 0)
	return s.accounts(all, fits), err
}

// accounts are those who fit and have an extension.
func (s *Store) accounts(all []person, fits func(person) bool) (found []mailbox.Account) {
	for _, p := range all {
		if p.extension != "" && fits(p) {
			found = append(found, s.account(p))
		}
	}
	return found
}

// confirm asks anew for those who were found in the book and returns who still fit;
// none if anything has changed with them.
func (s *Store) confirm(ctx context.Context, op string, found []mailbox.Account, fits func(person) bool) ([]mailbox.Account, error) {
	var still []mailbox.Account
	for _, a := range found {
		var p person
		var ok bool
		err := s.with(ctx, op, func(h *shell) (err error) {
			p, ok, _, err = h.detail(ctx, a.ID)
			return err
		})
		if err != nil {
			return nil, err
		}
		if !ok || p.extension != a.Extension || !fits(p) {
			return nil, nil
		}
		still = append(still, s.account(p))
	}
	return still, nil
}

// forget makes the next question read all users.
func (s *Store) forget() {
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	s.book.made = time.Time{}
}

// listed are the mailboxes of the configuration.
func (s *Store) listed() []person {
	all := make([]person, len(s.o.Users))
	for i, u := range s.o.Users {
		all[i] = person{id: u.ID, extension: u.Extension, name: u.Name, language: u.Language}
	}
	return all
}
