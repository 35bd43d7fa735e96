package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/audit"
	"star97/internal/backend"
	"star97/internal/caller"
	"star97/internal/caller/callertest"
	"star97/internal/config"
	"star97/internal/dialplan"
	"star97/internal/mailbox"
	"star97/internal/prompt"
	"star97/internal/uas"
)

// The tenants of these tests, each with its own store.
const (
	south = "south.example" // in the default store; its host is 127.0.0.1
	north = "north.example" // in a store of its own; its host is 127.0.0.2
)

// tenants is a house of two tenants that is reached by three hosts; the third is
// nobody's.
type tenants struct {
	*house
	file  string // of the north's store
	hosts [3]string
}

func openTenants(t testing.TB) *tenants {
	h := &tenants{file: filepath.Join(t.TempDir(), "north.db")}
	h.house = openHouse(t, func(c *config.Config) {
		c.SIP.Listen = nil
		for i := range h.hosts {
			c.SIP.Listen = append(c.SIP.Listen, uas.Listen{Network: "udp", Address: fmt.Sprintf("127.0.0.%d:0", i+1)})
		}
		c.Media.PortMin, c.Media.PortMax = reserve(12)
		apart := rehearsed()
		apart.SQLite.Database.Path = h.file
		c.Stores = map[string]backend.Options{"north": apart}
		plan, problems := dialplan.Parse("tenants.yaml", []byte(`
routes:
  - {number: "*97", door: own, domain_from: request}
  - {number: "*98", door: any, domain_from: request}
  - {number: "*95", door: own, domain_from: identity}
  - {number: "*81", door: own, domain: south.example}
  - {number: "*82", door: own, domain: north.example}
domains:
  - {name: south.example, hosts: [127.0.0.1, sip.south.example]}
  - {name: north.example, hosts: [127.0.0.2, sip.north.example], store: north}
`))
		require.Empty(t, problems)
		plan.Timers = scaled()
		c.Plan = plan
	})
	for i, at := range h.listening {
		h.hosts[i] = at.Addr.String()
	}
	return h
}

func (h *tenants) put(extension, domain, digits string) mailbox.Account {
	a, err := h.stores.Add(h.t.Context(), mailbox.Account{Extension: extension, Domain: domain}, code(h.t, digits), "test")
	require.NoError(h.t, err)
	return a
}

// to is the options of a telephone that calls a number at one of the hosts.
func (h *tenants) to(number string, host int, from string) caller.Options {
	if !strings.Contains(from, "@") {
		from = "sip:" + from + "@phones.example" // nobody's host
	}
	o := h.phone(number, from)
	o.URI = fmt.Sprintf("sip:%s@%s", number, h.hosts[host])
	return o
}

// The same extension is two mailboxes in two stores: whichever way a call is told whose
// it is, it verifies and changes the code of its own and leaves the other alone.
func TestTheSameExtensionOfTwoTenants(t *testing.T) {
	t.Parallel()
	callertest.InTime(t, func(t testing.TB) {
		h := openTenants(t)
		type visit struct {
			way, domain  string
			phone        caller.Options
			before       string // keys before the code
			mine, others mailbox.Account
		}
		var visits []visit
		for i, way := range []string{"host, own door", "host, any door", "route", "identity"} {
			extension := fmt.Sprint(4001 + i)
			s, n := h.put(extension, south, "482915"), h.put(extension, north, "605172")
			for host, v := range []visit{{way: way, domain: south, mine: s, others: n}, {way: way, domain: north, mine: n, others: s}} {
				switch way {
				case "host, own door":
					v.phone = h.to("*97", host, extension)
				case "host, any door":
					v.phone, v.before = h.to("*98", host, "5551234"), extension+"#"
				case "route":
					v.phone = h.to(fmt.Sprintf("*8%d", host+1), 1-host, extension)
				case "identity":
					v.phone = h.to("*95", 2, "sip:"+extension+"@sip."+v.domain)
				}
				visits = append(visits, v)
			}
		}
		old := map[string]string{south: "482915", north: "605172"}
		fresh := map[string]string{south: "739164", north: "2840617"}
		var all sync.WaitGroup
		for _, v := range visits {
			p := dial(t, v.phone)
			all.Go(func() {
				p.Press(v.before + old[v.domain] + "#2" + fresh[v.domain] + "#" + fresh[v.domain] + "#")
				p.Hear(prompt.Changed)
			})
		}
		all.Wait()
		changes := map[string]int{}
		for _, r := range records(t, h.stores) {
			if r.Action == audit.Change && r.Stage == audit.Ended && r.Outcome == mailbox.Done {
				changes[r.Backend+" "+r.Domain]++
			}
		}
		require.Equal(t, map[string]int{"sqlite " + south: 4, "sqlite:north " + north: 4}, changes)
		for _, v := range visits {
			require.True(t, h.inForce(v.mine, fresh[v.domain]), "%s, %s", v.way, v.domain)
			require.False(t, h.inForce(v.mine, old[v.domain]))
			require.False(t, h.inForce(v.mine, fresh[v.others.Domain]))
		}
	})
}

// The code of the other tenant's mailbox is a wrong code, counted where it was tried.
func TestACodeOfTheOtherTenantIsWrong(t *testing.T) {
	t.Parallel()
	callertest.InTime(t, func(t testing.TB) {
		h := openTenants(t)
		s, n := h.put("4001", south, "482915"), h.put("4001", north, "605172")
		p := dial(t, h.to("*97", 1, "4001"))
		p.Press("482915#")
		p.Hear(prompt.WrongCode)
		p.Press("605172#")
		p.Hear(prompt.MainMenu)
		for a, digits := range map[*mailbox.Account]string{&s: "605172", &n: "482915"} {
			require.False(t, h.inForce(*a, digits))
		}
		wrong := map[string]int{}
		for _, r := range records(t, h.stores) {
			if r.Action == audit.Login && r.Result == mailbox.WrongPIN {
				wrong[r.Domain]++
			}
		}
		require.Equal(t, map[string]int{north: 1}, wrong)
	})
}

// A host that is no tenant's gets the refusal of a number that is nobody's, and no store
// is asked.
func TestAnUnknownDomainGetsTheFixedRefusal(t *testing.T) {
	t.Parallel()
	callertest.InTime(t, func(t testing.TB) {
		h := openTenants(t)
		h.put("4001", south, "482915")
		var told []string
		for _, o := range []caller.Options{
			h.to("*98", 2, "4001"), h.to("*97", 2, "4001"), h.to("*95", 0, "sip:4001@sip.west.example"), h.to("*55", 0, "4001"),
		} {
			_, err := caller.Dial(t.Context(), o)
			var refused *caller.Refused
			require.ErrorAs(t, err, &refused)
			told = append(told, refused.Error())
		}
		require.Equal(t, []string{told[3], told[3], told[3], told[3]}, told)
		require.Zero(t, h.faults.Count("lookup")+h.faults.Count("verify"))
	})
}

// While the store of one tenant is gone, its callers hear so and the other's go on.
func TestATenantWhoseStoreIsGone(t *testing.T) {
	t.Parallel()
	callertest.InTime(t, func(t testing.TB) {
		h := openTenants(t)
		s, n := h.put("4001", south, "482915"), h.put("4001", north, "605172")
		require.NoError(t, os.Remove(h.file))
		lost := dial(t, h.to("*97", 1, "4001"))
		lost.Press("605172#")
		lost.Hear(prompt.Unavailable)
		p := dial(t, h.to("*97", 0, "4001"))
		p.Press("482915#2739164#739164#")
		p.Hear(prompt.Changed)
		require.True(t, h.inForce(s, "739164"))
		_, told := h.log.await(func(r map[string]string) bool {
			return strings.Contains(r["error"], "store north: the database "+h.file+" was removed or replaced")
		}, patience)
		require.True(t, told, "%v", h.log)
		require.ErrorIs(t, h.stores.Backend.Verify(t.Context(), n, code(t, "605172"), mailbox.Attempt{}), mailbox.Unavailable)

		var listed []mailbox.Account
		err := h.stores.List(t.Context(), mailbox.Page{AllDomains: true}, func(a mailbox.Account) error {
			listed = append(listed, a)
			return nil
		})
		require.Len(t, listed, 1, "an administrator sees the others")
		require.Equal(t, s.ID, listed[0].ID)
		require.ErrorContains(t, err, "store north: ")
	})
}

// A new dialplan's domains are in force at once, unless one of them needs a store that
// only a restart opens.
func TestADialplanWithOtherDomainsIsAdopted(t *testing.T) {
	t.Parallel()
	c := config.Default()
	c.Store = rehearsed()
	apart := rehearsed()
	apart.SQLite.Database.Path = "north.db"
	c.Stores = map[string]backend.Options{"north": apart}
	s, err := OpenStores(t.Context(), c, furnished(t))
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	plan := func(domains ...dialplan.Domain) *dialplan.Plan {
		p := dialplan.Default()
		p.Domains = domains
		return p
	}
	adding := func(domain string) error {
		_, err := s.Add(t.Context(), mailbox.Account{Extension: "4001", Domain: domain}, code(t, "482915"), "test")
		return err
	}
	require.NoError(t, s.Adopt(plan(dialplan.Domain{Name: south})))
	require.ErrorContains(t, adding(north), "the dialplan has no domain north.example; name one of its domains (south.example)")
	require.NoError(t, s.Adopt(plan(dialplan.Domain{Name: south}, dialplan.Domain{Name: north, Store: "north"})))
	require.NoError(t, adding(north))
	require.ErrorContains(t, s.Adopt(plan(dialplan.Domain{Name: "west.example", Store: "west"})), "store west, which is not open")
	a, err := s.Find(t.Context(), "4001", north)
	require.NoError(t, err)
	require.Equal(t, "sqlite:north", a.Backend)

	alone := openStores(t, t.TempDir())
	require.ErrorContains(t, alone.Adopt(plan(dialplan.Domain{Name: north, Store: "north"})), "which is not open")
}
