package app

import (
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/backend"
	"star97/internal/config"
	"star97/internal/dialplan"
	"star97/internal/mailbox"
)

// A call that came before a reload, or while it was under way, has mailboxes for its
// tenant, and so has every call after it.
func TestTheTenantsOfBothDialplansHaveMailboxesAfterAReload(t *testing.T) {
	read := func(text string) *dialplan.Plan {
		p, problems := dialplan.Parse("plan.yaml", []byte(text))
		require.Empty(t, problems)
		return p
	}
	plans := map[string]*dialplan.Plan{
		"one tenant":           read("routes: [{number: \"1\", door: any}]\n"),
		"one with a name":      read("routes: [{number: \"1\", door: any, domain: solo.example}]\n"),
		"two":                  read("routes: [{number: \"1\", door: any, domain: a.example}]\ndomains: [{name: a.example}, {name: b.example, store: north}]\n"),
		"two, one of them new": read("routes: [{number: \"1\", door: any, domain: a.example}]\ndomains: [{name: a.example}, {name: c.example, store: north}]\n"),
		"one moved":            read("routes: [{number: \"1\", door: any, domain: a.example}]\ndomains: [{name: a.example, store: north}]\n"),
	}
	c := config.Default()
	c.Store = rehearsed()
	apart := rehearsed()
	apart.SQLite.Database.Path = t.TempDir() + "/north.db"
	c.Stores = map[string]backend.Options{"north": apart}
	s, err := OpenStores(t.Context(), c, t.TempDir())
	require.NoError(t, err)
	defer s.Close()
	tenants := func(p *dialplan.Plan) (all []string) {
		for _, r := range p.Routes {
			all = append(all, r.Domain)
		}
		for _, d := range p.Domains {
			all = append(all, d.Name)
		}
		return all
	}
	for from, before := range plans {
		for to, then := range plans {
			require.NoError(t, s.Adopt(overlap(then, before)))
			for _, domain := range append(tenants(before), tenants(then)...) {
				_, err := s.Trail.Lookup(t.Context(), mailbox.Query{Number: "4001", Domain: domain})
				require.NoError(t, err)
				require.NotEmpty(t, s.Backend.Keeper(domain), "%q from %s to %s", domain, from, to)
			}
			for _, d := range then.Domains {
				want := backend.Identity("sqlite", d.Store)
				require.Equal(t, want, s.Backend.Keeper(d.Name), "the new dialplan says where %s is", d.Name)
			}
		}
	}
	gone := read("routes: [{number: \"1\", door: any, domain: a.example}]\ndomains: [{name: a.example, store: west}]\n")
	require.ErrorContains(t, s.Adopt(overlap(gone, plans["two"])), "west, which is not open")
}
