package webex

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"star97/internal/backend/adapter"
	"star97/internal/mailbox"
	"star97/internal/pin"
)

// person is a person as the system describes it with callingData=true.
type person struct {
	ID           string   `json:"id"`
	DisplayName  string   `json:"displayName"`
	FirstName    string   `json:"firstName"`
	LastName     string   `json:"lastName"`
	Emails       []string `json:"emails"`
	Extension    string   `json:"extension"`
	LocationID   string   `json:"locationId"`
	PhoneNumbers []struct {
		Value string `json:"value"`
	} `json:"phoneNumbers"`
}

// maxNumbers bounds the numbers of one person.
const maxNumbers = 50

// numbers are the person's telephone numbers: those with a plus, in digits. The others
// are extensions.
func (p *person) numbers() (all []string) {
	for _, n := range p.PhoneNumbers[:min(len(p.PhoneNumbers), maxNumbers)] {
		digits, international := strings.CutPrefix(n.Value, "+")
		if international && adapter.IsNumber(digits) && !slices.Contains(all, digits) {
			all = append(all, digits)
		}
	}
	return all
}

func (p *person) name() string {
	if p.DisplayName != "" {
		return adapter.Shown(p.DisplayName, maxShown)
	}
	return adapter.Shown(strings.TrimSpace(p.FirstName+" "+p.LastName), maxShown)
}

// here tells whether the store serves the person's location.
func (s *Store) here(location string) bool { return s.o.Location == "" || s.o.Location == location }

// Lookup finds the people who have a number: an extension, one with the location's
// prefix, or a telephone number with its country code.
func (s *Store) Lookup(ctx context.Context, q mailbox.Query) ([]mailbox.Account, error) {
	const op = "lookup"
	if !strings.EqualFold(q.Domain, s.o.Domain) || !adapter.IsNumber(q.Number) {
		return nil, nil
	}
	find := s.search
	if s.o.Find == byPeople {
		find = s.inDirectory
	}
	people, err := find(ctx, op, q.Number)
	if err != nil {
		return nil, err
	}
	return s.accounts(ctx, op, people)
}

// ByUser finds people by their address of mail, which is their name to the system.
func (s *Store) ByUser(ctx context.Context, user, domain string) ([]mailbox.Account, error) {
	const op = "lookup"
	if !strings.EqualFold(domain, s.o.Domain) || !strings.Contains(user, "@") || user != adapter.Shown(user, maxShown) {
		return nil, nil
	}
	var people []person
	query := url.Values{"email": {user}, "callingData": {"true"}, "max": {peoplePage}}
	err := list(ctx, s, op, "/people", query, 0, func(page peopleList) error {
		for _, p := range page.Items {
			same := func(mail string) bool { return strings.EqualFold(mail, user) }
			if isID(p.ID) && s.here(p.LocationID) && slices.ContainsFunc(p.Emails, same) {
				people = append(people, p)
			}
		}
		return page.check(op)
	})
	if err != nil {
		return nil, err
	}
	return s.accounts(ctx, op, people)
}

// numberList is a page of the search for numbers.
type numberList struct {
	Numbers []struct {
		Number    string `json:"phoneNumber"`
		Extension string `json:"extension"`
		ESN       string `json:"esn"` // the location's prefix and the extension
		Location  struct {
			ID string `json:"id"`
		} `json:"location"`
		Owner struct {
			ID   string `json:"id"`
			Type string `json:"type"`
		} `json:"owner"`
	} `json:"phoneNumbers"`
}

const (
	ownedByPerson = "PEOPLE"
	// leastPhone is the length from which on a number may be one with its country code.
	leastPhone = 7
)

// search asks for the owners of a number, and then for each of them.
func (s *Store) search(ctx context.Context, op, number string) ([]person, error) {
	owners, err := s.owners(ctx, op, "extension", number, number)
	if err == nil && len(owners) == 0 && len(number) >= leastPhone {
		owners, err = s.owners(ctx, op, "phoneNumber", "+"+number, number)
	}
	if err != nil {
		return nil, err
	}
	var people []person
	for _, id := range owners {
		p, err := s.person(ctx, op, id)
		if errors.Is(err, mailbox.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if s.here(p.LocationID) {
			people = append(people, p)
		}
	}
	return people, nil
}

// owners are the ids of the people who have a number, which is asked for by a field. The
// system may answer with others, too.
func (s *Store) owners(ctx context.Context, op, field, asked, number string) (ids []string, err error) {
	query := url.Values{field: {asked}, "max": {"100"}}
	if s.o.Location != "" {
		query.Set("locationId", s.o.Location)
	}
	err = list(ctx, s, op, "/telephony/config/numbers", query, 0, func(page numberList) error {
		if page.Numbers == nil {
			return mailbox.Fail(op, mailbox.Unavailable, errShape)
		}
		for _, n := range page.Numbers {
			fits := n.Extension == number || n.ESN == number || strings.TrimPrefix(n.Number, "+") == number
			if fits && n.Owner.Type == ownedByPerson && isID(n.Owner.ID) && s.here(n.Location.ID) && !slices.Contains(ids, n.Owner.ID) {
				ids = append(ids, n.Owner.ID)
			}
		}
		if len(ids) > maxOwners {
			return errCrowd(op)
		}
		return nil
	})
	return ids, err
}

// maxOwners bounds the people that one number stands for.
const maxOwners = 20

func errCrowd(op string) error {
	return mailbox.Fail(op, mailbox.Unavailable, fmt.Errorf("a number belongs to more than %d people: name one location", maxOwners))
}

var errShape = errors.New("the answer is not of the form that is described")

// person reads one person.
func (s *Store) person(ctx context.Context, op, id string) (person, error) {
	var p person
	_, err := s.get(ctx, op, "/people/"+url.PathEscape(id), url.Values{"callingData": {"true"}}, &p)
	if err == nil && p.ID != id {
		err = mailbox.Fail(op, mailbox.Unavailable, errShape)
	}
	return p, err
}

// accounts completes what Lookup tells of people.
func (s *Store) accounts(ctx context.Context, op string, people []person) ([]mailbox.Account, error) {
	var all []mailbox.Account
	for i := range people {
		a, err := s.account(ctx, op, &people[i])
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

// told is what the list of everybody tells of one.
func (s *Store) told(p *person) mailbox.Account {
	a := mailbox.Account{
		ID: p.ID, Backend: Name, Extension: p.Extension, Domain: s.o.Domain, Name: p.name(), Numbers: p.numbers(),
	}
	if len(p.Emails) > 0 {
		a.User, a.Mail = strings.ToLower(adapter.Shown(p.Emails[0], maxShown)), adapter.Mail(p.Emails[0])
	}
	return a
}

func (s *Store) account(ctx context.Context, op string, p *person) (mailbox.Account, error) {
	a := s.told(p)
	var err error
	if a.Flags.Disabled, err = s.off(ctx, op, p.ID); err != nil {
		return a, err
	}
	if a.Language, err = s.language(ctx, op, p.LocationID); err != nil {
		return a, err
	}
	r, err := s.rulesOf(ctx, op, p)
	if err == nil && r != nil {
		a.Rules = new(pin.Policy)
		*a.Rules = r.policy
	}
	return a, err
}

// off tells whether the person's voicemail is off. Who has none has it off.
func (s *Store) off(ctx context.Context, op, id string) (bool, error) {
	if !s.o.State {
		return false, nil
	}
	var v struct {
		Enabled *bool `json:"enabled"`
	}
	_, err := s.get(ctx, op, "/people/"+url.PathEscape(id)+"/features/voicemail", nil, &v)
	switch {
	case errors.Is(err, mailbox.NotFound):
		return true, nil
	case err != nil:
		return false, err
	case v.Enabled == nil:
		return false, mailbox.Fail(op, mailbox.Unavailable, errShape)
	}
	return !*v.Enabled, nil
}

// peoplePage is how many people with callingData the system gives at a time.
const peoplePage = "10"

type peopleList struct {
	Items []person `json:"items"`
}

// check tells whether the page is one.
func (l peopleList) check(op string) error {
	if l.Items == nil {
		return mailbox.Fail(op, mailbox.Unavailable, errShape)
	}
	return nil
}
