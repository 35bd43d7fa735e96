package netsapiens

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"star97/internal/backend/adapter"
	"star97/internal/backend/httpapi"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

func lower(domain string) string { return strings.ToLower(domain) }

// book is which telephone numbers of a domain ring whom. A nil book has no numbers.
type book struct {
	made    time.Time
	byPhone map[string][]string
	byUser  map[string][]string
}

// users are who could be meant by a number, extension first.
func (b *book) users(number string) []string {
	var all []string
	if isExtension(number) {
		all = append(all, number)
	}
	if b == nil {
		return all
	}
	for _, user := range b.byPhone[number] {
		if user != number {
			all = append(all, user)
		}
	}
	return all
}

func (b *book) numbers(user string) []string {
	if b == nil {
		return nil
	}
	return slices.Clone(b.byUser[user])
}

// directory keeps the books of the domains that are called.
type directory struct {
	client  *httpapi.Client
	keep    time.Duration
	reading adapter.Turns // of domains
	mu      sync.Mutex
	books   map[string]*book
}

const (
	maxBooks   = 1000  // domains that are remembered
	maxNumbers = 50000 // numbers of a domain
	bookPage   = 500   // numbers of one answer; the system gives up to 1000
)

// book is the domain's, from memory or from the system; nil where numbers are off.
func (s *Store) book(ctx context.Context, domain string) (*book, error) {
	if !s.options.Numbers {
		return nil, nil
	}
	d := &s.numbers
	if b := d.known(domain); b != nil {
		return b, nil
	}
	turn, err := d.reading.Take(ctx, "lookup", domain, pin.PIN{})
	if err != nil {
		return nil, err
	}
	defer turn.End()
	if b := d.known(domain); b != nil {
		return b, nil // somebody was quicker
	}
	fresh, err := d.read(ctx, domain)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.books == nil || len(d.books) >= maxBooks {
		d.books = map[string]*book{}
	}
	d.books[domain] = fresh
	return fresh, nil
}

// known is a domain's book, nil if there is none that is young enough.
func (d *directory) known(domain string) *book {
	d.mu.Lock()
	defer d.mu.Unlock()
	if b := d.books[domain]; b != nil && time.Since(b.made) < d.keep {
		return b
	}
	return nil
}

// wireNumber is one telephone number and where it rings.
type wireNumber struct {
	Number text `json:"phonenumber"`
	On     text `json:"enabled"`
	Does   text `json:"dial-rule-application"`
	User   text `json:"dial-rule-translation-destination-user"`
	Host   text `json:"dial-rule-translation-destination-host"`
}

func (d *directory) read(ctx context.Context, domain string) (*book, error) {
	const op = "lookup"
	b := &book{made: time.Now(), byPhone: map[string][]string{}, byUser: map[string][]string{}}
	v := api2{client: d.client}
	for start := 0; start < maxNumbers; {
		a, err := v.get(ctx, op, domainPath(domain)+"/phonenumbers", url.Values{"start": {strconv.Itoa(start)}, "limit": {strconv.Itoa(bookPage)}})
		if errors.Is(err, mailbox.NotFound) {
			break
		}
		if err != nil {
			return nil, err
		}
		var page []wireNumber
		if json.Unmarshal(a.Body, &page) != nil {
			return nil, mailbox.Fail(op, mailbox.Unavailable, errShape)
		}
		for i := range page {
			b.add(&page[i], domain)
		}
		if start += len(page); len(page) < bookPage {
			break
		}
	}
	for _, numbers := range b.byUser {
		slices.Sort(numbers)
	}
	return b, nil
}

// add takes a number that rings a user of the domain.
func (b *book) add(n *wireNumber, domain string) {
	number, user := strings.TrimPrefix(string(n.Number), "+"), string(n.User)
	host := strings.ToLower(string(n.Host))
	switch {
	case !adapter.IsNumber(number), !isExtension(user), no(n.On), !ringsUser(string(n.Does)):
	case host != "" && host != "[*]" && host != domain:
	case slices.Contains(b.byPhone[number], user):
	default:
		b.byPhone[number] = append(b.byPhone[number], user)
		b.byUser[user] = append(b.byUser[user], number)
	}
}

// ringsUser is true of the applications of a number that end at one user, as public
// programs for this system name them.
func ringsUser(application string) bool {
	switch application {
	case "", "to-user", "to-user-residential", "to-voicemail":
		return true
	}
	return false
}
