package config

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"star97/internal/backend"
	"star97/internal/dialplan"
	"star97/internal/strictyaml"
)

// storeName is short enough for audit records and safe as a file's name.
var storeName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// checkStores completes the further stores and tells what is wrong with them.
func (c *Config) checkStores(file *strictyaml.File) (all []strictyaml.Problem) {
	all = c.checkLeaning(file, "store", c.Store)
	owners := map[string]string{} // by file
	if name := c.Store.File(); name != "" {
		owners[filepath.Clean(name)] = "store"
	}
	for _, name := range slices.Sorted(maps.Keys(c.Stores)) {
		at := "stores." + name
		if !storeName.MatchString(name) {
			all = append(all, file.Problem("$.stores", fmt.Sprintf("The store %q is no name.", name),
				"Use 1 to 32 small letters, digits and hyphens."))
			continue
		}
		o := c.Stores[name].Called(name)
		c.Stores[name] = o
		all = append(all, locate(file, at, o.Validate())...)
		all = append(all, c.checkLeaning(file, at, o)...)
		if o.File() == "" {
			continue
		}
		if other := owners[filepath.Clean(o.File())]; other != "" {
			all = append(all, file.Problem("$."+at, fmt.Sprintf("%s and %s have one file, %s.", other, at, o.File()),
				"Give each its own, or leave out sqlite.database.path to get one with the store's name."))
		}
		owners[filepath.Clean(o.File())] = at
	}
	return all
}

// checkDomains tells which domains of the dialplan, read from data, are in no store.
func (c *Config) checkDomains(data []byte) (all []strictyaml.Problem) {
	file, problem := strictyaml.Decode(c.Dialplan, data, new(dialplan.Plan))
	if problem != nil {
		return []strictyaml.Problem{*problem}
	}
	c.from.plan = file
	known := strings.Join(slices.Sorted(maps.Keys(c.Stores)), ", ")
	remedy := fmt.Sprintf("Use one of stores of the configuration (%s), or add it there.", known)
	if known == "" {
		remedy = "Add it to stores of the configuration, or leave store out to use the default one."
	}
	for i, d := range c.Plan.Domains {
		if _, ok := c.Stores[d.Store]; d.Store != "" && !ok && !c.from.config.Spoiled("$.stores."+d.Store) {
			all = append(all, file.Problem(fmt.Sprintf("$.domains[%d].store", i),
				fmt.Sprintf("The domain %q is to be in store %q, which the configuration does not have.", d.Name, d.Store), remedy))
		}
	}
	return append(all, c.checkFirstUse(file)...)
}

// checkFirstUse tells which routes promise a first code that no store of theirs can set.
func (c *Config) checkFirstUse(plan *strictyaml.File) (all []strictyaml.Problem) {
	for i, r := range c.Plan.Routes {
		names := c.Plan.Stores(r)
		if r.FirstUse != dialplan.FirstUseAllow || len(names) == 0 || slices.ContainsFunc(names, c.setsFirst) {
			continue
		}
		all = append(all, plan.Problem(fmt.Sprintf("$.routes[%d].first_use", i),
			fmt.Sprintf("The route %q lets the owner of a mailbox without a code choose one, but driver %s of store %s cannot set a first code.",
				r.Number, c.storeOf(names[0]).Driver, cmp.Or(names[0], backend.DefaultName)),
			"Remove first_use, or let the driver read states and reset codes: `star97 backend list` shows first-use where it can."))
	}
	return all
}

// Begins tells whether the store of a domain can give a mailbox its first code.
func (c Config) Begins(domain string) bool {
	at := slices.IndexFunc(c.Plan.Domains, func(d dialplan.Domain) bool { return d.Name == domain })
	if at < 0 {
		return c.setsFirst("")
	}
	return c.setsFirst(c.Plan.Domains[at].Store)
}

// setsFirst tells whether a store can give a mailbox its first code. Of one that is not
// there, or has no such driver, nothing more is said.
func (c *Config) setsFirst(name string) bool {
	t := c.storeOf(name).Declared()
	return t.System == "" || t.FirstUse
}

// storeOf is the store of a name; empty: the default one.
func (c *Config) storeOf(name string) backend.Options {
	if name == "" {
		return c.Store
	}
	return c.Stores[name]
}

// idleStores are those that are opened for nobody.
func (c *Config) idleStores() (all []dialplan.Warning) {
	for _, name := range slices.Sorted(maps.Keys(c.Stores)) {
		if !slices.ContainsFunc(c.Plan.Domains, func(d dialplan.Domain) bool { return d.Store == name }) && !c.leantOn(name) {
			all = append(all, warning("$.stores."+name, "stores.%s is used by no domain: write store: %s at a domain of the dialplan, or remove it.", name, name))
		}
	}
	return all
}

// leantOn tells whether another store has its codes checked or its callers found there.
func (c *Config) leantOn(name string) bool {
	leans := func(o backend.Options) bool {
		return o.Find == name || o.Verify == backend.Verify{By: "store", Name: name}
	}
	for _, o := range c.Stores {
		if leans(o) {
			return true
		}
	}
	return leans(c.Store)
}

// checkLeaning tells which stores lean on one that is not there.
func (c *Config) checkLeaning(file *strictyaml.File, at string, o backend.Options) (all []strictyaml.Problem) {
	names := map[string]string{"find": o.Find}
	if o.Verify.By == "store" {
		names["verify.name"] = o.Verify.Name
	}
	for _, key := range slices.Sorted(maps.Keys(names)) {
		name := names[key]
		if _, there := c.Stores[name]; name == "" || there || name == backend.DefaultName && at != "store" {
			continue
		}
		all = append(all, file.Problem("$."+at+"."+key, fmt.Sprintf("There is no other store %s.", name),
			"Name one of stores, or add it there."))
	}
	return all
}
