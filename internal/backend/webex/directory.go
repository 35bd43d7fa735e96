package webex

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"star97/internal/backend/adapter"
	"star97/internal/backend/httpapi"
	"star97/internal/mailbox"
)

const (
	// readingLimit bounds one reading of the list of everybody.
	readingLimit = 15 * time.Minute
	// longestPause is the longest wait that such a reading grants the system, and pauses
	// how many.
	longestPause = time.Minute
	pauses       = 20
)

// directory is everybody, by number. It is read for all callers at once and goes on when
// one of them waits no longer: ten people at a time take longer than a call does.
type directory struct {
	one  singleflight.Group
	runs sync.WaitGroup
	life context.Context // of readings
	stop context.CancelFunc

	mu     sync.Mutex
	closed bool
	by     map[string][]person
	made   time.Time
}

var errClosed = errors.New("the backend is closed")

func newDirectory() *directory {
	d := &directory{}
	d.life, d.stop = context.WithCancel(context.Background())
	return d
}

// begin counts a reading in, unless d is closed.
func (d *directory) begin() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		d.runs.Add(1)
	}
	return !d.closed
}

// close ends a reading and waits for its end.
func (d *directory) close() {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.stop()
	d.runs.Wait()
}

// get is the list and its age; nil if there is none.
func (d *directory) get() (map[string][]person, time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.by, time.Since(d.made)
}

func (d *directory) set(by map[string][]person) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.by, d.made = by, time.Now()
}

// inDirectory finds a number in the list of everybody.
func (s *Store) inDirectory(ctx context.Context, op, number string) ([]person, error) {
	by, err := s.everyone(ctx, op)
	if err != nil {
		return nil, err
	}
	return few(op, by[number])
}

// everyone is the list of everybody. One that is older than people_for serves as long
// again, while the next one is read.
func (s *Store) everyone(ctx context.Context, op string) (map[string][]person, error) {
	if ctx.Err() != nil {
		return nil, mailbox.Expired(ctx, op)
	}
	d := s.people
	by, age := d.get()
	if by != nil && age < s.o.PeopleFor {
		return by, nil
	}
	// The reading is started by the first who wants it and stops when it is done, after
	// readingLimit, or when the store is closed. It owns the new list.
	got := d.one.DoChan("", func() (any, error) { return s.readDirectory(op) })
	if by != nil && age < 2*s.o.PeopleFor {
		return by, nil
	}
	select {
	case r := <-got:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(map[string][]person), nil
	case <-ctx.Done():
		return nil, mailbox.Fail(op, mailbox.Unavailable, fmt.Errorf("the list of everybody is still being read: %w", context.Cause(ctx)))
	}
}

// usualPage is List's own limit: each mailbox of a page takes some requests more.
const usualPage = 100

// List returns one page of the people who have an extension, out of the list of
// everybody, with what Lookup tells of them.
func (s *Store) List(ctx context.Context, p mailbox.Page) ([]mailbox.Account, error) {
	const op = "list"
	if !p.AllDomains && !strings.EqualFold(p.Domain, s.o.Domain) {
		return nil, nil
	}
	by, err := s.everyone(ctx, op)
	if err != nil {
		return nil, err
	}
	var all []mailbox.Account
	who := map[string]person{}
	for number, people := range by {
		for _, one := range people {
			if _, twice := who[one.ID]; one.Extension == number && !twice {
				who[one.ID] = one
				all = append(all, s.told(&one))
			}
		}
	}
	if p.Limit <= 0 {
		p.Limit = usualPage
	}
	var people []person
	for _, a := range adapter.PageOf(all, p) {
		people = append(people, who[a.ID])
	}
	return s.accounts(ctx, op, people)
}

func (s *Store) readDirectory(op string) (map[string][]person, error) {
	d := s.people
	if !d.begin() {
		return nil, mailbox.Fail(op, mailbox.Unavailable, errClosed)
	}
	defer d.runs.Done()
	if by, age := d.get(); by != nil && age < s.o.PeopleFor {
		return by, nil // somebody was quicker
	}
	ctx, cancel := context.WithTimeout(d.life, readingLimit)
	defer cancel()
	by, err := s.everybody(ctx, op)
	if err == nil {
		d.set(by)
	} else if d.life.Err() != nil {
		err = mailbox.Fail(op, mailbox.Unavailable, errClosed)
	}
	return by, err
}

// everybody reads the list, as slowly as the system wants it.
func (s *Store) everybody(ctx context.Context, op string) (map[string][]person, error) {
	query := url.Values{"callingData": {"true"}, "max": {peoplePage}}
	if s.o.Location != "" {
		query.Set("locationId", s.o.Location)
	}
	by, n := map[string][]person{}, 0
	err := list(ctx, s, op, "/people", query, pauses, func(page peopleList) error {
		if n += len(page.Items); n > s.o.PeopleMax {
			return mailbox.Fail(op, mailbox.Unavailable, fmt.Errorf("the organisation has more than %d people: set find to numbers, name a location, or raise people_max", s.o.PeopleMax))
		}
		for _, p := range page.Items {
			if !isID(p.ID) || !s.here(p.LocationID) {
				continue
			}
			for _, number := range append(p.numbers(), p.Extension) {
				if adapter.IsNumber(number) {
					by[number] = append(by[number], p)
				}
			}
		}
		return page.check(op)
	})
	return by, err
}

// waited pauses as long as a throttled answer wants, and tells whether to ask again.
func waited(ctx context.Context, err error) bool {
	var later *httpapi.Later
	if !errors.As(err, &later) || later.After > longestPause {
		return false
	}
	return adapter.Pause(ctx, later.After)
}

// few refuses a number of more people than a look-up can ask about.
func few(op string, people []person) ([]person, error) {
	if len(people) > maxOwners {
		return nil, errCrowd(op)
	}
	return people, nil
}
