package netsapiens

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"star97/internal/backend/adapter"
	"star97/internal/mailbox"
)

const (
	// wirePage is the number of users of one answer. The system gives up to 1000, but a
	// user is some kilobytes long.
	wirePage = 100
	// maxUsers of a domain that are listed.
	maxUsers = 20000
	// maxPage is List's own limit.
	maxPage = 1000
	// pageMemory is how long the next page is cut from what the first one read.
	pageMemory = time.Minute
)

// pages remembers the last domain that was listed, because the system promises no
// order: each page would otherwise read all of its users again.
type pages struct {
	mu     sync.Mutex
	domain string
	made   time.Time
	all    []mailbox.Account
}

// List returns one page in the order of domain and extension. All domains are those of
// the configuration. The answers that it is cut from hold codes in clear; they are wiped.
func (s *Store) List(ctx context.Context, p mailbox.Page) ([]mailbox.Account, error) {
	limit := p.Limit
	if limit <= 0 || limit > maxPage {
		limit = maxPage
	}
	domains := []string{lower(p.Domain)}
	if p.AllDomains {
		domains = s.names()
	}
	var found []mailbox.Account
	for _, domain := range domains {
		if p.After != nil && domain < p.After.Domain {
			continue
		}
		all, err := s.everybody(ctx, domain, p.After != nil)
		if err != nil {
			return nil, err
		}
		for _, a := range all {
			if after(a, p.After) && adapter.Matches(a, p.Search) {
				if found = append(found, a); len(found) == limit {
					return found, nil
				}
			}
		}
	}
	return found, nil
}

// names are the domains as queries name them: the default one has no name.
func (s *Store) names() []string {
	names := s.domains()
	names[slices.Index(names, s.options.Domain)] = ""
	slices.Sort(names)
	return names
}

func after(a mailbox.Account, last *mailbox.Account) bool {
	return last == nil || a.Domain > last.Domain || a.Domain == last.Domain && a.Extension > last.Extension
}

// everybody is who has an extension of digits in a domain, in order.
func (s *Store) everybody(ctx context.Context, of string, remembered bool) ([]mailbox.Account, error) {
	domain, ok := s.domain(of)
	if !ok {
		return nil, nil
	}
	m := &s.pages
	m.mu.Lock()
	all, fits := m.all, remembered && m.domain == of && time.Since(m.made) < pageMemory
	m.mu.Unlock()
	if fits {
		return all, nil
	}
	all, err := s.readAll(ctx, domain, of)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.domain, m.made, m.all = of, time.Now(), all
	return all, nil
}

func (s *Store) readAll(ctx context.Context, domain, of string) ([]mailbox.Account, error) {
	book, err := s.book(ctx, domain)
	if err != nil {
		return nil, err
	}
	var all []mailbox.Account
	seen := map[string]bool{}
	for start := 0; ; {
		people, err := s.wire.list(ctx, domain, start, wirePage)
		if err != nil {
			return nil, err
		}
		fresh := len(seen)
		for i := range people {
			seen[people[i].user] = true
			at := address{people[i].user, domain}
			if !isExtension(at.user) || people[i].domain != "" && people[i].domain != domain {
				continue
			}
			a := s.account(&people[i], at, of)
			a.Numbers = book.numbers(at.user)
			all = append(all, a)
		}
		if start += len(people); len(people) < wirePage || len(seen) == fresh {
			break
		}
		if start >= maxUsers {
			return nil, mailbox.Fail("list", mailbox.Unavailable, fmt.Errorf("the domain %s has more than %d users: search for one by its extension", domain, maxUsers))
		}
	}
	slices.SortFunc(all, func(a, b mailbox.Account) int { return strings.Compare(a.Extension, b.Extension) })
	return slices.CompactFunc(all, func(a, b mailbox.Account) bool { return a.Extension == b.Extension }), nil
}
