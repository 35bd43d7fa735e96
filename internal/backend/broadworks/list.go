package broadworks

import (
	"context"
	"strings"

	"star97/internal/backend/adapter"
	"star97/internal/mailbox"
)

const (
	// mostListed bounds the users of a tenant that are listed: some 300 bytes each.
	mostListed = 3000
	// usualPage is List's own limit: each mailbox of a page takes two requests more.
	usualPage = 100
)

// List returns one page of the users who have an extension, with what Lookup tells of
// them. A tenant of more than mostListed users is Unavailable here.
func (s *Store) List(ctx context.Context, p mailbox.Page) ([]mailbox.Account, error) {
	const op = "list"
	if ctx.Err() != nil {
		return nil, mailbox.Expired(ctx, op)
	}
	var all []mailbox.Account
	who := map[string]person{}
	for domain := range s.tenants {
		if !p.AllDomains && !strings.EqualFold(p.Domain, domain) {
			continue
		}
		people, err := s.find(ctx, op, domain, criterion{most: mostListed, fits: func(one person) bool { return one.extension != "" }})
		if err != nil {
			return nil, err
		}
		for _, one := range people {
			who[one.id] = one
			all = append(all, one.account(domain))
		}
	}
	if p.Limit <= 0 {
		p.Limit = usualPage
	}
	page := adapter.PageOf(all, p)
	var found []mailbox.Account
	for _, part := range page {
		full, err := s.accounts(ctx, op, part.Domain, []person{who[part.ID]})
		if err != nil {
			return nil, err
		}
		found = append(found, full...)
	}
	return found, nil
}
