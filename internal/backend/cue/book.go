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
	done chan struct{} // closed when people or err is there
	err  error
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
	r := &reading{done: make(chan struct{})}
	b.reading = r
	// Reads all users: started here; stops when that is done, or the store is closed;
	// owns r.
	going := s.pool.run(func() {
		ctx, cancel := context.WithTimeout(s.pool.life, readTime)
		defer cancel()
		people, err := s.everybody(ctx)
		b.mu.Lock()
		if err == nil {
			b.people, b.made = people, time.Now()
		}
		r.err, b.reading = err, nil
		b.mu.Unlock()
		close(r.done)
	})
	if !going {
		r.err, b.reading = errClosed, nil
		close(r.done)
	}
	return r
}

// everybody asks for all users, one command at a time: callers get their turn in between.
func (s *Store) everybody(ctx context.Context) ([]person, error) {
	const op = "lookup"
	var ids []string
	err := s.with(ctx, op, func(h *shell) (err error) {
		ids, err = h.list(ctx, s.o.MaxUsers)
		return err
	})
	if err != nil {
		return nil, err
	}
	people := make([]person, 0, len(ids))
	var other []byte
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
			return nil, err
		}
	}
	if len(ids) > 0 && len(people) == 0 {
		return nil, s.failed(op, fmt.Errorf("%q of each user is answered like %q: %w", detailCommand, quote(other), errShape))
	}
	slices.SortFunc(people, func(a, b person) int {
		return cmp.Or(strings.Compare(a.extension, b.extension), strings.Compare(a.id, b.id))
	})
	return people, nil
}

var errShape = errors.New("there is no line that begins with Phone")

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

// people waits for all users to be read.
func (s *Store) people(ctx context.Context, op string) ([]person, error) {
	b := &s.book
	b.mu.Lock()
	r := s.read()
	b.mu.Unlock()
	select {
	case <-r.done:
	case <-ctx.Done():
		return nil, mailbox.Fail(op, mailbox.Unavailable, errReading)
	}
	if r.err != nil {
		return nil, mailbox.Fail(op, mailbox.CodeOf(r.err), r.err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.people, nil
}

var errReading = errors.New("the system's users are still being read")

// Lookup finds who has q.Number as extension or as E.164 number. Who is found in what
// was read earlier is asked for again, so that nobody is taken for the owner of an
// extension that has become somebody else's.
func (s *Store) Lookup(ctx context.Context, q mailbox.Query) ([]mailbox.Account, error) {
	if ctx.Err() != nil {
		return nil, mailbox.Expired(ctx, "lookup")
	}
	if !s.serves(q.Domain) || !isNumber(q.Number) {
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
	if found := s.accounts(all, fits); len(found) > 0 {
		if found, err := s.confirm(ctx, op, found, fits); err != nil || len(found) > 0 {
			return found, err
		}
	} else if all != nil && time.Since(made) <= s.o.MissPause {
		return nil, nil
	}
	all, err := s.people(ctx, op)
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
