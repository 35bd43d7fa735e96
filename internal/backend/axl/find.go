package axl

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"star97/internal/backend/adapter"
	"star97/internal/backend/httpapi"
	"star97/internal/mailbox"
)

const (
	sqlQuery = "executeSQLQuery"
	usersUDS = "/cucm-uds/users"

	// maxAnswers bounds Lookup: two are already too many for a call.
	maxAnswers = 10
	// pageRows stays below the 64 users that UDS gives at once as it is delivered.
	pageRows = 50
	// maxPages bounds how far a search by telephone number reads on.
	maxPages = 20
)

// Lookup finds the users of a number in the way that is set, and reads the states and
// the rules of each.
func (s *Store) Lookup(ctx context.Context, q mailbox.Query) ([]mailbox.Account, error) {
	const op = "lookup"
	if ctx.Err() != nil {
		return nil, mailbox.Expired(ctx, op)
	}
	if !adapter.IsNumber(q.Number) || !strings.EqualFold(q.Domain, s.o.Domain) {
		return nil, nil
	}
	ids, err := s.find(ctx, op, q.Number)
	if err != nil {
		return nil, err
	}
	var all []mailbox.Account
	for _, id := range ids {
		u, err := s.user(ctx, op, id)
		if mailbox.CodeOf(err) == mailbox.NotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		if !s.answersTo(u, q.Number) {
			continue
		}
		a, err := s.account(ctx, op, u)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

// answersTo tells whether a number is the user's, which what found the user need not
// prove: a directory's telephone number can be another's extension.
func (s *Store) answersTo(u user, number string) bool {
	if s.o.Partition != "" && !strings.EqualFold(u.partition, s.o.Partition) {
		return false
	}
	return s.o.Find == UserID || u.extension == number || s.o.Find == UDS && u.extension == ""
}

// ByUser finds a user of the common directory, whose id is the one here.
func (s *Store) ByUser(ctx context.Context, id, domain string) ([]mailbox.Account, error) {
	const op = "lookup"
	if ctx.Err() != nil {
		return nil, mailbox.Expired(ctx, op)
	}
	if !strings.EqualFold(domain, s.o.Domain) {
		return nil, nil
	}
	u, err := s.user(ctx, op, id)
	if mailbox.CodeOf(err) == mailbox.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	a, err := s.account(ctx, op, u)
	if err != nil {
		return nil, err
	}
	return []mailbox.Account{a}, nil
}

// find returns the ids of those whom a number finds.
func (s *Store) find(ctx context.Context, op, number string) ([]string, error) {
	switch s.o.Find {
	case UDS:
		return s.byDirectory(ctx, op, number)
	case UserID:
		return []string{number}, nil
	}
	return s.byExtension(ctx, op, number)
}

// byExtension asks the system's database for those whose primary extension a number is.
// There are no parameters in these statements: number is digits, and nothing else.
func (s *Store) byExtension(ctx context.Context, op, number string) ([]string, error) {
	if !adapter.IsNumber(number) {
		return nil, nil
	}
	plus := ""
	if s.o.Plus {
		plus = `\+`
	}
	// The usage 1 of a number is primary extension; others have, say, 2 for a contact center.
	answer, err := s.ask(ctx, op, sqlQuery, func(m *message) {
		m.put("sql", "select eu.userid, eu.pkid from enduser eu"+
			" join endusernumplanmap m on m.fkenduser = eu.pkid"+
			" join numplan n on n.pkid = m.fknumplan"+
			" where n.dnorpattern = '"+plus+number+"' and m.tkdnusage = 1")
	})
	if err != nil {
		return nil, err
	}
	var ids []string
	for i := range answer.Nodes {
		if answer.Nodes[i].XMLName.Local != "row" {
			continue
		}
		id := answer.Nodes[i].child("userid").text()
		if id == "" {
			return nil, mailbox.Fail(op, mailbox.Unavailable, errShape)
		}
		if !slices.Contains(ids, id) && len(ids) < maxAnswers {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// people is a page of what UDS finds.
type people struct {
	XMLName xml.Name `xml:"users"`
	Total   int      `xml:"totalCount,attr"`
	Users   []struct {
		ID        string `xml:"userName"`
		Telephone string `xml:"phoneNumber"`
	} `xml:"user"`
}

// byDirectory asks UDS, which needs no login, for those whose telephone number begins
// with a number, and keeps those whose it is.
func (s *Store) byDirectory(ctx context.Context, op, number string) ([]string, error) {
	var ids []string
	for seen, page := 0, 0; page < maxPages; page++ {
		found, err := s.directory(ctx, op, number, seen)
		if err != nil {
			return nil, err
		}
		for _, u := range found.Users {
			if digits(u.Telephone) == number && len(ids) < maxAnswers {
				ids = append(ids, strings.TrimSpace(u.ID))
			}
		}
		seen += len(found.Users)
		if len(found.Users) == 0 || seen >= found.Total {
			return ids, nil
		}
	}
	return nil, mailbox.Fail(op, mailbox.Unavailable, fmt.Errorf(
		"the telephone numbers of more than %d users begin with that number: let find be sql", maxPages*pageRows))
}

func (s *Store) directory(ctx context.Context, op, number string, start int) (people, error) {
	a, err := s.uds.Do(ctx, httpapi.Request{
		Op: op, Method: http.MethodGet, Path: usersUDS, Safe: true, Want: "xml", Header: http.Header{"Accept": {"application/xml"}},
		Query: url.Values{"number": {number}, "start": {strconv.Itoa(start)}, "max": {strconv.Itoa(pageRows)}},
	})
	if err != nil {
		return people{}, err
	}
	if a.Status != http.StatusOK {
		return people{}, mailbox.Fail(op, mailbox.Unavailable, fmt.Errorf(
			"the system answered with status %d: check url, and that its UDS service runs", a.Status))
	}
	var found people
	if err := a.XML(&found); err != nil {
		return people{}, err
	}
	for _, u := range found.Users {
		if strings.TrimSpace(u.ID) == "" {
			return people{}, mailbox.Fail(op, mailbox.Unavailable, errShape)
		}
	}
	return found, nil
}

// digits are those of a telephone number as people write it; empty if it is another text.
func digits(written string) string {
	n := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" ()+-", r) {
			return -1
		}
		return r
	}, written)
	if !adapter.IsNumber(n) {
		return ""
	}
	return n
}

var errUser = errors.New("the user's id is not one of the system's")
