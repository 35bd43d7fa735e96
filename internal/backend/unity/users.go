package unity

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"star97/internal/backend/adapter"
	"star97/internal/mailbox"
)

const (
	// maxAnswers bounds Lookup: two are already too many for a call.
	maxAnswers = 10
	// pageRows is what is asked for at once: some 2 KB a user, well below the largest answer.
	pageRows = 200
	// maxList is List's own limit, and maxAsked the most that it lets itself be asked for.
	maxList, maxAsked = 100, 1000
	// atOnce is how many users are completed at a time.
	atOnce = 4
	// lookupPages bounds how far Lookup reads on, and maxPages how far a search does.
	lookupPages, maxPages = 2, 100
)

// Lookup finds the mailboxes whose primary extension is q.Number, and those of whom it is
// an alternate one where that is set. Their states and rules are read with them; those
// that the service's account may not read stay empty.
func (s *Store) Lookup(ctx context.Context, q mailbox.Query) ([]mailbox.Account, error) {
	const op = "lookup"
	if !adapter.IsNumber(q.Number) || !strings.EqualFold(q.Domain, s.o.Domain) {
		return nil, nil
	}
	found, err := s.matching(ctx, op, "DtmfAccessId", q.Number)
	if err != nil {
		return nil, err
	}
	others, err := s.byAlternate(ctx, op, q.Number)
	if err != nil {
		return nil, err
	}
	for _, u := range others {
		if !slices.ContainsFunc(found, func(f record) bool { return f.text("ObjectId") == u.text("ObjectId") }) {
			found = append(found, u)
		}
	}
	return s.accounts(ctx, op, found)
}

// ByUser finds the mailbox of a user of the common directory by Options.UserColumn.
func (s *Store) ByUser(ctx context.Context, user, domain string) ([]mailbox.Account, error) {
	const op = "lookup"
	if !isUser(user) || !strings.EqualFold(domain, s.o.Domain) {
		return nil, nil
	}
	found, err := s.matching(ctx, op, s.o.UserColumn, user)
	if err != nil {
		return nil, err
	}
	return s.accounts(ctx, op, found)
}

// matching finds the users whose column is value, in the configured partition. It looks
// at each one itself: what the server makes of a criterion must not decide whose mailbox
// is opened.
func (s *Store) matching(ctx context.Context, op, column, value string) ([]record, error) {
	var found []record
	err := s.users(ctx, op, queryFor(fmt.Sprintf("(%s is %s)", column, value)), lookupPages, func(u record) bool {
		if strings.EqualFold(u.text(column), value) && s.inPartition(u) {
			found = append(found, u)
		}
		return len(found) < maxAnswers
	})
	return found, err
}

func (s *Store) inPartition(u record) bool {
	return s.o.Partition == "" || strings.EqualFold(u.text("PartitionObjectId"), s.o.Partition)
}

var errNoInterface = errors.New("the server has no users below /vmrest: let api.url be that of the Unity Connection server")

// users reads page by page until more says no.
func (s *Store) users(ctx context.Context, op string, query url.Values, pages int, more func(record) bool) error {
	seen := 0
	for page := 1; page <= pages; page++ {
		setPage(query, page, pageRows)
		part, err := s.get(ctx, op, usersPath, query, "User")
		if errors.Is(err, mailbox.NotFound) {
			return mailbox.Fail(op, mailbox.Unavailable, errNoInterface)
		}
		if err != nil {
			return err
		}
		for _, u := range part.items {
			if !isID(u.text("ObjectId")) {
				return mailbox.Fail(op, mailbox.Unavailable, errShape)
			}
			if !more(u) {
				return nil
			}
		}
		seen += len(part.items)
		if len(part.items) == 0 || seen >= part.total {
			return nil
		}
	}
	return nil
}

// accounts completes users with what other addresses tell of them, a few at a time: the
// system throttles who asks much at once.
func (s *Store) accounts(ctx context.Context, op string, users []record) ([]mailbox.Account, error) {
	all := make([]mailbox.Account, len(users))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i, u := range users {
		// One user: started here; stops when the account is read, at the latest with ctx;
		// owns its place in all.
		g.Go(func() (err error) {
			all[i], err = s.complete(ctx, op, u)
			return err
		})
	}
	if err := g.Wait(); err != nil || len(all) == 0 {
		return nil, err
	}
	return all, nil
}

func (s *Store) complete(ctx context.Context, op string, u record) (mailbox.Account, error) {
	a := s.account(u)
	if s.o.Alternates != Off {
		numbers, err := s.alternates(ctx, op, a.ID, a.Extension)
		if err != nil && !hidden(err) {
			return mailbox.Account{}, err
		}
		a.Numbers = numbers
	}
	c, err := s.credential(ctx, op, a.ID)
	switch {
	case hidden(err):
		return a, nil
	case err != nil:
		return mailbox.Account{}, err
	}
	a.Flags.CannotChange, a.Flags.MustChange = c.cantChange, c.mustChange
	r, err := s.rulesOf(ctx, op, a.ID, c.policy)
	switch {
	case hidden(err):
		return a, nil
	case err != nil:
		return mailbox.Account{}, err
	}
	p := r.policy
	a.Rules = &p
	return a, nil
}

// hidden tells whether the service's account may not see something, or it is not there:
// a role that cannot reset some codes cannot read all about them either.
func hidden(err error) bool {
	c := mailbox.CodeOf(err)
	return c == mailbox.ServiceRefused || c == mailbox.NotFound
}

// account is what the list of users tells of one.
func (s *Store) account(u record) mailbox.Account {
	a := mailbox.Account{
		ID: strings.ToLower(u.text("ObjectId")), Backend: Name, Extension: u.text("DtmfAccessId"), Domain: s.o.Domain,
		Name: u.text("DisplayName"), User: u.text("LdapCcmUserId"), Language: language(u.number("Language")),
		Mail:  adapter.Mail(u.text("EmailAddress")),
		Flags: mailbox.Flags{Disabled: u.flag("Inactive")},
	}
	if a.Name == "" {
		a.Name = strings.TrimSpace(u.text("FirstName") + " " + u.text("LastName"))
	}
	if a.User == "" {
		a.User = u.text("Alias")
	}
	return a
}

// List reads the users in the order of their extensions, and with them what Lookup tells:
// some requests for each. A search finds a part of an extension or a name; on a system
// with more than maxPages pages of users what an extension or alias begins with.
func (s *Store) List(ctx context.Context, p mailbox.Page) ([]mailbox.Account, error) {
	const op = "list"
	if !p.AllDomains && !strings.EqualFold(p.Domain, s.o.Domain) {
		return nil, nil
	}
	limit := p.Limit
	if limit <= 0 {
		limit = maxList
	}
	limit = min(limit, maxAsked)
	criterion, err := s.searching(ctx, op, p.Search)
	if err != nil {
		return nil, err
	}
	var page []record
	reached := p.After == nil
	query := queryFor(criterion)
	query.Set("sort", "(DtmfAccessId asc)")
	err = s.users(ctx, op, query, 10*maxPages, func(u record) bool {
		switch {
		case !reached && strings.EqualFold(u.text("ObjectId"), p.After.ID):
			reached = true
			return true
		case !reached && u.text("DtmfAccessId") > p.After.Extension:
			reached = true // the one before is there no more
		}
		if reached && s.inPartition(u) && (criterion != "" || holds(s.account(u), p.Search)) {
			page = append(page, u)
		}
		return len(page) < limit
	})
	if err != nil {
		return nil, err
	}
	return s.accounts(ctx, op, page)
}

// searching is the criterion of a search, empty where all users can be looked through:
// the grammar knows no part of a text but its beginning.
func (s *Store) searching(ctx context.Context, op, search string) (string, error) {
	if search == "" || !isUser(search) {
		return "", nil
	}
	all, err := s.count(ctx, op)
	if err != nil || all <= maxPages*pageRows {
		return "", err
	}
	if adapter.IsNumber(search) {
		return fmt.Sprintf("(DtmfAccessId startswith %s)", search), nil
	}
	return fmt.Sprintf("(Alias startswith %s)", search), nil
}

func holds(a mailbox.Account, search string) bool {
	return adapter.Like(a.Extension, search) || adapter.Like(a.Name, search)
}

// fresh reads a mailbox by its id.
func (s *Store) fresh(ctx context.Context, op, id string) (mailbox.Account, error) {
	if !isID(id) {
		return mailbox.Account{}, mailbox.Fail(op, mailbox.NotFound, nil)
	}
	u, err := s.one(ctx, op, userPath(id), "User")
	if err != nil {
		return mailbox.Account{}, err
	}
	if !strings.EqualFold(u.text("ObjectId"), id) {
		return mailbox.Account{}, mailbox.Fail(op, mailbox.Unavailable, errShape)
	}
	return s.complete(ctx, op, u)
}

// userShape is what of a user's id has no meaning in the grammar of criteria. How long it
// may be is counted apart: as a repetition it took more than a megabyte.
var userShape = regexp.MustCompile(`^[\pL\pN._@+-]+$`)

const userMost = 64 // characters

func isUser(s string) bool { return utf8.RuneCountInString(s) <= userMost && userShape.MatchString(s) }
