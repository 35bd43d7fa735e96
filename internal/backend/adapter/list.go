package adapter

import (
	"cmp"
	"slices"

	"star97/internal/mailbox"
)

// maxPage is the largest page of a list.
const maxPage = 1000

// PageOf cuts a page out of all mailboxes that there are, in the order of domain and
// extension, for systems that promise no order. A search finds a part of an extension, a
// name or a number.
func PageOf(all []mailbox.Account, p mailbox.Page) []mailbox.Account {
	var page []mailbox.Account
	for _, a := range all {
		if Matches(a, p.Search) && (p.After == nil || inOrder(a, *p.After) > 0) {
			page = append(page, a)
		}
	}
	slices.SortFunc(page, inOrder)
	most := maxPage
	if p.Limit > 0 {
		most = min(most, p.Limit)
	}
	return page[:min(len(page), most)]
}

// Matches tells whether a search finds a mailbox.
func Matches(a mailbox.Account, search string) bool {
	return Like(a.Extension, search) || Like(a.Name, search) ||
		slices.ContainsFunc(a.Numbers, func(n string) bool { return Like(n, search) })
}

func inOrder(a, b mailbox.Account) int {
	return cmp.Or(cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Extension, b.Extension), cmp.Compare(a.ID, b.ID))
}
