package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/backend"
)

// withPlan writes a configuration and the dialplan that it names, and returns the
// configuration's name.
func withPlan(t *testing.T, text, plan string) string {
	t.Helper()
	name := written(t, "dialplan: plan.yaml\n"+text)
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(name), "plan.yaml"), []byte(plan), 0o600))
	return name
}

const threeDomains = `domains:
  - {name: south.example, hosts: [sip.south.example]}
  - {name: north.example, store: north}
  - name: west.example
    store: west
`

func TestFurtherStoresHaveTheDefaultsAndAFileWithTheirName(t *testing.T) {
	c, found := Load(withPlan(t, `stores:
  north: {}
  west:
    sqlite: {database: {path: /srv/west/mailboxes.db}, cost: {passes: 3}}
  east:
`, threeDomains))
	require.Empty(t, found)
	north := backend.DefaultOptions()
	north.SQLite.Database.Path = "north.db"
	west := backend.DefaultOptions()
	west.SQLite.Database.Path, west.SQLite.Cost.Passes = "/srv/west/mailboxes.db", 3
	east := north
	east.SQLite.Database.Path = "east.db"
	require.Equal(t, map[string]backend.Options{"north": north, "west": west, "east": east}, c.Stores)
	require.Equal(t, backend.DefaultOptions(), c.Store)
	require.Len(t, c.Warnings(), 1)
	require.Equal(t, "stores.east is used by no domain: write store: east at a domain of the dialplan, or remove it.", c.Warnings()[0].Text)

	text, err := c.YAML()
	require.NoError(t, err)
	again, found := Load(written(t, string(text)))
	require.Empty(t, found)
	require.Equal(t, c.Stores, again.Stores, "what is printed is read to the same")
}

func TestWhatIsWrongWithStores(t *testing.T) {
	for name, c := range map[string]struct {
		text, plan string
		want       []string
	}{
		"a store that is not there": {"stores:\n  north: {}\n", threeDomains, []string{
			`plan.yaml:5: The domain "west.example" is to be in store "west", which the configuration does not have. Use one of stores of the configuration (north), or add it there.`}},
		"no store at all": {"", "domains:\n- name: north.example\n  store: north\n", []string{
			`plan.yaml:3: The domain "north.example" is to be in store "north", which the configuration does not have. Add it to stores of the configuration, or leave store out to use the default one.`}},
		"two stores on one file": {"stores:\n  north: {}\n  west:\n    sqlite: {database: {path: ./north.db}}\n", threeDomains, []string{
			`star97.yaml:5: stores.north and stores.west have one file, ./north.db. Give each its own, or leave out sqlite.database.path to get one with the store's name.`}},
		"the file of the default store": {"stores:\n  north:\n    sqlite:\n      database:\n        path: star97.db\n  west: {}\n", threeDomains, []string{
			`star97.yaml:4: store and stores.north have one file, star97.db. Give`}},
		"a name that is none": {"stores:\n  north: {}\n  west: {}\n  'sqlite:x': {}\n", threeDomains, []string{
			`star97.yaml:3: The store "sqlite:x" is no name. Use 1 to 32 small letters, digits and hyphens.`}},
		"an unknown key": {"stores:\n  north:\n    sqlite: {cots: {}}\n  west: {}\n", threeDomains, []string{
			`star97.yaml:4: The key "cots" is not known here. Known keys here are: cost, database, expiry_notice, max_age, min_age, pepper, pepper_file, queue, queue_wait, workers.`}},
		"a value out of its range": {"stores:\n  west: {}\n  north:\n    sqlite:\n      queue: 1\n      cost: {memory: 1}\n", threeDomains, []string{
			`star97.yaml:7: stores.north: sqlite.cost.memory is 1: use 19456 to 1048576.`}},
		"an unknown driver": {"stores:\n  west: {}\n  north:\n    driver: aliens\n", threeDomains, []string{
			`star97.yaml:5: stores.north: driver is "aliens": use one of ` + strings.Join(backend.Names(), ", ") + "."}},
	} {
		t.Run(name, func(t *testing.T) {
			file := withPlan(t, c.text, c.plan)
			_, found := Load(file)
			require.Len(t, found, len(c.want), "%v", found)
			for i, p := range found {
				require.True(t, strings.HasPrefix(strings.ReplaceAll(p.Error(), filepath.Dir(file)+"/", ""), c.want[i]), p.Error())
			}
		})
	}
}

// A caller to whom a first code is offered must be able to set it.
func TestAFirstCodeIsOfferedOnlyWhereItCanBeSet(t *testing.T) {
	const stores = "stores:\n  north: {driver: netsapiens, netsapiens: {domain: north.example, api: {url: \"https://192.0.2.1\"}, key: {env: K}}}\n  west: {driver: webex}\n"
	const domains = "domains:\n- {name: north.example, store: north, hosts: [n.example]}\n- {name: west.example, store: west, hosts: [w.example]}\n"
	const hook = "store:\n  driver: webhook\n"
	for name, c := range map[string]struct {
		config, route string
		refused       string
	}{
		"the embedded store":                       {stores, "", ""},
		"a system that tells and resets":           {stores, ", domain: north.example", ""},
		"a system whose mailboxes all have a code": {stores, ", domain: west.example", `driver webex of store west cannot set`},
		"a tenant of several that can":             {stores, ", domain_from: request", ""},
		"a service that does not reset":            {stores + hook + "  webhook: {paths: {reset: \"\"}}\n", "", `driver webhook of store default cannot set`},
		"a service that resets":                    {stores + hook, "", ""},
		"no such driver":                           {stores + "store: {driver: aliens}\n", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			file := withPlan(t, c.config, domains+"routes:\n- number: \"*97\"\n  door: own"+strings.ReplaceAll(c.route, ", ", "\n  ")+"\n  first_use: allow\n")
			_, found := Load(file)
			var told []string
			for _, p := range found {
				if strings.Contains(p.Error(), "choose one") {
					told = append(told, p.Error())
				}
			}
			if c.refused == "" {
				require.Empty(t, told)
				return
			}
			require.Len(t, told, 1)
			require.Regexp(t, `plan\.yaml:\d+: The route "\*97" lets the owner of a mailbox without a code choose one, but `, told[0])
			require.Contains(t, told[0], c.refused)
			text, err := os.ReadFile(filepath.Join(filepath.Dir(file), "plan.yaml"))
			require.NoError(t, err)
			line := 1 + strings.Count(strings.Split(string(text), "first_use")[0], "\n")
			require.Contains(t, told[0], fmt.Sprintf("plan.yaml:%d:", line))
		})
	}
}

func TestWhichDomainsCanBeginWithAFirstCode(t *testing.T) {
	const domains = "domains:\n- {name: west.example, store: west, hosts: [w.example]}\n- {name: south.example, hosts: [s.example]}\n"
	c, _ := Load(withPlan(t, "stores:\n  west: {driver: webex}\n", domains+"routes:\n- number: \"*97\"\n  door: own\n"))
	require.False(t, c.Begins("west.example"))
	require.True(t, c.Begins("south.example"))
	require.True(t, c.Begins(""))
	require.True(t, c.Begins("of-no-list.example"))
}
