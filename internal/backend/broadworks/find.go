package broadworks

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"star97/internal/backend/adapter"
	"star97/internal/mailbox"
)

// person is a user of the system.
type person struct {
	id        string
	name      string
	mail      string
	extension string
	dn        string // telephone number as the system writes it, as +1-2015550143
}

// digits are those of the number alone.
func (p person) digits() string { return digitsOf(p.dn) }

func digitsOf(number string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, number)
}

// has tells whether number is the person's telephone number, with or without the
// country's code, which a dash ends.
func (p person) has(number string) bool {
	_, national, _ := strings.Cut(p.dn, "-")
	return number != "" && (number == p.digits() || number == digitsOf(national))
}

// criterion says which users to find.
type criterion struct {
	element string // in the order of the schema there is only one; empty: everybody
	mode    string
	value   string
	most    int               // users of an answer; 0: mostFound
	fits    func(person) bool // the system's word is not enough
}

const (
	equal    = "Equal To"
	contains = "Contains"
)

func byExtension(number string) criterion {
	return criterion{element: "searchCriteriaExtension", mode: equal, value: number, fits: func(p person) bool { return p.extension == number }}
}

func byID(id string) criterion {
	return criterion{element: "searchCriteriaUserId", mode: equal, value: id, fits: func(p person) bool { return strings.EqualFold(p.id, id) }}
}

const (
	// leastNumber is the shortest number that is taken for a telephone number, and as many
	// of its last digits are looked for: they stand together in every form of it.
	leastNumber = 7
	// longestExtension is that of the system.
	longestExtension = 20
	// mostFound bounds the users of an answer.
	mostFound = 100
)

func byNumber(number string) criterion {
	return criterion{element: "searchCriteriaDn", mode: contains, value: number[len(number)-leastNumber:], fits: func(p person) bool { return p.has(number) }}
}

// find returns the users of a domain that c fits; nobody where the domain is not served.
func (s *Store) find(ctx context.Context, op, domain string, c criterion) ([]person, error) {
	t, ok := s.tenants[domain]
	if !ok {
		return nil, nil
	}
	name := "UserGetListInSystemRequest"
	switch {
	case t.Group != "":
		name = "UserGetListInGroupRequest"
	case t.ServiceProvider != "":
		name = "UserGetListInServiceProviderRequest"
	}
	n, err := s.ask(ctx, op, command{name: name, safe: true, fill: func(m *message) {
		if t.ServiceProvider != "" {
			m.put("serviceProviderId", t.ServiceProvider)
		}
		if t.Group != "" {
			m.put("GroupId", t.Group) // the schema's own capital
		}
		m.put("responseSizeLimit", strconv.Itoa(cmp.Or(c.most, mostFound)))
		if c.element == "" {
			return
		}
		m.in(c.element, func() {
			m.put("mode", c.mode)
			m.put("value", c.value)
			m.put("isCaseInsensitive", "true")
		})
	}})
	if err != nil {
		return nil, plain(op, err)
	}
	people, err := readPeople(n.child("userTable"))
	if err != nil {
		return nil, mailbox.Fail(op, mailbox.Unavailable, err)
	}
	var found []person
	for _, p := range people {
		if c.fits(p) {
			found = append(found, p)
			s.people.Set(p.id, p)
		}
	}
	return found, nil
}

// plain is the error of a question, where a fault says nothing about a mailbox.
func plain(op string, err error) error {
	if f, ok := err.(fault); ok {
		return mailbox.Fail(op, f.code(mailbox.Unavailable), f)
	}
	return err
}

// readPeople reads a table. Its columns are known by their headings, in whatever order
// they are and whatever else there is.
func readPeople(table *node) ([]person, error) {
	if table == nil {
		return nil, errShape
	}
	at, columns := map[string]int{}, 0
	var people []person
	for i := range table.nodes {
		switch n := &table.nodes[i]; n.name {
		case "colHeading":
			at[string(bytes.TrimSpace(n.text))] = columns
			columns++
		case "row":
			if len(n.nodes) != columns {
				return nil, errShape
			}
			cell := func(heading string) string {
				if k, ok := at[heading]; ok {
					return string(bytes.TrimSpace(n.nodes[k].text))
				}
				return ""
			}
			p := person{
				mail: adapter.Mail(cell("Email Address")),
				id:   cell("User Id"), extension: cell("Extension"), dn: cell("Phone Number"),
				name: strings.TrimSpace(cell("First Name") + " " + cell("Last Name")),
			}
			if !isName(p.id) {
				return nil, errShape
			}
			people = append(people, p)
		}
	}
	for _, needed := range []string{"User Id", "Extension", "Phone Number"} {
		if _, ok := at[needed]; !ok {
			return nil, fmt.Errorf("the system's table of users has no column %s", needed)
		}
	}
	return people, nil
}

// Lookup finds the users of the domain's tenant whose extension, or telephone number if
// the options say so, is q.Number, with their states and rules.
func (s *Store) Lookup(ctx context.Context, q mailbox.Query) ([]mailbox.Account, error) {
	const op = "lookup"
	if ctx.Err() != nil {
		return nil, mailbox.Expired(ctx, op)
	}
	if q.Number == "" || digitsOf(q.Number) != q.Number {
		return nil, nil
	}
	domain := strings.ToLower(q.Domain)
	var found []person
	if len(q.Number) <= longestExtension {
		people, err := s.find(ctx, op, domain, byExtension(q.Number))
		if err != nil {
			return nil, err
		}
		found = people
	}
	if s.o.Numbers && len(q.Number) >= leastNumber {
		more, err := s.find(ctx, op, domain, byNumber(q.Number))
		if err != nil {
			return nil, err
		}
		for _, p := range more {
			if p.extension != q.Number { // else it is there already
				found = append(found, p)
			}
		}
	}
	return s.accounts(ctx, op, domain, found)
}

// ByUser finds the user of an id.
func (s *Store) ByUser(ctx context.Context, user, domain string) ([]mailbox.Account, error) {
	const op = "lookup"
	if ctx.Err() != nil {
		return nil, mailbox.Expired(ctx, op)
	}
	if !isName(user) {
		return nil, nil
	}
	domain = strings.ToLower(domain)
	found, err := s.find(ctx, op, domain, byID(user))
	if err != nil {
		return nil, err
	}
	return s.accounts(ctx, op, domain, found)
}

// accounts are people as a caller of Lookup sees them.
func (s *Store) accounts(ctx context.Context, op, domain string, people []person) ([]mailbox.Account, error) {
	var all []mailbox.Account
	for _, p := range people {
		a := p.account(domain)
		if !s.o.NoStates {
			i, err := s.states(ctx, op, p.id)
			if errors.Is(err, mailbox.NotFound) {
				continue // gone since
			}
			if err != nil && !hidden(err) {
				return nil, err
			}
			if err == nil {
				a.Flags = s.flags(i)
			}
		}
		r, err := s.rulesOf(ctx, op, p.id)
		if err != nil && !hidden(err) {
			return nil, err
		}
		if err == nil {
			a.Rules = &r.policy
		}
		all = append(all, a)
	}
	return all, nil
}

// account is what a table of users tells of p.
func (p person) account(domain string) mailbox.Account {
	a := mailbox.Account{
		ID: p.id, Backend: Name, Extension: p.extension, Domain: domain, Name: p.name, Mail: p.mail, User: p.id,
	}
	if number := p.digits(); number != "" {
		a.Numbers = []string{number}
	}
	return a
}

// hidden tells whether star97's own account is not let see something that others do
// without.
func hidden(err error) bool { return mailbox.CodeOf(err) == mailbox.ServiceRefused }

// person is the user of an account. NotFound where there is none.
func (s *Store) person(ctx context.Context, op string, a mailbox.Account) (person, error) {
	if !isName(a.ID) {
		return person{}, mailbox.Fail(op, mailbox.NotFound, nil)
	}
	if p, ok := s.people.Get(a.ID); ok {
		return p, nil
	}
	found, err := s.find(ctx, op, strings.ToLower(a.Domain), byID(a.ID))
	if err != nil {
		return person{}, err
	}
	if len(found) != 1 {
		return person{}, mailbox.Fail(op, mailbox.NotFound, nil)
	}
	return found[0], nil
}
