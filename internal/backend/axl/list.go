package axl

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"star97/internal/backend/adapter"
	"star97/internal/mailbox"
)

const (
	// usualPage is List's own limit, and mostPage the most that it lets itself be asked
	// for: each mailbox takes a request of its own.
	usualPage, mostPage = 100, 1000
	// mostNamed bounds the users whose names a search reads, one by one.
	mostNamed = 1000
)

// List reads the users who have a primary extension, in the order of those, and with them
// what Lookup tells. Whatever Find is, it takes the right to send SQL. A search finds a
// part of an extension, a name or a telephone number; with more than mostNamed users, of
// an extension alone.
func (s *Store) List(ctx context.Context, p mailbox.Page) ([]mailbox.Account, error) {
	const op = "list"
	if ctx.Err() != nil {
		return nil, mailbox.Expired(ctx, op)
	}
	if !p.AllDomains && !strings.EqualFold(p.Domain, s.o.Domain) {
		return nil, nil
	}
	all, err := s.extensions(ctx, op)
	if err != nil {
		return nil, err
	}
	limit := usualPage
	if p.Limit > 0 {
		limit = min(p.Limit, mostPage)
	}
	var page []mailbox.Account
	for _, one := range all {
		switch {
		case len(page) == limit:
			return page, nil
		case p.After != nil && inOrder(one, primary{p.After.Extension, p.After.ID}) <= 0:
			continue
		case len(all) > mostNamed && !adapter.Like(one.extension, p.Search):
			continue
		}
		if page, err = s.listed(ctx, op, one, p.Search, page); err != nil {
			return nil, err
		}
	}
	return page, nil
}

// listed appends a user to a page, if it is still there and a search finds it.
func (s *Store) listed(ctx context.Context, op string, one primary, search string, page []mailbox.Account) ([]mailbox.Account, error) {
	u, err := s.user(ctx, op, one.user)
	switch {
	case mailbox.CodeOf(err) == mailbox.NotFound:
		return page, nil
	case err != nil:
		return nil, err
	case u.extension != one.extension || !s.answersTo(u, one.extension):
		return page, nil
	case !adapter.Matches(mailbox.Account{Extension: u.extension, Name: u.name, Numbers: []string{u.telephone}}, search):
		return page, nil
	}
	a, err := s.account(ctx, op, u)
	if err != nil {
		return nil, err
	}
	return append(page, a), nil
}

// primary is whose primary extension a number is.
type primary struct{ extension, user string }

func inOrder(a, b primary) int {
	return cmp.Or(cmp.Compare(a.extension, b.extension), cmp.Compare(a.user, b.user))
}

// extensions are all primary ones that a call can name, in their order.
func (s *Store) extensions(ctx context.Context, op string) ([]primary, error) {
	answer, err := s.ask(ctx, op, sqlQuery, func(m *message) {
		m.put("sql", "select eu.userid, n.dnorpattern from enduser eu"+
			" join endusernumplanmap m on m.fkenduser = eu.pkid"+
			" join numplan n on n.pkid = m.fknumplan"+
			" where m.tkdnusage = 1")
	})
	if err != nil {
		return nil, err
	}
	var all []primary
	for i := range answer.Nodes {
		row := &answer.Nodes[i]
		if row.XMLName.Local != "row" {
			continue
		}
		one := primary{row.child("dnorpattern").text(), row.child("userid").text()}
		if one.user == "" || one.extension == "" {
			return nil, mailbox.Fail(op, mailbox.Unavailable, errShape)
		}
		var plus bool
		if one.extension, plus = strings.CutPrefix(one.extension, `\+`); plus == s.o.Plus && adapter.IsNumber(one.extension) {
			all = append(all, one)
		}
	}
	slices.SortFunc(all, inOrder)
	return slices.Compact(all), nil
}
