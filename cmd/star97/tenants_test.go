package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// tenantFiles writes a configuration with a store beside the default one and a
// dialplan with a domain in each, and returns the configuration's name.
func tenantFiles(t *testing.T, more string) string {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "star97.yaml")
	require.NoError(t, os.WriteFile(config, []byte("dialplan: plan.yaml\nstores:\n  north: {}\n"+more), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "plan.yaml"), []byte(`domains:
  - {name: north.example, hosts: [sip.north.example], store: north}
  - {name: south.example, hosts: [sip.south.example]}
`), 0o600))
	return config
}

// A command reaches the store of its domain; the domains are those of the dialplan.
func TestMailboxCommandsChooseTheStoreByDomain(t *testing.T) {
	t.Parallel()
	c, config := newCLI(t), tenantFiles(t, "")
	run := func(code int, stdin string, args ...string) (string, string) {
		return c.run(code, stdin, append(args, "--config", config)...)
	}
	run(0, "739164\n", "add", "4001", "--domain", "south.example", "--name", "Ann South")
	run(0, "582907\n", "add", "4001", "--domain", "North.Example", "--name", "Ann North")
	run(0, "", "add", "4002", "--no-code")
	for _, file := range []string{"star97.db", "north.db", "pepper"} {
		require.FileExists(t, filepath.Join(c.data, file))
	}
	out, _ := run(0, "", "list")
	require.Regexp(t, `(?s)4002 +- .*4001 +north\.example +Ann North .*4001 +south\.example +Ann South `, out)
	out, _ = run(0, "", "show", "4001", "--domain", "north.example")
	require.Regexp(t, `(?m)^id +sqlite:north \w+$`, out)
	run(0, "", "set", "4001", "--domain", "north.example", "--slow")
	run(0, "605182\n", "set-code", "4001", "--domain", "north.example")
	run(0, "", "unlock", "4001", "--domain", "north.example")
	out, _ = run(0, "", "show", "4001", "--domain", "south.example", "--json")
	require.Nil(t, object(t, out)["slow"])
	run(0, "", "remove", "4001", "--domain", "north.example", "--yes")
	out, _ = run(0, "", "list", "--json")
	var all []map[string]any
	require.NoError(t, json.Unmarshal([]byte(out), &all))
	require.Len(t, all, 2)
	require.Equal(t, "south.example", all[1]["domain"])

	const unknown = "the dialplan has no domain west.example; name one of its domains (north.example, south.example), or add this one to them"
	for _, args := range [][]string{{"add", "4003", "--no-code"}, {"show", "4001"}, {"remove", "4001", "--yes"}, {"list"}} {
		_, errs := run(1, "", append(args, "--domain", "west.example")...)
		require.Contains(t, errs, unknown)
	}
	_, errs := run(1, "mailbox,domain,name,language,code\n4003,north.example,Cem,,\n4004,west.example,Dee,,\n", "import", "-")
	require.Contains(t, errs, "standard input:3: "+unknown)
	run(0, "mailbox,domain,name,language,code\n4003,north.example,Cem,,\n4004,south.example,Dee,,\n", "import", "-")
	out, _ = run(0, "", "list", "--domain", "NORTH.example")
	require.Regexp(t, `4003 +north\.example +Cem`, out)
	require.NotContains(t, out, "south")
}

// A mailbox that no call could reach is not added.
func TestAMailboxNeedsADomainThatARouteLeadsTo(t *testing.T) {
	t.Parallel()
	c, config := newCLI(t), tenantFiles(t, "")
	plan := filepath.Join(filepath.Dir(config), "plan.yaml")
	text, err := os.ReadFile(plan)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(plan, append(text, "routes: [{number: \"*97\", door: own, domain_from: request}]\n"...), 0o600))
	_, errs := c.run(1, "", "add", "4001", "--no-code", "--config", config)
	require.Contains(t, errs, "no route of the dialplan leads to the default domain; name one of its domains (north.example, south.example)")
}

// Without domains, the names are those that routes have.
func TestWithoutDomainsARouteNamesThem(t *testing.T) {
	t.Parallel()
	alone := newCLI(t)
	require.NoError(t, os.Mkdir(alone.data, 0o700))
	for _, args := range [][]string{{"add", "4001", "--no-code"}, {"list"}} {
		_, errs := alone.run(1, "", append(args, "--domain", "west")...)
		require.Contains(t, errs, "the dialplan has no domain west, and no other than the default one; leave it out, or write it as the domain of a route")
	}
	named := newCLI(t).with("North")
	named.run(0, "", "add", "4001", "--no-code", "--domain", "north")
	named.run(0, "", "add", "4001", "--no-code")
	_, errs := named.run(1, "mailbox,domain,name,language,code\n4003,west,Cem,,\n", "import", "-")
	require.Contains(t, errs, "standard input:2: the dialplan has no domain west; name one of its domains (north), or add this one to them")
}

// A store that cannot be opened is named before anything is done; one that is used by
// nobody is told and no obstacle.
func TestStoresThatAreNotAsTheyShouldBe(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	config := tenantFiles(t, "  west:\n    sqlite: {database: {path: "+t.TempDir()+"}}\n")
	_, errs := c.run(1, "", "add", "4001", "--no-code", "--config", config)
	require.Contains(t, errs, "store west: sqlite: the database ")
	require.Contains(t, errs, "cannot be opened for writing")
	out, errs, exit := star97(t, "", "check", "--config", config)
	require.Zero(t, exit)
	require.Contains(t, out+errs, "stores.west is used by no domain")
}

// A domain whose store is a system is asked about also while the data folder is empty.
func TestASystemIsAskedWhileNothingIsInTheDataFolder(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	require.NoError(t, os.Mkdir(c.data, 0o700))
	config := tenantFiles(t, "")
	list := []string{"list", "--domain", "north.example", "--config", config}
	out, _ := c.run(0, "", list...)
	require.Contains(t, out, "(no mailboxes)", "both are databases that are not there")

	password := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(password, []byte("none\n"), 0o600))
	require.NoError(t, os.WriteFile(config, []byte("dialplan: plan.yaml\nstores:\n  north: {driver: axl, axl: {domain: north.example, api: {url: \"https://127.0.0.1:1\"}, user: star97, password: {file: "+password+"}}}\n"), 0o600))
	out, errs := c.run(1, "", list...)
	require.NotContains(t, out, "(no mailboxes)")
	require.Contains(t, errs, "127.0.0.1:1")
}
